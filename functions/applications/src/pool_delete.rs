//! `DELETE /pools/{template}`.

use gateway::{Call, Problem, Reply, TableAndTemplates};

use crate::pool::{name_of, not_found, view};

/// The template is to have no spares any more; the reaper ends those that there are. Also for a pool whose template is
/// gone.
pub async fn delete(powers: TableAndTemplates, call: Call) -> Result<Reply, Problem> {
    let name = name_of(&call)?;
    let look = call.look();
    match powers.store.pool(&name).await? {
        Some(pool) if pool.value.size > 0 => drop(powers.store.put_pool(&name, 0, &look).await?),
        Some(_) => {}
        None => drop(powers.templates.find(&name).await.map_err(not_found)?),
    }
    Reply::ok(&view(&powers.store, &name, None, None, &look).await?)
}
