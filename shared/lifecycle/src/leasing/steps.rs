//! A cluster's steps: whoever looks takes the row, does what is next, and records it.

use std::time::Duration;

use cluster_client::{Hand, LeasedCluster};
use domain::limits::{HEALTH_PASSES, STEPS_MAX, WORK_MAX};
use domain::{
    Cluster, ClusterName, ClusterState, ClusterStep, Ending, Look, Quarantine, due_after_failure, due_after_take,
    due_soon, next_for_cluster,
};
use jiff::Timestamp;
use net::Scope;
use store::{NextDue, WriteError};

use crate::Error;
use crate::advance::{due_at_once, step_of};
use crate::leasing::grant::bounded;
use crate::leasing::{ClusterRow, Leasing, Obstacle, TRIES};

/// How long a cluster may take to forget a rule about what it grants: mostly less than a second.
const FORGETTING: Duration = Duration::from_secs(1);
/// Calls, each as slow as one may be, for which there is time at least when a holder is dismissed.
const DISMISS_CALLS: f32 = 1.5;

/// Why a cluster is given up that is never cleaned or compared within one look.
const TOO_MUCH: &str = "what is in it cannot be looked through in the time of one look";

/// When a cluster is looked at again after a step.
pub(crate) enum Then {
    /// At once.
    GoOn,
    /// Soon: there may be something new.
    Soon,
    /// Later and later: the step failed for now.
    Later,
}

impl Leasing {
    /// Brings a cluster on as far as possible in this look, if it is due: of many lookers, the one whose take is first
    /// does the work and the others get the row as it is.
    ///
    /// # Errors
    /// [`enum@Error`]; what was not recorded is done again by the next look.
    pub async fn advance(&self, row: ClusterRow, look: &Look) -> Result<ClusterRow, Error> {
        if row.due_at.is_none_or(|due_at| due_at > look.now) {
            return Ok(row);
        }
        let taken = NextDue {
            at: due_after_take(look.now, row.attempt),
            attempt: row.attempt.saturating_add(1),
        };
        let look_of_take = step_of(look, format!("cluster-{}-take", row.value.name));
        let put = self
            .store()
            .put_cluster(Some(&row), &row.value, Some(taken), &look_of_take);
        match put.await {
            Ok(taken) => self.work(taken, look).await,
            Err(WriteError::Overtaken) => self.reread(&row.value.name).await,
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// The row as it is now, after somebody else moved it.
    pub(crate) async fn reread(&self, name: &ClusterName) -> Result<ClusterRow, Error> {
        self.store().cluster(name).await?.ok_or(Error::Gone)
    }

    /// Does the steps of a row that this look has taken.
    pub(crate) async fn work(&self, row: ClusterRow, look: &Look) -> Result<ClusterRow, Error> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(WORK_MAX));
        net::within(scope.at_most(WORK_MAX), Box::pin(self.steps(row, look))).await
    }

    async fn steps(&self, mut row: ClusterRow, look: &Look) -> Result<ClusterRow, Error> {
        for number in 0..STEPS_MAX {
            let look = step_of(look, format!("cluster-{}-step-{number}", row.value.name));
            let next = next_for_cluster(&row.value, look.now);
            let cleans = next == ClusterStep::Clean;
            if next == ClusterStep::PassOn {
                return self.pass_on(row, &look).await;
            }
            let not_cleaned = |message: String| {
                let why = Quarantine::NotCleaned { message };
                (row.value.quarantined(why, look.now), Then::GoOn)
            };
            let (changed, then) = match self.step(&row.value, next, &look).await {
                Ok(done) => done,
                Err(Obstacle::Table(error)) => return Err(error.into()),
                Err(Obstacle::Another { seen }) => {
                    let why = Quarantine::AnotherCluster { seen };
                    (row.value.quarantined(why, look.now), Then::GoOn)
                }
                Err(Obstacle::Unreachable(message)) => (row.value.troubled(&message), Then::Later),
                Err(Obstacle::Failed(message)) if row.value.is_given_up(look.now) => not_cleaned(message),
                Err(Obstacle::OutOfTime) if row.value.is_given_up(look.now) => not_cleaned(TOO_MUCH.to_owned()),
                Err(Obstacle::Failed(message)) => (row.value.troubled(&message), Then::Later),
                Err(Obstacle::OutOfTime) => (row.value.clone(), Then::Soon),
            };
            if changed.leaving && !matches!(changed.state, ClusterState::Ending { .. }) {
                return match self.store().delete_cluster(&row, &look).await {
                    Ok(()) => Ok(row),
                    Err(WriteError::Overtaken) => self.reread(&row.value.name).await,
                    Err(WriteError::Store(error)) => Err(error.into()),
                };
            }
            if changed.state == ClusterState::Free {
                return self.give_or_free(row, changed, &look).await;
            }
            let goes_on = matches!(then, Then::GoOn)
                && !matches!(
                    next_for_cluster(&changed, look.now),
                    ClusterStep::Wait(_) | ClusterStep::Nothing
                );
            let due = due(&row, &changed, then, &look);
            row = match self.store().put_cluster(Some(&row), &changed, due, &look).await {
                Ok(written) => written,
                Err(WriteError::Overtaken) => {
                    let now = self.reread(&row.value.name).await?;
                    if cleans && now.value.epoch != row.value.epoch {
                        self.dismiss_cleaner(&row.value, look.now).await;
                    }
                    return Ok(now);
                }
                Err(WriteError::Store(error)) => return Err(error.into()),
            };
            if !goes_on {
                break;
            }
        }
        Ok(row)
    }

    /// Takes back the account that a cleaner made who was so slow that the cluster was cleaned by another meanwhile.
    async fn dismiss_cleaner(&self, cluster: &Cluster, now: Timestamp) {
        if let Ok((client, _)) = self.reach_same(cluster, now).await
            && let Err(error) = client.dismiss(Hand::Cleaner, cluster.epoch).await
        {
            net::note("dismissing a cleaner who came too late", &error);
        }
    }

    /// Does the one step that the cluster needs next: what it has become, and when to look again.
    async fn step(&self, cluster: &Cluster, next: ClusterStep, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        match next {
            ClusterStep::Nothing | ClusterStep::Wait(_) | ClusterStep::PassOn => Ok((cluster.clone(), Then::GoOn)),
            ClusterStep::TakeIn => self.take_in(cluster, look).await,
            ClusterStep::End(why) => {
                let ended = cluster.lease().map(|lease| cluster.ended(lease, why, look.now));
                Ok((ended.unwrap_or_else(|| cluster.clone()), Then::GoOn))
            }
            ClusterStep::Revoke => self.revoke(cluster, look).await,
            ClusterStep::Return => {
                let pool = self.pool_of(cluster).await?;
                Ok((cluster.returned(&pool, look.now), Then::GoOn))
            }
            ClusterStep::Clean => self.clean(cluster, look).await,
            ClusterStep::Verify => self.verify(cluster, look).await,
            ClusterStep::LookAfter => self.look_after(cluster, look).await,
        }
    }

    async fn revoke(&self, cluster: &Cluster, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        let ClusterState::Ending { ending } = &cluster.state else {
            return Ok((cluster.clone(), Then::GoOn));
        };
        let (client, _) = self.reach_same(cluster, look.now).await?;
        if !self.holder_dismissed(cluster, &client, look).await? {
            return Ok((
                cluster.troubled("the account of its last holder is not gone yet"),
                Then::Soon,
            ));
        }
        let ending = Ending {
            revoked_at: Some(look.now),
            ..ending.clone()
        };
        Ok((cluster.in_state(ClusterState::Ending { ending }), Then::GoOn))
    }

    /// Dismisses the holder. Where something refuses that, or keeps it waiting, what the holder made that may do so goes
    /// first, and again while it still counts: the cluster takes a moment to forget a rule.
    async fn holder_dismissed(&self, cluster: &Cluster, client: &LeasedCluster, look: &Look) -> Result<bool, Obstacle> {
        let mut why = String::new();
        for _ in 0..TRIES {
            let half = Scope::current().map_or(WORK_MAX, |scope| scope.left()) / 2;
            let dismissed = async { Ok(client.dismiss(Hand::Holder, cluster.epoch).await?) };
            match bounded(half.max(self.for_calls(DISMISS_CALLS)), dismissed).await {
                Err(Obstacle::Failed(refused) | Obstacle::Unreachable(refused)) if self.rules().cleans => why = refused,
                done => return done,
            }
            self.knows_its_own()?;
            let baseline = self.baseline(cluster).await?;
            self.disarm(client, &baseline, look.now).await?;
            tokio::time::sleep(FORGETTING).await;
        }
        Err(Obstacle::Failed(why))
    }

    async fn look_after(&self, cluster: &Cluster, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        let passed = match &cluster.state {
            ClusterState::Quarantined {
                why: Quarantine::Unhealthy { passed, .. },
                ..
            } => passed,
            ClusterState::Quarantined {
                why: Quarantine::AnotherCluster { .. },
                ..
            } => return self.itself_again(cluster, look).await,
            _ => return Ok((cluster.clone(), Then::GoOn)),
        };
        let unwell = |message: String| Quarantine::Unhealthy { message, passed: 0 };
        let why = match self.health(cluster, look.now).await {
            Ok(()) if passed + 1 >= HEALTH_PASSES => return Ok((cluster.freed(), Then::GoOn)),
            Ok(()) => Quarantine::Unhealthy {
                message: "it was well at the last look".to_owned(),
                passed: passed + 1,
            },
            Err(Obstacle::Failed(message) | Obstacle::Unreachable(message)) => unwell(message),
            Err(obstacle) => return Err(obstacle),
        };
        Ok((cluster.quarantined(why, look.now), Then::GoOn))
    }

    /// Takes back what its last holder had in a cluster for which another one answered. What else happened to it meanwhile
    /// is an operator's to say.
    async fn itself_again(&self, cluster: &Cluster, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        let (client, _) = self.reach_same(cluster, look.now).await?;
        if !self.holder_dismissed(cluster, &client, look).await? {
            return Ok((cluster.clone(), Then::Soon));
        }
        let why = Quarantine::NotCleaned {
            message: "for a while another cluster answered at its address".to_owned(),
        };
        Ok((cluster.quarantined(why, look.now), Then::GoOn))
    }

    /// Whether a cluster can be given to somebody: it answers, is the recorded one, has no account of ours, its nodes are
    /// ready, and its registered credential is not too old.
    async fn health(&self, cluster: &Cluster, now: Timestamp) -> Result<(), Obstacle> {
        if let Some(why) = cluster.is_too_old(now) {
            return Err(Obstacle::Failed(why));
        }
        let (client, _) = self.reach_same(cluster, now).await?;
        if !client.dismiss(Hand::Holder, cluster.epoch).await? {
            return Err(Obstacle::Failed(
                "the account of its last holder is not gone yet".to_owned(),
            ));
        }
        match client.unwell().await? {
            None => Ok(()),
            Some(why) => Err(Obstacle::Failed(why)),
        }
    }
}

/// When somebody must come back to a row, as it says already.
pub(crate) fn due_as_before(row: &ClusterRow) -> Option<NextDue> {
    let attempt = row.attempt;
    row.due_at.map(|at| NextDue { at, attempt })
}

/// When somebody must come back to what a cluster has become.
pub(crate) fn due(row: &ClusterRow, changed: &Cluster, then: Then, look: &Look) -> Option<NextDue> {
    let at = |at: Timestamp| Some(NextDue { at, attempt: 0 });
    match then {
        Then::Later => Some(NextDue {
            at: due_after_failure(look.now, row.attempt),
            attempt: row.attempt,
        }),
        Then::Soon => at(due_soon(look.now)),
        Then::GoOn => match next_for_cluster(changed, look.now) {
            ClusterStep::Nothing => None,
            ClusterStep::Wait(due) => at(due),
            _ => Some(due_at_once(look)),
        },
    }
}
