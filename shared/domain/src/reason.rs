//! Why an application waits, failed or ended, in plain words, with the inputs of the decision.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::limits::{LAUNCH_MAX, ORPHAN_GRACE};
use crate::time::{in_words, instant};

/// Why something is as it is. Stored with its inputs; [`Reason::sentence`] is what people read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Reason {
    /// Written down; nothing made in the cluster yet.
    Waiting,
    /// The cluster could not be reached; the launch goes on by itself.
    ClusterUnreachable,
    /// The cluster answers, but not as this installation is configured for it.
    ClusterUnusable,
    /// The route proxy could not be reached; what waits on it goes on by itself.
    ProxyUnreachable,
    /// The pod has no node yet.
    Scheduling,
    /// The pod's node is pulling the image or making the container.
    ContainerCreating,
    /// The container runs but its port does not accept connections yet.
    NotListening {
        /// The port that is probed.
        port: u16,
    },
    /// No node can take the pod.
    Unschedulable {
        /// The scheduler's own sentence.
        message: String,
    },
    /// The image cannot be pulled.
    ImageUnpullable {
        /// Which image.
        image: String,
        /// The node's own sentence.
        message: String,
    },
    /// The container starts and dies again and again.
    CrashLoop {
        /// How it died last.
        exit_code: i64,
        /// How often it was started again.
        restarts: i64,
        /// Whether it was killed for using more memory than its limit.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        out_of_memory: bool,
        /// The last words it left, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The image wants to run as root and may not.
    NeedsRoot {
        /// How that was seen.
        message: String,
    },
    /// The node cannot make the container from what the template says.
    ContainerRefused {
        /// The node's own sentence.
        message: String,
    },
    /// The cluster refused one of the application's objects.
    ObjectRefused {
        /// The cluster's own sentence.
        message: String,
    },
    /// Not ready within its deadline.
    DeadlinePassed {
        /// What it was waiting for at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Box<Reason>>,
    },
    /// Culled: not used for as long as its limit.
    Idle {
        /// When it was last used, as far as is known.
        last_use: Timestamp,
        /// The limit.
        cull_timeout: Millis,
        /// When that was judged.
        judged_at: Timestamp,
        /// The route proxy had lost what it knew of its use, and has seen none since this instant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unseen_since: Option<Timestamp>,
    },
    /// Found in its cluster without a record, and judged by its use.
    Orphaned {
        /// When it was found.
        found_at: Timestamp,
    },
    /// Found without a record, and not used for as long as such a thing is kept.
    OrphanUnused {
        /// When it was found.
        found_at: Timestamp,
        /// When it was last used, or found.
        last_use: Timestamp,
        /// When that was judged.
        judged_at: Timestamp,
    },
    /// A spare that its pool does not need: the pool is smaller, or gone, or its template has changed.
    SpareNotNeeded,
    /// Ended by its maximum age.
    TooOld {
        /// When it was launched.
        created_at: Timestamp,
        /// The limit.
        max_age: Millis,
    },
    /// Stopped by a caller.
    Stopped {
        /// Who: a key's name, or the launch's own token.
        by: String,
    },
    /// Its pod is gone.
    PodGone,
    /// Its pod ended by itself, or was evicted.
    PodEnded {
        /// The cluster's own word and sentence.
        message: String,
    },
    /// Its namespace is gone, or is going, and not by layby's hand.
    NamespaceGone,
    /// A namespace of its name exists and is not its own.
    NotOurs,
}

impl Reason {
    /// What people read: what happened, with the numbers, and what would help.
    pub fn sentence(&self) -> String {
        match self {
            Reason::Waiting => "Accepted; its namespace and pod are about to be made.".into(),
            Reason::ClusterUnreachable => {
                "The cluster cannot be reached at the moment; the launch goes on by itself when it can.".into()
            }
            Reason::ClusterUnusable => {
                "The cluster does not accept this installation as it is configured; its operator finds the cause in the log. The launch goes on by itself when it does.".into()
            }
            Reason::ProxyUnreachable => {
                "The route proxy cannot be reached at the moment; this goes on by itself when it can.".into()
            }
            Reason::Scheduling => "Its pod waits for a node.".into(),
            Reason::ContainerCreating => "Its node is pulling the image and making the container.".into(),
            Reason::NotListening { port } => {
                format!("Its container runs, but port {port} does not accept connections yet.")
            }
            Reason::Unschedulable { message } => format!("No node can take its pod: {message}"),
            Reason::ImageUnpullable { image, message } => format!("Its image '{image}' cannot be pulled: {message}"),
            Reason::CrashLoop {
                exit_code,
                restarts,
                out_of_memory,
                message,
            } => {
                let died = match restarts {
                    0 => format!("Its container died with exit code {exit_code} and is about to be started again."),
                    1 => format!("Its container keeps dying: the last exit code was {exit_code}, after one restart."),
                    _ => format!("Its container keeps dying: the last exit code was {exit_code}, after {restarts} restarts."),
                };
                let memory = if *out_of_memory { " It was killed for using more memory than its limit." } else { "" };
                let words = message.as_deref().map_or(String::new(), |words| format!(" Its last words: {words}"));
                died + memory + &words
            }
            Reason::NeedsRoot { message } => format!(
                "Its image needs root, which its template does not allow ({message}). Set 'run-as-user' to a user the image can run as, or 'security' to 'baseline' and 'run-as-user' to 0."
            ),
            Reason::ContainerRefused { message } => format!("Its node cannot make the container: {message}"),
            Reason::ObjectRefused { message } => format!("The cluster refused to run it: {message}"),
            Reason::DeadlinePassed { last } => {
                let limit = in_words(SignedDuration::try_from(LAUNCH_MAX).unwrap_or_default());
                let last = last
                    .as_deref()
                    .map_or(String::new(), |reason| format!(" {}", reason.sentence()));
                format!("It was not ready within {limit}, so it was removed.{last}")
            }
            Reason::Idle {
                last_use,
                cull_timeout,
                judged_at,
                unseen_since,
            } => format!(
                "Culled for inactivity: last used {}, idle for {} at {}, its limit is {}.{} A request through its location that succeeds, a message sent to it over a websocket there, or a report of its activity before then would have kept it.",
                instant(*last_use),
                in_words(judged_at.duration_since(*last_use)),
                instant(*judged_at),
                in_words(cull_timeout.duration()),
                unseen_since.map_or(String::new(), |since| format!(
                    " The route proxy was restarted meanwhile and has seen no use since {}.",
                    instant(since)
                )),
            ),
            Reason::Orphaned { found_at } => format!(
                "Found in its cluster without a record at {}: it ends when nobody uses it for {}.",
                instant(*found_at),
                in_words(SignedDuration::try_from(ORPHAN_GRACE).unwrap_or_default()),
            ),
            Reason::OrphanUnused {
                found_at,
                last_use,
                judged_at,
            } => format!(
                "Removed: found in its cluster without a record at {}, and not used from {} to {}.",
                instant(*found_at),
                instant(*last_use),
                instant(*judged_at),
            ),
            Reason::SpareNotNeeded => {
                "Its pool needs it no more: the pool was made smaller or removed, or its template was changed.".into()
            }
            Reason::TooOld { created_at, max_age } => format!(
                "Ended by its maximum age: launched {}, its limit is {}. Use does not prolong it; a larger 'max-age' at launch or in its template would have.",
                instant(*created_at),
                in_words(max_age.duration()),
            ),
            Reason::Stopped { by } => format!("Stopped by {by}."),
            Reason::PodGone => "Its pod is gone from the cluster.".into(),
            Reason::PodEnded { message } => format!("Its pod ended: {message}"),
            Reason::NamespaceGone => {
                "Its namespace is gone from the cluster, or is being deleted by somebody else.".into()
            }
            Reason::NotOurs => {
                "A namespace of its name exists in the cluster and belongs to somebody else; it is left alone.".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_cull_tells_last_use_limit_and_what_would_have_kept_it() {
        let reason = Reason::Idle {
            last_use: "2026-01-01T10:00:00.5Z".parse().unwrap(),
            cull_timeout: Millis::new(3_600_000).unwrap(),
            judged_at: "2026-01-01T11:01:00.5Z".parse().unwrap(),
            unseen_since: None,
        };
        assert_eq!(
            reason.sentence(),
            "Culled for inactivity: last used 2026-01-01T10:00:00Z, idle for 1 h 1 min at 2026-01-01T11:01:00Z, its limit is 1 h. \
             A request through its location that succeeds, a message sent to it over a websocket there, or a report of its activity before then would have kept it."
        );
    }

    #[test]
    fn a_passed_deadline_names_what_it_waited_for() {
        let last = Reason::ImageUnpullable {
            image: "x:1".into(),
            message: "not found".into(),
        };
        let sentence = Reason::DeadlinePassed {
            last: Some(Box::new(last)),
        }
        .sentence();
        assert_eq!(
            sentence,
            "It was not ready within 5 min, so it was removed. Its image 'x:1' cannot be pulled: not found"
        );
    }

    #[test]
    fn a_container_killed_for_its_memory_says_so_besides_its_last_words() {
        let killed = Reason::CrashLoop {
            exit_code: 137,
            restarts: 0,
            out_of_memory: true,
            message: Some("loading".into()),
        };
        assert_eq!(
            killed.sentence(),
            "Its container died with exit code 137 and is about to be started again. It was killed for using more memory than its limit. Its last words: loading"
        );
    }

    #[test]
    fn reasons_survive_being_stored() {
        let reason = Reason::DeadlinePassed {
            last: Some(Box::new(Reason::CrashLoop {
                exit_code: 137,
                restarts: 3,
                out_of_memory: true,
                message: None,
            })),
        };
        let text = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason);
    }
}
