//! From a pod to a route.

use domain::{Application, Look, Outcome, PodSeen, PodState, Reason, State, Verdict, due_soon, first_look, verdict};
use store::{NextDue, Row};

use crate::advance::Progress;
use crate::trouble::Trouble;
use crate::{Error, HomeCell, Lifecycle};

impl Lifecycle {
    /// Looks at the pod; when its port accepts connections the route is made.
    pub(crate) async fn observe_pod(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        let home = self.home(&row.value)?;
        let seen = match home.cluster.observe_pod(&row.value).await {
            Ok(seen) => seen,
            Err(error) => {
                net::note("looking at the pod", &error);
                return match Trouble::from(&error) {
                    Trouble::Failing(reason) if look.now >= row.value.launch_deadline() => {
                        let last = Some(Box::new(reason));
                        self.entomb(row, Outcome::Failed, Reason::DeadlinePassed { last }, look)
                            .await
                    }
                    trouble => self.record_trouble(&row, trouble, look).await,
                };
            }
        };
        match verdict(&row.value, seen, look.now) {
            Verdict::MakeRoute { target } => self.make_route(row, home, &target, look).await,
            Verdict::Wait(reason) => {
                let next = row.value.waiting_for(reason, look.now);
                self.record_and_rest(&row, &next, due_soon(look.now), look).await
            }
            Verdict::Fail(outcome, reason) => self.entomb(row, outcome, reason, look).await,
        }
    }

    async fn make_route(
        &self,
        row: Row<Application>,
        home: &HomeCell,
        target: &str,
        look: &Look,
    ) -> Result<Progress, Error> {
        let application = &row.value;
        let State::Starting { namespace_uid } = &application.state else {
            return Ok(Progress::Rest(row));
        };
        if let Err(error) = home.routes.add(&application.id, target).await {
            net::note("making the route", &error);
            return self.record_trouble(&row, Trouble::from(&error), look).await;
        }
        let location = home.cell.location(&application.id);
        let next = application.deployed(namespace_uid.clone(), location, look.now);
        let due = NextDue {
            at: first_look(&next, look.now),
            attempt: 0,
        };
        let (now, _) = self.recorded(&row, &next, due, look).await?;
        if !now.value.is_live() {
            // The tombstone came first, and its route step may have found nothing yet. A failure here is left to the
            // ending, which removes the route by id.
            let _ = home.routes.remove(&next.id).await;
        }
        Ok(Progress::Rest(now))
    }

    /// Looks at a spare's pod: one that is not well, and so would not go out, ends.
    pub(crate) async fn check_spare(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        match self.home(&row.value)?.cluster.observe_pod(&row.value).await {
            Ok(PodSeen::There(PodState::Ready { .. })) => {
                let next = row.value.clone();
                self.record_and_rest(&row, &next, first_look(&next, look.now), look)
                    .await
            }
            Ok(seen) => {
                let reason = match verdict(&row.value, seen, look.now) {
                    Verdict::Fail(_, reason) | Verdict::Wait(reason) => reason,
                    Verdict::MakeRoute { .. } => return Ok(Progress::Rest(row)),
                };
                self.entomb(row, Outcome::Failed, reason, look).await
            }
            Err(error) => {
                net::note("looking at a spare's pod", &error);
                self.record_trouble(&row, Trouble::from(&error), look).await
            }
        }
    }
}
