//! `GET /lease/{token}`.

use gateway::{Call, Problem, Reply, TableAndLeases};

use crate::one::{over, token, told, unreachable};

/// Tells of a lease that holds, with a kubeconfig whose token lasts as long as the lease does now.
pub async fn read(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let token = token(&call)?;
    let now = call.look().now;
    let held = powers.leasing.held(&token, now).await?;
    let held = held.filter(|held| held.is_given() && held.lease.holds_at(now));
    let held = held.ok_or_else(over)?;
    match powers.leasing.kubeconfig_again(&held.row, now).await? {
        Some(granted) => told(&granted, now),
        None => Err(unreachable()),
    }
}
