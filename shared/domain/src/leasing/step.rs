//! What a cluster needs next.

use jiff::Timestamp;

use crate::application::after;
use crate::leasing::{Cluster, ClusterState, EndingWhy, Lease, Quarantine};
use crate::limits::{GRANT_FETCHED, GRANT_MAX, HEALTH_AGAIN, REVOKED_FOR, TAKE_BUDGET};

/// The one step that a cluster needs next. Whoever looks does it, records it and asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterStep {
    /// Its identity and its baseline are to be taken. *Cluster required.*
    TakeIn,
    /// It goes to whoever waits for it, or is free: its grant was never fetched, and nothing was made in it.
    PassOn,
    /// Its lease is over. *Nothing but the table required.*
    End(EndingWhy),
    /// Binding and account of its holder are to be deleted, and to be seen gone. *Cluster required.*
    Revoke,
    /// Its holder is gone, and no cluster remembers the holder's token: it is returned.
    Return,
    /// What was not there at its intake is to be deleted. *Cluster required.*
    Clean,
    /// It is to be compared with its baseline. *Cluster required.*
    Verify,
    /// It is to be seen whether it is well, or itself, again. *Cluster required.*
    LookAfter,
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing, until somebody asks for something.
    Nothing,
}

/// What `cluster` needs next at `now`.
pub fn next_for_cluster(cluster: &Cluster, now: Timestamp) -> ClusterStep {
    let by = |due: Timestamp, step: ClusterStep| if now >= due { step } else { ClusterStep::Wait(due) };
    match &cluster.state {
        ClusterState::Intake => ClusterStep::TakeIn,
        ClusterState::Granting { lease, begun: false } => {
            by(after(lease.granted_at, GRANT_FETCHED), ClusterStep::PassOn)
        }
        ClusterState::Granting { lease, begun: true } => by(
            after(lease.granted_at, GRANT_MAX),
            ClusterStep::End(EndingWhy::Abandoned),
        ),
        ClusterState::Leased { lease } => by(lease.taken_away_at(), ClusterStep::End(EndingWhy::Expired)),
        ClusterState::Ending { ending } => match ending.revoked_at {
            None => ClusterStep::Revoke,
            Some(gone) => match by(after(gone, REVOKED_FOR), ClusterStep::Return) {
                // Whoever was making its credential when it ended may have been slower than those who took it away.
                ClusterStep::Return if gone < nobody_makes_any(&ending.lease) => {
                    by(nobody_makes_any(&ending.lease), ClusterStep::Revoke)
                }
                step => step,
            },
        },
        ClusterState::Cleaning { .. } => ClusterStep::Clean,
        ClusterState::Verifying { .. } => ClusterStep::Verify,
        ClusterState::Quarantined {
            why: Quarantine::Unhealthy { .. } | Quarantine::AnotherCluster { .. },
            since,
        } => by(after(*since, HEALTH_AGAIN), ClusterStep::LookAfter),
        ClusterState::Free | ClusterState::Quarantined { .. } | ClusterState::Retired { .. } => ClusterStep::Nothing,
    }
}

/// From when on nobody can be making the credential of `lease` any more that it was granted with.
fn nobody_makes_any(lease: &Lease) -> Timestamp {
    after(lease.granted_at, TAKE_BUDGET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;
    use crate::leasing::Ending;
    use crate::leasing::cluster::tests::{free, lease};

    fn next(cluster: &Cluster, seconds: i64) -> ClusterStep {
        next_for_cluster(cluster, at(seconds))
    }

    fn ending(ended: i64, revoked: Option<i64>) -> Cluster {
        let ending = Ending {
            lease: lease(),
            why: EndingWhy::Released,
            at: at(ended),
            revoked_at: revoked.map(at),
        };
        free("a").in_state(ClusterState::Ending { ending })
    }

    #[test]
    fn a_grant_that_nobody_fetched_goes_on_and_one_that_was_begun_is_returned() {
        let given = free("a").taken(lease(), false);
        assert_eq!(next(&given, 29), ClusterStep::Wait(at(30)));
        assert_eq!(next(&given, 30), ClusterStep::PassOn);
        let begun = free("a").taken(lease(), true);
        assert_eq!(next(&begun, 30), ClusterStep::Wait(at(50)));
        assert_eq!(next(&begun, 50), ClusterStep::End(EndingWhy::Abandoned));
    }

    #[test]
    fn a_lease_ends_when_nobody_can_rely_on_it_any_more() {
        let held = free("a").held(lease());
        assert_eq!(next(&held, 3_601), ClusterStep::Wait(at(3_602)));
        assert_eq!(next(&held, 3_602), ClusterStep::End(EndingWhy::Expired));
    }

    #[test]
    fn a_cluster_is_returned_when_its_token_is_forgotten_and_no_other_can_come() {
        assert_eq!(next(&ending(100, None), 100), ClusterStep::Revoke);
        assert_eq!(next(&ending(100, Some(101)), 115), ClusterStep::Wait(at(116)));
        assert_eq!(next(&ending(100, Some(101)), 116), ClusterStep::Return);
        assert_eq!(next(&ending(5, Some(6)), 7), ClusterStep::Wait(at(21)));
        assert_eq!(next(&ending(5, Some(6)), 21), ClusterStep::Wait(at(60)));
        assert_eq!(next(&ending(5, Some(6)), 60), ClusterStep::Revoke);
        assert_eq!(next(&ending(5, Some(60)), 75), ClusterStep::Return);
    }

    #[test]
    fn what_may_pass_by_itself_is_looked_after() {
        let unwell = Quarantine::Unhealthy {
            message: "x".into(),
            passed: 0,
        };
        let unwell = free("a").quarantined(unwell, at(0));
        assert_eq!(next(&unwell, 60), ClusterStep::LookAfter);
        let other = Quarantine::AnotherCluster { seen: "v".into() };
        assert_eq!(next(&free("a").quarantined(other, at(0)), 60), ClusterStep::LookAfter);
        let not_cleaned = Quarantine::NotCleaned { message: "x".into() };
        assert_eq!(
            next(&free("a").quarantined(not_cleaned, at(0)), 9_999),
            ClusterStep::Nothing
        );
        assert_eq!(next(&free("a"), 9_999), ClusterStep::Nothing);
    }
}
