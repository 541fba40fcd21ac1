//! `PUT /templates/{name}`.

use api::{Code, TemplateBody};
use domain::TemplateName;
use gateway::{Call, Problem, Reply, Table};

/// Writes a template whole, and answers with what was written. Applications that run keep what they were launched with.
pub async fn put(powers: Table, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", TemplateName::parse)?;
    let body: TemplateBody = call.body()?;

    if body.name().is_some_and(|given| *given != name) {
        return Err(Problem::new(
            Code::MalformedRequest,
            format!("'name' in the body is not the path's '{name}'"),
        ));
    }
    let template = body.into_template(name)?;

    let written = powers.store.put_template(&template, &call.look()).await?;
    Reply::ok(&written)
}
