//! What clients ask for, and what is kept of it.

use domain::{ClusterPool, LabelKey, LabelValue, LeaseId, LeaseTime, Wish};
use fastrand::Rng;
use lifecycle::{Acquired, LeaseAsk};
use store::Binding;

use super::clients::TIMES;
use super::ground::{ONCE, USUAL, pool};
use super::history::{self, Asked};

/// An ask of a caller for anything, or for something, with a key or without.
pub(super) fn drawn(caller: &str, rng: &mut Rng) -> LeaseAsk {
    let label = |value: &str| (LabelKey::parse("size").unwrap(), LabelValue::parse(value).unwrap());
    let wish = match rng.u8(0..10) {
        0..2 => Wish {
            labels: [label("small")].into(),
            ..Wish::default()
        },
        2 => Wish {
            labels: [label("large")].into(),
            ..Wish::default()
        },
        3 => Wish {
            cluster_regex: format!("-[{}-9]$", rng.u8(0..3)),
            ..Wish::default()
        },
        4 => Wish {
            cloud_provider: "static".to_owned(),
            ..Wish::default()
        },
        _ => Wish::default(),
    };
    let is_once = rng.u8(0..50) == 0;
    let mut ask = LeaseAsk {
        caller: caller.to_owned(),
        pool: ClusterPool::new(pool(if is_once { ONCE } else { USUAL })),
        wanted: wish.understood().unwrap(),
        wish,
        time: LeaseTime::new(rng.u64(TIMES)).unwrap(),
        ticket: None,
        waits: rng.u8(0..10) < 6,
        binding: None,
        id: LeaseId::from_bytes([0; 16]),
    };
    if rng.u8(0..10) < 4 {
        let said = (
            &ask.wish.cluster_regex,
            ask.time,
            ask.waits,
            &ask.wish.labels,
            &ask.pool.name,
        );
        ask.binding = Some(Binding {
            caller: caller.to_owned(),
            route: "acquire".to_owned(),
            key: format!("{:016x}", rng.u64(..)),
            body_sha256: vault::sha256_hex(format!("{said:?}").as_bytes()),
        });
    }
    ask
}

/// What is kept of an ask.
pub(super) fn asked(ask: &LeaseAsk) -> Asked {
    Asked {
        id: ask.id.to_string(),
        caller: ask.caller.clone(),
        pool: ask.pool.name.clone(),
        wish: ask.wish.clone(),
        seconds: ask.time.seconds(),
        key: ask.binding.as_ref().map(|binding| binding.key.clone()),
        ticket: ask.ticket.as_ref().map(ToString::to_string),
        waits: ask.waits,
    }
}

/// What is kept of an answer.
pub(super) fn heard(acquired: &Acquired) -> history::Acquired {
    let nothing = |word: &str| history::Acquired::Nothing(word.to_owned());
    match acquired {
        Acquired::Granted(granted) => history::Acquired::Granted {
            cluster: granted.cluster.name.clone(),
            epoch: granted.cluster.epoch.0,
            lease: granted.lease.id.to_string(),
            expires_at: granted.lease.expires_at,
        },
        Acquired::None { ticket, waits, .. } => history::Acquired::None {
            ticket: ticket.to_string(),
            waits: *waits,
        },
        Acquired::Over => history::Acquired::Over,
        Acquired::LineFull { .. } => nothing("the line is full"),
        Acquired::Raced => nothing("raced"),
        Acquired::AnotherBody => nothing("another body"),
        Acquired::Unsaid => nothing("unsaid"),
    }
}
