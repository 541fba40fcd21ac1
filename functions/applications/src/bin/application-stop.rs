//! The function `application-stop`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::STOP)
}
