//! The function `deployment-logs`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve(&environments::DEPLOYMENT_LOGS)
}
