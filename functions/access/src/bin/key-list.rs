//! The function `key-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&access::KEY_LIST)
}
