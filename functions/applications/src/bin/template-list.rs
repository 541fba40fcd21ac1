//! The function `template-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&applications::TEMPLATE_LIST)
}
