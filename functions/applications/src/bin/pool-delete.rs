//! The function `pool-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::POOL_DELETE)
}
