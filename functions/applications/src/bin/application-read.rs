//! The function `application-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::READ)
}
