//! `PATCH /lease/{token}`.

use api::{RenewBody, seconds_until};
use domain::{Lease, Validity};
use gateway::{Call, Problem, Reply, TableAndLeases};
use http::HeaderName;
use jiff::Timestamp;
use lifecycle::Renewed;

use crate::acquire::view;
use crate::one::{over, token, unreachable};

const EXPIRES_IN: HeaderName = HeaderName::from_static("x-lease-expires-in");
const WARNING: HeaderName = HeaderName::from_static("x-lease-warning");

/// Makes a lease hold for as long from now on, up to what its pool allows in all.
pub async fn renew(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let token = token(&call)?;
    let body: RenewBody = call.body()?;
    let max_time = body.max_time()?;
    let look = call.look();
    match powers.leasing.renew(&token, max_time, &look).await? {
        Renewed::Renewed(granted) => warned(Reply::ok(&view(&granted, look.now))?, &granted.lease, look.now),
        Renewed::Refused(refusal) => Err(refusal.into()),
        Renewed::Over => Err(over()),
        Renewed::Unsaid => Err(unreachable()),
    }
}

/// The answer with how long the lease still holds, and a warning when that is not long.
pub(crate) fn warned(reply: Reply, lease: &Lease, now: Timestamp) -> Result<Reply, Problem> {
    let left = seconds_until(lease.expires_at, now);
    let reply = reply.with_header(EXPIRES_IN, &left.to_string())?;
    match lease.validity(now) {
        Validity::EndsWithin(within) => {
            let minutes = within.as_secs() / 60;
            reply.with_header(WARNING, &format!("this lease ends within {minutes} minutes"))
        }
        Validity::Holds | Validity::Over => Ok(reply),
    }
}
