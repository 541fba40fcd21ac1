//! How many may be at once: counters, spread over shards so that many launches do not fight over one row.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{QUOTA_SHARDS, QUOTA_SHARE};
use crate::{CellName, Refusal, TemplateName};

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Applications of the installation.
    All,
    /// Applications of one template.
    Template(TemplateName),
    /// Everything that lives in a cell, spares included.
    Cell(CellName),
    /// What is starting in a cell, spares included.
    Starts(CellName),
}

/// A counter and the most that it may count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub counter: Counter,
    /// The most, over all its shards.
    pub most: u32,
}

/// One place in a counter: the shard that was raised for somebody, and that is lowered again for them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Counted {
    /// What is counted.
    pub counter: Counter,
    /// Which shard of it.
    pub shard: u16,
}

impl Limit {
    /// How many of its shards may count anything, from shard 0 on.
    pub fn shards(&self) -> u16 {
        let needed = self.most.div_ceil(QUOTA_SHARE);
        u16::try_from(needed).map_or(QUOTA_SHARDS, |needed| needed.min(QUOTA_SHARDS))
    }

    /// The most that `shard` may count. The shares of all shards are the whole limit, and none shrinks when the limit
    /// grows, so that nobody is let in twice over a limit that was raised.
    pub fn share(&self, shard: u16) -> u32 {
        let (shards, shard) = (u32::from(QUOTA_SHARDS), u32::from(shard));
        if shard >= shards {
            0
        } else if self.most <= QUOTA_SHARE * shards {
            self.most.saturating_sub(QUOTA_SHARE * shard).min(QUOTA_SHARE)
        } else {
            self.most / shards + u32::from(shard < self.most % shards)
        }
    }

    /// A place for one more, where the shards count what `counts` says in their order, and nothing where it says
    /// nothing; none when every shard has its share. `seed` picks one of all that are free.
    pub fn place(&self, counts: &[u32], seed: u64) -> Option<Counted> {
        let room = |shard: u16| {
            let counted = counts.get(usize::from(shard)).copied().unwrap_or_default();
            u64::from(self.share(shard).saturating_sub(counted))
        };
        let free: u64 = (0..self.shards()).map(room).sum();
        let mut nth = seed.checked_rem(free)?;
        let shard = (0..self.shards()).find(|shard| {
            let room = room(*shard);
            let found = nth < room;
            nth = nth.saturating_sub(room);
            found
        })?;
        Some(Counted {
            counter: self.counter.clone(),
            shard,
        })
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Counter::All => f.write_str("all"),
            Counter::Template(name) => write!(f, "tpl:{name}"),
            Counter::Cell(name) => write!(f, "cell:{name}"),
            Counter::Starts(name) => write!(f, "starts:{name}"),
        }
    }
}

impl Counter {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text.split_once(':') {
            None if text == "all" => Ok(Counter::All),
            Some(("tpl", name)) => TemplateName::parse(name).map(Counter::Template),
            Some(("cell", name)) => CellName::parse(name).map(Counter::Cell),
            Some(("starts", name)) => CellName::parse(name).map(Counter::Starts),
            _ => Err(Refusal::Malformed(format!("'{text}' is no counter"))),
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:02}", self.counter, self.shard)
    }
}

impl TryFrom<String> for Counted {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        let bad = || Refusal::Malformed(format!("'{text}' is no place in a counter"));
        let (counter, shard) = text.rsplit_once('#').ok_or_else(bad)?;
        let shard = shard.parse().map_err(|_| bad())?;
        Ok(Counted {
            counter: Counter::parse(counter)?,
            shard,
        })
    }
}

impl From<Counted> for String {
    fn from(counted: Counted) -> String {
        counted.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(most: u32) -> Limit {
        let counter = Counter::All;
        Limit { counter, most }
    }

    #[test]
    fn the_shares_are_the_whole_limit() {
        for most in [0, 1, 63, 64, 65, 200, 2_047, 2_048, 2_049, 5_000, u32::MAX] {
            let limit = limit(most);
            let shares: u64 = (0..QUOTA_SHARDS).map(|shard| u64::from(limit.share(shard))).sum();
            assert_eq!(shares, u64::from(most));
            let used = (0..QUOTA_SHARDS).filter(|shard| limit.share(*shard) > 0).count();
            assert_eq!(used, usize::from(limit.shards()), "{most}");
        }
    }

    #[test]
    fn no_share_shrinks_when_the_limit_grows() {
        for most in (0..6_000).step_by(7) {
            for shard in 0..QUOTA_SHARDS {
                assert!(
                    limit(most).share(shard) <= limit(most + 7).share(shard),
                    "{most} {shard}"
                );
            }
        }
    }

    #[test]
    fn every_free_place_is_picked_once_and_no_other() {
        let limit = limit(200);
        let picked = |counts: &[u32], seeds: u64| {
            let mut picked = [0; 4];
            for seed in 0..seeds {
                picked[usize::from(limit.place(counts, seed).unwrap().shard)] += 1;
            }
            picked
        };
        assert_eq!(picked(&[], 200), [64, 64, 64, 8]);
        assert_eq!(picked(&[64, 60, 70, 1], 11), [0, 4, 0, 7]);
        assert_eq!(limit.place(&[64, 64, 64, 8], 5), None);
    }

    #[test]
    fn a_limit_of_nothing_has_no_place() {
        assert_eq!(limit(0).place(&[], 7), None);
        assert_eq!(limit(1).place(&[], u64::MAX).unwrap().shard, 0);
    }

    #[test]
    fn a_place_reads_back_as_it_is_written() {
        let name = TemplateName::parse("a.b-c_d").unwrap();
        let counted = Counted {
            counter: Counter::Template(name),
            shard: 7,
        };
        assert_eq!(counted.to_string(), "tpl:a.b-c_d#07");
        assert_eq!(Counted::try_from(counted.to_string()), Ok(counted));
        for bad in ["", "all", "x:y#01", "tpl:A#01", "all#x"] {
            assert!(Counted::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
