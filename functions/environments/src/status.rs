//! `GET /environments/status`.

use gateway::{Call, Nothing, Problem, Reply};

/// Says that somebody answers.
pub async fn status(_: Nothing, _: Call) -> Result<Reply, Problem> {
    Ok(Reply::text("OK".to_owned()))
}
