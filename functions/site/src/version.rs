//! `GET /version`.

use api::VersionView;
use gateway::{Call, Nothing, Problem, Reply};

/// Name and version of this build.
pub async fn read(_: Nothing, _: Call) -> Result<Reply, Problem> {
    Reply::ok(&VersionView {
        name: "layby".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
