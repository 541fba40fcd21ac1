//! `PUT /pools/{template}`.

use api::PoolBody;
use gateway::{Call, Problem, Reply, TableAndTemplates};

use crate::pool::{name_of, not_found, view};

/// Writes down how many spares the template is to have, and answers at once: the reaper makes them.
pub async fn put(powers: TableAndTemplates, call: Call) -> Result<Reply, Problem> {
    let name = name_of(&call)?;
    let body: PoolBody = call.body()?;
    let template = powers.templates.find(&name).await.map_err(not_found)?;
    let look = call.look();
    let pool = powers.store.put_pool(&name, body.size, &look).await?;
    Reply::ok(&view(&powers.store, &name, Some(&template), Some(&pool.value), &look).await?)
}
