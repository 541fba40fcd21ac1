//! Connections: TCP, TLS and the pool of idle ones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Source};
use crate::guard::Resolver;

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

/// A pool of connections made under `trust`, to addresses that `resolver` gives.
pub(crate) fn pool(trust: &Trust, resolver: Resolver) -> Result<Pool, Error> {
    let roots = match &trust.ca_pem {
        None => public_roots(),
        Some(pem) => with_roots(RootCertStore::empty(), pem).map_err(Error::BadTrust)?,
    };
    pool_over(roots, trust.identity_pem.as_deref(), resolver)
}

/// As [`pool`], trusting the public webpki roots and those in the PEM text `extra`.
pub(crate) fn public_pool(extra: Option<&[u8]>, resolver: Resolver) -> Result<Pool, Error> {
    let roots = match extra {
        None => public_roots(),
        Some(pem) => with_roots(public_roots(), pem).map_err(Error::BadTrust)?,
    };
    pool_over(roots, None, resolver)
}

fn pool_over(roots: RootCertStore, identity: Option<&[u8]>, resolver: Resolver) -> Result<Pool, Error> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(roots, identity).map_err(Error::BadTrust)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector))
}

fn tls(roots: RootCertStore, identity: Option<&[u8]>) -> Result<ClientConfig, Source> {
    // Named here rather than installed for the process: what else is linked in must not choose the provider.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(roots);
    match identity {
        None => Ok(config.with_no_client_auth()),
        Some(pem) => {
            let key = PrivateKeyDer::from_pem_slice(pem)?;
            Ok(config.with_client_auth_cert(certificates(pem)?, key)?)
        }
    }
}

fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

fn with_roots(mut roots: RootCertStore, pem: &[u8]) -> Result<RootCertStore, Source> {
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
