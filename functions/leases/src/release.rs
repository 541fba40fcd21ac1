//! `DELETE /lease/{token}` and, as the older service had it, `DELETE /lease/{provider}/{token}`.

use api::Code;
use gateway::{Call, Problem, Reply, TableAndLeases};

use crate::one::token;

/// Ends the lease: its credential is refused at once, and the cluster is cleaned by whoever comes.
pub async fn release(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let token = token(&call)?;
    if powers.leasing.release(&token, &call.look()).await? {
        Ok(Reply::empty())
    } else {
        Err(Problem::new(Code::NoLease, format!("Lease {token} doesn't exist")))
    }
}
