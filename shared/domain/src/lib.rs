//! Values, states and decisions. Pure: no async, no I/O, no clock, no randomness.
//!
//! `domain` answers questions with values: may this caller; which cell; what is this pod's phase and why; what is
//! due now and what should happen to it. Whoever asks does the one step, records it and asks again.
//!
//! A *template* says what to run; an *application* is one launch of it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod access;
mod application;
mod cell;
mod due;
#[cfg(test)]
mod fixture;
mod judge;
pub mod limits;
mod look;
mod names;
mod pod;
mod quantity;
mod reap;
mod reason;
mod refusal;
mod step;
mod template;
mod time;
mod workload;

pub use access::{Access, Caller, KeyRecord, Scope, Scopes, may_call};
pub use application::{Application, Ended, EndingStep, Outcome, Phase, State, Status};
pub use cell::Cell;
pub use due::{Due, Lane, due_after_failure, due_after_take, due_soon, shard_of};
pub use judge::{Activity, Judgement, judge};
pub use look::Look;
pub use names::{ApplicationId, CellName, InstallationId, KeyName, LabelKey, LabelValue, TemplateName};
pub use pod::{PodSeen, PodState, Verdict, verdict};
pub use quantity::Quantity;
pub use reap::{Plan, PlannedStep, ReapRules, plan};
pub use reason::Reason;
pub use refusal::Refusal;
pub use step::{Next, next};
pub use template::Template;
pub use time::Millis;
pub use workload::{
    EnvName, ImageSource, PullPolicy, Resources, RunAs, Security, TaintEffect, Toleration, TolerationOperator,
    Workload, fill_command,
};
