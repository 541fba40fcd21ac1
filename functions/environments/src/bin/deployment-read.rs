//! The function `deployment-read`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::DEPLOYMENT_READ)
}
