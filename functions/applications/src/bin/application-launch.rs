//! The function `application-launch`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::LAUNCH)
}
