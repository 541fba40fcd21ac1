//! `POST /applications/{template}` and `POST /applications` with `{"template-name"}`.

use api::{Code, LaunchBody, Launched};
use domain::{Application, ApplicationId, TemplateName};
use gateway::{Call, Problem, Reply, TableAndCells};
use lifecycle::LaunchAnswer;

/// Writes the launch down, begins it, and answers without waiting for the pod.
pub async fn launch(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let body: LaunchBody = call.body()?;
    let binding = call.binding()?;
    let name = match call.optional_param("template", TemplateName::parse)? {
        Some(name) => name,
        None => TemplateName::parse(&body.template_name.ok_or_else(missing_name)?)?,
    };
    let look = call.look();
    let Some(template) = powers.store.template(&name).await? else {
        return match &binding {
            Some(asked) => answer(&call, powers.lifecycle.launched_before(asked, &look).await?, &name),
            None => Err(Problem::registry_error(name.as_str())),
        };
    };
    let cell = powers.cells.first().ok_or_else(no_cell)?;

    let id = ApplicationId::from_bytes(call.random()?);
    let application = Application::launch(id, &template, cell, body.cull_timeout, body.max_age, look.now);

    let launched = powers.lifecycle.launch(&application, binding.as_ref(), &look).await?;
    answer(&call, Some(launched), &name)
}

/// `None`: there is no such template, and nothing was launched from it with this key before.
fn answer(call: &Call, launched: Option<LaunchAnswer>, name: &TemplateName) -> Result<Reply, Problem> {
    match launched {
        Some(LaunchAnswer::Launched(row)) => {
            let id = row.value.id;
            Reply::ok(&Launched {
                token: call.launch_token(&id)?,
                id: id.into(),
            })
        }
        Some(LaunchAnswer::KeyReused) => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before; use a new key for a new request",
        )),
        Some(LaunchAnswer::KeyEnded) => Err(Problem::new(
            Code::IdempotencyKeyEnded,
            "What this Idempotency-Key launched has ended since; use a new key to launch again",
        )),
        None => Err(Problem::registry_error(name.as_str())),
    }
}

fn missing_name() -> Problem {
    Problem::new(
        Code::MissingParameter,
        "Request does not contain the required parameters for this endpoint: template-name",
    )
}

fn no_cell() -> Problem {
    Problem::new(Code::BadKubeRequest, "No cluster is configured to launch into")
}
