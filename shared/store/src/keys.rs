//! Every key of the table and its indexes is built here, and nowhere else.

use std::borrow::Cow;

use domain::{
    ApplicationId, CellName, ClusterName, ClusterPoolName, Counted, Epoch, HostName, KeyId, KeyName, Lane,
    NamespaceName, OrganisationName, Subject, TemplateName, Ticket, Workload,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ring::digest::{Context, SHA256};

/// The greatest instant that an index key can say, in milliseconds: the year 2286.
const MILLIS_END: i64 = 9_999_999_999_999;
/// Digits of an instant in an index key.
const MILLIS_DIGITS: usize = 13;
/// Where every list starts: before any position, and, as keys must be, not empty.
pub(crate) const LIST_START: &str = "0";
/// Partition of the `list` index with all templates.
pub(crate) const TEMPLATES: &str = "TPL";
/// Partition of the `list` index with all pools.
pub(crate) const POOLS: &str = "POOL";
/// Partition of the `list` index with all clusters that can be leased.
pub(crate) const CLUSTERS: &str = "CLUSTER";
/// Partition of the `list` index with all pools of clusters.
pub(crate) const CLUSTER_POOLS: &str = "CPOOL";
/// Partition of the `list` index with all environments.
pub(crate) const ENVIRONMENTS: &str = "ENVALL";
/// The beginning of the sort keys of a pool's clusters.
pub(crate) const MEMBER: &str = "M#";
/// The beginning of the sort keys of those who wait.
pub(crate) const TICKET: &str = "T#";
/// The end of every partition: after any id.
pub(crate) const LIST_END: &str = "~";
/// How many hexadecimal digits tell one workload from another.
const REVISION_DIGITS: usize = 16;
/// How many hexadecimal digits say where among the free a cluster is.
const FREE_DIGITS: usize = 8;
/// Between the parts of a due row's name, where its partition key alone does not name it.
const DUE_NAME_SEPARATOR: char = '|';
/// Partition of the `list` index with all API keys.
pub(crate) const API_KEYS: &str = "KEY";

/// The primary key of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: Cow<'static, str>,
}

impl Key {
    fn new(prefix: &str, rest: &str, sk: impl Into<Cow<'static, str>>) -> Key {
        Key {
            pk: format!("{prefix}#{rest}"),
            sk: sk.into(),
        }
    }

    pub(crate) fn application(id: &ApplicationId) -> Key {
        Key::new("APP", id.as_str(), "APP")
    }

    pub(crate) fn template(name: &TemplateName) -> Key {
        Key::new("TPL", name.as_str(), "TPL")
    }

    pub(crate) fn pool(name: &TemplateName) -> Key {
        Key::new("TPL", name.as_str(), "POOL")
    }

    pub(crate) fn preload(template: &TemplateName, cell: &CellName) -> Key {
        Key::new("TPL", template.as_str(), format!("PRELOAD#{cell}"))
    }

    pub(crate) fn counter(place: &Counted) -> Key {
        Key::new("QUOTA", &place.to_string(), "QUOTA")
    }

    pub(crate) fn brake(cell: &CellName) -> Key {
        Key::new("CELL", cell.as_str(), "BRAKE")
    }

    pub(crate) fn sweep(cell: &CellName) -> Key {
        Key::new("CELL", cell.as_str(), "SWEEP")
    }

    pub(crate) fn environment(namespace: &NamespaceName) -> Key {
        Key::new("ENV", namespace.as_str(), "ENV")
    }

    /// What lists an environment among those of all organisations.
    pub(crate) fn environment_listed(namespace: &NamespaceName) -> Key {
        Key::new("ENV", namespace.as_str(), "LISTED")
    }

    pub(crate) fn host(host: &HostName) -> Key {
        Key::new("HOST", host.as_str(), "HOST")
    }

    pub(crate) fn cluster(name: &ClusterName) -> Key {
        Key::new("CLUSTER", name.as_str(), "CLUSTER")
    }

    /// Beside the clusters: none is called so.
    pub(crate) fn claim(identity: &str) -> Key {
        Key::new("CLUSTER", &format!("@{identity}"), "CLAIM")
    }

    pub(crate) fn cluster_pool(name: &ClusterPoolName) -> Key {
        Key::new("CPOOL", name.as_str(), "CPOOL")
    }

    pub(crate) fn member(pool: &ClusterPoolName, cluster: &ClusterName) -> Key {
        Key::new("CPOOL", pool.as_str(), format!("{MEMBER}{cluster}"))
    }

    pub(crate) fn seal(cluster: &ClusterName) -> Key {
        Key::new("SEAL", cluster.as_str(), "SEAL")
    }

    pub(crate) fn baseline(cluster: &ClusterName, intake: u32, number: usize) -> Key {
        Key::new("CLUSTER", cluster.as_str(), format!("BASE#{intake:010}#{number:03}"))
    }

    pub(crate) fn left_over(cluster: &ClusterName, epoch: Epoch, number: usize) -> Key {
        Key::new("CLUSTER", cluster.as_str(), format!("LEFT#{:020}#{number:03}", epoch.0))
    }

    pub(crate) fn lease(token_sha256: &str) -> Key {
        Key::new("LEASE", token_sha256, "LEASE")
    }

    /// Sorts as [`domain::Line`] does.
    pub(crate) fn ticket(pool: &ClusterPoolName, ticket: &Ticket) -> Key {
        let (start, since, id) = (ticket.start, millis(ticket.since), &ticket.id);
        Key::new("WAIT", pool.as_str(), format!("{TICKET}{start:020}#{since:013}#{id}"))
    }

    /// What keeps one caller's places from being taken two at a time.
    pub(crate) fn share(pool: &ClusterPoolName, caller: &str) -> Key {
        Key::new("WAIT", pool.as_str(), format!("S#{caller}"))
    }

    pub(crate) fn api_key(sha256: &str) -> Key {
        Key::new("KEY", sha256, "KEY")
    }

    pub(crate) fn key_name(name: &KeyName) -> Key {
        Key::new("KEYNAME", name.as_str(), "KEYNAME")
    }

    /// By the key's id, so that a later key of the same name has not been used before.
    pub(crate) fn key_use(id: &KeyId) -> Key {
        Key::new("KEYUSE", id.as_str(), "KEYUSE")
    }

    pub(crate) fn binding(caller: &str, route: &str, key: &str) -> Key {
        Key::new("IDEM", &format!("{caller}#{}", digest(&[route, key])), "IDEM")
    }

    /// By the issuer's URL as the configuration has it.
    pub(crate) fn key_set(issuer: &str) -> Key {
        Key::new("JWKS", issuer, "JWKS")
    }

    /// A row that never exists: reading it costs the least that a read can.
    pub(crate) fn warm() -> Key {
        Key {
            pk: "WARM".to_owned(),
            sk: "WARM".into(),
        }
    }
}

/// SHA-256 of `parts` in lower-case hexadecimal. Each part goes in with its length, so that no two lists of parts
/// are digested alike.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}

/// `at` as precisely as index keys have it: whole milliseconds, cut off.
pub(crate) fn whole_millis(at: Timestamp) -> Timestamp {
    instant(millis(at)).unwrap_or(at)
}

/// What the row of this name, as due keys have it, is about: `APP#<id>`, `ENV#<namespace>`, `CLUSTER#<name>`, or
/// `TPL#<name>|PRELOAD#<cell>`.
pub(crate) fn subject(row: &str) -> Option<Subject> {
    if let Some(id) = row.strip_prefix("APP#") {
        return ApplicationId::parse(id).ok().map(Subject::Application);
    }
    if let Some(name) = row.strip_prefix("ENV#") {
        return NamespaceName::parse(name).ok().map(Subject::Environment);
    }
    if let Some(name) = row.strip_prefix("CLUSTER#") {
        return ClusterName::parse(name).ok().map(Subject::Cluster);
    }
    let (pk, sk) = row.split_once(DUE_NAME_SEPARATOR)?;
    let template = TemplateName::parse(pk.strip_prefix("TPL#")?).ok()?;
    let cell = CellName::parse(sk.strip_prefix("PRELOAD#")?).ok()?;
    Some(Subject::Preload(template, cell))
}

/// The row's name in due keys: its partition key where that names it alone.
pub(crate) fn due_name(key: &Key) -> String {
    match key.pk.split_once('#') {
        Some((entity, _)) if entity == key.sk => key.pk.clone(),
        _ => format!("{}{DUE_NAME_SEPARATOR}{}", key.pk, key.sk),
    }
}

/// The shard of the due index of this lane that the row of this name is in: the same for its whole life.
pub(crate) fn shard_in(lane: &Lane, name: &str) -> u16 {
    let head = u16::from_str_radix(&digest(&[name])[..4], 16).unwrap_or_default();
    head % lane.shards()
}

/// Partition of the `list` index with the environments of an organisation.
pub(crate) fn environments_part(organisation: &OrganisationName) -> String {
    format!("ENV#{organisation}")
}

/// Partition of the `free` index with the free clusters of a pool.
pub(crate) fn free_part(pool: &ClusterPoolName) -> String {
    format!("FREE#{pool}")
}

/// Where a cluster is in that partition: anywhere, and elsewhere with each epoch, so that many who pick at once do not
/// pick the same.
pub(crate) fn free_key(name: &ClusterName, epoch: Epoch) -> String {
    let scattered = &digest(&[name.as_str(), &epoch.to_string()])[..FREE_DIGITS];
    format!("{scattered}#{name}")
}

/// What tells a workload from every other: the beginning of the digest of what it says.
pub(crate) fn revision(workload: &Workload) -> String {
    // It is a struct of texts and numbers, which can always be written. Whoever picks a spare compares the workload
    // itself as well.
    let text = serde_json::to_string(workload).unwrap_or_default();
    let mut revision = digest(&[&text]);
    revision.truncate(REVISION_DIGITS);
    revision
}

/// Partition of the `pick` index with the ready spares of one template's workload in a cell.
pub(crate) fn pick_part(cell: &CellName, template: &TemplateName, workload: &Workload) -> String {
    format!("SPARE#{cell}#{template}#{}", revision(workload))
}

/// Partition of the `list` index with the spares of a template.
pub(crate) fn spares_part(template: &TemplateName) -> String {
    format!("SPARE#{template}")
}

pub(crate) fn due_part(lane: &Lane, shard: u16) -> String {
    format!("DUE#{lane}#{shard:02}")
}

pub(crate) fn due_key(at: Timestamp, row: &str) -> String {
    format!("{:013}#{row}", millis(at))
}

/// The instant and the row's name in a due key.
pub(crate) fn split_due_key(key: &str) -> Option<(Timestamp, &str)> {
    let (at, row) = split(key)?;
    Some((instant(at)?, row))
}

/// The greatest due key of anything due at `now`.
pub(crate) fn due_until(now: Timestamp) -> String {
    due_key(now, "~")
}

/// The least due key after `position`: no key is the beginning of another.
pub(crate) fn due_after(position: &str) -> String {
    format!("{position}#")
}

pub(crate) fn list_part(template: &TemplateName, past: bool) -> String {
    format!("APP#{template}#{}", if past { "past" } else { "live" })
}

pub(crate) fn day_part_live(shard: u16) -> String {
    format!("APP#live#{shard:02}")
}

/// One shard a day is enough: terminal writes are spread over the days on which their applications were created.
pub(crate) fn day_part_past(day: Date) -> String {
    format!("APP#{day}#00")
}

/// A sort key of the lists, and a position in them: the newest first, then by `id`.
pub(crate) fn newest_first(at: Timestamp, id: &str) -> String {
    format!("{}#{id}", inverted(at))
}

/// A sort key of a list, and a position in it, that is ordered by name alone.
pub(crate) fn by_name(name: &str) -> String {
    newest_first(Timestamp::MAX, name)
}

/// The position before every sort key of `day` and after those of later days.
pub(crate) fn before_day(day: Date) -> String {
    let midnight = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
    let last = midnight.map_or(MILLIS_END, |midnight| millis(midnight.timestamp()) - 1);
    format!("{:013}#", MILLIS_END - last)
}

/// The instant (whole milliseconds) and the id in a sort key of the lists.
pub(crate) fn split_position(position: &str) -> Option<(Timestamp, &str)> {
    let (at, id) = split(position)?;
    Some((instant(MILLIS_END - at)?, id))
}

/// The day of `at` in UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn inverted(at: Timestamp) -> String {
    format!("{:013}", MILLIS_END - millis(at))
}

/// Milliseconds since 1970, within what thirteen digits can say.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond().clamp(0, MILLIS_END)
}

fn instant(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

fn split(key: &str) -> Option<(i64, &str)> {
    let (digits, rest) = key.split_once('#')?;
    let well_formed = digits.len() == MILLIS_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    well_formed.then_some(())?;
    Some((digits.parse().ok()?, rest))
}

/// The second (Unix time) of `at` for the time-to-live attribute, rounded up: never forgotten too early.
pub(crate) fn forget_second(at: Timestamp) -> i64 {
    let whole = at.as_second();
    whole + i64::from(at.subsec_nanosecond() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn due_keys_sort_by_time_and_say_it_again() {
        let (early, late) = (at("2026-11-21T10:00:00.123456Z"), at("2026-11-21T10:00:00.124Z"));
        let key = due_key(early, "APP#a");
        assert_eq!(key, "1795255200123#APP#a");
        assert!(key < due_key(late, "APP#a"));
        assert_eq!(split_due_key(&key), Some((whole_millis(early), "APP#a")));
        assert!(key <= due_until(early) && due_key(late, "APP#0") > due_until(early));
        assert!(due_after(&key) > key && due_after(&key) < due_key(early, "APP#b"));
        assert_eq!(due_key(Timestamp::MAX, "x"), "9999999999999#x");
        assert_eq!(due_key(Timestamp::MIN, "x"), "0000000000000#x");
    }

    #[test]
    fn a_due_rows_name_says_what_it_is_about() {
        let id = ApplicationId::from_bytes([7; 16]);
        assert_eq!(subject(&Key::application(&id).pk), Some(Subject::Application(id)));
        let preload = Subject::Preload(TemplateName::parse("t.x").unwrap(), CellName::parse("home").unwrap());
        assert_eq!(subject("TPL#t.x|PRELOAD#home"), Some(preload));
        for unknown in [
            "",
            "APP#",
            "APP#1",
            "TPL#t",
            "TPL#t|POOL",
            "TPL#T|PRELOAD#c",
            "ENV#e|PRELOAD#c",
        ] {
            assert_eq!(subject(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_revision_tells_workloads_apart_and_nothing_else() {
        let workload = |image: &str| -> Workload {
            serde_json::from_value(serde_json::json!({"image-source": image, "env": {"A": "1", "B": "2"}})).unwrap()
        };
        assert_eq!(revision(&workload("a")), revision(&workload("a:latest")));
        assert_ne!(revision(&workload("a:1")), revision(&workload("a:2")));
        assert_eq!(revision(&workload("a")).len(), 16);
    }

    #[test]
    fn list_keys_sort_the_newest_first_and_say_their_instant_again() {
        let (old, new) = (at("2026-11-20T23:59:59.999Z"), at("2026-11-21T00:00:00Z"));
        assert!(newest_first(new, "b") < newest_first(old, "a"));
        assert!(newest_first(new, "a") < newest_first(new, "b"));
        assert!(LIST_START < newest_first(Timestamp::MAX, "a").as_str());
        assert_eq!(split_position(&newest_first(old, "a#b")), Some((old, "a#b")));
        for bad in ["", "x", "123#a", "-123456789012#a", "1234567890123"] {
            assert_eq!(split_position(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_days_first_key_parts_it_from_later_days() {
        let start = before_day(day(at("2026-11-20T12:00:00Z")));
        assert!(start < newest_first(at("2026-11-20T23:59:59.999Z"), "0"));
        assert!(start > newest_first(at("2026-11-21T00:00:00Z"), "~"));
        assert!(split_position(&start).is_some());
    }

    #[test]
    fn digests_tell_where_one_part_ends() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(Key::binding("open", "a#", "b"), Key::binding("open", "a", "#b"));
    }

    #[test]
    fn the_second_to_forget_at_is_never_too_early() {
        assert_eq!(forget_second(at("1970-01-01T00:00:01Z")), 1);
        assert_eq!(forget_second(at("1970-01-01T00:00:01.001Z")), 2);
    }
}
