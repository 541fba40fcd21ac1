//! The function `reaper`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve_schedule(&reaper::REAPER)
}
