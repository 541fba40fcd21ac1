//! Applications: read, take, record, finish.

use domain::{Application, ApplicationId, Look};
use jiff::Timestamp;

use crate::items::{ApplicationItem, Item, Standing, decode, encode};
use crate::keys::Key;
use crate::places;
use crate::request::{Condition, Outcome};
use crate::transact::{Count, Write, token};
use crate::{Error, Row, Store, WriteError};

/// When somebody must come back to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextDue {
    /// By when, to the millisecond.
    pub at: Timestamp,
    /// Tries that failed in a row. With none, the application counts as due since `at`; otherwise since it was before.
    pub attempt: u32,
}

impl Store {
    /// AP1 This application, strongly consistent; one that is forgotten at `now` counts as absent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn application(&self, id: &ApplicationId, now: Timestamp) -> Result<Option<Row<Application>>, Error> {
        let Some(item) = self.get(&Key::application(id)).await? else {
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

    /// W3 The terminal write: nobody comes back, lists show it among the past, every place is given back, and it is
    /// forgotten [`domain::limits::REMEMBER`] from now.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the row has moved on since it was read.
    pub async fn finish(
        &self,
        row: &Row<Application>,
        ended: &Application,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        let ended = Application {
            counted: Vec::new(),
            ..ended.clone()
        };
        self.replace(row, &ended, Standing::Past, look).await
    }

    /// Records that an application was used at `at`. When somebody must come back to it does not move.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the row has moved on since it was read, or has ended.
    pub async fn report_use(
        &self,
        row: &Row<Application>,
        at: Timestamp,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        self.amend(row, &row.value.seen_in_use(at, look.now), look).await
    }

    /// Records what is new of an application that lives or is ending. When somebody must come back to it does not move.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the row has moved on since it was read, or has ended.
    pub async fn amend(
        &self,
        row: &Row<Application>,
        next: &Application,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        let due_at = row.due_at.ok_or(WriteError::Overtaken)?;
        let standing = Standing::Due {
            at: due_at,
            since: row.due_since.unwrap_or(due_at),
            attempt: row.attempt,
        };
        self.replace(row, next, standing, look).await
    }

    /// W1, W2, W5 Writes the row as a whole, if it still has the version that was read, and gives back the places that
    /// it is not counted in any more.
    async fn replace(
        &self,
        row: &Row<Application>,
        next: &Application,
        standing: Standing,
        look: &Look,
    ) -> Result<Row<Application>, WriteError> {
        let item = ApplicationItem::new(next, standing, row.version + 1, look);
        let (encoded, condition) = (encode(&item)?, Condition::version(row.version));
        let left = places::left(&row.value.counted, &next.counted);
        let outcome = if left.is_empty() {
            self.put(&encoded, &condition).await?
        } else {
            let row = Write::Put {
                item: encoded,
                condition,
            };
            let left = left.iter().map(|place| Count::give_back(place, look));
            let writes: Vec<Write> = std::iter::once(row).chain(left).collect();
            let token = token(&look.by, &Key::application(&next.id).pk);
            first(self.transact(&writes, &token).await?)
        };
        match outcome {
            Outcome::Done => Ok(item.into_row()),
            Outcome::Refused(old) => written_by(old, row.version + 1, look),
        }
    }
}

/// W2 The row that stood in the way of a write that was to make `version`: the same write, whose answer was lost, or
/// another's.
pub(crate) fn written_by(old: Option<Item>, version: u64, look: &Look) -> Result<Row<Application>, WriteError> {
    let old = old.map(decode::<ApplicationItem>).transpose()?;
    old.filter(|old| old.head.by == look.by && old.head.version == version)
        .map(ApplicationItem::into_row)
        .ok_or(WriteError::Overtaken)
}

/// What became of a transaction's first write.
fn first(outcomes: Vec<Outcome>) -> Outcome {
    outcomes.into_iter().next().unwrap_or(Outcome::Done)
}
