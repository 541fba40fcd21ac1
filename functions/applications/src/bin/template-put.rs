//! The function `template-put`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::TEMPLATE_PUT)
}
