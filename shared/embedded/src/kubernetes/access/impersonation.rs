//! Requests in somebody else's place, by the headers `Impersonate-*`.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::super::machine::Machine;
use super::super::status::Refusal;
use super::attributes::{Attributes, ResourceAttributes};
use super::{AUTHENTICATED, User, account_groups, denied};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";
const ANONYMOUS: &str = "system:anonymous";
const UNAUTHENTICATED: &str = "system:unauthenticated";

impl Machine {
    /// Whoever `user` wants to be, if they may.
    pub(super) fn impersonated(&self, user: User, headers: &HeaderMap) -> Result<User, Refusal> {
        let values = |name: &str| -> Vec<String> {
            let found = headers.get_all(name).iter();
            found
                .filter_map(|value| value.to_str().ok())
                .map(str::to_owned)
                .collect()
        };
        let extras: Vec<(String, String)> = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().strip_prefix(EXTRA)?, value.to_str().ok()?)))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let (names, given, uids) = (values(USER), values(GROUP), values(UID));
        let Some(name) = names.into_iter().next().filter(|name| !name.is_empty()) else {
            return match given.is_empty() && uids.is_empty() && extras.is_empty() {
                true => Ok(user),
                false => Err(Refusal::bad_request(
                    "requested groups, uid or extras without impersonating a user",
                )),
            };
        };
        let may = |group: &str, resource: &str, part: &str, namespace: &str, name: &str| {
            let asked = Attributes::Resource(ResourceAttributes {
                verb: "impersonate".to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: part.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            });
            let allowed = self.decide(&user, &asked).is_allowed();
            allowed.then_some(()).ok_or_else(|| denied(&user, &asked))
        };
        let account = name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'));
        match account {
            Some((namespace, account)) => may("", "serviceaccounts", "", namespace, account)?,
            None => may("", "users", "", "", &name)?,
        }
        for group in &given {
            may("", "groups", "", "", group)?;
        }
        let mut extra = BTreeMap::<String, Vec<String>>::new();
        for (key, value) in extras {
            may(AUTHENTICATION, "userextras", &key, "", &value)?;
            extra.entry(key).or_default().push(value);
        }
        let uid = uids.into_iter().next().unwrap_or_default();
        if !uid.is_empty() {
            may(AUTHENTICATION, "uids", "", "", &uid)?;
        }
        let mut groups = match account {
            Some((namespace, _)) if given.is_empty() => account_groups(namespace),
            _ => given,
        };
        let kinds = if name == ANONYMOUS {
            &[UNAUTHENTICATED][..]
        } else {
            &[AUTHENTICATED, UNAUTHENTICATED]
        };
        if !groups.iter().any(|group| kinds.contains(&group.as_str())) {
            groups.push(kinds[0].to_owned());
        }
        Ok(User {
            name,
            uid,
            groups,
            extra,
        })
    }
}
