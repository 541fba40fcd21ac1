//! The one lease that a request is about.

use api::{Code, LeaseView, seconds_until};
use domain::Validity;
use gateway::{Call, Problem, Reply};
use http::HeaderName;
use jiff::Timestamp;
use lifecycle::Granted;
use uuid::Uuid;

/// The header that names a lease where the path shall not.
const TOKEN_HEADER: &str = "x-lease-token";
const EXPIRES_IN: HeaderName = HeaderName::from_static("x-lease-expires-in");
const WARNING: HeaderName = HeaderName::from_static("x-lease-warning");

/// The token of the lease: the path's last segment, or the header's. As it was given out, whatever its letters' case.
///
/// # Errors
/// 400 when there is none, or it can be none.
pub(crate) fn token(call: &Call) -> Result<String, Problem> {
    let as_it_is = |text: &str| Ok(text.to_owned());
    // In the older form of a release the provider stands before the token.
    let from_path = match call.optional_param("lease", as_it_is)? {
        Some(token) => Some(token),
        None => call.optional_param("token", as_it_is)?,
    };
    let token = from_path.or_else(|| call.header(TOKEN_HEADER).map(str::to_owned));
    let token =
        token.ok_or_else(|| malformed(&format!("name the lease in the path or in the header '{TOKEN_HEADER}'")))?;
    let parsed = Uuid::try_parse(&token).map_err(|_| malformed("a lease's token is a UUID"))?;
    Ok(parsed.to_string())
}

/// A lease as its holder is told of it.
pub(crate) fn view(granted: &Granted, now: Timestamp) -> LeaseView {
    let Granted {
        cluster,
        lease,
        token,
        kubeconfig,
        ip,
        shortened,
    } = granted;
    LeaseView {
        shortened: *shortened,
        ..LeaseView::new(cluster, lease, token, kubeconfig, ip, now)
    }
}

/// The answer about a lease that holds: how long it still does, and a warning when that is not long.
pub(crate) fn told(granted: &Granted, now: Timestamp) -> Result<Reply, Problem> {
    let lease = &granted.lease;
    let left = seconds_until(lease.expires_at, now);
    let reply = Reply::ok(&view(granted, now))?.with_header(EXPIRES_IN, &left.to_string())?;
    match lease.validity(now) {
        Validity::EndsWithin(within) => {
            let minutes = within.as_secs() / 60;
            reply.with_header(WARNING, &format!("this lease ends within {minutes} minutes"))
        }
        Validity::Holds | Validity::Over => Ok(reply),
    }
}

fn malformed(why: &str) -> Problem {
    Problem::new(Code::MalformedRequest, why)
}

/// There is no such lease any more.
pub(crate) fn over() -> Problem {
    Problem::new(Code::LeaseOver, "This lease does not hold; it may have ended")
}

/// The cluster does not answer, which the lease itself outlasts.
pub(crate) fn unreachable() -> Problem {
    Problem::new(
        Code::BadKubeRequest,
        "The leased cluster cannot be reached at the moment for a fresh kubeconfig; the lease holds as before, ask for it shortly",
    )
}

/// What went wrong with a step about a cluster.
pub(crate) fn of_cluster(error: lifecycle::Error) -> Problem {
    match error {
        lifecycle::Error::Gone => Problem::does_not_exist(),
        error => error.into(),
    }
}
