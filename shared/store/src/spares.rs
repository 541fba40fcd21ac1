//! Spares: which there are, which are ready, and the one transaction by which a launch takes one.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, CellName, Counter, Limit, Look, State, Template, TemplateName};
use futures::FutureExt;
use jiff::Timestamp;

use crate::applications::written_by;
use crate::error::Cause;
use crate::items::{ApplicationItem, Item, Standing, encode};
use crate::keys;
use crate::launches::{bind, bound_to_another, launch_token, new_item};
use crate::places::Places;
use crate::request::{Condition, Outcome};
use crate::schema::{Index, PICK};
use crate::transact::Write;
use crate::{Binding, Bound, Error, NextDue, Row, Store, WriteError};

/// How many ready spares are looked at for one launch.
const PICK_MAX: usize = 10;
/// The most spares of one template that are looked at together.
const SPARES_MAX: usize = 1000;

/// What became of a claim.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// The spare is now the application that was asked for.
    Taken(Row<Application>),
    /// The `Idempotency-Key` is bound already; nothing was written.
    Bound(Bound),
    /// This counter has no room; nothing was written.
    Full(Counter),
}

/// A spare that is written down in the place of one that is taken.
struct Replacement<'a> {
    spare: &'a Application,
    due_at: Timestamp,
    places: Places<'a>,
}

impl Replacement<'_> {
    fn writes(&self, look: &Look) -> Result<Vec<Write>, Error> {
        let counted = Application {
            counted: self.places.chosen().to_vec(),
            ..self.spare.clone()
        };
        let row = Write::Put {
            item: encode(&new_item(&counted, self.due_at, look))?,
            condition: Condition::absent(),
        };
        Ok(std::iter::once(row).chain(self.places.writes(look)).collect())
    }
}

impl Store {
    /// AP4 The spares of a template until nothing is left of them, in no order, at most a thousand.
    ///
    /// # Errors
    /// As for every read.
    pub async fn spares(&self, template: &TemplateName, now: Timestamp) -> Result<Vec<Row<Application>>, Error> {
        let part = keys::spares_part(template);
        let ids = self.listed_ids(&part, SPARES_MAX, true).await?;
        let rows = self.applications_by_id(&ids, now).await?.into_values();
        Ok(rows.filter(|row| row.value.spare).collect())
    }

    /// AP4 Spares of a template that are ready in a cell and run what it now says, at most ten. Those whose ids come
    /// after `from` go first, so that many launches at once begin with different ones.
    ///
    /// # Errors
    /// As for every read.
    pub async fn ready_spares(
        &self,
        cell: &CellName,
        template: &Template,
        from: &ApplicationId,
        now: Timestamp,
    ) -> Result<Vec<Row<Application>>, Error> {
        let part = keys::pick_part(cell, &template.name, &template.workload);
        let mut ids = self.pick(&part, (from.as_str(), keys::LIST_END), PICK_MAX).await?;
        if ids.len() < PICK_MAX {
            let wanted = PICK_MAX - ids.len();
            let before = self.pick(&part, (keys::LIST_START, from.as_str()), wanted).await?;
            ids.extend(before);
        }
        let mut rows = self.applications_by_id(&ids, now).await?;
        let is_ready = |row: &Row<Application>| {
            let spare = &row.value;
            spare.spare
                && matches!(spare.state, State::Running { .. })
                && spare.run.as_ref() == Some(&template.workload)
        };
        let in_order = ids.iter().filter_map(|id| rows.remove(id));
        Ok(in_order.filter(is_ready).collect())
    }

    /// The ids of spares in a partition of the `pick` index within these bounds.
    async fn pick(&self, part: &str, within: (&str, &str), most: usize) -> Result<Vec<ApplicationId>, Error> {
        let id = |item: Item| {
            let id = item.get(PICK.sort_key).and_then(|key| key.as_s().ok());
            id.and_then(|id| ApplicationId::parse(id).ok())
                .ok_or_else(|| Error::corrupt("pick", "an entry without an id"))
        };
        let items = self.within(&PICK, part, within, most).await?;
        items.into_iter().map(id).collect()
    }

    /// What is in a partition of an index within these bounds, at most `most`.
    pub(crate) async fn within(
        &self,
        index: &Index,
        part: &str,
        bounds: (&str, &str),
        most: usize,
    ) -> Result<Vec<Item>, Error> {
        let request = self.client.query().table_name(&*self.table).index_name(index.name);
        let answer = request
            .key_condition_expression("#part = :part AND #key BETWEEN :from AND :until")
            .expression_attribute_names("#part", index.partition_key)
            .expression_attribute_names("#key", index.sort_key)
            .expression_attribute_values(":part", AttributeValue::S(part.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(bounds.0.to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(bounds.1.to_owned()))
            .limit(most as i32)
            .send()
            .boxed()
            .await?;
        Ok(answer.items.unwrap_or_default())
    }

    /// AP4, AP15 Takes a spare for a launch: in one transaction its row becomes `claimed`, the `Idempotency-Key` is
    /// bound, a place is taken under each of `limits`, and another spare's new row, with when somebody must come back to
    /// it, is written as its `replacement`. A spare has its place in its cell already: the limits of a cell are those of
    /// the replacement, and where they have no room there is none. The same claim sent again is the same success.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the spare's row has moved on since it was read: of many claims of one spare, one
    /// succeeds. [`Error::Conflict`] when another application has the replacement's id; [`Error::Throttled`] also when
    /// others took every place that was tried while there was room.
    #[expect(
        clippy::too_many_arguments,
        reason = "it is one transaction, and these are its parts"
    )]
    pub async fn claim(
        &self,
        row: &Row<Application>,
        claimed: &Application,
        due: NextDue,
        look: &Look,
        binding: Option<&Binding>,
        limits: &[Limit],
        replacement: Option<(&Application, Timestamp)>,
    ) -> Result<Claimed, WriteError> {
        let version = row.version + 1;
        let (cells, own): (Vec<&Limit>, Vec<&Limit>) = limits.iter().partition(|limit| is_of_cell(limit));
        let mut places = match Places::choose(own, &claimed.id) {
            Ok(places) => places,
            Err(full) => return self.claimed_or_full(binding, full, look).await,
        };
        let mut replacement = replacement.and_then(|(spare, due_at)| {
            let places = Places::choose(cells, &spare.id).ok()?;
            Some(Replacement { spare, due_at, places })
        });
        // `choose_again` bounds the tries.
        loop {
            let mut next = claimed.clone();
            next.counted.extend_from_slice(places.chosen());
            let standing = Standing::Due {
                at: due.at,
                since: due.at,
                attempt: due.attempt,
            };
            let item = ApplicationItem::new(&next, standing, version, look);
            let mut writes = vec![Write::Put {
                item: encode(&item)?,
                condition: Condition::version(row.version),
            }];
            writes.extend(bind(binding, claimed.id.as_str(), look)?);
            writes.extend(places.writes(look));
            if let Some(replacement) = &replacement {
                writes.extend(replacement.writes(look)?);
            }
            let chosen = replacement.iter().map(|replacement| &replacement.places);
            let token = launch_token(look, &claimed.id, chosen.chain([&places]));
            let mut outcomes = self.transact(&writes, &token).await?.into_iter();

            let written = outcomes.next();
            let bound = binding.and_then(|_| outcomes.next());
            if let Some(bound) = bound_to_another(bound, claimed, look)? {
                return Ok(Claimed::Bound(bound));
            }
            if let Some(Outcome::Refused(old)) = written {
                return written_by(old, version, look).map(Claimed::Taken);
            }
            let taken: Vec<Outcome> = outcomes.by_ref().take(places.len()).collect();
            if outcomes.next().is_some_and(|replaced| replaced.is_refused()) {
                let why = Cause::boxed("claim", "another application has the replacement's id");
                return Err(Error::Conflict(why).into());
            }
            let replaced: Vec<Outcome> = outcomes.collect();
            if !taken.iter().chain(&replaced).any(Outcome::is_refused) {
                return Ok(Claimed::Taken(item.into_row()));
            }
            if let Some(full) = self.choose_again(&mut places, &taken).await? {
                return self.claimed_or_full(binding, full, look).await;
            }
            if let Some(wanted) = &mut replacement {
                match self.choose_again(&mut wanted.places, &replaced).await {
                    Ok(None) => {}
                    Ok(Some(_)) | Err(Error::Throttled(_)) => replacement = None,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Where a counter has no room nothing is written, but the same key may have launched before.
    async fn claimed_or_full(
        &self,
        binding: Option<&Binding>,
        full: Counter,
        look: &Look,
    ) -> Result<Claimed, WriteError> {
        let bound = self.bound(binding, look.now).await?;
        Ok(bound.map_or(Claimed::Full(full), Claimed::Bound))
    }
}

fn is_of_cell(limit: &Limit) -> bool {
    match limit.counter {
        Counter::Cell(_) | Counter::Starts(_) => true,
        Counter::All | Counter::Template(_) => false,
    }
}
