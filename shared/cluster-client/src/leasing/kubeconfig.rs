//! Kubeconfigs: what an operator registers a cluster by, and what a holder is given.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use net::Trust;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Token, TokenSource};

/// The most bytes of a kubeconfig.
pub const KUBECONFIG_BYTES_MAX: usize = 64 * 1024;

/// Why a kubeconfig cannot be used. The sentence is for whoever sent it, and quotes nothing of it but names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kubeconfig cannot be used: {0}")]
pub struct KubeconfigError(String);

/// How a cluster is reached, and by whose hand, as the current context of a kubeconfig says.
#[derive(Clone)]
pub struct ClusterAccess {
    /// The URL of its API, without a slash at the end.
    pub server: String,
    /// Whom to trust there, and who to be.
    pub trust: Trust,
    /// The bearer token, if it has one.
    pub token: Option<Token>,
    /// The certificates that vouch for its API, in PEM.
    ca_pem: Option<Vec<u8>>,
}

impl fmt::Debug for ClusterAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterAccess")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl KubeconfigError {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The kubeconfig's own form, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    clusters: Vec<Named<ClusterEntry>>,
    #[serde(default)]
    users: Vec<Named<UserEntry>>,
    #[serde(default)]
    contexts: Vec<Named<ContextEntry>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "cluster", alias = "user", alias = "context")]
    entry: Option<T>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct ClusterEntry {
    server: String,
    certificate_authority_data: Option<String>,
    certificate_authority: Option<String>,
    insecure_skip_tls_verify: bool,
    proxy_url: Option<String>,
    tls_server_name: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct UserEntry {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_key: Option<String>,
    username: Option<String>,
    password: Option<String>,
    exec: Option<Value>,
    auth_provider: Option<Value>,
    #[serde(rename = "as")]
    impersonated: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct ContextEntry {
    cluster: String,
    user: String,
}

impl ClusterAccess {
    /// What the current context of `text` (YAML or JSON) says.
    ///
    /// # Errors
    /// When it does not parse or has no current context; when it needs a program, a file or another service to be used
    /// (`exec`, `auth-provider`, paths, `proxy-url`), does not say whom to trust (plain http,
    /// `insecure-skip-tls-verify`), or has no credential.
    pub fn read(text: &str) -> Result<Self, KubeconfigError> {
        if text.len() > KUBECONFIG_BYTES_MAX {
            let most = KUBECONFIG_BYTES_MAX / 1024;
            return Err(KubeconfigError::new(format!("it has more than {most} KiB")));
        }
        // What the parser says quotes the text, which is a credential.
        let read: Kubeconfig =
            serde_saphyr::from_str(text).map_err(|_| KubeconfigError::new("it is no kubeconfig in YAML or JSON"))?;
        if read.current_context.is_empty() {
            return Err(KubeconfigError::new("it has no current-context"));
        }
        let context: ContextEntry = entry(read.contexts, &read.current_context, "context")?;
        let cluster: ClusterEntry = entry(read.clusters, &context.cluster, "cluster")?;
        let user: UserEntry = entry(read.users, &context.user, "user")?;
        cluster.check()?;
        user.check()?;
        let ca_pem = decoded(
            cluster.certificate_authority_data.as_deref(),
            "certificate-authority-data",
        )?;
        let trust = Trust {
            ca_pem: ca_pem.clone(),
            identity_pem: user.identity()?,
        };
        Ok(Self {
            server: cluster.server.trim_end_matches('/').to_owned(),
            trust,
            token: user.token.filter(|token| !token.is_empty()).map(Token::new),
            ca_pem,
        })
    }

    /// The host of its API, without the port.
    pub fn host(&self) -> String {
        let uri = self.server.parse::<Uri>().ok();
        uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
    }

    /// The text of its bearer token, which is a secret; empty where it has none.
    pub fn token_text(&self) -> &str {
        self.token.as_ref().map_or("", Token::text)
    }

    /// Where the bearer token of each request comes from.
    pub(crate) fn token_source(&self) -> TokenSource {
        self.token.clone().map_or(TokenSource::None, TokenSource::Static)
    }

    /// The same cluster by another's hand.
    #[must_use]
    pub fn by_token(&self, token: Token) -> Self {
        Self {
            server: self.server.clone(),
            trust: Trust {
                ca_pem: self.ca_pem.clone(),
                identity_pem: None,
            },
            token: Some(token),
            ca_pem: self.ca_pem.clone(),
        }
    }

    /// A kubeconfig with this access for a cluster that its holder knows as `name`, in YAML: with the entries in the
    /// order, and of the names, that the older service gave them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig(&self, name: &str) -> Result<String, KubeconfigError> {
        let user = name.to_lowercase();
        let written = WrittenKubeconfig {
            kind: "Config",
            api_version: "v1",
            preferences: serde_json::Map::new(),
            clusters: [WrittenCluster {
                name,
                cluster: WrittenServer {
                    server: &self.server,
                    certificate_authority_data: self.ca_pem.as_deref().map(|pem| STANDARD.encode(pem)),
                },
            }],
            users: [WrittenUser {
                name: &user,
                user: WrittenToken {
                    token: self.token.as_ref().map(Token::text),
                },
            }],
            contexts: [WrittenContext {
                name: &user,
                context: WrittenPair {
                    cluster: name,
                    user: &user,
                },
            }],
            current_context: &user,
        };
        serde_saphyr::to_string(&written).map_err(|_| KubeconfigError::new("it cannot be written"))
    }
}

#[derive(Serialize)]
struct WrittenKubeconfig<'a> {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    preferences: serde_json::Map<String, Value>,
    clusters: [WrittenCluster<'a>; 1],
    users: [WrittenUser<'a>; 1],
    contexts: [WrittenContext<'a>; 1],
    #[serde(rename = "current-context")]
    current_context: &'a str,
}

#[derive(Serialize)]
struct WrittenCluster<'a> {
    name: &'a str,
    cluster: WrittenServer<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenServer<'a> {
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
}

#[derive(Serialize)]
struct WrittenUser<'a> {
    name: &'a str,
    user: WrittenToken<'a>,
}

#[derive(Serialize)]
struct WrittenToken<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize)]
struct WrittenContext<'a> {
    name: &'a str,
    context: WrittenPair<'a>,
}

#[derive(Serialize)]
struct WrittenPair<'a> {
    cluster: &'a str,
    user: &'a str,
}

fn entry<T>(all: Vec<Named<T>>, name: &str, what: &str) -> Result<T, KubeconfigError> {
    let mut named = all.into_iter().filter(|named| named.name == name);
    let found = named.next().and_then(|named| named.entry);
    found.ok_or_else(|| KubeconfigError::new(format!("its current context has no {what}")))
}

fn refused(is_there: bool, what: &str, instead: &str) -> Result<(), KubeconfigError> {
    if is_there {
        return Err(KubeconfigError::new(format!("it has '{what}'; {instead}")));
    }
    Ok(())
}

fn decoded(data: Option<&str>, what: &str) -> Result<Option<Vec<u8>>, KubeconfigError> {
    let decode = |data: &str| {
        let bytes = STANDARD.decode(data.trim());
        bytes.map_err(|_| KubeconfigError::new(format!("its '{what}' is no base64")))
    };
    data.filter(|data| !data.is_empty()).map(decode).transpose()
}

/// What a file's contents can be given as.
const INLINE: &str = "write what the file says into it, as `kubectl config view --flatten --raw` does";

impl ClusterEntry {
    fn check(&self) -> Result<(), KubeconfigError> {
        refused(self.certificate_authority.is_some(), "certificate-authority", INLINE)?;
        refused(
            self.insecure_skip_tls_verify,
            "insecure-skip-tls-verify",
            "give the authority that vouches for the cluster instead",
        )?;
        refused(
            self.proxy_url.is_some(),
            "proxy-url",
            "the cluster must be reachable without one",
        )?;
        refused(
            self.tls_server_name.is_some(),
            "tls-server-name",
            "its certificate must name the address of the server",
        )?;
        let uri = self.server.parse::<Uri>().ok();
        let is_https = uri
            .as_ref()
            .is_some_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
        let is_plain = uri.is_some_and(|uri| uri.query().is_none() && !self.server.contains('@'));
        if is_https && is_plain {
            return Ok(());
        }
        Err(KubeconfigError::new(
            "the server of its current context is no https URL",
        ))
    }
}

impl UserEntry {
    fn check(&self) -> Result<(), KubeconfigError> {
        let own = "use the token of a service account, or a client certificate";
        refused(self.exec.is_some(), "exec", own)?;
        refused(self.auth_provider.is_some(), "auth-provider", own)?;
        refused(self.username.is_some() || self.password.is_some(), "username", own)?;
        refused(self.impersonated.is_some(), "as", own)?;
        refused(self.token_file.is_some(), "tokenFile", INLINE)?;
        refused(self.client_certificate.is_some(), "client-certificate", INLINE)?;
        refused(self.client_key.is_some(), "client-key", INLINE)?;
        let has_token = self.token.as_ref().is_some_and(|token| !token.is_empty());
        if has_token || self.client_certificate_data.is_some() {
            return Ok(());
        }
        Err(KubeconfigError::new(
            "its current context has neither a token nor a client certificate",
        ))
    }

    /// The client certificate and its key, in PEM.
    fn identity(&self) -> Result<Option<Vec<u8>>, KubeconfigError> {
        let certificate = decoded(self.client_certificate_data.as_deref(), "client-certificate-data")?;
        let key = decoded(self.client_key_data.as_deref(), "client-key-data")?;
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(mut certificate), Some(key)) => {
                certificate.push(b'\n');
                certificate.extend(key);
                Ok(Some(certificate))
            }
            _ => Err(KubeconfigError::new(
                "a client certificate needs its key, and a key its certificate",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: here
clusters:
- name: other
  cluster: {server: 'http://wrong'}
- name: one
  cluster:
    server: https://203.0.113.7:6443/
    certificate-authority-data: Q0E=
contexts:
- name: here
  context: {cluster: one, user: somebody, namespace: kept}
users:
- name: somebody
  user:
    token: s3cret
";

    fn refusal(change: impl Fn(&str) -> String) -> String {
        ClusterAccess::read(&change(GOOD)).unwrap_err().to_string()
    }

    #[test]
    fn the_current_context_counts() {
        let access = ClusterAccess::read(GOOD).unwrap();
        assert_eq!(
            (access.server.as_str(), access.host().as_str()),
            ("https://203.0.113.7:6443", "203.0.113.7")
        );
        assert_eq!(access.trust.ca_pem.as_deref(), Some(b"CA".as_slice()));
        assert_eq!(access.token.as_ref().map(Token::text), Some("s3cret"));
        assert!(!format!("{access:?}").contains("s3cret"));
    }

    #[test]
    fn what_it_cannot_be_used_by_is_refused_with_a_sentence_and_without_the_secret() {
        for (old, new, why) in [
            ("current-context: here", "", "no current-context"),
            ("current-context: here", "current-context: there", "no context"),
            ("cluster: one", "cluster: two", "no cluster"),
            ("user: somebody", "user: nobody", "no user"),
            ("https://203", "http://203", "no https URL"),
            ("https://203", "https://a:b@203", "no https URL"),
            (
                "certificate-authority-data: Q0E=",
                "insecure-skip-tls-verify: true",
                "insecure-skip-tls-verify",
            ),
            (
                "certificate-authority-data: Q0E=",
                "certificate-authority: /ca.crt",
                "flatten",
            ),
            (
                "certificate-authority-data: Q0E=",
                "certificate-authority-data: '*'",
                "no base64",
            ),
            ("certificate-authority-data: Q0E=", "proxy-url: socks5://x", "proxy-url"),
            ("token: s3cret", "exec: {command: aws}", "'exec'"),
            ("token: s3cret", "auth-provider: {name: gcp}", "'auth-provider'"),
            ("token: s3cret", "tokenFile: /t", "'tokenFile'"),
            ("token: s3cret", "client-certificate: /t", "'client-certificate'"),
            ("token: s3cret", "client-certificate-data: Q0E=", "needs its key"),
            ("token: s3cret", "username: a", "'username'"),
            ("token: s3cret", "token: ''", "neither a token nor"),
            ("clusters:", "clusters: {", "no kubeconfig"),
        ] {
            let said = refusal(|text| text.replacen(old, new, 1));
            assert!(said.contains(why) && !said.contains("s3cret"), "{new}: {said}");
        }
        assert!(refusal(|text| text.repeat(200)).contains("64 KiB"));
    }

    #[test]
    fn what_a_holder_is_given_reads_back() {
        let access = ClusterAccess::read(GOOD).unwrap().by_token(Token::new("theirs"));
        let text = access.kubeconfig("Ci-1").unwrap();
        let order = ["clusters:", "users:", "contexts:", "current-context: ci-1"].map(|word| text.find(word).unwrap());
        assert!(order.is_sorted() && text.contains("name: Ci-1"), "{text}");
        let again = ClusterAccess::read(&text).unwrap();
        assert_eq!(again.server, access.server);
        assert_eq!(again.token.as_ref().map(Token::text), Some("theirs"));
        assert_eq!(again.trust.ca_pem, access.trust.ca_pem);
    }

    #[test]
    fn a_client_certificate_is_an_identity() {
        let both = "client-certificate-data: Q0VSVA==\n    client-key-data: S0VZ";
        let access = ClusterAccess::read(&GOOD.replace("token: s3cret", both)).unwrap();
        assert_eq!(access.trust.identity_pem.as_deref(), Some(b"CERT\nKEY".as_slice()));
        assert!(access.token.is_none());
    }
}
