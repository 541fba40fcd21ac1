//! `GET /applications/{template}/{id}/logs`.

use cluster_client::Logs;
use domain::limits::{LOG_BYTES_MAX, LOG_LINES_DEFAULT, LOG_LINES_MAX};
use domain::{Application, PodState, Reason, State, newest_lines};
use gateway::{Call, Problem, Reply, TableAndCells};

use crate::one::One;

/// The newest lines that the application's container wrote, or one line that says why there are none.
pub async fn logs(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let one = One::of(&call)?;
    let tail = call.query_number("tail", LOG_LINES_MAX)?.unwrap_or(LOG_LINES_DEFAULT);
    let previous = call.query_flag("previous")?;

    let application = one.read(&powers.store, &call.look()).await?.value;
    if let Some(why) = without_pod(&application) {
        return Ok(Reply::text(why));
    }
    let home = powers.lifecycle.home(&application)?;
    Ok(Reply::text(
        match home.cluster.logs(&application, tail, previous).await? {
            Logs::Written { bytes, is_cut } => newest_lines(&bytes, is_cut, LOG_BYTES_MAX),
            Logs::NotStarted(state) => line(&not_started(state)),
            Logs::NoPrevious => {
                line("Its container was not started again, so there is no log of a run before this one.")
            }
            Logs::Removed => line("Its node has removed that run of its container, and its log with it."),
            Logs::NoPod => line(&Reason::PodGone.sentence()),
        },
    ))
}

/// Why there can be no log, where its record says so.
fn without_pod(application: &Application) -> Option<String> {
    let why = || application.reason().map_or(String::new(), Reason::sentence);
    match &application.state {
        State::Pending => Some(line(&why())),
        State::Ending { .. } | State::Ended { .. } => {
            Some(line(&format!("It has ended, and its log went with it. {}", why())))
        }
        State::Starting { .. } | State::Running { .. } | State::Orphaned { .. } => None,
    }
}

fn not_started(state: PodState) -> String {
    match state {
        PodState::Waiting(reason) | PodState::Hopeless(reason) => reason.sentence(),
        PodState::Ended { message } => Reason::PodEnded { message }.sentence(),
        // It came up between the two reads.
        PodState::Ready { .. } => "Its container has only just started.".to_owned(),
    }
}

/// A sentence of the cluster's may have any character in it, but a line is one line.
fn line(sentence: &str) -> String {
    let shown: String = sentence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{}\n", shown.trim_end())
}
