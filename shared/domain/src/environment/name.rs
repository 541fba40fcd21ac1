//! Names of environments and of hosts.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::names::{is_dns_label, name};
use crate::refusal::shown;
use crate::{OrganisationName, Refusal};

/// The longest name of a namespace.
const NAMESPACE_MAX: usize = 63;
/// The longest host name (RFC 1035).
const HOST_MAX: usize = 253;
/// How the names of namespaces begin that are the cluster's own.
const RESERVED: &str = "kube-";

name!(
    /// The second part of an environment's name, within its organisation.
    EnvironmentPart,
    is_dns_label,
    "an environment is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);

name!(
    /// A host name: an IPv4 address, or labels of RFC 1123. No port and no wildcard. In lower case: two that differ in
    /// case are one.
    HostName,
    is_host,
    "a host name is an IPv4 address or at most 253 letters, digits, '-' and '.', each label of at most 63 beginning and ending with a letter or digit; without a port"
);

impl HostName {
    /// As [`HostName::parse`], of a name in any case.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the rule.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        Self::parse(&text.to_ascii_lowercase()).map_err(|_| Refusal::bad_name(text, Self::RULE))
    }
}

name!(
    /// The name of an environment's namespace.
    NamespaceName,
    is_dns_label,
    "a namespace's name is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);

/// What an environment is called: `org:env`. Its namespace is `org-env`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentName {
    organisation: OrganisationName,
    environment: EnvironmentPart,
}

impl EnvironmentName {
    /// # Errors
    /// [`Refusal::Malformed`] with the rule when `text` is not two DNS labels with a colon between them, when its
    /// namespace would be too long, or would be one of the cluster's own.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let form = || {
            Refusal::Malformed(format!(
                "'{}' is not allowed: an environment is called 'organisation:environment'",
                shown(text)
            ))
        };
        let (organisation, environment) = text.split_once(':').ok_or_else(form)?;
        let name = Self {
            organisation: OrganisationName::parse(organisation)?,
            environment: EnvironmentPart::parse(environment)?,
        };
        let NamespaceName(namespace) = name.namespace();
        if namespace.len() > NAMESPACE_MAX {
            return Err(Refusal::Malformed(format!(
                "'{}' is not allowed: organisation and environment together have at most {} characters",
                shown(text),
                NAMESPACE_MAX - 1
            )));
        }
        if namespace.starts_with(RESERVED) {
            return Err(Refusal::Malformed(format!(
                "'{}' is not allowed: namespaces that begin with '{RESERVED}' are the cluster's own",
                shown(text)
            )));
        }
        Ok(name)
    }

    /// Whose it is.
    pub fn organisation(&self) -> &OrganisationName {
        &self.organisation
    }

    /// Its name within its organisation.
    pub fn environment(&self) -> &EnvironmentPart {
        &self.environment
    }

    /// The name of its namespace. `a-b:c` and `a:b-c` have the same: only one of them can be.
    pub fn namespace(&self) -> NamespaceName {
        NamespaceName(format!("{}-{}", self.organisation, self.environment))
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.organisation, self.environment)
    }
}

impl TryFrom<String> for EnvironmentName {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<EnvironmentName> for String {
    fn from(name: EnvironmentName) -> String {
        name.to_string()
    }
}

/// In lower case.
fn is_host(text: &str) -> bool {
    let looks_like_an_address = text
        .split('.')
        .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if looks_like_an_address {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    text.len() <= HOST_MAX && text.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_has_two_parts_and_one_namespace() {
        let name = EnvironmentName::parse("org1:env1").unwrap();
        assert_eq!(
            (name.to_string(), name.namespace()),
            ("org1:env1".into(), NamespaceName::parse("org1-env1").unwrap())
        );
        let shared = ["a-b:c", "a:b-c"].map(|text| EnvironmentName::parse(text).unwrap());
        assert_eq!(shared[0].namespace(), shared[1].namespace());
        assert_ne!(shared[0], shared[1]);
    }

    #[test]
    fn what_is_no_environment_is_refused_with_the_rule() {
        let long = format!("{}:{}", "a".repeat(32), "b".repeat(31));
        for bad in [
            "",
            "a",
            ":",
            "a:",
            ":b",
            "a:b:c",
            "A:b",
            "a_b:c",
            "a: b",
            "kube:system",
            "-a:b",
            long.as_str(),
        ] {
            let refused = EnvironmentName::parse(bad).unwrap_err().to_string();
            assert!(refused.contains("is not allowed"), "{refused}");
        }
        let longest = format!("{}:{}", "a".repeat(31), "b".repeat(31));
        assert_eq!(
            EnvironmentName::parse(&longest).unwrap().namespace().as_str().len(),
            NAMESPACE_MAX
        );
    }

    #[test]
    fn a_host_is_an_address_or_a_name_without_a_port() {
        for good in ["host1", "1.2.3.4", "api.example.org", "3com.example", "localhost"] {
            assert_eq!(HostName::read(good).unwrap().as_str(), good);
        }
        assert_eq!(HostName::read("API.Example.Org").unwrap().as_str(), "api.example.org");
        let (label, name) = ("a".repeat(64), format!("{}a", "a.".repeat(127)));
        for bad in [
            "",
            "a:80",
            "*.example.org",
            "a..b",
            "-a",
            "a-",
            "1.2.3.256",
            "1.2.3",
            "::1",
            "a b",
            "a/b",
            &label,
            &name,
        ] {
            assert!(HostName::read(bad).is_err(), "{bad}");
        }
    }
}
