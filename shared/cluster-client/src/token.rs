//! The bearer token that a cluster is asked with.

use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use http::HeaderValue;

use crate::EksToken;

/// Where the bearer token of each request comes from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// No token: a client certificate, or a cluster that asks for nothing.
    None,
    /// Always this one.
    Static(Token),
    /// One made from AWS credentials, for a cluster of EKS.
    Eks(EksToken),
}

/// A bearer token. Its text appears in no output.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Token(text.into())
    }

    /// The value of the header `Authorization`, marked as a secret.
    pub(crate) fn header(&self) -> Result<HeaderValue, TokenError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).map_err(|_| TokenError::Malformed)?;
        value.set_sensitive(true);
        Ok(value)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenSource {
    /// The header for a request that is sent now, if one is needed.
    pub(crate) async fn header(&self) -> Result<Option<HeaderValue>, TokenError> {
        match self {
            TokenSource::None => Ok(None),
            TokenSource::Static(token) => token.header().map(Some),
            TokenSource::Eks(eks) => eks.token().await?.header().map(Some),
        }
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("there are no AWS credentials to sign the cluster's token with")]
    Credentials(#[source] CredentialsError),
    #[error("the cluster's token cannot be signed")]
    Signing(#[source] crate::error::Source),
    #[error("the cluster's token has characters that no header can carry")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_nowhere() {
        let token = Token::new("s3cret");
        let source = TokenSource::Static(token.clone());
        let header = token.header().unwrap();
        assert_eq!(header, "Bearer s3cret");
        assert!(!format!("{token:?} {source:?} {header:?}").contains("s3cret"));
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_unseen() {
        let refused = Token::new("s3cret\n").header().unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("s3cret"));
    }
}
