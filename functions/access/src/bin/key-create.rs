//! The function `key-create`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&access::KEY_CREATE)
}
