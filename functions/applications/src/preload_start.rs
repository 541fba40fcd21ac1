//! `POST /preload/{template}`.

use api::{Code, PreloadAnswer};
use domain::{ApplicationId, PreloadRun, TemplateName};
use futures::future::try_join_all;
use gateway::{Call, Problem, Reply, TableAndCells, TemplateError};

/// Begins to bring the template's image onto the nodes of every cell, and answers without waiting for them.
pub async fn start(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let name = call.param("template", TemplateName::parse).map_err(|_| unknown(None))?;
    let template = powers.templates.find(&name).await.map_err(|error| match error {
        TemplateError::Missing { why, .. } => unknown(why),
        TemplateError::Unreachable(_) | TemplateError::Store(_) => error.into(),
    })?;
    if powers.cells.is_empty() {
        return Err(Problem::new(
            Code::BadKubeRequest,
            "No cluster is configured to preload into",
        ));
    }
    let look = call.look();
    let starts = powers.cells.iter().map(|cell| async {
        let run = PreloadRun {
            id: ApplicationId::from_bytes(call.random()?),
            workload: template.workload.clone(),
            started_at: look.now,
        };
        let started = powers.lifecycle.start_preload(&name, &cell.name, &run, &look).await;
        Ok::<_, Problem>(started?)
    });
    try_join_all(starts).await?;
    Reply::ok(&PreloadAnswer { template: name })
}

/// There is no template of that name; `why` says what is wrong with what the registry has.
fn unknown(why: Option<String>) -> Problem {
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    Problem::new(
        Code::RegistryError,
        format!("Could not fetch the template to preload from the registry{why}"),
    )
}
