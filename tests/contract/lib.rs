//! One suite a protocol, each a test target: every check runs against the embedded server, and with the feature `real`
//! against the real one too.
