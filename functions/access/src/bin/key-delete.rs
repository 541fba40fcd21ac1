//! The function `key-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&access::KEY_DELETE)
}
