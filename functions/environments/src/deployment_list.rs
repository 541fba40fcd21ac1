//! `GET /environments/{environment}/deployments`.

use domain::limits::LIST_MAX;
use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::deployment::home;
use crate::one::{name, read};

/// Lists an environment's deployments as Kubernetes does.
pub async fn list(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let name = name(&call)?;
    let ask = call.page(LIST_MAX, &name.to_string())?;
    let environment = read(&powers, &name).await?.value;
    let cluster = &home(&powers, &environment)?.cluster;
    let limit = u32::try_from(ask.limit).unwrap_or(u32::MAX);
    let page = cluster.deployments(&environment, limit, ask.after.as_deref()).await?;
    let page = page.ok_or_else(Problem::bad_cursor)?;
    let next = page["metadata"]["continue"].as_str().filter(|next| !next.is_empty());
    let next = next.map(str::to_owned);
    call.reply_page(&ask, &page, next.as_deref())
}
