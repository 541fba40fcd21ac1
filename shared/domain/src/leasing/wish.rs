//! What a caller wants of a cluster.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::leasing::Offer;
use crate::limits::{CLUSTER_REGEX_MAX, CLUSTER_REGEX_SIZE_MAX, CLUSTER_VERSION_MAX, WISH_LABELS_MAX};
use crate::refusal::shown;
use crate::{LabelKey, LabelValue, ProviderName, Refusal};

/// What a caller wants of a cluster, as it was said. What is empty was not said: the older client sends all its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// A pattern that is to be found in the cluster's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster_regex: String,
    /// The beginning of the cluster's version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster_version: String,
    /// Who provides the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cloud_provider: String,
    /// Labels that the cluster carries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
}

/// A [`Wish`] that was understood.
#[derive(Clone, Debug)]
pub struct Wanted {
    name: Option<Regex>,
    version: Vec<String>,
    provider: Option<ProviderName>,
    labels: BTreeMap<LabelKey, LabelValue>,
}

impl Wish {
    /// What is wanted by it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a pattern that is none or is too large, a version or a provider that can be none, and
    /// too many labels.
    pub fn understood(&self) -> Result<Wanted, Refusal> {
        let bytes = |(key, value): (&LabelKey, &LabelValue)| key.as_str().len() + value.as_str().len();
        if self.labels.iter().map(bytes).sum::<usize>() > WISH_LABELS_MAX {
            return Err(Refusal::Malformed(format!(
                "'labels' have more than {WISH_LABELS_MAX} bytes together"
            )));
        }
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Wanted {
            name: said(&self.cluster_regex).map(|text| pattern(&text)).transpose()?,
            version: version(&self.cluster_version)?,
            provider: said(&self.cloud_provider)
                .map(|text| ProviderName::parse(&text))
                .transpose()?,
            labels: self.labels.clone(),
        })
    }
}

impl Wanted {
    /// Whether `cluster` is one.
    pub fn fits(&self, cluster: &Offer) -> bool {
        let has = |(key, value): (&LabelKey, &LabelValue)| cluster.labels.get(key) == Some(value);
        self.name
            .as_ref()
            .is_none_or(|name| name.is_match(cluster.name.as_str()))
            && self
                .provider
                .as_ref()
                .is_none_or(|provider| *provider == cluster.cloud_provider)
            && segments(&cluster.version)
                .take(self.version.len())
                .eq(self.version.iter())
            && self.labels.iter().all(has)
    }

    /// The provider that it must be of, if any.
    pub fn provider(&self) -> Option<&ProviderName> {
        self.provider.as_ref()
    }
}

fn pattern(text: &str) -> Result<Regex, Refusal> {
    let refused = |why: &str| Refusal::Malformed(format!("'cluster_regex' cannot be used: {why}"));
    if text.len() > CLUSTER_REGEX_MAX {
        return Err(refused(&format!("it has more than {CLUSTER_REGEX_MAX} bytes")));
    }
    let built = RegexBuilder::new(text).size_limit(CLUSTER_REGEX_SIZE_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => refused("what it repeats is too large"),
        error => {
            // The last line of several says what is wrong; those before show where.
            let error = error.to_string();
            refused(error.lines().last().unwrap_or_default().trim_start_matches("error: "))
        }
    })
}

fn version(text: &str) -> Result<Vec<String>, Refusal> {
    let is_known = |b: u8| b.is_ascii_alphanumeric() || b".-+".contains(&b);
    let parts: Vec<String> = segments(text).map(str::to_owned).collect();
    let is_one = text.is_empty() || parts.iter().all(|part| !part.is_empty());
    if text.len() <= CLUSTER_VERSION_MAX && text.bytes().all(is_known) && is_one {
        return Ok(if text.is_empty() { Vec::new() } else { parts });
    }
    Err(Refusal::Malformed(format!(
        "'cluster_version' is '{}'; write the beginning of a version in whole numbers, such as 1.35",
        shown(text)
    )))
}

/// The parts of a version, without the `v` in front.
fn segments(version: &str) -> impl Iterator<Item = &str> {
    version.strip_prefix('v').unwrap_or(version).split(['.', '-', '+'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leasing::cluster::tests::free;

    fn fits(wish: Wish) -> bool {
        wish.understood().unwrap().fits(&free("ci-eu-1").offer())
    }

    fn named(cluster_regex: &str) -> Wish {
        Wish {
            cluster_regex: cluster_regex.into(),
            ..Wish::default()
        }
    }

    fn of_version(cluster_version: &str) -> Wish {
        Wish {
            cluster_version: cluster_version.into(),
            ..Wish::default()
        }
    }

    #[test]
    fn what_was_not_said_is_not_wanted() {
        assert!(fits(Wish::default()));
        assert_eq!(serde_json::from_str::<Wish>("{}").unwrap(), Wish::default());
    }

    #[test]
    fn a_pattern_is_found_anywhere_in_the_name() {
        for good in ["eu", "^ci-", "-1$", "ci-(eu|us)-\\d+", "(?i)EU"] {
            assert!(fits(named(good)), "{good}");
        }
        assert!(!fits(named("^eu")) && !fits(named("us")));
    }

    #[test]
    fn a_pattern_that_is_none_or_too_large_is_refused_with_the_reason() {
        for (bad, why) in [
            ("(", "unclosed group"),
            ("\\1", "backreferences"),
            ("a{0,999999999}", "large"),
            ("(a{0,1000}){0,1000}", "large"),
            ("(?=a)", "look-around"),
        ] {
            let said = named(bad).understood().unwrap_err().to_string();
            assert!(
                said.starts_with("'cluster_regex' cannot be used: ") && said.contains(why),
                "{said}"
            );
        }
        assert!(named(&"a".repeat(CLUSTER_REGEX_MAX + 1)).understood().is_err());
    }

    #[test]
    fn a_version_is_met_by_whole_segments() {
        for good in ["1.35.4", "v1.35.4", "1.35", "1", "1.35.4+k3s1", "1.35.4-k3s1"] {
            assert!(fits(of_version(good)), "{good}");
        }
        for other in ["1.3", "1.35.40", "2", "1.35.4.5"] {
            assert!(!fits(of_version(other)), "{other}");
        }
        for bad in ["1.", ".1", "1..2", "v", "latest version", "1.35\n", &"1".repeat(65)] {
            assert!(of_version(bad).understood().is_err(), "{bad}");
        }
    }

    #[test]
    fn provider_and_labels_are_exact() {
        let provider = |cloud_provider: &str| Wish {
            cloud_provider: cloud_provider.into(),
            ..Wish::default()
        };
        assert!(fits(provider("static")) && !fits(provider("google")));
        assert!(provider("Not A Word").understood().is_err());
        let labels = |value: &str| Wish {
            labels: [(LabelKey::parse("size").unwrap(), LabelValue::parse(value).unwrap())].into(),
            ..Wish::default()
        };
        assert!(fits(labels("small")) && !fits(labels("large")));
    }
}
