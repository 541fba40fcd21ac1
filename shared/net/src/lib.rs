//! The one HTTP client of the workspace: everything that leaves the process goes through [`Net`].
//!
//! Time-outs, retries, deadlines, request counts and injected faults are decided here and nowhere else;
//! the retries of the AWS SDK and of kube are switched off by whoever builds those clients.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod aws;
mod client;
mod connector;
mod error;
mod fault;
mod fetch;
mod guard;
mod retry;
mod scope;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use guard::{Guard, Resolver};

pub use client::{Client, Kept, LARGEST_ANSWER};
pub use connector::Trust;
pub use error::Error;
pub use fault::{Fault, Faults};
pub use fetch::{Fetch, FetchRules};
pub use guard::{Names, Reach, Rule};
pub use retry::{ATTEMPTS, LONGEST_RETRY_AFTER};
pub use scope::{Counts, DEFAULT_SPAN, NOTES_MAX, Scope, note, within};

/// Whom a request is for. It selects the time-out, the retry rules and the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// DynamoDB.
    Store,
    /// The Kubernetes API server of a home cell.
    Cluster,
    /// The Kubernetes API server of a cluster that can be leased.
    Leased,
    /// The API of a cell's route proxy.
    Proxy,
    /// AWS's other services, such as Secrets Manager and STS.
    Platform,
    /// Whatever is fetched over the internet, or where the operator said: see [`Fetch`].
    Outside,
}

/// How long one attempt may take, from connecting to the last byte of the answer, by [`Peer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For [`Peer::Store`]; 3 s by default.
    pub store: Duration,
    /// For [`Peer::Cluster`] and [`Peer::Leased`]; 5 s by default.
    pub cluster: Duration,
    /// For [`Peer::Proxy`]; 3 s by default.
    pub proxy: Duration,
    /// For [`Peer::Platform`]; 3 s by default.
    pub platform: Duration,
    /// For [`Peer::Outside`]; 5 s by default.
    pub outside: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            store: Duration::from_secs(3),
            cluster: Duration::from_secs(5),
            proxy: Duration::from_secs(3),
            platform: Duration::from_secs(3),
            outside: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    fn of(&self, peer: Peer) -> Duration {
        match peer {
            Peer::Store => self.store,
            Peer::Cluster | Peer::Leased => self.cluster,
            Peer::Proxy => self.proxy,
            Peer::Platform => self.platform,
            Peer::Outside => self.outside,
        }
    }
}

/// What a [`Net`] is made with.
#[derive(Clone, Default)]
pub struct Settings {
    /// The time-out of one attempt, by peer.
    pub timeouts: Timeouts,
    /// For tests: consulted before each attempt; nothing is injected without it.
    pub faults: Option<Faults>,
    /// For tests: what names resolve to; as the operating system has it without.
    pub names: Option<Names>,
}

/// The shared connector and the policy over it. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Net {
    settings: Arc<Settings>,
    pool: connector::Pool,
}

impl Net {
    /// A connector for HTTP/1 over TLS (ring, the public webpki roots) and over plain TCP.
    ///
    /// # Errors
    /// [`Error::BadTrust`] when the TLS provider refuses its own protocol versions.
    pub fn new(settings: Settings) -> Result<Net, Error> {
        let resolver = Resolver::new(settings.names.clone(), None);
        let pool = connector::pool(&Trust::default(), resolver)?;
        Ok(Net {
            settings: Arc::new(settings),
            pool,
        })
    }

    /// How long one attempt may take.
    pub fn timeouts(&self) -> Timeouts {
        self.settings.timeouts
    }

    /// A client of `peer` on the shared connections.
    pub fn client(&self, peer: Peer) -> Client {
        Client::new(peer, self.pool.clone(), None, &self.settings)
    }

    /// A client of `peer` that trusts, and shows, what `trust` says. It has connections of its own, so keep it.
    ///
    /// # Errors
    /// [`Error::BadTrust`] when a PEM text holds no certificate, no key, or a key of another certificate.
    pub fn client_trusting(&self, peer: Peer, trust: &Trust) -> Result<Client, Error> {
        let pool = connector::pool(trust, self.resolver(None))?;
        Ok(Client::new(peer, pool, None, &self.settings))
    }

    /// As [`Net::client_trusting`], for addresses that strangers wrote down: only those of the public internet are
    /// connected to, and inward ones within `reach`. Names are judged by what each connection resolves them to.
    ///
    /// # Errors
    /// As [`Net::client_trusting`].
    pub fn client_guarded(&self, peer: Peer, trust: &Trust, reach: &Reach) -> Result<Client, Error> {
        let guard = Guard::of_reach(reach);
        let pool = connector::pool(trust, self.resolver(Some(guard.clone())))?;
        Ok(Client::new(peer, pool, Some(guard), &self.settings))
    }

    /// Fetches under `rules`. It has connections of its own, so keep it.
    ///
    /// # Errors
    /// As [`Net::new`], and [`Error::BadTrust`] when the rules' PEM text holds no certificate.
    pub fn fetch(&self, rules: FetchRules) -> Result<Fetch, Error> {
        let guard = Guard::of_hosts(&rules.exempt_hosts, &rules.pins);
        let pool = connector::public_pool(rules.extra_ca_pem.as_deref(), self.resolver(Some(guard.clone())))?;
        let client = Client::new(Peer::Outside, pool, Some(guard), &self.settings);
        Ok(Fetch::new(client, rules))
    }

    fn resolver(&self, guard: Option<Guard>) -> Resolver {
        Resolver::new(self.settings.names.clone(), guard)
    }

    /// The client of `peer` as the AWS SDK takes it: same connections, same policy, same counters.
    ///
    /// The SDK must be given `RetryConfig::disabled()`, `TimeoutConfig::disabled()` and no stalled-stream protection:
    /// what it would do with them is done here. Its errors lead back to [`Error`] through [`Error::find`].
    pub fn aws(&self, peer: Peer) -> SharedHttpClient {
        aws::http_client(self.client(peer))
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("timeouts", &self.settings.timeouts)
            .finish_non_exhaustive()
    }
}
