//! Applications: launch, read, take, record, finish.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, Look};
use futures::FutureExt;
use jiff::Timestamp;

use crate::error::Cause;
use crate::items::{ApplicationItem, BindingItem, FIRST_VERSION, Item, Standing, decode, encode};
use crate::keys::Key;
use crate::request::{Condition, Outcome, Write, token};
use crate::{Binding, Bound, Error, Store, WriteError};

/// Rows under one application's key: its own, and later its explanation.
const ROWS_MAX: i32 = 2;

/// A row as it was read or written: the value, and what deciding about it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// What it says.
    pub value: T,
    /// How often it has been written. Every write is conditional on the version that was read.
    pub version: u64,
    /// When somebody else must take over, to the millisecond; none once nobody must.
    pub due_at: Option<Timestamp>,
    /// Since when it has been due without an actor finishing; does not move with takes.
    pub due_since: Option<Timestamp>,
    /// Tries that failed in a row.
    pub attempt: u32,
}

/// When somebody must come back to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextDue {
    /// By when, to the millisecond.
    pub at: Timestamp,
    /// Tries that failed in a row. With none, the application counts as due since `at`; otherwise since it was before.
    pub attempt: u32,
}

/// What became of a launch.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Launched {
    /// Its row is written.
    Written(Row<Application>),
    /// Its `Idempotency-Key` is bound already; nothing was written.
    Bound(Bound),
}

impl Store {
    /// AP3, AP15 Writes a new application, and binds the `Idempotency-Key` in the same transaction. An expired
    /// binding is replaced. The same look may say the same again: it is written once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another application has this id; otherwise as for every write.
    pub async fn launch(
        &self,
        application: &Application,
        due_at: Timestamp,
        look: &Look,
        binding: Option<&Binding>,
    ) -> Result<Launched, Error> {
        let standing = Standing::Due {
            at: due_at,
            since: due_at,
            attempt: 0,
        };
        let item = ApplicationItem::new(application, standing, FIRST_VERSION, look);
        let mut writes = vec![Write {
            item: encode(&item)?,
            condition: Condition::absent(),
        }];
        let outcomes = match binding {
            None => vec![self.put(&writes[0]).await?],
            Some(binding) => {
                let made = application.id.as_str();
                writes.push(Write {
                    item: encode(&BindingItem::new(&binding.row(), &binding.body_sha256, made, look))?,
                    condition: Condition::absent_or_forgotten(look.now.as_second()),
                });
                let token = token(&look.by, &Key::application(&application.id).pk);
                self.transact(&writes, &token).await?
            }
        };
        let mut outcomes = outcomes.into_iter();
        let (row, bound) = (outcomes.next(), outcomes.next());
        if let Some(Outcome::Refused(Some(old))) = bound {
            let old: BindingItem = decode(old)?;
            if old.head.by != look.by || old.made != application.id.as_str() {
                return Ok(Launched::Bound(old.into()));
            }
        }
        match row {
            Some(Outcome::Refused(old)) => written_before(old, look).map(Launched::Written),
            _ => Ok(Launched::Written(item.into_row())),
        }
    }

    /// AP1 This application, strongly consistent; one that is forgotten at `now` counts as absent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn application(&self, id: &ApplicationId, now: Timestamp) -> Result<Option<Row<Application>>, Error> {
        let key = Key::application(id);
        let request = self.client.query().table_name(&*self.table).consistent_read(true);
        let answer = request
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(key.pk))
            .limit(ROWS_MAX)
            .send()
            .boxed()
            .await?;
        let own = |item: &Item| {
            item.get("sk")
                .and_then(|sk| sk.as_s().ok())
                .is_some_and(|sk| sk == key.sk)
        };
        let Some(item) = answer.items.unwrap_or_default().into_iter().find(own) else {
            return Ok(None);
        };
        let item: ApplicationItem = decode(item)?;
        Ok((!item.is_forgotten(now)).then(|| item.into_row()))
    }

    /// Takes a due row: from now on somebody else takes over at `due_at`. Of many takers of one version one succeeds.
    /// A take counts as a try until something is recorded, so that a row that kills whoever takes it backs off too.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] for the others.
    pub async fn take(
        &self,
        row: &Row<Application>,
        due_at: Timestamp,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        let standing = Standing::Due {
            at: due_at,
            since: row.due_since.unwrap_or(due_at),
            attempt: row.attempt.saturating_add(1),
        };
        self.replace(row, &row.value, standing, look).await
    }

    /// Records what a step found or did, for an application that lives or is ending, and when to come back.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the row has moved on since it was read.
    pub async fn record(
        &self,
        row: &Row<Application>,
        next: &Application,
        due: NextDue,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        let since = if due.attempt == 0 { None } else { row.due_since };
        let standing = Standing::Due {
            at: due.at,
            since: since.unwrap_or(due.at),
            attempt: due.attempt,
        };
        self.replace(row, next, standing, look).await
    }

    /// W3 The terminal write: nobody comes back, lists show it among the past, and it is forgotten
    /// [`domain::limits::REMEMBER`] from now.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the row has moved on since it was read.
    pub async fn finish(
        &self,
        row: &Row<Application>,
        ended: &Application,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        self.replace(row, ended, Standing::Past, look).await
    }

    /// W1, W2 Writes the row as a whole, if it still has the version that was read.
    async fn replace(
        &self,
        row: &Row<Application>,
        next: &Application,
        standing: Standing,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        let item = ApplicationItem::new(next, standing, row.version + 1, look);
        let write = Write {
            item: encode(&item)?,
            condition: Condition::version(row.version),
        };
        let old = match self.put(&write).await? {
            Outcome::Done => return Ok(item.into_row()),
            Outcome::Refused(None) => return Err(WriteError::Overtaken),
            Outcome::Refused(Some(old)) => decode::<ApplicationItem>(old)?,
        };
        let own = old.head.by == look.by && old.head.version == row.version + 1;
        if own {
            Ok(old.into_row())
        } else {
            Err(WriteError::Overtaken)
        }
    }
}

/// W2 The row that stood in the way of a launch: the same launch, whose answer was lost, or another's.
fn written_before(old: Option<Item>, look: &Look) -> Result<Row<Application>, Error> {
    let old = old.map(decode::<ApplicationItem>).transpose()?;
    match old {
        Some(old) if old.head.by == look.by => Ok(old.into_row()),
        _ => Err(Error::Conflict(Cause::boxed(
            "launch",
            "another application has this id",
        ))),
    }
}
