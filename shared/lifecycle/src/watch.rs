//! From a pod to a route, and whether the route is used.

use domain::{Activity, Application, Judgement, Look, Outcome, Reason, State, Verdict, due_soon, judge, verdict};
use jiff::Timestamp;
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
                let next = Application {
                    waiting: Some(reason),
                    ..row.value.clone()
                };
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
        let deployed_at = look.now.max(application.created_at);
        let next = Application {
            state: State::Running {
                namespace_uid: namespace_uid.clone(),
                deployed_at,
            },
            location: Some(home.cell.location(&application.id)),
            waiting: None,
            ..application.clone()
        };
        let (now, _) = self
            .recorded(&row, &next, first_judgement(&next, deployed_at), look)
            .await?;
        if !now.value.is_live() {
            // The tombstone came first, and its route step may have found nothing yet. A failure here is left to the
            // ending, which removes the route by id.
            let _ = home.routes.remove(&next.id).await;
        }
        Ok(Progress::Rest(now))
    }

    /// Asks the proxy when the application was last used, and judges it.
    pub(crate) async fn ask_last_use(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        let home = self.home(&row.value)?;
        let activity = home.routes.last_use(&row.value.id).await.unwrap_or_else(|error| {
            net::note("asking for the last use", &error);
            Activity::Unknown
        });
        match judge(&row.value, activity, look.now) {
            Judgement::Keep { due_at } => self.record_and_rest(&row, &row.value.clone(), due_at, look).await,
            Judgement::Cull(reason) => self.entomb(row, Outcome::Deleted, reason, look).await,
        }
    }
}

/// When a running application is judged first: when it would be idle, had it never been used.
fn first_judgement(application: &Application, deployed_at: Timestamp) -> NextDue {
    match judge(application, Activity::LastUse(deployed_at), deployed_at) {
        Judgement::Keep { due_at } => NextDue { at: due_at, attempt: 0 },
        Judgement::Cull(_) => NextDue {
            at: deployed_at,
            attempt: 0,
        },
    }
}
