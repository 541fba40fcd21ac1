//! `GET /pools/{template}`.

use gateway::{Call, Problem, Reply, TableAndTemplates};

use crate::pool::{name_of, not_found, view};

/// How the pool of a template is filled; one without a pool has one of size 0.
pub async fn read(powers: TableAndTemplates, call: Call) -> Result<Reply, Problem> {
    let name = name_of(&call)?;
    let found = powers.templates.find_with_pool(&powers.store, &name).await;
    let (template, pool) = found.map_err(not_found)?;
    Reply::ok(&view(&powers.store, &name, Some(&template), pool.as_ref(), &call.look()).await?)
}
