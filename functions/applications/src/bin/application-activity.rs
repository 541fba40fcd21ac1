//! The function `application-activity`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::ACTIVITY)
}
