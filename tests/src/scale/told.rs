//! What a scale run tells.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::App;
use crate::counts::Requests;

/// A unit for people, in bytes.
const MIB: u64 = 1 << 20;

/// Tells of each part of a run when it is over.
pub(super) struct Telling<'a> {
    app: &'a App,
    applications: usize,
    /// When the part began, and how many log lines there were.
    begun: Instant,
    lines: usize,
}

impl<'a> Telling<'a> {
    pub(super) fn begin(app: &'a App, applications: usize) -> Self {
        println!(
            "{:40} {:>8} {:>8}   requests per application to",
            "", "seconds", "a second"
        );
        println!(
            "{:40} {:>8} {:>8}   {:>8} {:>8} {:>8}",
            "", "", "", "table", "cluster", "proxy"
        );
        let mut telling = Self {
            app,
            applications,
            begun: now(),
            lines: 0,
        };
        telling.skip();
        telling
    }

    /// Begins the next part, without a word of what was before it.
    pub(super) fn skip(&mut self) {
        (self.begun, self.lines) = (now(), self.app.log().len());
    }

    /// Tells of the part that is over.
    pub(super) fn tell(&mut self, what: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let made = Requests::of_lines(&self.app.log()[self.lines..]);
        let each = |requests: u64| requests as f64 / self.applications as f64;
        println!(
            "{what:40} {seconds:>8.1} {:>8.1}   {:>8.2} {:>8.2} {:>8.2}",
            self.applications as f64 / seconds,
            each(made.store),
            each(made.cluster),
            each(made.proxy)
        );
        self.skip();
    }

    /// Tells how long runs of the reaper took.
    pub(super) fn tell_runs(&self, runs: Vec<Duration>) {
        let all = runs.iter().sum::<Duration>().as_secs_f64();
        let longest = runs.iter().max().copied().unwrap_or_default();
        println!(
            "the reaper worked {all:.1} s in {} runs, {longest:.1?} at most: {:.1} s for 1,000 that are due",
            runs.len(),
            all * 1_000.0 / self.applications as f64
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "an edge: how long it takes is told")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A run of the reaper in one line.
pub(super) fn run(number: usize, took: Duration, report: &Value, left: usize) -> String {
    let count = |name: &str| report[name].as_u64().unwrap_or_default();
    format!(
        "  run {number:>3}: {:>6.1} s, {} culled, {} held, {} ended, {} errors; {left} left",
        took.as_secs_f64(),
        count("culled"),
        count("held"),
        count("ended"),
        count("errors")
    )
}

/// Tells how much memory processes hold, in bytes.
pub(super) fn memory(processes: &[(&str, Option<u64>)]) {
    println!("memory in MiB, of this process at its most, of the others now:");
    for (name, bytes) in processes {
        let told = bytes.map_or("dead".to_owned(), |bytes| (bytes / MIB).to_string());
        println!("  {told:>6}  {name}");
    }
}
