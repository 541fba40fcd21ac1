//! `POST /lease`.

use std::time::Duration;

use api::{Code, LeaseBody, seconds_until};
use domain::{ClusterPoolName, LeaseId, Refusal};
use gateway::{Call, Problem, Reply, TableAndLeases, rest};
use jiff::Timestamp;
use lifecycle::{Acquired, LeaseAsk, Leasing};

use crate::one::view;

/// How long a waiting request rests between two looks.
const REST: Duration = Duration::from_secs(1);
/// What a caller who is told to come again waits at the least, and where nothing is known.
const AGAIN: Duration = Duration::from_secs(10);
/// The most that such a caller is told to wait: its place is kept for a minute.
const AGAIN_MAX: Duration = Duration::from_secs(45);

/// Gives a cluster at once or, with `wait`, within the time that was asked for; otherwise says where in the line the
/// caller is.
pub async fn acquire(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let body: LeaseBody = call.body()?;
    let mut ask = ask(&powers.leasing, &call, &body).await?;
    let until = call.end_of_wait(Duration::from_secs(body.wait.unwrap_or_default()));
    loop {
        let look = call.look();
        let acquired = powers.leasing.acquire(&ask, &look).await?;
        if let Acquired::None {
            ticket, waits: true, ..
        } = &acquired
        {
            ask.ticket = Some(ticket.clone());
        }
        let may_change = matches!(
            acquired,
            Acquired::None {
                waits: true,
                is_known: true,
                ..
            } | Acquired::Raced
        );
        if !may_change || !rest(REST, until).await {
            return answer(&powers.leasing, &ask, acquired, look.now);
        }
    }
}

async fn ask(leasing: &Leasing, call: &Call, body: &LeaseBody) -> Result<LeaseAsk, Problem> {
    let rules = leasing.rules();
    let name = match body.pool.as_str() {
        "" => leasing.pools().default().clone(),
        text => ClusterPoolName::parse(text)?,
    };
    let unknown = || Refusal::Malformed(format!("there is no cluster pool '{name}'"));
    let pool = leasing.pools().read(&name).await?.ok_or_else(unknown)?;
    let time = body.max_time()?;
    pool.check_time(time)?;
    let wish = body.wish(&rules.default_provider);
    let caller = call.caller().word();
    let ticket = match body.ticket.as_str() {
        "" => None,
        text => Some(leasing.ticket_of(&caller, text).ok_or_else(not_yours)?),
    };
    Ok(LeaseAsk {
        wanted: wish.understood()?,
        wish,
        caller,
        pool,
        time,
        ticket,
        waits: body.wait.is_some(),
        binding: call.binding()?,
        id: LeaseId::from_bytes(call.random()?),
    })
}

fn not_yours() -> Problem {
    Problem::new(Code::MalformedRequest, "'ticket' is none that was given to this key")
}

fn answer(leasing: &Leasing, ask: &LeaseAsk, acquired: Acquired, now: Timestamp) -> Result<Reply, Problem> {
    match acquired {
        Acquired::Granted(granted) => Reply::ok(&view(&granted, now)),
        Acquired::None {
            ticket,
            position,
            expected_at,
            is_known,
            ..
        } => {
            if !is_known {
                let provider = &ask.wish.cloud_provider;
                let pool = &ask.pool.name;
                let why = format!("no cluster of the pool '{pool}' is of the cloud provider '{provider}'");
                return Err(Problem::new(Code::MalformedRequest, why));
            }
            let again = expected_at.map_or(AGAIN, |at| Duration::from_secs(seconds_until(at, now)));
            let problem = Problem::new(
                Code::NoneFree,
                "No available clusters found; ask again with this ticket to keep your place in the line",
            );
            let problem = problem
                .retry_after(again.clamp(AGAIN, AGAIN_MAX))
                .with("ticket", leasing.ticket_text(&ask.caller, &ticket))
                .with("position", position)
                .with("expected_at", expected_at.map(|at| at.to_string()));
            Err(problem)
        }
        Acquired::LineFull { own: true } => Err(Problem::new(
            Code::NoneFree,
            "No available clusters found, and this key has as many places in the line as one may have",
        )
        .retry_after(AGAIN_MAX)),
        Acquired::LineFull { own: false } => Err(Problem::new(
            Code::NoneFree,
            "No available clusters found, and the line is full",
        )
        .retry_after(AGAIN_MAX)),
        Acquired::Raced | Acquired::Unsaid => Err(Problem::new(
            Code::Busy,
            "Others took every cluster that was tried, or the one that was taken is not ready yet; ask again, with the same Idempotency-Key",
        )
        .retry_after(Duration::from_secs(1))),
        Acquired::AnotherBody => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before; use a new key for a new request",
        )),
        Acquired::Over => Err(Problem::new(
            Code::IdempotencyKeyEnded,
            "The lease that this Idempotency-Key was answered with has ended; use a new key to lease again",
        )),
    }
}
