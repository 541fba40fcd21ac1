//! From a row to a pod.

use cluster_client::Error as ClusterError;
use domain::{Application, Look, Outcome, Reason, State, due_soon};
use store::{NextDue, Row};

use crate::advance::Progress;
use crate::trouble::Trouble;
use crate::{Error, Lifecycle};

impl Lifecycle {
    /// Makes namespace, service account, network policy and pod, then records the namespace's uid.
    pub(crate) async fn make_objects(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        let application = &row.value;
        let home = self.home(application)?;
        let namespace_uid = match home.cluster.make_objects(application).await {
            Ok(made) => made.namespace_uid,
            Err(error) => return self.objects_not_made(row, error, look).await,
        };
        let state = State::Starting {
            namespace_uid: namespace_uid.clone(),
        };
        let next = Application {
            state,
            ..application.waiting_for(Reason::Scheduling, look.now)
        };
        let due = NextDue {
            at: due_soon(look.now),
            attempt: 0,
        };
        let (now, _) = self.recorded(&row, &next, due, look).await?;
        if !now.value.is_live() {
            // The tombstone came first, and its namespace step may have found nothing yet. A failure here is left to
            // the ending, which looks for the namespace by name and id.
            let _ = home.cluster.delete_namespace(&next.id, Some(&namespace_uid)).await;
        }
        Ok(Progress::Rest(now))
    }

    async fn objects_not_made(
        &self,
        row: Row<Application>,
        error: ClusterError,
        look: &Look,
    ) -> Result<Progress, Error> {
        net::note("making the objects", &error);
        let reason = match error {
            ClusterError::Refused { message } => Reason::ObjectRefused { message },
            ClusterError::NotOurs => Reason::NotOurs,
            ClusterError::Terminating => Reason::NamespaceGone,
            ClusterError::OutOfTime
            | ClusterError::Unreachable(_)
            | ClusterError::Identity { .. }
            | ClusterError::Rejected(_) => return self.record_trouble(&row, Trouble::from(&error), look).await,
        };
        self.entomb(row, Outcome::Failed, reason, look).await
    }
}
