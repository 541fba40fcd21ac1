//! Guarded fetches: requests to addresses that somebody wrote down, or that a caller named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::client::Take;
use crate::{Client, DEFAULT_SPAN, Error, Scope, within};

/// What holds for every request of one [`Fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRules {
    /// How long one fetch may take in all, retries included; the current [`Scope`] may end it earlier.
    pub span: Duration,
    /// The most bytes of an answer's body: a longer one is [`Error::TooLarge`].
    pub largest_body: usize,
    /// Hosts as URLs write them, without a port, that may have inward addresses: those that the operator chose, never
    /// those that a request named.
    pub exempt_hosts: BTreeSet<String>,
    /// Hosts that are connected to at the address that the operator wrote down, whatever their names resolve to. It may
    /// be an inward one.
    pub pins: BTreeMap<String, IpAddr>,
    /// Certificates in PEM that vouch for hosts beside the public webpki roots.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// Fetches under [`FetchRules`], counted as [`Peer::Outside`](crate::Peer::Outside). Cloning is cheap and shares the connections.
///
/// A host that is, or resolves to, an address which is not of the public internet is refused, and connections are made
/// to the addresses that were checked. Redirects are not followed: they are answers like every other.
#[derive(Clone)]
pub struct Fetch {
    client: Client,
    rules: Arc<FetchRules>,
}

impl Fetch {
    pub(crate) fn new(client: Client, rules: FetchRules) -> Fetch {
        Fetch {
            client,
            rules: Arc::new(rules),
        }
    }

    /// Sends `request` with the usual retries, and gives the last answer, whatever its status.
    ///
    /// # Errors
    /// [`Error::Guarded`] names the rule that refused; otherwise as [`Client::send`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(DEFAULT_SPAN));
        let take = Take::Whole(self.rules.largest_body);
        within(scope.at_most(self.rules.span), self.client.send_taking(request, take)).await
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
