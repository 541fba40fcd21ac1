//! `GET /healthz`.

use gateway::{Call, Nothing, Problem, Reply};

/// Says that there is somebody, as k8s-claimer did to the kubelet. How the dependencies are is for `GET /health`.
pub async fn read(_: Nothing, _: Call) -> Result<Reply, Problem> {
    Ok(Reply::empty())
}
