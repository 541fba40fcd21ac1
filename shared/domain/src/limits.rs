//! Every limit by name. Nothing here waits, grows or repeats without one of these.

use std::time::Duration;

/// The most bytes a request's body may have: 1 MiB.
pub const BODY_MAX: usize = 1024 * 1024;
/// The longest `?wait=`. An HTTP API answers within 30 s at most.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// From the event to the deadline of an API function's look.
pub const LOOK_MAX: Duration = Duration::from_secs(28);
/// A list's `?limit=` when none is given, on the paths of the older systems, and the most of every list.
pub const LIST_MAX: usize = 1000;

/// Inactivity after which an application is culled, when its template says nothing: one hour.
pub const CULL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// Age at which an application ends whatever its use, when its template says nothing: six hours.
pub const MAX_AGE_DEFAULT: Duration = Duration::from_secs(6 * 60 * 60);
/// The most that `cull-timeout` and `max-age` may say: one week, in milliseconds.
pub const MILLIS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// The port that an application listens on, when its template says nothing.
pub const PORT_DEFAULT: u16 = 8888;
/// How long a launch may take to become ready.
pub const LAUNCH_MAX: Duration = Duration::from_secs(5 * 60);

/// How long whoever took a row may work on it before somebody else must take over.
pub const TAKE_BUDGET: Duration = Duration::from_secs(60);
/// How long one look may work on one row. A take is stamped with the look's `now`; with the read and the take before it,
/// of at most three tries of 3 s each, the work ends before anybody else may take the row.
pub const WORK_MAX: Duration = Duration::from_secs(25);
/// How often the budget doubles at most for a row that keeps failing: 60 s × 2⁴ = 16 min.
pub const ATTEMPTS_DOUBLED_MAX: u32 = 4;
/// When a row is looked at again after a look that found nothing new.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// When an application is judged again after the proxy could not tell when it was last used.
pub const JUDGE_AGAIN: Duration = Duration::from_secs(60);
/// The most steps one look takes on one row.
pub const STEPS_MAX: usize = 8;

/// Partitions of the due index, per lane.
pub const DUE_SHARDS: u16 = 16;
/// Due rows a page.
pub const DUE_PAGE: usize = 100;
/// Due rows one run of the reaper takes at most, over all lanes.
pub const REAP_ROWS_MAX: usize = 20_000;
/// Rows one run of the reaper works on at a time.
pub const REAP_CONCURRENCY: usize = 16;

/// How long an ended application is still told about: 30 days.
pub const REMEMBER: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long an `Idempotency-Key` binds.
pub const IDEMPOTENCY: Duration = Duration::from_secs(24 * 60 * 60);
/// The fewest characters of an `Idempotency-Key` when nobody is authenticated.
pub const IDEMPOTENCY_KEY_MIN_OPEN: usize = 22;
/// The most characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_MAX: usize = 255;
/// How long an API key read from the table may be served again.
pub const CACHE: Duration = Duration::from_secs(30);

/// The most arguments in a template's command, and the most variables in its environment.
pub const TEMPLATE_ENTRIES_MAX: usize = 64;
/// The most bytes of everything that a template says together, so that rows stay small.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// The most characters of a sentence from elsewhere (a pod's message, a caller's name) that a record keeps.
pub const MESSAGE_MAX: usize = 512;

const _: () = assert!(WAIT_MAX.as_secs() < LOOK_MAX.as_secs());
const _: () = assert!(LOOK_MAX.as_secs() < TAKE_BUDGET.as_secs());
const _: () = assert!(2 * 9 + WORK_MAX.as_secs() < TAKE_BUDGET.as_secs());
const _: () = assert!(CULL_TIMEOUT_DEFAULT.as_millis() as u64 <= MILLIS_MAX);
