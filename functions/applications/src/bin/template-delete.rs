//! The function `template-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::TEMPLATE_DELETE)
}
