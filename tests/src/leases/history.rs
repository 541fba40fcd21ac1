//! What happened, an event a line: who called what when, by which clock, and what was answered.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use domain::{ClusterName, ClusterPoolName, Offer, Ticket, Wish};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// One call, or one look at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Which of all beginnings and ends its beginning was, and which its end. What has a lower `to` than another's `from`
    /// was over before that began.
    pub from: u64,
    /// See there.
    pub to: u64,
    /// True domain time when it began.
    pub begin: Timestamp,
    /// True domain time when it ended.
    pub end: Timestamp,
    /// What the clock of whoever called showed.
    pub now: Timestamp,
    /// Who called.
    pub who: String,
    /// What was called, and what was answered.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was called, and what was answered. `heard` is nothing where the caller died over it, or was told that it failed:
/// then it may have happened or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    /// These clusters were made ready.
    Begin {
        /// All there are.
        clusters: Vec<Known>,
    },
    /// A cluster was asked for.
    Acquire {
        /// The ask.
        ask: Asked,
        /// What came of it.
        heard: Option<Acquired>,
    },
    /// A lease was to be renewed.
    Renew {
        /// The lease.
        lease: String,
        /// For how long from then on.
        seconds: u32,
        /// Until when it holds now; nothing when there is no such lease any more, or it may be no longer.
        heard: Option<Renewed>,
    },
    /// Somebody wanted to know whether a lease holds.
    Verify {
        /// The lease.
        lease: String,
        /// The epoch that was said.
        epoch: u64,
        /// Until when it holds, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "heard")]
        heard: Option<Option<Timestamp>>,
    },
    /// Somebody wanted to see a lease.
    Show {
        /// The lease.
        lease: String,
        /// Its end, if any cluster still has it.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "heard")]
        heard: Option<Option<Timestamp>>,
    },
    /// A lease was given back.
    Release {
        /// The lease.
        lease: String,
        /// Whether there was one.
        heard: Option<bool>,
    },
    /// An operator ended whatever lease a cluster had.
    EndByOperator {
        /// The cluster.
        cluster: ClusterName,
        /// Whether it had one.
        heard: Option<bool>,
    },
    /// A holder's credential was used.
    Use {
        /// The lease.
        lease: String,
        /// Whether the cluster took it.
        heard: Option<bool>,
    },
    /// A cluster was brought on, by the reaper or an operator.
    Bring {
        /// The cluster.
        cluster: ClusterName,
        /// Its epoch before.
        before: u64,
        /// What it is now.
        heard: Option<Seen>,
    },
    /// Everything was looked at.
    Look {
        /// Every cluster.
        clusters: Vec<Seen>,
        /// Every place in a line, by its pool.
        tickets: Vec<(ClusterPoolName, Ticket)>,
    },
    /// It has been quiet for long.
    Quiet {
        /// Every cluster.
        clusters: Vec<Seen>,
    },
}

/// An answer that there is none is told from no answer.
fn heard<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What never changes of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Its pool.
    pub pool: ClusterPoolName,
    /// Whether it is leased once only.
    pub once: bool,
    /// What it is chosen by.
    pub offer: Offer,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// Who asked, in a word.
    pub caller: String,
    /// The pool.
    pub pool: ClusterPoolName,
    /// What is wanted.
    pub wish: Wish,
    /// For how long.
    pub seconds: u32,
    /// The `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The ticket that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Whether a place was wanted.
    pub waits: bool,
}

/// What came of an ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquired {
    /// A cluster.
    Granted {
        /// Which.
        cluster: ClusterName,
        /// By which epoch.
        epoch: u64,
        /// The lease's id.
        lease: String,
        /// Until when.
        expires_at: Timestamp,
    },
    /// None.
    None {
        /// The place.
        ticket: String,
        /// Whether it is taken.
        waits: bool,
    },
    /// The lease of this key has ended.
    Over,
    /// Anything else, in a word: the caller knows no more than before.
    Nothing(String),
}

/// What came of a renewal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewed {
    /// It holds until then.
    Until(Timestamp),
    /// Its pool allows no more.
    Refused,
    /// There is no such lease any more.
    Over,
}

/// A cluster's row as it was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its epoch.
    pub epoch: u64,
    /// Its state in a word.
    pub state: String,
    /// The lease that it is under, if any, and whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<(String, String)>,
    /// Whether it was handed over to somebody who has not come for it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
}

/// Writes a history, an event a line.
///
/// # Errors
/// When the file cannot be written.
pub fn save(events: &[Event], file: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for event in events {
        serde_json::to_writer(&mut out, event)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Reads a history that was saved.
///
/// # Errors
/// When the file cannot be read, or a line is no event.
pub fn load(file: &Path) -> io::Result<Vec<Event>> {
    let lines = BufReader::new(File::open(file)?).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
