//! The function `template-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::TEMPLATE_READ)
}
