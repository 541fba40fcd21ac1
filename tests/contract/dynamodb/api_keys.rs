//! API keys.

use domain::limits::KEY_USE_EVERY;
use domain::{KeyAsk, KeyId, KeyName, KeyRecord, Look, Scope};
use futures::future::join_all;
use net::Fault;
use store::{Binding, Bound, KeyCreated, KeySet, Row, Store, StoredKey, WriteError};

use crate::support::*;

checks! {
    ap14_a_key_is_found_by_its_digest_or_its_name_and_its_name_is_taken
    ap14_of_many_keys_that_want_one_name_one_gets_it
    ap15_an_idempotency_key_binds_with_the_key_that_it_makes
    ap15_a_taken_name_binds_nothing
    a_deleted_key_is_gone_with_its_name_and_its_use
    w2_a_key_whose_answer_was_lost_is_made_once_and_deleted_once
    ap14_keys_come_newest_first_page_after_page_with_their_last_use
    ap14_a_use_is_noted_once_in_ten_minutes_whoever_notes_it
    ap18_the_keys_of_an_issuer_are_replaced_as_they_were_read
}

fn key_name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

fn record(name: &str, number: u8) -> KeyRecord {
    let asked = KeyAsk {
        name: key_name(name),
        scopes: [Scope::Apps, Scope::Envs].into(),
        organisations: Some([domain::OrganisationName::parse("acme").unwrap()].into()),
        expires_at: Some(after(60)),
    };
    asked.into_record(KeyId::from_bytes([number; 16]), now()).unwrap()
}

fn binding(body: &str) -> Binding {
    Binding {
        caller: "configured-admin".to_owned(),
        route: "key-create".to_owned(),
        key: "once".to_owned(),
        body_sha256: body.to_owned(),
    }
}

async fn create(store: &Store, sha256: &str, record: &KeyRecord, look: &Look) -> KeyCreated {
    store.create_key(sha256, record, look, None).await.unwrap()
}

async fn ap14_a_key_is_found_by_its_digest_or_its_name_and_its_name_is_taken(table: &Table) {
    let ci = record("ci", 1);
    assert_eq!(
        create(&table.store, "aa", &ci, &look(now(), "a")).await,
        KeyCreated::Written
    );
    assert_eq!(table.store.key("aa").await.unwrap(), Some(ci.clone()));
    assert_eq!(table.store.key("ci").await.unwrap(), None);
    let stored = StoredKey {
        record: ci.clone(),
        sha256: "aa".to_owned(),
    };
    assert_eq!(table.store.key_named(&ci.name).await.unwrap(), Some(stored));
    assert_eq!(table.store.key_named(&key_name("other")).await.unwrap(), None);

    assert_eq!(
        create(&table.store, "aa", &ci, &look(now(), "b")).await,
        KeyCreated::Written
    );
    let same_name = record("ci", 2);
    assert_eq!(
        create(&table.store, "bb", &same_name, &look(now(), "c")).await,
        KeyCreated::Taken
    );
    let same_key = record("other", 3);
    assert_eq!(
        create(&table.store, "aa", &same_key, &look(now(), "d")).await,
        KeyCreated::Taken
    );
    assert_eq!(table.store.key("bb").await.unwrap(), None);
    assert_eq!(
        table.kinds().await,
        [("key".to_owned(), 1), ("key_name".to_owned(), 1)].into()
    );
}

async fn ap14_of_many_keys_that_want_one_name_one_gets_it(table: &Table) {
    let wanted: Vec<_> = (0..64)
        .map(|n| (format!("{n:064x}"), record("ci", n), look(now(), &format!("k/{n}"))))
        .collect();
    let got = join_all(
        wanted
            .iter()
            .map(|(digest, record, look)| create(&table.store, digest, record, look)),
    )
    .await;
    assert_eq!(got.iter().filter(|got| **got == KeyCreated::Written).count(), 1);
    assert_eq!(table.kinds().await["key"], 1);
}

async fn ap15_an_idempotency_key_binds_with_the_key_that_it_makes(table: &Table) {
    let (first, second) = (record("ci", 1), record("ci", 2));
    let create = async |sha256: &str, record: &KeyRecord, look: &Look| {
        let asked = binding("body");
        table
            .store
            .create_key(sha256, record, look, Some(&asked))
            .await
            .unwrap()
    };
    let bound = Bound {
        body_sha256: "body".to_owned(),
        made: first.id.to_string(),
    };
    assert_eq!(create("aa", &first, &look(now(), "a")).await, KeyCreated::Written);
    assert_eq!(create("aa", &first, &look(now(), "a")).await, KeyCreated::Written, "W2");
    assert_eq!(
        create("bb", &second, &look(now(), "b")).await,
        KeyCreated::Bound(bound.clone())
    );
    assert_eq!(table.store.binding(&binding(""), now()).await.unwrap(), Some(bound));
    assert!(table.store.delete_key(&first.name, &look(now(), "c")).await.unwrap());
    let day_later = look(after(24 * 60 * 60), "d");
    assert_eq!(create("bb", &second, &day_later).await, KeyCreated::Written);
}

async fn ap15_a_taken_name_binds_nothing(table: &Table) {
    create(&table.store, "aa", &record("ci", 1), &look(now(), "a")).await;
    let (other, asked) = (record("ci", 2), binding("body"));
    let refused = table
        .store
        .create_key("bb", &other, &look(now(), "b"), Some(&asked))
        .await;
    assert_eq!(refused.unwrap(), KeyCreated::Taken);
    assert_eq!(table.store.binding(&asked, now()).await.unwrap(), None);
}

async fn a_deleted_key_is_gone_with_its_name_and_its_use(table: &Table) {
    let ci = record("ci", 1);
    create(&table.store, "aa", &ci, &look(now(), "a")).await;
    table.store.note_key_use(&ci.id, &look(now(), "b")).await.unwrap();
    assert_eq!(table.kinds().await["key_use"], 1);
    assert!(table.store.delete_key(&ci.name, &look(now(), "c")).await.unwrap());
    assert!(!table.store.delete_key(&ci.name, &look(now(), "d")).await.unwrap());
    assert_eq!(table.kinds().await, [].into());
    assert_eq!(
        create(&table.store, "bb", &record("ci", 2), &look(now(), "e")).await,
        KeyCreated::Written
    );
    assert_eq!(table.store.key("aa").await.unwrap(), None);
}

async fn w2_a_key_whose_answer_was_lost_is_made_once_and_deleted_once(table: &Table) {
    let ci = record("ci", 1);
    let lossy = table.failing(first("TransactWriteItems", 1, || Fault::LoseAnswer).faults);
    assert_eq!(create(&lossy, "aa", &ci, &look(now(), "a")).await, KeyCreated::Written);
    let lossy = table.failing(first("TransactWriteItems", 1, || Fault::LoseAnswer).faults);
    assert!(lossy.delete_key(&ci.name, &look(now(), "b")).await.unwrap());
    assert_eq!(table.kinds().await, [].into());
}

async fn ap14_keys_come_newest_first_page_after_page_with_their_last_use(table: &Table) {
    let mut expected = Vec::new();
    for number in 0..120 {
        let made = KeyRecord {
            created_at: after(i64::from(number) / 2),
            ..record(&format!("k{number:03}"), number)
        };
        let look = look(after(0), &format!("k/{number}"));
        create(&table.store, &format!("{:064x}", 200 - number), &made, &look).await;
        let used = number % 3 == 0;
        if used {
            table.store.note_key_use(&made.id, &look).await.unwrap();
        }
        expected.push((made, used.then(now)));
    }
    // Of one instant, by the digest.
    expected.reverse();
    for limit in [1, 50, 119, 120, 1000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = table.store.keys(limit, after.as_deref()).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.into_iter().map(|one| (one.record, one.last_used_at)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}

async fn ap14_a_use_is_noted_once_in_ten_minutes_whoever_notes_it(table: &Table) {
    let id = KeyId::from_bytes([1; 16]);
    let every = KEY_USE_EVERY.as_secs() as i64;
    let note = async |seconds: i64, by: &str| {
        let look = look(after(seconds), by);
        table.store.note_key_use(&id, &look).await.unwrap()
    };
    assert_eq!(note(0, "a").await, now());
    assert_eq!(note(every - 1, "b").await, now());
    assert_eq!(note(-5, "behind").await, now());
    let row = table.row(&format!("KEYUSE#{id}"), "KEYUSE").await.unwrap();
    assert_eq!(row["by"].as_s().unwrap(), "a");
    assert_eq!(note(every, "c").await, after(every));
}

async fn ap18_the_keys_of_an_issuer_are_replaced_as_they_were_read(table: &Table) {
    let (store, issuer) = (&table.store, "https://issuer.example/realm?a=b#c");
    let set = |jwks: &str, seconds| KeySet {
        jwks: jwks.to_owned(),
        fetched_at: after(seconds),
    };
    let put = async |old: Option<&Row<KeySet>>, jwks: &str, seconds, by: &str| {
        let next = set(jwks, seconds);
        store.put_key_set(old, issuer, &next, &look(now(), by)).await
    };
    assert_eq!(store.key_set(issuer).await.unwrap(), None);
    let first = put(None, "one", 0, "a").await.unwrap();
    // A second writer that read nothing, or what the first one replaced.
    let late = put(None, "late", 0, "b").await;
    assert!(matches!(late, Err(WriteError::Overtaken)), "{late:?}");
    assert_eq!(put(Some(&first), "two", 1, "c").await.unwrap().version, 2);
    let stale = put(Some(&first), "three", 2, "d").await;
    assert!(matches!(stale, Err(WriteError::Overtaken)), "{stale:?}");
    assert_eq!(store.key_set(issuer).await.unwrap().unwrap().value, set("two", 1));
    assert_eq!(store.key_set("https://issuer.example").await.unwrap(), None);
}
