//! The function `application-logs`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::LOGS)
}
