//! `DELETE /keys/{name}`.

use domain::KeyName;
use gateway::{Call, Problem, Reply, Table};

/// Revokes an API key, be it the caller's own: it is refused everywhere within 30 s.
pub async fn delete(powers: Table, call: Call) -> Result<Reply, Problem> {
    let name = call
        .param("name", KeyName::parse)
        .map_err(|_| Problem::does_not_exist())?;
    if !powers.store.delete_key(&name, &call.look()).await? {
        return Err(Problem::does_not_exist());
    }
    Ok(Reply::no_content())
}
