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
/// A list's `?limit=` when none is given, on the paths that none of the older systems had.
pub const LIST_DEFAULT: usize = 100;

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

/// What is found without a record ends when nobody has used it for this long.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(60 * 60);
/// How often a use that an application reports itself is written at most.
pub const REPORT_EVERY: Duration = Duration::from_secs(30);
/// How often a spare that is ready is looked at, to be sure that it still is.
pub const SPARE_AGAIN: Duration = Duration::from_secs(5 * 60);
/// How far the proxy's clock may be behind ours before what it says of last uses makes no sense.
pub const PROXY_SKEW: Duration = Duration::from_secs(10 * 60);
/// How soon after a route was made again its last activity is still that of its making.
pub const REMADE_SLACK: Duration = Duration::from_secs(30);
/// The most that is told of what happened to an application.
pub const EVENTS_MAX: usize = 20;

/// How long a preload may take before it is given up: half an hour.
pub const PRELOAD_MAX: Duration = Duration::from_secs(30 * 60);
/// The most nodes that one preload serves.
pub const PRELOAD_NODES_MAX: usize = 500;
/// The most bytes that a preload's record keeps of what a node says, so that the record stays small with all of them.
pub const PRELOAD_MESSAGE_MAX: usize = 256;
/// The most nodes that a preload's `error` names.
pub const PRELOAD_NAMED_MAX: usize = 5;
/// Pods of a preload that one look makes at a time.
pub const PRELOAD_CONCURRENCY: usize = 16;

/// The most shards of a counter.
pub const QUOTA_SHARDS: u16 = 32;
/// What one shard of a counter counts before the next is used, up to [`QUOTA_SHARDS`] shards; beyond, all count alike.
pub const QUOTA_SHARE: u32 = 64;

/// The most spares of a pool.
pub const POOL_MAX: u32 = 100;
/// The most spares that one run makes for one pool.
pub const POOL_REFILL_MAX: u32 = 20;
/// How long whoever refills a pool has it to itself: less than there is between two runs of the reaper.
pub const POOL_REFILL: Duration = Duration::from_secs(30);
/// The most pools that one run of the reaper refills.
pub const POOLS_A_RUN: usize = 1000;
/// How long no spare is made after one has failed; it doubles while they keep failing.
pub const POOL_FAILURE_PAUSE: Duration = Duration::from_secs(60);
/// The longest that no spare is made after one has failed.
pub const POOL_FAILURE_PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// The most spares that a launch looks at before it starts an application of its own.
pub const CANDIDATES_MAX: usize = 10;

/// The least and the most that a caller over a quota is told to wait, in seconds.
pub const RETRY_AFTER_SECONDS: std::ops::RangeInclusive<i64> = 5..=3600;
/// What such a caller is told when nothing is known of what ends next, in seconds.
pub const RETRY_AFTER_UNKNOWN: i64 = 60;

/// Partitions of the due index, per lane.
pub const DUE_SHARDS: u16 = 16;
/// The most host names of an environment: with the row and the difference to as many others, what one transaction holds.
pub const HOSTS_MAX: usize = 40;
/// How far away an environment's end may be.
pub const ENVIRONMENT_LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The most host names that one deployment is served under.
pub const DEPLOYMENT_HOSTS_MAX: usize = 100;
/// How long the row of an environment that has ended tells late calls so: longer than any call lasts.
pub const ENVIRONMENT_REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);
/// Namespaces of environments without a row that are never too many to be removed.
pub const ENVIRONMENT_STRAYS_LEAST: usize = 3;
/// The share of a cell's environments, in percent, that may be without a row and removed for it.
pub const ENVIRONMENT_STRAYS_SHARE: usize = 10;
/// Shards of the due index for the environments of a cell.
pub const ENVIRONMENT_SHARDS: u16 = 4;
/// Shards of the due index for clusters that can be leased.
pub const LEASE_SHARDS: u16 = 4;
/// Due rows a page.
pub const DUE_PAGE: usize = 100;
/// Due rows one run of the reaper takes at most, over all lanes.
pub const REAP_ROWS_MAX: usize = 20_000;
/// Rows one lane of the reaper works on at a time.
pub const REAP_CONCURRENCY: usize = 16;
/// Rows that a lane of the reaper reads at once.
pub const REAP_READ: usize = 100;
/// Tombstones that one run writes in a lane for promises, such as the maximum age: after an outage of a week it paces
/// itself.
pub const PROMISES_A_RUN: usize = 600;
/// Failures in a row after which a lane leaves what needs the same part of its cell for the rest of a run.
pub const BREAKER_FAILURES: u32 = 5;

/// Up to how many applications the route proxy is asked for one by one; of more, it is asked for all that it knows.
pub const ASKED_ONE_BY_ONE: usize = 8;
/// Culls by judgement in one window that are never too many.
pub const BRAKE_LEAST: u64 = 20;
/// The share of what lives in a cell, in percent, that may be culled by judgement in one window.
pub const BRAKE_SHARE: u64 = 30;
/// How long culls by judgement count against the next ones.
pub const BRAKE_WINDOW: Duration = Duration::from_secs(10 * 60);
/// How long judged things without a row count as waiting after they were asked about last: longer than a pass of the
/// sweep, which asks.
pub const BRAKE_STRAYS_KEPT: Duration = Duration::from_secs(20 * 60);
/// How often what waits under the brake is judged again.
pub const HELD_AGAIN: Duration = Duration::from_secs(5 * 60);
/// The most culls that one confirmation may allow.
pub const CONFIRM_MAX: u64 = 100_000;
/// How often a ruling is tried again when others rule over the same cell.
pub const RULE_TRIES_MAX: usize = 8;

/// Objects a page of a cluster's list: of the largest pods (32 KB each) half of what one answer may have.
pub const CLUSTER_PAGE: u32 = 250;
/// Pages that one list of a cluster may have: 16,000 objects.
pub const CLUSTER_PAGES_MAX: usize = 64;

/// How old the namespace of a preload that is over must be before a sweep removes it.
pub const PRELOAD_GRACE: Duration = Duration::from_secs(10 * 60);
/// How long after a shard of a cell the next one is held against the table: a pass over all takes 16 minutes.
pub const SWEEP_PACE: Duration = Duration::from_secs(60);
/// How often a shard that cannot be swept is tried before it is left for the next pass.
pub const SWEEP_TRIES_MAX: u32 = 3;
/// How many running applications of a shard there must be before a list of their cluster that knows less than half of
/// them is taken for wrong.
pub const DOUBT_LEAST: usize = 10;

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
/// The furthest off that an API key's end may be: ten years.
pub const KEY_SPAN_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// The most organisations that an API key may list.
pub const KEY_ORGANISATIONS_MAX: usize = 100;
/// How often the use of an API key is noted at most.
pub const KEY_USE_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long a request waits at most for the note of its key's use.
pub const KEY_USE_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long an issuer's keys are used without asking for newer ones. A key that its issuer took back is refused after it.
pub const KEY_SET_FRESH: Duration = Duration::from_secs(10 * 60);
/// How often an issuer is asked for its keys at most, whatever key ids tokens make up.
pub const KEY_SET_AGAIN: Duration = Duration::from_secs(30);
/// How long an issuer's keys are used while newer ones cannot be had: a week.
pub const KEY_SET_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most bytes of an issuer's keys, and of what it says about itself.
pub const KEY_SET_BYTES_MAX: usize = 128 * 1024;
/// The most keys that an issuer has.
pub const KEY_SET_KEYS_MAX: usize = 64;
/// The most bytes of an access token.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The most characters of the name that an authority has for somebody.
pub const PERSON_NAME_MAX: usize = 255;
/// How much later than its `nbf` it may be on an issuer's clock than on ours.
pub const TOKEN_SKEW: Duration = Duration::from_secs(10);
/// How long an authority may take to answer, retries included.
pub const AUTHORITY_SPAN: Duration = Duration::from_secs(4);
/// How long it is relied on what roles somebody has, after they were looked up.
pub const ROLES_CACHE: Duration = Duration::from_secs(60);
/// The most bytes of what is said of somebody's roles: 1 MiB.
pub const ROLES_ANSWER_MAX: usize = 1024 * 1024;

/// How long fetching a pod template may take, with every redirect and retry.
pub const FETCH_SPAN: Duration = Duration::from_secs(5);
/// The most bytes of a pod template: 1 MiB.
pub const FETCH_BYTES_MAX: usize = 1024 * 1024;
/// The most redirects on the way to a pod template.
pub const FETCH_REDIRECTS_MAX: usize = 3;

/// The most lines that are told of a container's log.
pub const LOG_LINES_MAX: u32 = 10_000;
/// A log's `?tail=` when none is given.
pub const LOG_LINES_DEFAULT: u32 = 1_000;
/// The most pods of a deployment whose logs are told.
pub const LOG_PODS_MAX: usize = 100;
/// The most bytes that are told of a container's log, or of those of a deployment: 1 MiB.
pub const LOG_BYTES_MAX: usize = 1024 * 1024;

/// The longest that a lease, or one renewal of it, may ask for when its pool says nothing: a day.
pub const LEASE_TIME_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that a lease may last with all its renewals when its pool says nothing: three days.
pub const LEASE_TOTAL_DEFAULT: Duration = Duration::from_secs(72 * 60 * 60);
/// The longest time that anything about a lease can say: 30 days.
pub const LEASE_TIME_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// By how much the clocks of two of our hosts may differ: a lease is relied on for that much less, and taken away that
/// much later.
pub const SKEW_MAX: Duration = Duration::from_secs(2);
/// How long before its end the holder of a lease is warned, the last first.
pub const LEASE_WARNINGS: [Duration; 2] = [Duration::from_secs(2 * 60), Duration::from_secs(10 * 60)];
/// How long a cluster that was handed over waits to be fetched before it goes on to the next.
pub const GRANT_FETCHED: Duration = Duration::from_secs(30);
/// How long whoever takes a cluster may need to make its holder's credential before it is returned: with a run of the
/// reaper a minute, it is on its way back within two.
pub const GRANT_MAX: Duration = Duration::from_secs(50);
/// How long after a cluster was taken another look may join in making that credential without saying so first: it is
/// done with it when nobody reckons any more that somebody is.
pub const GRANT_JOINED: Duration = Duration::from_secs(25);
/// What must be left of a look to try one more cluster: what is begun with less cannot be brought to its end.
pub const GRANT_LEAST: Duration = Duration::from_secs(12);
/// How long a cluster may go on taking the token of an account that is gone: kube-apiserver remembers a good one for
/// 10 s.
pub const REVOKED_FOR: Duration = Duration::from_secs(15);
/// Looks in a row that must find a cluster well before it is free again.
pub const HEALTH_PASSES: u32 = 2;
/// How long one cleaning may take before what is still there is named.
pub const CLEAN_MAX: Duration = Duration::from_secs(10 * 60);
/// How often a cluster is cleaned at most before what comes again and again is named.
pub const CLEAN_PASSES: u32 = 3;
/// How long it may take until a cluster is given back and clean, every cleaning included: so much longer than a lease
/// its registered credential must last.
pub const RETURN_MAX: Duration = Duration::from_secs(35 * 60);
/// How often a cluster that was unwell is looked after.
pub const HEALTH_AGAIN: Duration = Duration::from_secs(60);
/// Free clusters that an ask looks at first.
pub const OFFERS_A_PAGE: usize = 20;
/// Clusters that one ask tries to take, of those that the index proposes, and again of those that the pool lists.
pub const LEASE_TRIES_MAX: usize = 5;
/// The most places in the line of a pool.
pub const TICKETS_MAX: usize = 1000;
/// The most places that one caller has in the line of a pool.
pub const TICKETS_A_CALLER: usize = 100;
/// How long a place in the line is kept after its owner asked.
pub const PLACE_KEPT: Duration = Duration::from_secs(60);
/// How long whoever was given a cluster by a place, and did not hear of it, may come back with its ticket.
pub const GRANTED_KEPT: Duration = Duration::from_secs(60 * 60);
/// Places that nobody comes back to of which one ask clears a line.
pub const TICKETS_SWEPT: usize = 10;
/// The most bytes of all labels of a wish together: so many that a line of wishes can be read whole.
pub const WISH_LABELS_MAX: usize = 1024;
/// How long it is remembered where a lease's token leads: longer than any lease lasts.
pub const LEASE_POINTER: Duration = Duration::from_secs(32 * 24 * 60 * 60);
/// How long a ticket is remembered after its owner asked last, given something or not.
pub const TICKET_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Objects that one look deletes of what a holder left.
pub const CLEAN_BATCH: usize = 100;
/// How long a cleaning waits for what it deleted to be gone before it goes on with what should come after.
pub const CLEAN_RANK_PATIENCE: Duration = Duration::from_secs(30);
/// The most objects of a cluster that are compared with its baseline.
pub const INVENTORY_MAX: usize = 50_000;
/// The most bytes of a `cluster_regex`.
pub const CLUSTER_REGEX_MAX: usize = 1024;
/// The most bytes that a `cluster_regex` may need when it is compiled.
pub const CLUSTER_REGEX_SIZE_MAX: usize = 256 * 1024;
/// The most characters of a `cluster_version`.
pub const CLUSTER_VERSION_MAX: usize = 64;

/// How long the external template registry may take to answer, retries included.
pub const REGISTRY_SPAN: Duration = Duration::from_secs(3);
/// The most bytes of the external template registry's answer: 1 MiB.
pub const REGISTRY_ANSWER_MAX: usize = 1024 * 1024;

/// The most arguments in a template's command, and the most variables in its environment.
pub const TEMPLATE_ENTRIES_MAX: usize = 64;
/// The most bytes of everything that a template says together, so that rows stay small.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// The most characters of a sentence from elsewhere (a pod's message, a caller's name) that a record keeps.
pub const MESSAGE_MAX: usize = 512;

const _: () = assert!(WAIT_MAX.as_secs() < LOOK_MAX.as_secs());
const _: () =
    assert!(KEY_SET_AGAIN.as_secs() < KEY_SET_FRESH.as_secs() && KEY_SET_FRESH.as_secs() < KEY_SET_KEPT.as_secs());
const _: () = assert!(LOOK_MAX.as_secs() < TAKE_BUDGET.as_secs());
const _: () = assert!(2 * 9 + WORK_MAX.as_secs() < TAKE_BUDGET.as_secs());
const _: () = assert!(
    CLEAN_MAX.as_secs() * CLEAN_PASSES as u64 + TAKE_BUDGET.as_secs() + REVOKED_FOR.as_secs() < RETURN_MAX.as_secs()
);
const _: () = assert!(LEASE_TIME_MAX.as_secs() < LEASE_POINTER.as_secs());
const _: () = assert!(GRANT_LEAST.as_secs() < LOOK_MAX.as_secs());
const _: () = assert!(LOOK_MAX.as_secs() + 2 * SKEW_MAX.as_secs() < GRANT_MAX.as_secs());
const _: () = assert!(GRANT_JOINED.as_secs() + LOOK_MAX.as_secs() + 2 * SKEW_MAX.as_secs() < TAKE_BUDGET.as_secs());
const _: () = assert!(CULL_TIMEOUT_DEFAULT.as_millis() as u64 <= MILLIS_MAX);
