//! `POST /lease/{token}/verify`.

use api::{VerifyBody, VerifyView};
use gateway::{Call, Problem, Reply, Table};
use lifecycle::verified;

use crate::one::{over, token};

/// Tells whoever was shown the token whether the lease holds by that epoch, with a margin for everybody's clock.
pub async fn verify(powers: Table, call: Call) -> Result<Reply, Problem> {
    let token = token(&call)?;
    let body: VerifyBody = call.body()?;
    let lease = verified(&powers.store, &token, body.epoch, call.look().now).await?;
    let lease = lease.ok_or_else(over)?;
    Reply::ok(&VerifyView {
        valid: true,
        expires_at: lease.expires_at,
    })
}
