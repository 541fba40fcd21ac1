//! A template's pool of spares: how many are kept started ahead, and what is missing or too much.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::after;
use crate::limits::{POOL_FAILURE_PAUSE, POOL_FAILURE_PAUSE_MAX, POOL_MAX, POOL_REFILL, POOL_REFILL_MAX};
use crate::{Application, ApplicationId, Outcome, Reason, State, Template, TemplateName};

/// How many applications of a template are kept started ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Pool {
    /// The template.
    pub template: TemplateName,
    /// How many.
    pub size: u32,
    /// Until when whoever refills it may be at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refilling_until: Option<Timestamp>,
    /// Its spares keep failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<PoolTrouble>,
}

/// Spares that failed before they were ever ready, and none that was made since has become ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct PoolTrouble {
    /// When one failed last.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u32,
    /// Why the last one did.
    pub reason: Reason,
}

/// What a refill of a pool is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refill {
    /// Spares that go: of an older revision of the template, or more than the pool's size.
    pub end: Vec<ApplicationId>,
    /// How many are made.
    pub make: u32,
    /// What is wrong with its spares, as of now.
    pub trouble: Option<PoolTrouble>,
    /// Nothing is wanted of the pool any more and nothing is left of it: its row goes.
    pub is_over: bool,
}

impl Pool {
    /// A pool of this size, of which nothing else is known.
    pub fn new(template: TemplateName, size: u32) -> Self {
        Self {
            template,
            size,
            refilling_until: None,
            trouble: None,
        }
    }

    /// Whether somebody may be refilling it at `now`.
    pub fn is_being_refilled(&self, now: Timestamp) -> bool {
        self.refilling_until.is_some_and(|until| now < until)
    }

    /// Whether a launch that takes one of its spares puts a new one in its place at once. While spares keep failing
    /// they are made by the refill alone, one at a time.
    pub fn replaces_at_once(&self) -> bool {
        self.size > 0 && self.trouble.is_none()
    }

    /// The pool as whoever does `refill` at `now` writes it down first, so that nobody else refills it meanwhile.
    pub fn taken_for(&self, refill: &Refill, now: Timestamp) -> Self {
        Self {
            refilling_until: Some(after(now, POOL_REFILL)),
            trouble: refill.trouble.clone(),
            ..self.clone()
        }
    }

    /// What it needs, by what the table has of its `spares`, those that are ending included. Without a `template` it
    /// needs to be empty.
    pub fn refill(&self, template: Option<&Template>, spares: &[Application], now: Timestamp) -> Refill {
        let size = template.map_or(0, |_| self.size.min(POOL_MAX)) as usize;
        let is_current = |spare: &&Application| template.is_some_and(|template| spare.may_serve(template));
        let living = spares.iter().filter(|spare| spare.spare && spare.is_live());
        let (mut current, mut end): (Vec<_>, Vec<_>) = living.partition(is_current);
        // The best first: those that are ready, the youngest of them, because their age ends them too; then those that
        // have been starting for longest.
        current.sort_by_key(|spare| match spare.state {
            State::Running { .. } => (false, Reverse(spare.created_at), None, &spare.id),
            _ => (true, Reverse(Timestamp::MIN), Some(spare.created_at), &spare.id),
        });
        end.extend(current.drain(size.min(current.len())..));
        let trouble = self.trouble_after(template, spares);
        let missing = (size - current.len()) as u32;
        let make = match &trouble {
            None => missing.min(POOL_REFILL_MAX),
            // One at a time shows whether they still fail.
            Some(trouble) => {
                let is_trying = current.iter().any(|spare| !spare.is_ready_spare());
                u32::from(missing > 0 && !is_trying && now >= trouble.next_try())
            }
        };
        Refill {
            is_over: size == 0 && spares.is_empty(),
            end: end
                .into_iter()
                .take(POOL_MAX as usize)
                .map(|spare| spare.id.clone())
                .collect(),
            make,
            trouble,
        }
    }

    /// What is wrong, given what can be seen of its spares. A template that was written since may have put it right.
    fn trouble_after(&self, template: Option<&Template>, spares: &[Application]) -> Option<PoolTrouble> {
        let written = template
            .and_then(|template| template.time_modified)
            .unwrap_or(Timestamp::MIN);
        let known = self.trouble.clone().filter(|trouble| trouble.at >= written);
        let failures = spares.iter().filter(|spare| spare.created_at >= written);
        let newest = failures.filter_map(failure).max_by_key(|(at, _)| *at);
        let since = known.as_ref().map(|trouble| trouble.at);
        let trouble = match newest.filter(|(at, _)| since.is_none_or(|since| *at > since)) {
            Some((at, reason)) => PoolTrouble {
                at,
                times: known.map_or(0, |trouble| trouble.times).saturating_add(1),
                reason: reason.clone(),
            },
            None => known?,
        };
        let is_over = spares
            .iter()
            .any(|spare| spare.is_ready_spare() && spare.created_at > trouble.at);
        (!is_over).then_some(trouble)
    }
}

impl Refill {
    /// Whether there is anything to do, or to write down of `pool`.
    pub fn is_needed(&self, pool: &Pool) -> bool {
        !self.end.is_empty() || self.make > 0 || self.trouble != pool.trouble
    }
}

impl PoolTrouble {
    /// When the next spare may be made: later and later while they keep failing.
    pub fn next_try(&self) -> Timestamp {
        let doubled = 2u32.saturating_pow(self.times.saturating_sub(1));
        let pause = POOL_FAILURE_PAUSE.saturating_mul(doubled).min(POOL_FAILURE_PAUSE_MAX);
        after(self.at, pause)
    }

    /// What people read.
    pub fn sentence(&self) -> String {
        let next = crate::time::instant(self.next_try());
        format!(
            "Its spares keep failing, so they are made one at a time, the next at {next}: {}",
            self.reason.sentence()
        )
    }
}

/// When and why a spare failed that never was ready.
fn failure(spare: &Application) -> Option<(Timestamp, &Reason)> {
    match &spare.state {
        State::Ending { ended, .. } | State::Ended { ended }
            if spare.spare && spare.location.is_none() && ended.outcome == Outcome::Failed =>
        {
            Some((ended.at, &ended.reason))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
