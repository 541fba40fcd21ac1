//! `PATCH /lease/{token}`.

use api::RenewBody;
use gateway::{Call, Problem, Reply, TableAndLeases};
use lifecycle::Renewed;

use crate::one::{over, token, told, unreachable};

/// Makes a lease hold for as long from now on, up to what its pool allows in all.
pub async fn renew(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let token = token(&call)?;
    let body: RenewBody = call.body()?;
    let max_time = body.max_time()?;
    let look = call.look();
    match powers.leasing.renew(&token, max_time, &look).await? {
        Renewed::Renewed(granted) => told(&granted, look.now),
        Renewed::Refused(refusal) => Err(refusal.into()),
        Renewed::Over => Err(over()),
        Renewed::Unsaid => Err(unreachable()),
    }
}
