//! The function `deployment-delete`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::DEPLOYMENT_DELETE)
}
