//! The function `application-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::LIST)
}
