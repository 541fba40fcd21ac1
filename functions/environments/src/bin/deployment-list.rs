//! The function `deployment-list`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::DEPLOYMENT_LIST)
}
