//! `DELETE /templates/{name}`.

use domain::TemplateName;
use gateway::{Call, Problem, Reply, Table};
use serde_json::json;

/// Removes a template. Its applications live on.
pub async fn delete(powers: Table, call: Call) -> Result<Reply, Problem> {
    let name = call
        .param("name", TemplateName::parse)
        .map_err(|_| Problem::does_not_exist())?;
    if !powers.store.delete_template(&name).await? {
        return Err(Problem::does_not_exist());
    }
    Reply::ok(&json!({ "name": name }))
}
