//! Pools.

use domain::limits::POOL_MAX;
use domain::{Pool, PoolTrouble};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The body of `PUT /pools/{template}`. Unknown fields are refused by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolBody {
    /// How many spares are kept: 0 to [`POOL_MAX`].
    #[serde(deserialize_with = "size")]
    pub size: u32,
}

/// A pool as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolView {
    /// How many spares are kept.
    pub size: u32,
    /// How many of them a launch could take now.
    pub available: u64,
    /// Applications of the template that are somebody's and not yet gone.
    pub running: u64,
    /// Why there are fewer spares than there should be, where they keep failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl PoolView {
    /// A template's pool, or what is told where it has none.
    pub fn new(pool: Option<&Pool>, available: u64, running: u64) -> Self {
        let trouble = pool.filter(|pool| pool.size > 0).and_then(|pool| pool.trouble.as_ref());
        Self {
            size: pool.map_or(0, |pool| pool.size),
            available,
            running,
            error: trouble.map(PoolTrouble::sentence),
        }
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Whole;
    impl Visitor<'_> for Whole {
        type Value = u32;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a whole number, 0 to {POOL_MAX}")
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<u32, E> {
            let size = u32::try_from(value).ok().filter(|size| *size <= POOL_MAX);
            size.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<u32, E> {
            Err(E::invalid_value(Unexpected::Signed(value), &self))
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<u32, E> {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
    deserializer.deserialize_u32(Whole)
}
