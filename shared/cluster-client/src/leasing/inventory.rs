//! What is in a cluster, and how it goes.

use std::collections::{BTreeMap, HashSet};

use domain::limits::{CLUSTER_PAGE, INVENTORY_MAX};
use domain::{Epoch, Exempt, Fingerprint, Kind, Thing};
use futures::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};
use jiff::Timestamp;
use kube::Resource;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject};
use kube::discovery::Discovery;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{self, Error};
use crate::leasing::fingerprint::{self, ADMISSION, Controller};
use crate::leasing::leased::{Hand, LeasedCluster, SYSTEM};
use crate::objects::PARTS;

/// Kinds that are listed at once, and things that are deleted.
const CONCURRENCY: usize = 8;
/// Pages of one kind: a look ends before that many small ones are read.
const PAGES_MAX: usize = 1_000;
/// Custom resource definitions.
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// What is in a cluster, but for what is exempt.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Each object, but for what controllers made of others.
    pub seen: Vec<Fingerprint>,
    /// What controllers made of others that are gone: it follows them by itself, or waits for something.
    pub orphans: Vec<Fingerprint>,
    /// Certificate signing requests that were approved.
    pub approved: Vec<Thing>,
    /// Kinds that discovery names and that could not be listed.
    pub unlisted: Vec<Kind>,
}

impl LeasedCluster {
    /// What is in the cluster, but for what is exempt, and for the account and the binding of the cleaner of an epoch
    /// where one is at work.
    ///
    /// # Errors
    /// Those of a read of what discovery needs, or of a list that fails for another reason than that its kind cannot be
    /// served; [`Error::Rejected`] when there is more than [`INVENTORY_MAX`].
    pub async fn inventory(&self, exempt: &Exempt, cleaner: Option<Epoch>) -> Result<Inventory, Error> {
        let resources = self.resources().await?;
        let own = cleaner.map(|epoch| self.name(Hand::Cleaner, epoch));
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let lists: Vec<_> = resources
            .values()
            .map(|resource| self.listed(resource, exempt, own.as_deref()))
            .collect();
        let listed: Vec<Listed> = stream::iter(lists).buffered(CONCURRENCY).try_collect().await?;
        let mut all = Listed::default();
        for one in listed {
            all.inventory.seen.extend(one.inventory.seen);
            all.inventory.approved.extend(one.inventory.approved);
            all.inventory.unlisted.extend(one.inventory.unlisted);
            all.controlled.extend(one.controlled);
            all.uids.extend(one.uids);
        }
        let mut inventory = all.inventory;
        for (seen, controller) in all.controlled {
            let is_there = exempt.covers_all(&controller.kind) || all.uids.contains(&controller.uid);
            if !is_there {
                inventory.orphans.push(seen);
            } else if fingerprint::gives_rights(&seen.thing.kind) && !is_custom(&resources, &controller.kind) {
                // No controller of Kubernetes makes such a thing: somebody says so.
                inventory.seen.push(seen);
            }
        }
        if inventory.seen.len() > INVENTORY_MAX {
            return Err(Error::rejected(
                "there are more objects in the cluster than can be compared",
            ));
        }
        Ok(inventory)
    }

    /// Deletes what may refuse requests, of what is older than `before` and not in `baseline`: policies first, which
    /// can forbid everything but that they are deleted themselves, then webhooks. Says whether there was any.
    ///
    /// # Errors
    /// Those of a read or a delete, after everything was tried.
    pub async fn disarm(&self, exempt: &Exempt, baseline: &[Thing], before: Timestamp) -> Result<bool, Error> {
        let group = match kube::discovery::group(&self.client, ADMISSION).await {
            Ok(group) => group,
            Err(kube::Error::Discovery(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let known: HashSet<&str> = baseline.iter().map(|thing| thing.uid.as_str()).collect();
        let mut found = Vec::new();
        for (api, can) in group.recommended_resources() {
            if !can.supports_operation("list") || !can.supports_operation("delete") {
                continue;
            }
            let resource = Listable::new(api, &[]);
            let listed = self.listed(&resource, exempt, None).await?;
            let controlled = listed.controlled.into_iter().map(|(seen, _)| seen);
            for seen in listed.inventory.seen.into_iter().chain(controlled) {
                if seen.created_at < before && !known.contains(seen.thing.uid.as_str()) {
                    found.push((resource.api.clone(), seen.thing));
                }
            }
        }
        found.sort_by_key(|(_, thing)| !thing.is_policy());
        let wanted: Vec<(&ApiResource, &Thing)> = found.iter().map(|(api, thing)| (api, thing)).collect();
        self.delete_each(&wanted).await?;
        Ok(!found.is_empty())
    }

    /// Begins to delete what is meant by name and uid; what is gone, or another of its name, is left.
    ///
    /// # Errors
    /// Those of a delete, the first one's, after all of them were tried.
    pub async fn delete_things(&self, things: &[&Thing]) -> Result<(), Error> {
        let resources = self.resources().await?;
        let resource = |thing: &Thing| resources.get(&(thing.kind.group.clone(), thing.kind.kind.clone()));
        let wanted: Vec<(&ApiResource, &Thing)> = things
            .iter()
            .filter_map(|thing| Some((&resource(thing)?.api, *thing)))
            .collect();
        self.delete_each(&wanted).await
    }

    /// One that is refused does not keep the others: it may be they that it waits for.
    async fn delete_each(&self, wanted: &[(&ApiResource, &Thing)]) -> Result<(), Error> {
        let mut first = None;
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let each = wanted.iter().map(|(resource, thing)| self.delete(resource, thing));
        let each: Vec<_> = each.collect();
        let mut deleted = stream::iter(each).buffered(CONCURRENCY);
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(()) => {}
                Err(Error::OutOfTime) => return Err(Error::OutOfTime),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    async fn delete(&self, resource: &ApiResource, thing: &Thing) -> Result<(), Error> {
        let path = DynamicObject::url_path(resource, thing.namespace.as_deref());
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"uid": thing.uid},
        });
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(format!("{path}/{}", thing.name))
            .header("content-type", "application/json")
            .body(options.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        match self.client.request_text(request).await {
            Ok(_) => Ok(()),
            Err(error) if error::is_absent(&error) || error::is_conflict(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Every kind that can be listed and deleted, by group and name.
    async fn resources(&self) -> Result<BTreeMap<(String, String), Listable>, Error> {
        let discovery = Discovery::new(self.client.clone()).run_aggregated().await?;
        let custom = self.custom_groups().await?;
        let all = discovery.groups().flat_map(|group| group.recommended_resources());
        let listable = all.filter(|(_, can)| can.supports_operation("list") && can.supports_operation("delete"));
        let named = listable.map(|(api, _)| ((api.group.clone(), api.kind.clone()), Listable::new(api, &custom)));
        Ok(named.collect())
    }

    /// Group and kind of each custom resource definition.
    async fn custom_groups(&self) -> Result<Vec<(String, String)>, Error> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut params = ListParams::default().limit(CLUSTER_PAGE);
        let mut groups = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = match self.page(DEFINITIONS, &mut params).await {
                Ok(page) => page,
                Err(error) if error::is_absent(&error) => return Ok(groups),
                Err(error) => return Err(error.into()),
            };
            let definitions = page.items.iter();
            groups.extend(definitions.map(|one| (text(&one["spec"]["group"]), text(&one["spec"]["names"]["kind"]))));
            if params.continue_token.is_none() {
                return Ok(groups);
            }
        }
        Err(Error::rejected("a list of the cluster has too many pages"))
    }

    /// The next page of a list, and where the one after begins. Whoever has the cluster makes objects as large as may be:
    /// a page that is too large is asked for in smaller parts.
    async fn page(&self, path: &str, params: &mut ListParams) -> Result<Page, kube::Error> {
        loop {
            let request = kube::core::Request::new(path)
                .list(params)
                .map_err(kube::Error::BuildRequest)?;
            let limit = params.limit.unwrap_or(CLUSTER_PAGE);
            match self.client.request::<Page>(request).await {
                Ok(page) => {
                    params.continue_token = page.metadata.next.clone().filter(|token| !token.is_empty());
                    return Ok(page);
                }
                Err(error) if limit > 1 && error::is_too_large(&error) => params.limit = Some((limit / PARTS).max(1)),
                Err(error) => return Err(error),
            }
        }
    }

    async fn listed(&self, resource: &Listable, exempt: &Exempt, own: Option<&str>) -> Result<Listed, Error> {
        let mut listed = Listed::default();
        if exempt.covers_all(&resource.kind) {
            return Ok(listed);
        }
        let path = DynamicObject::url_path(&resource.api, None);
        let mut params = ListParams::default().limit(CLUSTER_PAGE);
        for _ in 0..PAGES_MAX {
            let page = match self.page(&path, &mut params).await {
                Ok(page) => page,
                // Its definition has just gone, or whoever serves it does not.
                Err(error) if error::is_absent(&error) => return Ok(listed),
                Err(error) if error::is_unserved(&error, resource.kind.custom) => {
                    listed.inventory.unlisted.push(resource.kind.clone());
                    return Ok(listed);
                }
                Err(error) => return Err(error.into()),
            };
            for object in page.items {
                if own.is_some_and(|own| is_account(&resource.kind, &object, own)) {
                    continue;
                }
                listed
                    .uids
                    .extend(object["metadata"]["uid"].as_str().map(str::to_owned));
                let is_approved = fingerprint::is_approved(&resource.kind, &object);
                let controller = fingerprint::controller(&object);
                let Some(seen) = fingerprint::fingerprint(&resource.kind, object, exempt) else {
                    continue;
                };
                if is_approved {
                    listed.inventory.approved.push(seen.thing.clone());
                }
                match controller {
                    Some(controller) => listed.controlled.push((seen, controller)),
                    None => listed.inventory.seen.push(seen),
                }
            }
            if params.continue_token.is_none() || listed.uids.len() > INVENTORY_MAX {
                return Ok(listed);
            }
        }
        Err(Error::rejected("a list of the cluster has too many pages"))
    }
}

/// Of one kind or of all, before it is known what is there.
#[derive(Default)]
struct Listed {
    /// What no controller made.
    inventory: Inventory,
    /// What one made, and which.
    controlled: Vec<(Fingerprint, Controller)>,
    /// Of everything.
    uids: HashSet<String>,
}

/// A kind that can be listed and deleted.
struct Listable {
    api: ApiResource,
    kind: Kind,
}

impl Listable {
    /// `custom`: group and kind of each custom resource definition.
    fn new(api: ApiResource, custom: &[(String, String)]) -> Self {
        let is_it = |(group, kind): &(String, String)| *group == api.group && *kind == api.kind;
        let kind = Kind {
            group: api.group.clone(),
            kind: api.kind.clone(),
            custom: custom.iter().any(is_it),
        };
        Self { api, kind }
    }
}

fn is_custom(resources: &BTreeMap<(String, String), Listable>, kind: &Kind) -> bool {
    let resource = resources.get(&(kind.group.clone(), kind.kind.clone()));
    resource.is_some_and(|resource| resource.kind.custom)
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    items: Vec<Value>,
}

#[derive(Deserialize)]
struct PageMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// Whether it is the account of this name, or its binding. Labels do not tell: a holder can write any.
fn is_account(kind: &Kind, object: &Value, name: &str) -> bool {
    let meta = &object["metadata"];
    let is_account = kind.kind == "ServiceAccount" && kind.group.is_empty() && meta["namespace"] == SYSTEM;
    let is_binding = kind.kind == "ClusterRoleBinding" && kind.group == "rbac.authorization.k8s.io";
    (is_account || is_binding) && meta["name"] == name
}
