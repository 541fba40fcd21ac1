//! What the adapter prints while it serves.

use std::io::Write;
use std::sync::Arc;

use clap::ValueEnum;
use gateway::{LogLine, LogSink};

/// How each request is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A readable line
    #[default]
    Lines,
    /// The JSON line that the functions write
    Json,
    /// Not at all
    None,
}

/// Prints to standard output, whole lines at a time; a closed pipe stops nothing.
#[derive(Clone, Copy, Debug)]
pub struct Console(pub LogFormat);

impl Console {
    /// A line for people.
    pub fn say(self, line: impl std::fmt::Display) {
        if self.0 != LogFormat::None {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }

    /// Where the edge's log lines go.
    pub fn sink(self) -> LogSink {
        Arc::new(move |line: &LogLine| match self.0 {
            LogFormat::Lines if line.route != "schedule" || !line.notes.is_empty() || line.status >= 500 => {
                self.say(readable(line))
            }
            LogFormat::Lines | LogFormat::None => {}
            LogFormat::Json => {
                if let Ok(text) = serde_json::to_string(line) {
                    self.say(text);
                }
            }
        })
    }
}

fn readable(line: &LogLine) -> String {
    let LogLine {
        route,
        status,
        duration_ms,
        store_calls,
        cluster_calls,
        leased_calls,
        proxy_calls,
        outside_calls,
        ..
    } = line;
    let code = line.code.map_or(String::new(), |code| format!(" {code}"));
    let notes: String = line.notes.iter().map(|note| format!(" [{note}]")).collect();
    let leased = match leased_calls {
        0 => String::new(),
        calls => format!(", leased clusters {calls}"),
    };
    let outside = match outside_calls {
        0 => String::new(),
        calls => format!(", registry {calls}"),
    };
    let cause = line
        .cause
        .as_deref()
        .map_or(String::new(), |cause| format!(" ({cause})"));
    format!(
        "  {status}{code}  {route}  {duration_ms} ms, calls: table {store_calls}, cluster {cluster_calls}, proxy {proxy_calls}{leased}{outside}{cause}{notes}"
    )
}
