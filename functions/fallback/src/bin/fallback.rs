//! The function `fallback`.

fn main() -> Result<(), gateway::Error> {
    gateway::serve_rooms(fallback::ROOMS, &api::FALLBACK)
}
