//! A call to the outside that did not work for now.

use domain::{Application, Look, Reason, due_soon};
use store::Row;

use crate::advance::Progress;
use crate::{Error, Lifecycle};

/// What a failed call means for the row that it was made for.
pub(crate) enum Trouble {
    /// Too little time was left, and nothing was sent: it is made soon, and that is no failure.
    OutOfTime,
    /// It failed; this is what the row waits for.
    Failing(Reason),
}

impl From<&cluster_client::Error> for Trouble {
    fn from(error: &cluster_client::Error) -> Self {
        use cluster_client::Error as E;
        match error {
            E::OutOfTime => Trouble::OutOfTime,
            E::Identity { .. } | E::Rejected(_) => Trouble::Failing(Reason::ClusterUnusable),
            E::Unreachable(_) | E::Refused { .. } | E::NotOurs | E::Terminating => {
                Trouble::Failing(Reason::ClusterUnreachable)
            }
        }
    }
}

impl From<&routes::Error> for Trouble {
    fn from(error: &routes::Error) -> Self {
        use routes::Error as E;
        match error {
            E::OutOfTime => Trouble::OutOfTime,
            E::Unreachable(_) | E::Refused { .. } | E::Nonsense(_) | E::BadSettings(_) => {
                Trouble::Failing(Reason::ProxyUnreachable)
            }
        }
    }
}

impl Lifecycle {
    /// Records that a step waits for the outside: it is done again soon, or later and later while it keeps failing.
    pub(crate) async fn record_trouble(
        &self,
        row: &Row<Application>,
        trouble: Trouble,
        look: &Look,
    ) -> Result<Progress, Error> {
        let mut next = row.value.clone();
        match trouble {
            Trouble::OutOfTime => self.record_and_rest(row, &next, due_soon(look.now), look).await,
            Trouble::Failing(reason) => {
                if next.is_live() {
                    next = next.waiting_for(reason, look.now);
                }
                self.record_failure(row, &next, look).await
            }
        }
    }
}
