//! What runs: the part of a template that an application takes over at its launch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::PORT_DEFAULT;
use crate::refusal::shown;
use crate::{ApplicationId, LabelKey, LabelValue, Quantity, Refusal};

/// What runs. A launch keeps its own copy, so that a later change of its template does not reach into it. Field names
/// on the wire are those of the older registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Workload {
    /// What the older service put on the pod as the label `templateName`; informational.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_name: Option<String>,
    /// The image, with its tag or digest.
    #[serde(rename = "image-source")]
    pub image: ImageSource,
    /// The container's command. Empty means [`fill_command`]'s default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The port that the container listens on.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The most CPU and memory that the container may use.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub limits: Resources,
    /// CPU and memory kept free for the container.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub requests: Resources,
    /// The container's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, String>,
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<LabelKey, LabelValue>,
    /// Taints that do not keep the pod away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// The user that the container runs as.
    #[serde(default, rename = "run-as-user")]
    pub run_as: RunAs,
    /// The pod security standard that its namespace enforces.
    #[serde(default)]
    pub security: Security,
    /// When the image is pulled; absent means Kubernetes' own rule.
    #[serde(default, rename = "image-pull-policy", skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
}

fn default_port() -> u16 {
    PORT_DEFAULT
}

/// The container's command: `command` as written, or the older service's default when it is empty, with `<id>` and
/// `<port>` filled in. The quotes of `--ip='*'` are literal characters in the original too.
pub fn fill_command(command: &[String], id: &ApplicationId, port: u16) -> Vec<String> {
    const DEFAULT: [&str; 5] = [
        "/home/main/start-notebook.sh",
        "--ip='*'",
        "--port=<port>",
        "--NotebookApp.base_url='/user/<id>'",
        "--debug",
    ];
    let fill = |part: &str| part.replace("<id>", id.as_str()).replace("<port>", &port.to_string());
    if command.is_empty() {
        DEFAULT.into_iter().map(fill).collect()
    } else {
        command.iter().map(|part| fill(part)).collect()
    }
}

/// An image with its tag or digest. A bare name gets `:latest`; the older service appended it to tags as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageSource(String);

impl ImageSource {
    /// # Errors
    /// [`Refusal::Malformed`] when it cannot be an image reference.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        const MAX: usize = 512;
        let (rest, digest) = text
            .split_once('@')
            .map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let (host, path) = match rest.split_once('/') {
            // As Docker reads it: the first part is a registry when it could be a host name.
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
            _ => (None, rest),
        };
        let (path, tag) = path
            .split_once(':')
            .map_or((path, None), |(path, tag)| (path, Some(tag)));
        let good = text.len() <= MAX
            && host.is_none_or(is_host)
            && path.split('/').all(is_path_part)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if !good {
            return Err(Refusal::Malformed(format!(
                "'{}' is not an image: write 'registry/name:tag' or 'registry/name@sha256:…', the name in lower case",
                shown(text)
            )));
        }
        let bare = tag.is_none() && digest.is_none();
        Ok(Self(if bare {
            format!("{text}:latest")
        } else {
            text.to_owned()
        }))
    }

    /// The whole reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_host(text: &str) -> bool {
    let (name, port) = text
        .split_once(':')
        .map_or((text, None), |(name, port)| (name, Some(port)));
    let inner = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
    !name.is_empty() && name.bytes().all(inner) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Lower-case letters and digits, with '.', '_' and '-' between them.
fn is_path_part(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| plain(b) || b"._-".contains(&b))
        && text.bytes().next().is_some_and(plain)
        && text.bytes().next_back().is_some_and(plain)
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !text.starts_with(['.', '-'])
}

/// An algorithm and hexadecimal digits; how many is the registry's business.
fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        is_path_part(algorithm) && (1..=128).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

impl TryFrom<String> for ImageSource {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<ImageSource> for String {
    fn from(image: ImageSource) -> String {
        image.0
    }
}

/// The name of an environment variable: letters, digits and underscores, not beginning with a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

impl EnvName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvName {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if first && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            Ok(Self(text))
        } else {
            Err(Refusal::bad_name(
                &text,
                "an environment variable's name has letters, digits and '_', and does not begin with a digit",
            ))
        }
    }
}

impl From<EnvName> for String {
    fn from(name: EnvName) -> String {
        name.0
    }
}

/// Amounts of CPU and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

impl Resources {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }
}

/// A taint that does not keep the pod away, as Kubernetes writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Toleration {
    /// The taint's key; absent means every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<LabelKey>,
    /// How the taint is compared; absent means `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<LabelValue>,
    /// The taint's effect; absent means every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

impl Toleration {
    /// Whether Kubernetes would take it: without a key the operator must be `Exists`, and that has no value.
    pub(crate) fn is_consistent(&self) -> bool {
        let exists = self.operator == Some(TolerationOperator::Exists);
        (self.key.is_some() || exists)
            && !(exists && self.value.as_ref().is_some_and(|value| !value.as_str().is_empty()))
    }
}

/// How a toleration is compared with a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// Key and value are the same.
    Equal,
    /// The key is the same.
    Exists,
}

impl TolerationOperator {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            TolerationOperator::Equal => "Equal",
            TolerationOperator::Exists => "Exists",
        }
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaintEffect {
    /// They are not scheduled.
    NoSchedule,
    /// They are scheduled elsewhere if possible.
    PreferNoSchedule,
    /// They are evicted.
    NoExecute,
}

impl TaintEffect {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}

/// The user that a container runs as: a number, or `image` for the image's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RunAsWire", into = "RunAsWire")]
pub enum RunAs {
    /// This user id.
    User(u32),
    /// What the image says.
    Image,
}

impl Default for RunAs {
    fn default() -> Self {
        RunAs::User(1000)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RunAsWire {
    Number(u32),
    Word(String),
}

impl TryFrom<RunAsWire> for RunAs {
    type Error = Refusal;
    fn try_from(wire: RunAsWire) -> Result<Self, Refusal> {
        match wire {
            RunAsWire::Number(user) => Ok(RunAs::User(user)),
            RunAsWire::Word(word) if word == "image" => Ok(RunAs::Image),
            RunAsWire::Word(word) => Err(Refusal::bad_name(&word, "'run-as-user' is a user id or 'image'")),
        }
    }
}

impl From<RunAs> for RunAsWire {
    fn from(run_as: RunAs) -> Self {
        match run_as {
            RunAs::User(user) => RunAsWire::Number(user),
            RunAs::Image => RunAsWire::Word("image".to_owned()),
        }
    }
}

/// The pod security standard that an application's namespace enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Hardened: no root, no privilege escalation.
    #[default]
    Restricted,
    /// Root inside the container is possible.
    Baseline,
}

impl Security {
    /// As the namespace's label says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Security::Restricted => "restricted",
            Security::Baseline => "baseline",
        }
    }
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// At every start.
    Always,
    /// When the node has none.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_name_gets_latest() {
        for (given, kept) in [
            ("andrewosh/example", "andrewosh/example:latest"),
            ("host:5000/img", "host:5000/img:latest"),
            ("repo/img:1.2", "repo/img:1.2"),
            ("repo/img:latest", "repo/img:latest"),
            ("localhost/img", "localhost/img:latest"),
        ] {
            assert_eq!(ImageSource::parse(given).unwrap().as_str(), kept);
        }
        let digest = format!("repo/img@sha256:{}", "a".repeat(64));
        assert_eq!(ImageSource::parse(&digest).unwrap().as_str(), digest);
        for bad in [
            "",
            "a b",
            "repo/",
            "repo/img:",
            "repo/:tag",
            "/img",
            "img\n",
            "http://x",
            "X/Y",
            "a:b:c",
            "x@sha256:zz",
            "a//b",
            "a-",
            "h:99999/x",
        ] {
            assert!(ImageSource::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_default_command_is_the_old_one_filled_in() {
        let id = ApplicationId::from_bytes([1; 16]);
        assert_eq!(fill_command(&[], &id, 8888)[2], "--port=8888");
        assert_eq!(
            fill_command(&[], &id, 8888)[3],
            format!("--NotebookApp.base_url='/user/{id}'")
        );
        assert_eq!(
            fill_command(&["serve".into(), "<port>".into()], &id, 80),
            ["serve", "80"]
        );
    }
}
