//! The log subresource of pods: a few lines that such a container would have written.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::cause::Cause;
use super::json::{items, text};
use super::machine::Machine;
use super::objects::Key;
use super::request::Call;
use super::runs::{Ending, Run, Stage};
use super::status::{self, Refusal};

impl Machine {
    pub(super) fn logs(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let since = call.query.number("sinceSeconds")?;
        if since == Some(0) {
            let cause = Cause::invalid("sinceSeconds", 0, "must be greater than 0");
            return Err(Refusal::invalid("", "PodLogOptions", &call.name, &[cause]));
        }
        let key = Key::new(call.id, &call.namespace, &call.name);
        let pod = self
            .objects
            .get(&key)
            .ok_or_else(|| Refusal::not_found(call.kind(), &call.name))?;
        if call.query.flag("follow") {
            return Err(Refusal::not_simulated("following a log"));
        }
        if !matches!(call.query.text("stream"), "" | "All") {
            return Err(Refusal::not_simulated("a single stream of a log"));
        }
        let name = &call.name;
        let containers: Vec<&str> = items(pod, "/spec/containers")
            .iter()
            .map(|one| text(one, "/name"))
            .collect();
        let container = match (call.query.text("container"), containers.as_slice()) {
            ("", [only]) => *only,
            ("", many) => {
                let many = many.join(" ");
                return Err(Refusal::bad_request(format!(
                    "a container name must be specified for pod {name}, choose one of: [{many}]"
                )));
            }
            (asked, known) => known
                .iter()
                .find(|one| **one == asked)
                .ok_or_else(|| Refusal::bad_request(format!("container {asked} is not valid for pod {name}")))?,
        };
        let run = self
            .runs
            .get(text(pod, "/metadata/uid"))
            .filter(|run| run.node.is_some() || run.stage.is_terminal());
        // A pod without a node has no log yet, which is no error.
        let Some(run) = run else {
            return Ok(status::text(StatusCode::NO_CONTENT, String::new()));
        };
        let decides = containers.get(run.deciding) == Some(&container);
        let previous = call.query.flag("previous");
        let mut lines = written(run, decides, previous).ok_or_else(|| {
            let what = format!("container {container:?} in pod {name:?}");
            Refusal::bad_request(match previous {
                true => format!("previous terminated {what} not found"),
                false => format!("{what} is waiting to start: {}", waits_for(&run.stage)),
            })
        })?;
        if let Some(since) = since {
            let since = SignedDuration::from_secs(i64::try_from(since).unwrap_or(i64::MAX));
            lines.retain(|(at, _)| self.now.duration_since(*at) <= since);
        }
        let shown = |(at, line): &(Timestamp, String)| match call.query.flag("timestamps") {
            true => format!("{at:.9} {line}\n"),
            false => format!("{line}\n"),
        };
        let tail = call
            .query
            .number("tailLines")?
            .map_or(lines.len(), |tail| usize::try_from(tail).unwrap_or(usize::MAX));
        let mut body: String = lines.iter().skip(lines.len().saturating_sub(tail)).map(shown).collect();
        if let Some(limit) = call.query.number("limitBytes")? {
            // The lines are ASCII, so that any place is a boundary.
            body.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(status::text(StatusCode::OK, body))
    }
}

/// The lines of a container's run, or of the run before it; `None` when there was none.
fn written(run: &Run, decides: bool, previous: bool) -> Option<Vec<(Timestamp, String)>> {
    let last = run.last.as_ref().filter(|_| decides);
    if previous {
        return last.map(ended);
    }
    match &run.stage {
        Stage::Crashed | Stage::BackOff => Some(last.map_or_else(Vec::new, ended)),
        stage if stage.is_terminal() => Some(last.map_or_else(Vec::new, ended)),
        stage => {
            let started = run.started?;
            let mut lines = vec![(started, "starting".to_owned())];
            if let (Stage::Ready, Some(address), true) = (stage, run.address, decides) {
                lines.push((started, format!("listening on 0.0.0.0:{}", address.port())));
            }
            Some(lines)
        }
    }
}

fn ended(ending: &Ending) -> Vec<(Timestamp, String)> {
    let words = ending.message.map(|message| (ending.finished, message.to_owned()));
    let last = (ending.finished, format!("exiting with code {}", ending.code));
    [(ending.started, "starting".to_owned())]
        .into_iter()
        .chain(words)
        .chain([last])
        .collect()
}

fn waits_for(stage: &Stage) -> &str {
    match stage {
        Stage::PullFailed | Stage::PullBackOff => "trying and failing to pull image",
        Stage::Refused(_) => "CreateContainerConfigError",
        Stage::Missing { reason, .. } => reason,
        _ => "ContainerCreating",
    }
}
