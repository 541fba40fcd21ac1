//! `POST /applications/{template}` and `POST /applications` with `{"template-name"}`.

use api::{Code, LaunchBody, Launched};
use domain::{ApplicationId, Figure, Look, TemplateName};
use gateway::{Call, Problem, Reply, TableAndCells, TemplateError};
use lifecycle::{Ask, LaunchAnswer};
use store::Binding;

/// Writes the launch down, begins it, and answers without waiting for the pod. Each try of a caller counts for itself.
pub async fn launch(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let answer = answer_try(powers, call).await;
    lifecycle::count(Figure::LaunchTries, 1.0);
    let outcome = match &answer {
        Ok(_) => Some(Figure::LaunchTriesTaken),
        Err(problem) if problem.code() == Code::QuotaExceeded => Some(Figure::LaunchTriesRefused),
        Err(problem) if problem.code().status() >= 500 => Some(Figure::LaunchTriesFailed),
        Err(_) => None,
    };
    if let Some(outcome) = outcome {
        lifecycle::count(outcome, 1.0);
    }
    answer
}

async fn answer_try(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let body: LaunchBody = call.body()?;
    let binding = call.binding()?;
    let name = match call.optional_param("template", TemplateName::parse)? {
        Some(name) => name,
        None => TemplateName::parse(&body.template_name.ok_or_else(missing_name)?)?,
    };
    let look = call.look();
    let (template, pool) = match powers.templates.find_with_pool(&powers.store, &name).await {
        Ok(found) => found,
        Err(TemplateError::Store(error)) => return Err(error.into()),
        // What the key launched before stands, whatever has become of its template.
        Err(error) => return launched_before(&powers, &call, binding.as_ref(), &look, error).await,
    };
    let (id, fresh) = (random_id(&call)?, random_id(&call)?);
    let ask = Ask {
        id: &id,
        template: &template,
        cull_timeout: body.cull_timeout,
        max_age: body.max_age,
        binding: binding.as_ref(),
    };

    let taken = match pool.filter(|pool| pool.size > 0) {
        Some(pool) => powers.lifecycle.launch_from_pool(&ask, &pool, &fresh, &look).await?,
        None => None,
    };
    let launched = match taken {
        Some(taken) => taken,
        None => powers.lifecycle.launch(&ask, &look).await?,
    };
    answer(&call, launched)
}

fn random_id(call: &Call) -> Result<ApplicationId, Problem> {
    Ok(ApplicationId::from_bytes(call.random()?))
}

/// What the launch's `Idempotency-Key` launched before, or why nothing is launched.
async fn launched_before(
    powers: &TableAndCells,
    call: &Call,
    binding: Option<&Binding>,
    look: &Look,
    missing: TemplateError,
) -> Result<Reply, Problem> {
    let before = match binding {
        Some(asked) => powers.lifecycle.launched_before(asked, look).await?,
        None => None,
    };
    match before {
        Some(launched) => answer(call, launched),
        None => Err(missing.into()),
    }
}

fn answer(call: &Call, launched: LaunchAnswer) -> Result<Reply, Problem> {
    match launched {
        LaunchAnswer::Launched(row) => {
            let id = row.value.id;
            Reply::ok(&Launched {
                token: call.launch_token(&id)?,
                id: id.into(),
            })
        }
        LaunchAnswer::KeyReused => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before; use a new key for a new request",
        )),
        LaunchAnswer::KeyEnded => Err(Problem::new(
            Code::IdempotencyKeyEnded,
            "What this Idempotency-Key launched has ended since; use a new key to launch again",
        )),
        LaunchAnswer::Full(full) => {
            Err(Problem::new(Code::QuotaExceeded, full.limit.sentence()).retry_after(full.retry_after))
        }
        LaunchAnswer::NoCell => Err(Problem::new(
            Code::BadKubeRequest,
            "No cluster is configured to launch into",
        )),
    }
}

fn missing_name() -> Problem {
    Problem::new(
        Code::MissingParameter,
        "Request does not contain the required parameters for this endpoint: template-name",
    )
}
