//! The function `deployment-patch`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::DEPLOYMENT_PATCH)
}
