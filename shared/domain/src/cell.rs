//! Where applications live.

use crate::refusal::shown;
use crate::{ApplicationId, CellName, Refusal};

/// Stands for an application's id in a public host.
const ID: &str = "{id}";

/// A home cluster with its route proxy, as decisions see it: no address of its API and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The name that every row living here carries.
    pub name: CellName,
    /// Host, with a port where needed, at which people reach the route proxy. No scheme. With `{id}` as its first label
    /// each application has a host, and so a browser origin, of its own.
    pub public_host: String,
}

impl Cell {
    /// Where an application answers once it runs: `<host>/user/<id>`, no scheme and no trailing slash, as the older
    /// service gave it.
    pub fn location(&self, id: &ApplicationId) -> String {
        format!("{}/user/{id}", self.public_host.replace(ID, id.as_str()))
    }

    /// Checks a public host: `{id}` may stand in it once, as its whole first label.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the rule.
    pub fn check_public_host(host: &str) -> Result<(), Refusal> {
        let shared = Self::shared_host(host);
        if shared.is_empty() || shared.starts_with([':', '.']) || shared.contains(['{', '}', '/']) {
            return Err(Refusal::Malformed(format!(
                "'{}' is no public host: write a host, with a port where needed and without a scheme; '{{id}}' may stand in it once, as the whole first label, such as '{{id}}.apps.example.org'",
                shown(host)
            )));
        }
        Ok(())
    }

    /// The part of a public host that all applications share.
    pub fn shared_host(host: &str) -> &str {
        host.strip_prefix("{id}.").unwrap_or(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(public_host: &str) -> String {
        let cell = Cell {
            name: CellName::parse("default").unwrap(),
            public_host: public_host.to_owned(),
        };
        cell.location(&ApplicationId::from_bytes([0xab; 16]))
    }

    #[test]
    fn a_location_is_below_the_host_or_below_a_host_of_its_own() {
        let id = "ab".repeat(16);
        assert_eq!(location("apps.example.org"), format!("apps.example.org/user/{id}"));
        assert_eq!(
            location("{id}.apps.example.org:8443"),
            format!("{id}.apps.example.org:8443/user/{id}")
        );
    }

    #[test]
    fn the_id_may_be_the_whole_first_label_and_nothing_else() {
        for good in ["apps.example.org", "127.0.0.1:8081", "[::1]:80", "{id}.localhost:8081"] {
            assert_eq!(Cell::check_public_host(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "{id}",
            "{id}.",
            "{id}:80",
            "{id}.{id}.example",
            "{id}..example",
            "apps.{id}.example",
            "a-{id}.example",
            "{id}-a.example",
            "{name}.example",
            "http://example",
        ] {
            let said = Cell::check_public_host(bad).unwrap_err().to_string();
            assert!(said.contains("'{id}.apps.example.org'"), "{said}");
        }
    }
}
