//! Programs that are run to their end.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::Error;

/// How long a run may take, on a busy machine too: clients wait for ever.
const RUN_MAX: Duration = Duration::from_secs(90);

/// What a run of a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// With what it ended; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Ran {
    /// What `command` leaves, which nobody types anything into. `name` is said in errors.
    ///
    /// # Errors
    /// When it cannot be run, or does not end in time.
    pub(crate) async fn of(name: &'static str, command: &mut Command) -> Result<Self, Error> {
        let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let done = timeout(RUN_MAX, run).await.unwrap_or_else(|late| Err(late.into()));
        let done = done.map_err(|error| Error::Start { name, error })?;
        Ok(Self {
            code: done.status.code(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }
}
