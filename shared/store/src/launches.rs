//! Launches: a new row, what its `Idempotency-Key` binds, and its places in counters, in one write.

use domain::{Application, ApplicationId, Counter, Limit, Look};
use jiff::Timestamp;

use crate::error::Cause;
use crate::items::{ApplicationItem, BindingItem, FIRST_VERSION, Item, Standing, decode, encode};
use crate::keys::Key;
use crate::places::Places;
use crate::request::{Condition, Outcome};
use crate::transact::{Write, token_of};
use crate::{Binding, Bound, Error, Row, Store};

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
    /// This counter has no room; nothing was written.
    Full(Counter),
}

impl Store {
    /// AP3, AP15 Writes a new application, binds the `Idempotency-Key` and takes a place under each of `limits`, in
    /// one transaction. An expired binding is replaced. The same look may say the same again: it is written once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another application has this id; [`Error::Throttled`] also when others took every place
    /// that was tried while there was room; otherwise as for every write.
    pub async fn launch(
        &self,
        application: &Application,
        due_at: Timestamp,
        look: &Look,
        binding: Option<&Binding>,
        limits: &[Limit],
    ) -> Result<Launched, Error> {
        let mut places = match Places::choose(limits, &application.id) {
            Ok(places) => places,
            Err(full) => return self.bound_or_full(binding, full, look).await,
        };
        // `choose_again` bounds the tries.
        loop {
            let new = Application {
                counted: places.chosen().to_vec(),
                ..application.clone()
            };
            let item = new_item(&new, due_at, look);
            let mut outcomes = self.launch_once(&item, binding, &places, look).await?.into_iter();
            let row = outcomes.next();
            let bound = binding.and_then(|_| outcomes.next());
            if let Some(bound) = bound_to_another(bound, application, look)? {
                return Ok(Launched::Bound(bound));
            }
            if let Some(Outcome::Refused(old)) = row {
                return written_before(old, look).map(Launched::Written);
            }
            let taken: Vec<Outcome> = outcomes.collect();
            if !taken.iter().any(Outcome::is_refused) {
                return Ok(Launched::Written(item.into_row()));
            }
            if let Some(full) = self.choose_again(&mut places, &taken).await? {
                return self.bound_or_full(binding, full, look).await;
            }
        }
    }

    /// Writes the row of what was found without one. Where there is a row that is not forgotten, it stays, and is the
    /// answer.
    ///
    /// # Errors
    /// As for every write.
    pub async fn adopt(
        &self,
        application: &Application,
        due_at: Timestamp,
        look: &Look,
    ) -> Result<Row<Application>, Error> {
        let item = new_item(application, due_at, look);
        let condition = Condition::absent_or_forgotten(look.now.as_second());
        match self.put(&encode(&item)?, &condition).await? {
            Outcome::Refused(Some(old)) => decode(old).map(ApplicationItem::into_row),
            Outcome::Done | Outcome::Refused(None) => Ok(item.into_row()),
        }
    }

    /// One write of a launch: of its row alone where nothing else belongs to it. The outcomes are those of the row, of
    /// the binding if there is one, and of the places.
    async fn launch_once(
        &self,
        item: &ApplicationItem,
        binding: Option<&Binding>,
        places: &Places<'_>,
        look: &Look,
    ) -> Result<Vec<Outcome>, Error> {
        let (row, absent) = (encode(item)?, Condition::absent());
        if binding.is_none() && places.is_empty() {
            return Ok(vec![self.put(&row, &absent).await?]);
        }
        let mut writes = vec![Write::Put {
            item: row,
            condition: absent,
        }];
        writes.extend(bind(binding, item.id().as_str(), look)?);
        writes.extend(places.writes(look));
        let token = launch_token(look, item.id(), [places]);
        self.transact(&writes, &token).await
    }

    /// Where a counter has no room nothing is written, but the same key may have launched before.
    async fn bound_or_full(&self, binding: Option<&Binding>, full: Counter, look: &Look) -> Result<Launched, Error> {
        let bound = self.bound(binding, look.now).await?;
        Ok(bound.map_or(Launched::Full(full), Launched::Bound))
    }
}

/// The row of an application that is new.
pub(crate) fn new_item(application: &Application, due_at: Timestamp, look: &Look) -> ApplicationItem {
    let standing = Standing::Due {
        at: due_at,
        since: due_at,
        attempt: 0,
    };
    ApplicationItem::new(application, standing, FIRST_VERSION, look)
}

/// The write that binds an `Idempotency-Key`, where there is one, to the application `made`.
pub(crate) fn bind(binding: Option<&Binding>, made: &str, look: &Look) -> Result<Option<Write>, Error> {
    let write = binding.map(|binding| {
        Ok(Write::Put {
            item: encode(&BindingItem::new(&binding.row(), &binding.body_sha256, made, look))?,
            condition: Condition::absent_or_forgotten(look.now.as_second()),
        })
    });
    write.transpose()
}

/// What an `Idempotency-Key` is bound to instead of `application`, by what became of the write that was to bind it.
pub(crate) fn bound_to_another(
    outcome: Option<Outcome>,
    application: &Application,
    look: &Look,
) -> Result<Option<Bound>, Error> {
    let Some(Outcome::Refused(Some(old))) = outcome else {
        return Ok(None);
    };
    let old: BindingItem = decode(old)?;
    let own = old.head.by == look.by && old.made == application.id.as_str();
    Ok((!own).then(|| old.into()))
}

/// Other places make another transaction.
pub(crate) fn launch_token<'a>(
    look: &Look,
    id: &ApplicationId,
    places: impl IntoIterator<Item = &'a Places<'a>>,
) -> String {
    let key = Key::application(id);
    let places = places.into_iter().flat_map(Places::chosen);
    let places: Vec<String> = places.map(ToString::to_string).collect();
    let parts = [look.by.as_str(), &key.pk].into_iter();
    let parts: Vec<&str> = parts.chain(places.iter().map(String::as_str)).collect();
    token_of(&parts)
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
