//! What is in a cluster, compared with what was there at its intake.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::limits::{CLEAN_BATCH, CLEAN_RANK_PATIENCE};
use crate::refusal::shown;

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// Its API group; empty for the core.
    pub group: String,
    /// Its name, such as `ConfigMap`.
    pub kind: String,
    /// Whether a custom resource definition made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub custom: bool,
}

/// An object, and which of all that ever had its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Its namespace; none for what is the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The digest of what it says, without its status and what servers write into its metadata.
    pub digest: String,
}

/// An object as an inventory finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Which.
    pub thing: Thing,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it is being deleted already.
    pub terminating: bool,
    /// What it waits for before it goes.
    pub finalizers: Vec<String>,
}

/// What tells a cluster from its baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What is there and was not.
    pub left_over: Vec<Fingerprint>,
    /// What is there, and is not what it was: other contents, or made anew under the old name.
    pub changed: Vec<Thing>,
    /// What was there, and is gone.
    pub missing: Vec<Thing>,
}

/// Kinds that live their own life in every cluster.
const EXEMPT: [&str; 7] = [
    "CSINode.storage.k8s.io",
    "EndpointSlice.discovery.k8s.io",
    "Endpoints",
    "Event",
    "Event.events.k8s.io",
    "Lease.coordination.k8s.io",
    "Node",
];

/// What inventories leave out: kinds that live their own life, and what an operator names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempt(Vec<Exemption>);

/// A kind, or one object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exemption {
    group: String,
    kind: String,
    object: Option<(Option<String>, String)>,
}

impl Default for Exempt {
    fn default() -> Self {
        Self(EXEMPT.iter().filter_map(|text| Exemption::parse(text)).collect())
    }
}

impl Exempt {
    /// What is always exempt, and what `more` names, between commas: kinds, such as `Widget.example.org`, and single
    /// objects, such as `ConfigMap kube-system/cluster-autoscaler-status`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for what is neither.
    pub fn with(more: &str) -> Result<Self, Refusal> {
        let mut exempt = Self::default();
        for text in more.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let exemption = Exemption::parse(text).ok_or_else(|| {
                let example =
                    "write a kind, such as 'Widget.example.org', or an object, such as 'ConfigMap kube-system/status'";
                Refusal::Malformed(format!("'{}' cannot be exempt: {example}", shown(text)))
            })?;
            exempt.0.push(exemption);
        }
        Ok(exempt)
    }

    /// Whether every object of a kind is exempt.
    pub fn covers_all(&self, kind: &Kind) -> bool {
        let mut whole = self.0.iter().filter(|one| one.object.is_none());
        whole.any(|one| one.is_of(kind))
    }

    /// Whether this object is exempt.
    pub fn covers(&self, kind: &Kind, namespace: Option<&str>, name: &str) -> bool {
        let is_meant = |one: &Exemption| match &one.object {
            None => true,
            Some((within, named)) => within.as_deref() == namespace && named == name,
        };
        self.0.iter().any(|one| one.is_of(kind) && is_meant(one))
    }
}

impl Exemption {
    fn parse(text: &str) -> Option<Self> {
        let (kind, object) = match text.split_once(' ') {
            Some((kind, object)) => (kind, Some(object.trim())),
            None => (text, None),
        };
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let object = match object.map(|object| object.split_once('/').ok_or(object)) {
            None => None,
            Some(Ok((namespace, name))) => Some((Some(namespace.to_owned()), name.to_owned())),
            Some(Err(name)) => Some((None, name.to_owned())),
        };
        let is_word = |text: &str| !text.is_empty() && !text.contains([' ', '/']);
        let is_whole = is_word(kind)
            && object
                .as_ref()
                .is_none_or(|(namespace, name)| is_word(name) && namespace.as_deref().is_none_or(is_word));
        is_whole.then(|| Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            object,
        })
    }

    fn is_of(&self, kind: &Kind) -> bool {
        self.group == kind.group && self.kind == kind.kind
    }
}

impl Thing {
    fn address(&self) -> (&Kind, Option<&str>, &str) {
        (&self.kind, self.namespace.as_deref(), &self.name)
    }

    fn is_namespace(&self) -> bool {
        self.kind.group.is_empty() && self.kind.kind == "Namespace"
    }

    /// Whether it is an admission policy, or what makes one count.
    pub fn is_policy(&self) -> bool {
        self.kind.group == "admissionregistration.k8s.io" && self.kind.kind.contains("AdmissionPolicy")
    }

    /// Whether clusters forget such things by themselves: requests for certificates, after an hour or a day.
    fn is_forgotten(&self) -> bool {
        self.kind.group == "certificates.k8s.io" && self.kind.kind == "CertificateSigningRequest"
    }
}

impl fmt::Display for Thing {
    /// As people write it: `ConfigMap kube-system/coredns`, `ClusterRole.rbac.authorization.k8s.io admin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.kind)?;
        if !self.kind.group.is_empty() {
            write!(f, ".{}", self.kind.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " {namespace}/{}", self.name),
            None => write!(f, " {}", self.name),
        }
    }
}

impl Difference {
    /// Whether there is any that matters: what was changed or is missing does not where `tolerate_changes` says so.
    pub fn matters(&self, tolerate_changes: bool) -> bool {
        let is_changed = !self.changed.is_empty() || !self.missing.is_empty();
        !self.left_over.is_empty() || (is_changed && !tolerate_changes)
    }
}

/// What tells `now` from `baseline`.
pub fn compare(baseline: &[Thing], now: Vec<Fingerprint>) -> Difference {
    let mut known: Vec<(&Thing, bool)> = baseline.iter().map(|thing| (thing, false)).collect();
    known.sort_unstable();
    let mut difference = Difference::default();
    for seen in now {
        let place = known.binary_search_by(|(thing, _)| thing.address().cmp(&seen.thing.address()));
        let Ok(place) = place else {
            difference.left_over.push(seen);
            continue;
        };
        let (before, is_there) = &mut known[place];
        *is_there = true;
        if **before != seen.thing || seen.terminating {
            difference.changed.push(seen.thing);
        }
    }
    let missing = known
        .into_iter()
        .filter(|(thing, is_there)| !is_there && !thing.is_forgotten());
    difference.missing.extend(missing.map(|(thing, _)| thing.clone()));
    difference
}

/// What of `left_over` is to be deleted next, at most [`CLEAN_BATCH`] of it, by a cleaner that began at `since` and has
/// been at it for so long.
///
/// What could stand in the way of other deletions goes first: policies, then webhooks and API services, whose backends
/// may be in namespaces that go; then custom objects, while those who finish them still run; then namespaces and what is in those
/// that stay; then definitions, then all the rest. The next rank waits until nothing of those before it is left, or for
/// as long as [`CLEAN_RANK_PATIENCE`] for each. What is in a namespace that goes, goes with it. What is younger than
/// the cleaner is somebody else's.
pub fn deletions(left_over: &[Fingerprint], since: Timestamp, at_it: Duration) -> Vec<&Thing> {
    let goes = |name: &str| {
        let mut namespaces = left_over
            .iter()
            .map(|seen| &seen.thing)
            .filter(|thing| thing.is_namespace());
        namespaces.any(|thing| thing.name == name)
    };
    let by_itself = |seen: &&Fingerprint| seen.thing.kind.custom || !seen.thing.namespace.as_deref().is_some_and(goes);
    let wanted: Vec<&Fingerprint> = left_over.iter().filter(by_itself).collect();
    let lowest = wanted.iter().map(|seen| rank(&seen.thing)).min().unwrap_or_default();
    let patience = (at_it.as_secs() / CLEAN_RANK_PATIENCE.as_secs()).min(u64::from(u8::MAX)) as u8;
    let may_go = |seen: &&&Fingerprint| {
        rank(&seen.thing) <= lowest.max(patience) && !seen.terminating && seen.created_at < since
    };
    let mut next: Vec<&Thing> = wanted.iter().filter(may_go).map(|seen| &seen.thing).collect();
    next.sort_by_key(|thing| (rank(thing), !thing.is_policy(), thing.address()));
    next.truncate(CLEAN_BATCH);
    next
}

fn rank(thing: &Thing) -> u8 {
    match thing.kind.group.as_str() {
        "admissionregistration.k8s.io" | "apiregistration.k8s.io" => 0,
        _ if thing.kind.custom => 1,
        _ if thing.namespace.is_some() || thing.is_namespace() => 2,
        "apiextensions.k8s.io" => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn thing(text: &str) -> Thing {
        let (kind, name) = text.split_once(' ').unwrap();
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, name),
        };
        Thing {
            kind: Kind {
                group: group.into(),
                kind: kind.into(),
                custom: group.ends_with("example.org"),
            },
            namespace,
            name: name.into(),
            uid: format!("uid of {text}"),
            digest: "d".into(),
        }
    }

    fn seen(text: &str) -> Fingerprint {
        Fingerprint {
            thing: thing(text),
            created_at: at(0),
            terminating: false,
            finalizers: Vec::new(),
        }
    }

    fn texts<'a>(things: impl IntoIterator<Item = &'a Thing>) -> Vec<String> {
        things.into_iter().map(Thing::to_string).collect()
    }

    const BASELINE: [&str; 3] = [
        "Namespace kube-system",
        "ConfigMap kube-system/a",
        "ClusterRole.rbac.k8s.io admin",
    ];

    fn baseline() -> Vec<Thing> {
        BASELINE.map(thing).into()
    }

    #[test]
    fn what_is_as_it_was_differs_in_nothing() {
        let difference = compare(&baseline(), BASELINE.map(seen).into());
        assert!(!difference.matters(false), "{difference:?}");
    }

    #[test]
    fn left_over_changed_made_anew_and_missing_are_told_apart() {
        let mut edited = seen("ConfigMap kube-system/a");
        edited.thing.digest = "e".into();
        let mut anew = seen("Namespace kube-system");
        anew.thing.uid = "another".into();
        let difference = compare(&baseline(), vec![edited, anew, seen("Secret kube-system/a")]);
        let left: Vec<&Thing> = difference.left_over.iter().map(|seen| &seen.thing).collect();
        assert_eq!(texts(left), ["Secret kube-system/a"]);
        assert_eq!(
            texts(&difference.changed),
            ["ConfigMap kube-system/a", "Namespace kube-system"]
        );
        assert_eq!(texts(&difference.missing), ["ClusterRole.rbac.k8s.io admin"]);
        assert!(difference.matters(true));
        let changed = Difference {
            left_over: Vec::new(),
            ..difference
        };
        assert!(!changed.matters(true) && changed.matters(false));
    }

    #[test]
    fn what_clusters_forget_by_themselves_is_not_missed() {
        let request = "CertificateSigningRequest.certificates.k8s.io csr-1";
        let known = [thing(request), thing("Namespace kube-system")];
        assert!(!compare(&known, vec![seen("Namespace kube-system")]).matters(false));
        let anew = vec![
            seen("Namespace kube-system"),
            seen(request),
            seen("CertificateSigningRequest.certificates.k8s.io csr-2"),
        ];
        assert_eq!(compare(&known, anew).left_over.len(), 1);
    }

    #[test]
    fn what_is_going_of_the_baseline_is_changed() {
        let mut going = seen("ConfigMap kube-system/a");
        going.terminating = true;
        let all = [
            going,
            seen("Namespace kube-system"),
            seen("ClusterRole.rbac.k8s.io admin"),
        ];
        assert_eq!(
            texts(&compare(&baseline(), all.into()).changed),
            ["ConfigMap kube-system/a"]
        );
    }

    #[test]
    fn what_others_depend_on_goes_first_and_the_rest_when_it_is_gone_or_late() {
        let mut left = vec![
            seen("ClusterRole.rbac.k8s.io mine"),
            seen("CustomResourceDefinition.apiextensions.k8s.io widgets.example.org"),
            seen("Namespace mine"),
            seen("ConfigMap kube-system/mine"),
            seen("ConfigMap mine/inside"),
            seen("Widget.example.org mine/w"),
            seen("MutatingWebhookConfiguration.admissionregistration.k8s.io hook"),
            seen("APIService.apiregistration.k8s.io v1.example.org"),
            seen("ValidatingAdmissionPolicy.admissionregistration.k8s.io keep"),
        ];
        let next = |left: &[Fingerprint], seconds| texts(deletions(left, at(10), Duration::from_secs(seconds)));
        assert_eq!(
            next(&left, 0),
            [
                "ValidatingAdmissionPolicy.admissionregistration.k8s.io keep",
                "MutatingWebhookConfiguration.admissionregistration.k8s.io hook",
                "APIService.apiregistration.k8s.io v1.example.org"
            ]
        );
        left.truncate(6);
        assert_eq!(next(&left, 0), ["Widget.example.org mine/w"]);
        left.truncate(5);
        assert_eq!(next(&left, 0), ["ConfigMap kube-system/mine", "Namespace mine"]);
        left[2].terminating = true;
        assert_eq!(next(&left, 0), ["ConfigMap kube-system/mine"]);
        assert_eq!(
            next(&left, 4 * 30).len(),
            3,
            "what does not go holds up nothing for ever"
        );
    }

    #[test]
    fn exempt_is_what_always_is_and_what_is_named() {
        let exempt = Exempt::with("Widget.example.org, ConfigMap kube-system/status ,Secret own").unwrap();
        let covers = |text: &str| {
            let thing = thing(text);
            exempt.covers(&thing.kind, thing.namespace.as_deref(), &thing.name)
        };
        for yes in [
            "Event a/b",
            "Node n",
            "Widget.example.org a/b",
            "ConfigMap kube-system/status",
            "Secret own",
        ] {
            assert!(covers(yes), "{yes}");
        }
        for no in [
            "Widget a/b",
            "ConfigMap default/status",
            "ConfigMap kube-system/other",
            "Secret a/own",
        ] {
            assert!(!covers(no), "{no}");
        }
        assert!(
            exempt.covers_all(&thing("Widget.example.org a/b").kind) && !exempt.covers_all(&thing("Secret own").kind)
        );
        for bad in ["ConfigMap a/b/c", "/", "a b c", "ConfigMap /x", "A /"] {
            assert!(Exempt::with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_younger_than_the_cleaner_is_left_alone() {
        let left = [seen("Namespace mine")];
        assert_eq!(deletions(&left, at(0), Duration::ZERO), [] as [&Thing; 0]);
        assert_eq!(deletions(&left, at(1), Duration::ZERO).len(), 1);
    }
}
