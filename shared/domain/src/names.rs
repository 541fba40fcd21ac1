//! Names and ids, parsed once at the door; whoever holds one needs no further check.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Declares a newtype over `String` that can only be made by its rule.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The rule in words, for messages.
            pub const RULE: &'static str = $rule;

            /// # Errors
            /// [`Refusal::Malformed`] with the rule when `text` is not of it.
            pub fn parse(text: &str) -> Result<Self, Refusal> {
                if $check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Refusal::bad_name(text, $rule))
                }
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;
            fn try_from(text: String) -> Result<Self, Refusal> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

pub(crate) use name;

name!(
    /// An application's id: 32 lower-case hexadecimal digits, which the older service made with `hat()`. It is the
    /// name of the application's namespace and the end of its location.
    ApplicationId,
    is_hex_id,
    "an application's id is 32 lower-case hexadecimal digits"
);
name!(
    /// A template's name. It never becomes a Kubernetes name.
    TemplateName,
    is_template_name,
    "a template's name begins with a lower-case letter or digit and has at most 253 lower-case letters, digits, '.', '_' and '-'"
);
name!(
    /// The name of a cell: a home cluster with its route proxy.
    CellName,
    is_dns_label,
    "a cell's name is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);
name!(
    /// The id of an installation, on every object that it makes and in every selector that it uses.
    InstallationId,
    is_dns_label,
    "an installation's id is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);
name!(
    /// The name of an API key. Not the key.
    KeyName,
    is_dns_label,
    "a key's name is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);
name!(
    /// The id of an API key, from which the key itself is derived. It tells a key from a later one of the same name.
    KeyId,
    is_hex_id,
    "a key's id is 32 lower-case hexadecimal digits"
);
name!(
    /// An organisation, to which environments belong. It is the beginning of their namespaces' names.
    OrganisationName,
    is_dns_label,
    "an organisation is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);

name!(
    /// The name of a deployment in an environment.
    DeploymentName,
    is_dns_label,
    "a deployment's name is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);

name!(
    /// The name of a cluster that can be leased.
    ClusterName,
    is_dns_label,
    "a cluster's name is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);
name!(
    /// The name of a pool of clusters that can be leased.
    ClusterPoolName,
    is_dns_label,
    "a cluster pool's name is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);
name!(
    /// Who provides a cluster: a free word, so that old scripts that say `google` can be served by any cluster.
    ProviderName,
    is_dns_label,
    "a cloud provider is a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
);
name!(
    /// The id of a lease, of which its token is derived. Not the token.
    LeaseId,
    is_hex_id,
    "a lease's id is 32 lower-case hexadecimal digits"
);

name!(
    /// The key of a Kubernetes label or taint: a name, with a DNS prefix where wanted.
    LabelKey,
    is_label_key,
    "a label's key is at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, with a DNS name and '/' before it where wanted"
);
name!(
    /// The value of a Kubernetes label or taint.
    LabelValue,
    |text: &str| text.is_empty() || is_label_word(text),
    "a label's value is at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, or empty"
);

impl ApplicationId {
    /// The id made of 16 random bytes, which the edge drew.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hex_id(bytes))
    }
}

impl LeaseId {
    /// The id made of 16 random bytes, which the edge drew.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hex_id(bytes))
    }
}

impl KeyId {
    /// The id made of 16 random bytes, which the edge drew.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hex_id(bytes))
    }
}

fn hex_id(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

impl TemplateName {
    /// `unknown`: the template of what was found without a record and does not say which.
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }
}

fn is_hex_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_template_name(text: &str) -> bool {
    text.len() <= 253
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => prefix.len() <= 253 && prefix.split('.').all(is_dns_label) && is_label_word(name),
        None => is_label_word(text),
    }
}

fn is_label_word(text: &str) -> bool {
    let outer = |b: u8| b.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| outer(b) || b"-_.".contains(&b))
        && text.bytes().next().is_some_and(outer)
        && text.bytes().next_back().is_some_and(outer)
}

/// Whether `text` is a DNS label of RFC 1123.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| inner(b) || b == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_sixteen_bytes_and_reads_back() {
        let id = ApplicationId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.as_str(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(ApplicationId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn ids_of_another_length_case_or_alphabet_are_refused() {
        for text in [
            "",
            "abc",
            "000102030405060708090A0B0C0D0EFF",
            "zz0102030405060708090a0b0c0d0eff",
        ] {
            assert!(ApplicationId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn template_names_keep_the_registrys_alphabet() {
        for good in ["a", "0", "binder-project-example-requirements", "a.b_c-d"] {
            assert!(TemplateName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "A", "a/b", "a b", "ä", &"a".repeat(254)] {
            assert!(TemplateName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn label_keys_and_values_are_kubernetes_own() {
        for good in ["pool", "mybinder.org/pool-type", "a_b.c"] {
            assert!(LabelKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "/x", "x/", "-a", "a/b/c", "A.org/x"] {
            assert!(LabelKey::parse(bad).is_err(), "{bad}");
        }
        assert!(LabelValue::parse("").is_ok() && LabelValue::parse("a b").is_err());
    }

    #[test]
    fn labels_are_those_of_rfc_1123() {
        assert!(CellName::parse("home-1").is_ok());
        for bad in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
            assert!(CellName::parse(bad).is_err(), "{bad}");
        }
    }
}
