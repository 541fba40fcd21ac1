//! `DELETE /applications/{template}/{id}`.

use api::{ApplicationView, Code};
use domain::{ApplicationId, Caller, Scope, TemplateName};
use gateway::{Call, Problem, Reply, TableAndCells};
use http::StatusCode;

/// Ends an application now, for a key or for the token of its own launch.
pub async fn stop(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let no_record = |_| Problem::no_record();
    let id = call.param("id", ApplicationId::parse).map_err(no_record);
    let by = who(&call, id.as_ref().ok())?;
    let (template, id) = (call.param("template", TemplateName::parse).map_err(no_record)?, id?);

    let look = call.look();
    let row = powers.store.application(&id, look.now).await?;
    let row = row
        .filter(|row| row.value.template == template)
        .ok_or_else(Problem::no_record)?;

    let row = powers.lifecycle.stop(row, &by, &look).await?;
    Reply::json(StatusCode::ACCEPTED, &ApplicationView::from(&row.value))
}

/// Who stops it, in words; whoever may not is refused before it is told whether the application exists.
fn who(call: &Call, id: Option<&ApplicationId>) -> Result<String, Problem> {
    match call.caller() {
        Caller::Key { name, .. } if call.caller().has(Scope::Apps) => return Ok(format!("the key '{name}'")),
        Caller::ConfiguredAdmin => return Ok("the admin key of the configuration".to_owned()),
        Caller::Key { .. } | Caller::Nobody => {}
    }
    match id {
        Some(id) if call.holds_launch_token(id)? => Ok("the token of its launch".to_owned()),
        _ => Err(Problem::new(
            Code::Unauthorized,
            "this needs an API key with the scope 'apps', or the token that the launch was answered with, in the Authorization header",
        )),
    }
}
