//! Connections: TCP, TLS and the pool of idle ones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::error::{Error, Source};
use crate::guard::{Guard, Resolver};

/// How long a TCP connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept: shorter than the load balancers in front of the peers keep theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// How many unused connections are kept for one peer.
const IDLE_CONNECTIONS: usize = 32;

/// The connections, cheap to clone.
pub(crate) type Pool = legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Whom to trust, and who to be, on TLS connections to one cluster.
#[derive(Clone, Default)]
pub struct Trust {
    /// Certificates in PEM. With them, only they vouch for the cluster, as `certificate-authority-data` has it in a
    /// kubeconfig: a public authority can then not stand in for it. Without, the public webpki roots do.
    pub ca_pem: Option<Vec<u8>>,
    /// A client certificate chain and its private key, in PEM, in any order.
    pub identity_pem: Option<Vec<u8>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("ca", &self.ca_pem.is_some())
            .field("identity", &self.identity_pem.is_some())
            .finish()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("there is no certificate in the PEM text")]
struct NoCertificate;

/// A pool of connections made under `trust`, and where there is a `guard`, only to addresses that it admits.
pub(crate) fn pool(trust: &Trust, guard: Option<Guard>) -> Result<Pool, Error> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(guard));
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(trust).map_err(Error::BadTrust)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector))
}

fn tls(trust: &Trust) -> Result<ClientConfig, Source> {
    // Named here rather than installed for the process: what else is linked in must not choose the provider.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config: ConfigBuilder<ClientConfig, WantsClientCert> = match &trust.ca_pem {
        None => config.with_webpki_roots(),
        Some(pem) => config.with_root_certificates(roots(pem)?),
    };
    match &trust.identity_pem {
        None => Ok(config.with_no_client_auth()),
        Some(pem) => {
            let key = PrivateKeyDer::from_pem_slice(pem)?;
            Ok(config.with_client_auth_cert(certificates(pem)?, key)?)
        }
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Source> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Source> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(NoCertificate.into());
    }
    Ok(certificates)
}
