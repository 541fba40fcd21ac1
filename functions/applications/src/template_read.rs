//! `GET /templates/{name}`.

use domain::TemplateName;
use gateway::{Call, Problem, Reply, Table};

/// One template.
pub async fn read(powers: Table, call: Call) -> Result<Reply, Problem> {
    let name = call
        .param("name", TemplateName::parse)
        .map_err(|_| Problem::does_not_exist())?;
    let template = powers
        .store
        .template(&name)
        .await?
        .ok_or_else(Problem::does_not_exist)?;
    Reply::ok(&template)
}
