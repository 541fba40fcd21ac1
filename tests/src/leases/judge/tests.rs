//! Each rule fails a history that breaks it, and only such a one.

use domain::{ClusterName, ClusterPoolName, Epoch, LabelKey, LabelValue, LeaseId, LeaseTime, Offer, ProviderName};
use domain::{Ticket, Wish};
use jiff::{SignedDuration, Timestamp};

use super::super::history::{Acquired, Asked, Deed, Event, Known, Renewed, Seen};
use super::judge;

/// A history in the making: each event follows the one before.
#[derive(Default)]
struct History(Vec<Event>);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn cluster() -> ClusterName {
    ClusterName::parse("a").unwrap()
}

fn pool() -> ClusterPoolName {
    ClusterPoolName::parse("default").unwrap()
}

impl History {
    fn begun() -> Self {
        let offer = Offer {
            name: cluster(),
            cloud_provider: ProviderName::parse("static").unwrap(),
            labels: [(LabelKey::parse("size").unwrap(), LabelValue::parse("small").unwrap())].into(),
            version: "v1.35.4".to_owned(),
            state: "free".to_owned(),
            is_free: true,
            expires_at: None,
            lent_until: None,
        };
        let known = Known {
            pool: pool(),
            once: false,
            offer,
        };
        Self::default().then(0, Deed::Begin { clusters: vec![known] })
    }

    /// An event that takes no time, at this second.
    fn then(self, second: i64, deed: Deed) -> Self {
        self.by_clock(second, 0, deed)
    }

    /// The same by a clock that is so much ahead.
    fn by_clock(mut self, second: i64, ahead: i64, deed: Deed) -> Self {
        let from = 10 * (1 + self.0.len() as u64);
        self.0.push(Event {
            from,
            to: from + 5,
            begin: at(second),
            end: at(second),
            now: at(second) + SignedDuration::from_secs(ahead),
            who: "somebody".to_owned(),
            deed,
        });
        self
    }

    /// The last event began before the one before it.
    fn while_before(mut self) -> Self {
        if let [.., before, last] = self.0.as_mut_slice() {
            last.from = before.from - 1;
        }
        self
    }

    fn passes(self) {
        let wrong = judge(&self.0).wrong;
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// Exactly this rule, once.
    fn breaks(self, rule: &str) {
        let wrong = judge(&self.0).wrong;
        let [sentence] = wrong.as_slice() else {
            panic!("{wrong:?}");
        };
        assert!(sentence.starts_with(rule), "{sentence}");
    }
}

fn ask(id: &str, key: Option<&str>) -> Asked {
    Asked {
        id: id.to_owned(),
        caller: "ci".to_owned(),
        pool: pool(),
        wish: Wish::default(),
        seconds: 100,
        key: key.map(str::to_owned),
        ticket: None,
        waits: false,
    }
}

fn granted(ask: Asked, lease: &str, epoch: u64, end: i64) -> Deed {
    Deed::Acquire {
        ask,
        heard: Some(Acquired::Granted {
            cluster: cluster(),
            epoch,
            lease: lease.to_owned(),
            expires_at: at(end),
        }),
    }
}

fn verify(lease: &str, epoch: u64, heard: Option<i64>) -> Deed {
    Deed::Verify {
        lease: lease.to_owned(),
        epoch,
        heard: Some(heard.map(at)),
    }
}

fn released(lease: &str) -> Deed {
    Deed::Release {
        lease: lease.to_owned(),
        heard: Some(true),
    }
}

fn seen(state: &str, epoch: u64, lease: Option<&str>) -> Seen {
    Seen {
        cluster: cluster(),
        epoch,
        state: state.to_owned(),
        lease: lease.map(|lease| (lease.to_owned(), "ci".to_owned())),
        handed_over: false,
    }
}

fn look(seen: Seen, tickets: Vec<Ticket>) -> Deed {
    Deed::Look {
        clusters: vec![seen],
        tickets: tickets.into_iter().map(|ticket| (pool(), ticket)).collect(),
    }
}

fn ticket(number: u8, granted: Option<u64>) -> Ticket {
    Ticket {
        id: LeaseId::from_bytes([number; 16]),
        caller: format!("caller-{number}"),
        wish: Wish::default(),
        time: LeaseTime::new(100).unwrap(),
        start: u64::from(number),
        since: at(0),
        seen_at: at(0),
        granted: granted.map(|epoch| (cluster(), Epoch(epoch))),
    }
}

/// A lease from the second 10 to 110, by the epoch 2.
fn leased() -> History {
    History::begun().then(10, granted(ask("1", Some("k")), "l1", 2, 110))
}

#[test]
fn a_life_of_leases_is_right() {
    leased()
        .then(20, verify("l1", 2, Some(110)))
        .then(21, verify("l1", 1, None))
        .then(22, granted(ask("2", Some("k")), "l1", 2, 110))
        .by_clock(107, 2, verify("l1", 2, None))
        .then(140, granted(ask("3", None), "l3", 4, 240))
        .then(141, verify("l1", 2, None))
        .then(150, released("l3"))
        .then(151, verify("l3", 4, None))
        .then(170, look(seen("free", 5, None), Vec::new()))
        .then(
            180,
            Deed::Quiet {
                clusters: vec![seen("free", 5, None)],
            },
        )
        .passes();
}

#[test]
fn an_epoch_has_one_holder() {
    let twice = leased().then(11, granted(ask("2", None), "l2", 2, 110));
    let wrong = judge(&twice.0).wrong;
    assert!(
        wrong.iter().any(|sentence| sentence.starts_with("one holder")),
        "{wrong:?}"
    );
    assert!(
        wrong.iter().any(|sentence| sentence.starts_with("epochs rise")),
        "{wrong:?}"
    );
}

#[test]
fn a_cluster_is_not_given_again_before_its_lease_is_over_for_everybody() {
    let again = |second| leased().then(second, granted(ask("2", None), "l2", 4, 300));
    again(112).passes();
    again(111).breaks("one holder");
    leased()
        .then(50, released("l1"))
        .then(70, granted(ask("2", None), "l2", 4, 300))
        .passes();
    let by_operator = Deed::EndByOperator {
        cluster: cluster(),
        heard: None,
    };
    leased()
        .then(50, by_operator)
        .then(70, granted(ask("2", None), "l2", 4, 300))
        .passes();
    // What was promised by a renewal counts too.
    let renewed = Deed::Renew {
        lease: "l1".to_owned(),
        seconds: 100,
        heard: Some(Renewed::Until(at(200))),
    };
    leased()
        .then(100, renewed)
        .then(150, granted(ask("2", None), "l2", 4, 300))
        .breaks("one holder");
}

#[test]
fn an_epoch_never_falls_and_is_never_of_two() {
    leased()
        .then(20, look(seen("ending", 1, None), Vec::new()))
        .breaks("epochs rise");
    leased()
        .then(20, look(seen("free", 2, None), Vec::new()))
        .breaks("epochs rise");
    // Who began to look earlier may have read what was so earlier.
    let earlier = leased().then(20, look(seen("free", 1, None), Vec::new()));
    earlier.while_before().passes();
}

#[test]
fn nobody_relies_on_a_lease_after_its_end() {
    leased().then(109, verify("l1", 2, Some(110))).passes();
    leased().then(110, verify("l1", 2, Some(110))).breaks("relied on");
    leased().then(50, verify("l1", 3, Some(110))).breaks("relied on");
    leased().then(50, verify("l1", 2, Some(190))).breaks("relied on");
    leased()
        .then(50, released("l1"))
        .then(51, verify("l1", 2, Some(110)))
        .breaks("relied on");
    leased().then(50, verify("l2", 2, Some(110))).breaks("relied on");
    let used = Deed::Use {
        lease: "l1".to_owned(),
        heard: Some(true),
    };
    leased()
        .then(130, granted(ask("2", None), "l2", 4, 300))
        .then(131, used)
        .breaks("relied on");
}

#[test]
fn what_was_granted_is_not_lost() {
    leased().then(50, verify("l1", 2, None)).breaks("lost");
    leased().by_clock(107, 1, verify("l1", 2, None)).passes();
    leased().by_clock(106, 1, verify("l1", 2, None)).breaks("lost");
    let gone = |deed| leased().then(50, deed);
    let lease = || "l1".to_owned();
    gone(Deed::Show {
        lease: lease(),
        heard: Some(None),
    })
    .breaks("lost");
    gone(Deed::Release {
        lease: lease(),
        heard: Some(false),
    })
    .breaks("lost");
    gone(Deed::Use {
        lease: lease(),
        heard: Some(false),
    })
    .breaks("lost");
    gone(Deed::Renew {
        lease: lease(),
        seconds: 1,
        heard: Some(Renewed::Over),
    })
    .breaks("lost");
    gone(Deed::Acquire {
        ask: ask("2", Some("k")),
        heard: Some(Acquired::Over),
    })
    .breaks("lost");
    // Of a release nobody heard: it may have been.
    let unheard = Deed::Release {
        lease: lease(),
        heard: None,
    };
    leased().then(40, unheard).then(50, verify("l1", 2, None)).passes();
}

#[test]
fn a_key_has_one_lease() {
    leased()
        .then(130, granted(ask("2", Some("k")), "l2", 4, 300))
        .breaks("given twice");
    leased()
        .then(20, granted(ask("2", None), "l1", 2, 110))
        .breaks("given twice");
    // The other one is held, though its answer never came.
    let made = vault::sha256_hex(b"9#a#3");
    let died = Deed::Acquire {
        ask: ask("9", Some("k")),
        heard: None,
    };
    let held = look(seen("leased", 4, Some(&made[..32])), Vec::new());
    leased().then(120, died).then(130, held).breaks("given twice");
}

#[test]
fn nobody_is_passed_who_waits() {
    let waiting = |granted| look(seen("cleaning", 2, None), vec![ticket(1, granted)]);
    let newcomer = || granted(ask("2", None), "l2", 4, 300);
    let passed = |second, last| {
        History::begun()
            .then(1, waiting(None))
            .then(second, newcomer())
            .then(70, last)
    };
    let still = || look(seen("leased", 4, Some("l2")), vec![ticket(1, None)]);
    passed(30, still()).breaks("passed");
    // Its owner had not asked for a minute; or it was given something; or it wants something else.
    passed(61, still()).passes();
    passed(30, look(seen("leased", 4, Some("l2")), vec![ticket(1, Some(3))])).passes();
    let mut other = ticket(1, None);
    other.wish.cluster_regex = "^b".to_owned();
    let picky = || look(seen("leased", 4, Some("l2")), vec![other.clone()]);
    History::begun()
        .then(1, picky())
        .then(30, newcomer())
        .then(70, picky())
        .passes();
}

#[test]
fn what_is_handed_over_goes_to_the_first() {
    let handed = Deed::Bring {
        cluster: cluster(),
        before: 2,
        heard: Some(Seen {
            handed_over: true,
            ..seen("granting", 3, Some("l3"))
        }),
    };
    let line = |one, other| look(seen("granting", 3, Some("l3")), vec![ticket(1, one), ticket(2, other)]);
    let before = || look(seen("cleaning", 2, None), vec![ticket(1, None), ticket(2, None)]);
    let play = |last| {
        History::begun()
            .then(1, before())
            .then(20, handed.clone())
            .then(30, last)
    };
    play(line(Some(3), None)).passes();
    play(line(None, Some(3))).breaks("passed");
}

#[test]
fn after_quiet_all_is_at_rest() {
    let quiet = |state: &str| {
        leased().then(
            500,
            Deed::Quiet {
                clusters: vec![seen(state, 3, None)],
            },
        )
    };
    quiet("quarantined").passes();
    quiet("cleaning").breaks("after quiet");
    quiet("retired").breaks("after quiet");
}
