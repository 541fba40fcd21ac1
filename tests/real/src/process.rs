//! A server that ends with whoever started it, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

/// The shell between a test and a server. Its standard input closes when the test ends, be it by a panic or by
/// `SIGKILL`, and then it kills the server, be it stopped or not.
const WATCHDOG: &str = r#""$@" </dev/null >&2 & child=$!; echo "$child"; cat >/dev/null; kill -KILL "$child"; wait"#;
/// Until a server answers, on a busy machine too.
const READY_MAX: Duration = Duration::from_secs(90);
/// Between two looks at a server that is starting.
const PACE: Duration = Duration::from_millis(100);
/// Of a log, in an error: the last so many lines.
const LOG_TAIL: usize = 15;

/// What is started: a program with its arguments and variables.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    path: PathBuf,
    args: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Program {
    /// A program by its path.
    pub fn new(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Self {
            name,
            path: path.into(),
            args: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// With this argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With these arguments.
    #[must_use]
    pub fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }
}

/// A running server. It is killed when this is dropped, and when this process ends in any way.
pub struct Process {
    program: Program,
    folder: PathBuf,
    watchdog: Child,
    pid: Pid,
}

impl Process {
    /// Starts `program`, which logs to a file in `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: Program, folder: &Path) -> Result<Self, Error> {
        let (watchdog, pid) = spawn(&program, folder)?;
        Ok(Self {
            program,
            folder: folder.to_owned(),
            watchdog,
            pid,
        })
    }

    /// Waits until `is_ready`.
    ///
    /// # Errors
    /// When it is not in time, with the end of its log.
    pub async fn ready(&self, is_ready: impl AsyncFn() -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + READY_MAX;
        while Instant::now() < deadline {
            if tokio::time::timeout(READY_MAX, is_ready()).await.unwrap_or(false) {
                return Ok(());
            }
            tokio::time::sleep(PACE).await;
        }
        Err(Error::NotReady {
            name: self.program.name,
            waited: READY_MAX,
            log: self.log_tail(),
        })
    }

    /// Kills it at once, as a crash does. Nothing happens when it is dead already.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops it in the middle of whatever it does: its connections hang.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again as it was started, killed first if it runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.end();
        (self.watchdog, self.pid) = spawn(&self.program, &self.folder)?;
        Ok(())
    }

    /// The file that it logs to.
    pub fn log(&self) -> PathBuf {
        log_of(&self.program, &self.folder)
    }

    /// How much memory it holds now, in bytes; nothing when it is dead.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    fn signal(&self, signal: Signal) {
        // It fails only when there is no such process any more: the watchdog reaps nobody before it ends itself, so
        // that the number is never another's.
        kill_process(self.pid, signal).ok();
    }

    /// Ends it, and returns once it is gone. It can be started again.
    pub fn end(&mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().ok();
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn log_of(program: &Program, folder: &Path) -> PathBuf {
    folder.join(format!("{}.log", program.name))
}

fn spawn(program: &Program, folder: &Path) -> Result<(Child, Pid), Error> {
    let failed = |error| Error::Start {
        name: program.name,
        error,
    };
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_of(program, folder))
        .map_err(failed)?;
    let mut watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(&program.path)
        .args(&program.args)
        .envs(program.variables.iter().map(|(name, value)| (*name, value)))
        .current_dir(folder)
        // Ctrl-C in a terminal reaches the test alone; the server ends after it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let mut line = String::new();
    if let Some(out) = watchdog.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    let pid = line.trim().parse().ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| failed(std::io::Error::other(format!("no process: '{}'", line.trim()))))?;
    Ok((watchdog, pid))
}
