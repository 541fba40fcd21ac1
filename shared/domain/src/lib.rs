//! Values, states and decisions. Pure: no async, no I/O, no clock, no randomness.
//!
//! `domain` answers questions with values: may this caller; which cell; what is this pod's phase and why; what is
//! due now and what should happen to it. Whoever asks does the one step, records it and asks again.
//!
//! A *template* says what to run; an *application* is one launch of it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod access;
mod api_key;
mod application;
mod brake;
mod capacity;
mod cell;
mod due;
mod environment;
mod event;
mod figure;
#[cfg(test)]
mod fixture;
mod judge;
mod leasing;
pub mod limits;
mod log_text;
mod look;
mod names;
mod node;
mod pod;
mod pool;
mod preload;
mod quantity;
mod quota;
mod reap;
mod reason;
mod refusal;
mod registry;
mod repair;
mod step;
mod sweep;
mod template;
mod time;
mod workload;

pub use access::{Access, Administered, Authority, Caller, Scope, Scopes, may_call};
pub use api_key::{KeyAsk, KeyRecord, key_use_due};
pub use application::{Application, Ended, EndingStep, Outcome, Phase, State, Status};
pub use brake::{Brake, Confirmed, Ruling, Strays, Suspect, Tripped};
pub use capacity::{CellQuota, Quotas, expected_end, retry_after};
pub use cell::Cell;
pub use due::{Counts, Due, Lane, Living, Subject, due_after_failure, due_after_take, due_soon, shard_of};
pub use environment::{
    Environment, EnvironmentAsk, EnvironmentChange, EnvironmentEnd, EnvironmentName, EnvironmentPart, EnvironmentState,
    EnvironmentStep, Generation, HostName, HostNames, Lifetime, NamespaceName, are_strays_credible,
    next_for_environment,
};
pub use event::{Event, Happening};
pub use figure::{Figure, figures};
pub use judge::{Activity, Judgement, first_look, judge, reports_use};
pub use leasing::{
    Cluster, ClusterPool, ClusterState, ClusterStep, Difference, Ending, EndingWhy, Epoch, Exempt, Fingerprint,
    Identity, Kind, Lease, LeaseTime, Line, Offer, Place, Quarantine, Reuse, Thing, Ticket, Validity, Wanted, Wish,
    compare, deletions, next_for_cluster,
};
pub use log_text::newest_lines;
pub use look::Look;
pub use names::{
    ApplicationId, CellName, ClusterName, ClusterPoolName, DeploymentName, InstallationId, KeyId, KeyName, LabelKey,
    LabelValue, LeaseId, OrganisationName, ProviderName, TemplateName,
};
pub use node::{NodeSeen, TaintSeen, may_use};
pub use pod::{PodSeen, PodState, Verdict, verdict};
pub use pool::{Pool, PoolTrouble, Refill};
pub use preload::{
    NodeImage, Preload, PreloadRun, PreloadState, PreloadStatus, PreloadStep, PreloadTold, PreloadTrouble, preload_told,
};
pub use quantity::Quantity;
pub use quota::{Counted, Counter, Limit};
pub use reap::{Act, Part, Plan, PlannedStep, Reach, ReapRules, act, needs, plan};
pub use reason::Reason;
pub use refusal::Refusal;
pub use repair::{
    Evidence, Health, NamespaceSeen, Repair, RouteSeen, RowSeen, health, is_plausible, repair, repair_preload,
};
pub use step::{Next, next};
pub use sweep::Sweep;
pub use template::Template;
pub use time::Millis;
pub use workload::{
    EnvName, ImageSource, PullPolicy, Resources, RunAs, Security, TaintEffect, Toleration, TolerationOperator,
    Workload, fill_command,
};
