//! One shard of a cell, as it is found: what does not match the table.

use std::collections::BTreeMap;

use domain::{
    ApplicationId, CellName, Evidence, Health, Lane, Look, NamespaceSeen, Repair, RouteSeen, RowSeen, TemplateName,
    health, is_plausible, repair, repair_preload, shard_of,
};
use jiff::Timestamp;
use routes::RouteTable;
use store::Row;

use crate::repair::observe;
use crate::{Error, Lifecycle};

/// How many are asked for on their own before a list is believed that shows less than half.
const ASKED_AGAIN: usize = 3;

/// What does not match in one shard of a cell.
#[derive(Debug)]
pub struct Survey {
    /// What is to be done, one application each.
    pub findings: Vec<Finding>,
    /// The cluster showed less than half of what should be there, and what was asked for on its own was there all the
    /// same. A list like that is wrong, and nothing should follow from it.
    pub doubtful: bool,
}

/// What is to be done about one application.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub id: ApplicationId,
    /// Its row, read after the lists, if it has one.
    pub row: Option<Row<domain::Application>>,
    /// What is to be done.
    pub repair: Repair,
}

/// Why a shard could not be surveyed. Nothing follows from a part of it.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The table, or the configuration.
    #[error(transparent)]
    Own(#[from] Error),
    /// The cluster.
    #[error("the cluster could not be listed")]
    Cluster(#[from] cluster_client::Error),
}

/// An answer that is not believed.
#[derive(Debug, thiserror::Error)]
#[error("the cluster shows {there} of {running} applications that run, so it is not believed")]
struct Doubtful {
    there: usize,
    running: usize,
}

impl From<store::Error> for SurveyError {
    fn from(error: store::Error) -> Self {
        SurveyError::Own(error.into())
    }
}

/// What the lists of a shard say.
struct Seen {
    evidence: BTreeMap<ApplicationId, Evidence>,
    preloads: Vec<PreloadSeen>,
}

/// The namespace of a preload.
struct PreloadSeen {
    id: ApplicationId,
    uid: String,
    template: Option<TemplateName>,
    created_at: Timestamp,
}

impl Lifecycle {
    /// Holds one shard of `cell` against the table: its namespaces, its pods, and the routes, where the proxy could be
    /// asked. The lists propose; rows are read, strongly, only for what does not match.
    ///
    /// # Errors
    /// [`SurveyError`].
    pub async fn survey(
        &self,
        cell: &CellName,
        shard: u16,
        routes: Option<&RouteTable>,
        look: &Look,
    ) -> Result<Survey, SurveyError> {
        let Seen { evidence, preloads } = self.seen(cell, shard, routes).await?;
        let runs = |evidence: &&Evidence| evidence.row.as_ref().is_some_and(|row| row.state == "running");
        let running = evidence.values().filter(runs);
        let there = running.clone().filter(|evidence| evidence.namespace.is_some()).count();
        let running = running.count();
        let suspects: BTreeMap<ApplicationId, Evidence> = evidence
            .into_iter()
            .filter(|(_, evidence)| !evidence.matches())
            .collect();
        let ids: Vec<ApplicationId> = suspects.keys().cloned().collect();
        let mut rows = self.store.applications_by_id(&ids, look.now).await?;
        let mut findings: Vec<Finding> = suspects
            .into_iter()
            .map(|(id, evidence)| {
                let row = rows.remove(&id);
                let repair = repair(row.as_ref().map(|row| &row.value), &evidence, cell, look.now);
                Finding { id, row, repair }
            })
            .collect();
        for preload in preloads {
            findings.push(self.held_against_its_row(cell, preload, look).await?);
        }
        findings.retain(|finding| finding.repair != Repair::Nothing);
        let doubtful = !is_plausible(there, running) && !self.are_lost(cell, &findings).await?;
        if doubtful {
            net::note("surveying a shard", &Doubtful { there, running });
        }
        Ok(Survey { findings, doubtful })
    }

    /// Whether the first few that seem to be lost are, each asked for on its own: then the list is to be believed that
    /// shows so little.
    async fn are_lost(&self, cell: &CellName, findings: &[Finding]) -> Result<bool, Error> {
        let home = self.home_of(cell)?;
        let rows = findings.iter().filter(|finding| finding.repair == Repair::Look);
        for row in rows.filter_map(|finding| finding.row.as_ref()).take(ASKED_AGAIN) {
            match observe(home, &row.value).await.map(|seen| health(&row.value, seen)) {
                Ok(Health::Lost(_)) => {}
                Ok(Health::Troubled(_) | Health::Well) => return Ok(false),
                Err(error) => {
                    net::note("looking at a pod", &error);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn held_against_its_row(
        &self,
        cell: &CellName,
        seen: PreloadSeen,
        look: &Look,
    ) -> Result<Finding, store::Error> {
        let row = match &seen.template {
            Some(template) => self.store.preload(template, cell).await?,
            None => None,
        };
        let row = row.as_ref().map(|row| &row.value);
        let repair = repair_preload(row, &seen.id, &seen.uid, seen.created_at, look.now);
        Ok(Finding {
            id: seen.id,
            row: None,
            repair,
        })
    }

    /// What the lists say of each application of the shard, and which preloads they show there.
    async fn seen(&self, cell: &CellName, shard: u16, routes: Option<&RouteTable>) -> Result<Seen, SurveyError> {
        let home = self.home_of(cell)?;
        let (namespaces, pods, living) = futures::join!(
            home.cluster.namespaces_of(shard),
            home.cluster.pods_of(shard),
            self.living(cell, shard),
        );
        let mut preloads = Vec::new();
        let mut all: BTreeMap<ApplicationId, Evidence> = living?
            .into_iter()
            .map(|(id, row)| {
                let evidence = Evidence {
                    row: Some(row),
                    ..Evidence::default()
                };
                (id, evidence)
            })
            .collect();
        for seen in namespaces? {
            if let (Some(_), Ok(id)) = (&seen.preload, ApplicationId::parse(&seen.name)) {
                preloads.extend((!seen.going).then(|| PreloadSeen {
                    id,
                    uid: seen.uid,
                    template: seen.template.and_then(|name| TemplateName::parse(&name).ok()),
                    created_at: seen.created_at,
                }));
                continue;
            }
            // A namespace of another name is none that an application's steps would find.
            if let Some(id) = seen.application.filter(|id| id.as_str() == seen.name) {
                all.entry(id).or_default().namespace = Some(NamespaceSeen {
                    uid: seen.uid,
                    template: seen.template,
                    going: seen.going,
                });
            }
        }
        for seen in pods? {
            if seen.namespace == seen.application.as_str() {
                all.entry(seen.application).or_default().pod = Some(seen.state);
            }
        }
        if let Some(routes) = routes {
            for (id, route) in routes.own.iter().filter(|(id, _)| shard_of(id) == shard) {
                all.entry(id.clone()).or_default().route = RouteSeen::To(route.target.clone());
            }
            for evidence in all.values_mut().filter(|evidence| evidence.route == RouteSeen::Unknown) {
                evidence.route = RouteSeen::Missing;
            }
        }
        Ok(Seen {
            evidence: all,
            preloads,
        })
    }

    /// Every row of the shard that is not ended, as the index has it.
    async fn living(&self, cell: &CellName, shard: u16) -> Result<Vec<(ApplicationId, RowSeen)>, Error> {
        let lane = Lane::Applications(cell.clone());
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.living(&lane, shard, after.as_deref()).await?;
            rows.extend(page.items.into_iter().map(|living| {
                let (state, troubled) = (living.state, living.troubled);
                (living.id, RowSeen { state, troubled })
            }));
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }
}
