//! `POST /keys`.

use api::{Code, KeyBody, KeyMade, KeyView};
use domain::{KeyId, KeyName, KeyRecord, Look};
use gateway::{Call, Problem, Reply, Table, key_sha256};
use http::StatusCode;
use store::{Binding, Bound, KeyCreated, Store};

/// Makes an API key and shows it, once. The key is derived from its id, so the same `Idempotency-Key` shows it again.
pub async fn create(powers: Table, call: Call) -> Result<Reply, Problem> {
    let ask = call.body::<KeyBody>()?.into_ask()?;
    let binding = call.binding()?;
    let (name, look) = (ask.name.clone(), call.look());
    // Asked first: what was made may have ended since, and could not be made again as it was asked for.
    if let Some(asked) = &binding
        && let Some(bound) = powers.store.binding(asked, look.now).await?
    {
        return again(&powers.store, &call, &name, &bound, asked, &look).await;
    }

    let record = ask.into_record(KeyId::from_bytes(call.random()?), look.now)?;
    let key = call.api_key(&record.id)?;

    let created = powers
        .store
        .create_key(&key_sha256(&key), &record, &look, binding.as_ref())
        .await?;
    match (created, &binding) {
        (KeyCreated::Written, _) => made(record, key),
        (KeyCreated::Bound(bound), Some(asked)) => again(&powers.store, &call, &name, &bound, asked, &look).await,
        (KeyCreated::Bound(_), None) | (KeyCreated::Taken, _) => Err(Problem::new(
            Code::NameTaken,
            format!("There is a key with the name '{name}'; choose another name, or delete that key first"),
        )),
    }
}

/// The same `Idempotency-Key` again: with the same body the same key, while it holds.
async fn again(
    store: &Store,
    call: &Call,
    name: &KeyName,
    bound: &Bound,
    asked: &Binding,
    look: &Look,
) -> Result<Reply, Problem> {
    if asked.body_sha256 != bound.body_sha256 {
        return Err(Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before; use a new key for a new request",
        ));
    }
    let stored = store.key_named(name).await?;
    let stored = stored.filter(|stored| stored.record.id.as_str() == bound.made && stored.record.holds_at(look.now));
    let key = match &stored {
        Some(stored) => call.api_key_again(&stored.record.id, &stored.sha256)?,
        None => None,
    };
    match (stored, key) {
        (Some(stored), Some(key)) => made(stored.record, key),
        _ => Err(Problem::new(
            Code::IdempotencyKeyEnded,
            "What this Idempotency-Key made has ended since; use a new one to make another API key",
        )),
    }
}

fn made(record: KeyRecord, key: String) -> Result<Reply, Problem> {
    let view = KeyView::new(record, None);
    Reply::json(StatusCode::CREATED, &KeyMade { view, key })
}
