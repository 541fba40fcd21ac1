//! The arithmetic of rollouts: how many pods there may be, and how many each ReplicaSet has.

use serde_json::Value;

use super::super::json::text;
use super::count;

/// A number, or a percentage of `whole` rounded up or down; `None` when it is neither.
pub(super) fn scaled(amount: &Value, whole: i64, up: bool) -> Option<i64> {
    match amount {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64(),
        Value::String(percentage) => {
            let percent: i64 = percentage.strip_suffix('%')?.parse().ok()?;
            let parts = percent.checked_mul(whole)?;
            Some(if up {
                parts.div_euclid(100) + i64::from(parts.rem_euclid(100) > 0)
            } else {
                parts.div_euclid(100)
            })
        }
        _ => None,
    }
}

/// How many pods a Deployment may have beyond its number while it rolls out, and how many may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) surge: i64,
    pub(super) unavailable: i64,
}

impl Pace {
    pub(super) fn of(deployment: &Value) -> Pace {
        let replicas = count(deployment, "/spec/replicas");
        let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
        if !is_rolling(deployment) {
            return Pace {
                surge: 0,
                unavailable: 0,
            };
        }
        let surge = scaled(&rolling["maxSurge"], replicas, true).unwrap_or(0);
        let unavailable = scaled(&rolling["maxUnavailable"], replicas, false).unwrap_or(0);
        // With both at zero nothing could ever move.
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Pace {
            surge,
            unavailable: unavailable.min(replicas),
        }
    }
}

/// Whether a Deployment replaces its pods bit by bit.
pub(super) fn is_rolling(deployment: &Value) -> bool {
    text(deployment, "/spec/strategy/type") == "RollingUpdate"
}

/// How many pods the new ReplicaSet of a Deployment is to have, when it has `new` and all together have `all`.
pub(super) fn grown(deployment: &Value, new: i64, all: i64) -> i64 {
    let replicas = count(deployment, "/spec/replicas");
    if !is_rolling(deployment) {
        return replicas;
    }
    let room = replicas + Pace::of(deployment).surge - all;
    if room <= 0 { new } else { new + room.min(replicas - new) }
}

/// A ReplicaSet that takes part in a proportional change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) replicas: i64,
    /// How many its Deployment could have had at most when it was last scaled.
    pub(super) most_before: i64,
}

/// How many pods each has after a Deployment that is rolling out was scaled: `add` more (or less) all together, in
/// proportion, what is left over with the first. `most` is how many there may be all together now.
pub(super) fn spread(shares: &[Share], add: i64, replicas: i64, most: i64) -> Vec<i64> {
    let mut added = 0;
    let mut sizes: Vec<i64> = Vec::with_capacity(shares.len());
    for share in shares {
        let fraction = match (replicas, share.most_before) {
            (0, _) => -share.replicas,
            (_, 0) => 0,
            (_, before) => rounded(share.replicas * most, before) - share.replicas,
        };
        let allowed = add - added;
        let part = match add {
            0 => 0,
            _ if share.replicas == 0 || allowed == 0 => 0,
            1.. => fraction.min(allowed),
            _ => fraction.max(allowed),
        };
        sizes.push(share.replicas + part);
        added += part;
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + add - added).max(0);
    }
    sizes
}

/// A quotient rounded to the nearest whole number, halves away from zero.
fn rounded(dividend: i64, divisor: i64) -> i64 {
    let doubled = 2 * dividend.abs() + divisor.abs();
    doubled / (2 * divisor.abs()) * dividend.signum() * divisor.signum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
        let rolling = json!({ "maxSurge": surge, "maxUnavailable": unavailable });
        json!({ "spec": { "replicas": replicas, "strategy": { "type": "RollingUpdate", "rollingUpdate": rolling } } })
    }

    #[test]
    fn percentages_of_the_surge_are_rounded_up_and_of_what_may_be_missing_down() {
        let pace = Pace::of(&deployment(3, json!("25%"), json!("25%")));
        assert_eq!(
            pace,
            Pace {
                surge: 1,
                unavailable: 0
            }
        );
        let pace = Pace::of(&deployment(10, json!("25%"), json!("25%")));
        assert_eq!(
            pace,
            Pace {
                surge: 3,
                unavailable: 2
            }
        );
    }

    #[test]
    fn something_may_always_move() {
        assert_eq!(
            Pace::of(&deployment(2, json!(0), json!("1%"))),
            Pace {
                surge: 0,
                unavailable: 1
            }
        );
        assert_eq!(
            Pace::of(&deployment(2, json!(0), json!(5))),
            Pace {
                surge: 0,
                unavailable: 2
            }
        );
    }

    #[test]
    fn what_is_no_amount_is_none() {
        assert_eq!(scaled(&json!("x"), 10, true), None);
        assert_eq!(scaled(&json!("5"), 10, true), None);
        assert_eq!(scaled(&json!(true), 10, true), None);
        assert_eq!(scaled(&Value::Null, 10, true), Some(0));
    }

    #[test]
    fn a_new_replicaset_grows_into_the_room_that_is_left() {
        let web = deployment(4, json!(2), json!(0));
        assert_eq!(grown(&web, 0, 4), 2);
        assert_eq!(grown(&web, 2, 6), 2);
        assert_eq!(grown(&web, 3, 4), 4);
    }

    #[test]
    fn scaling_amid_a_rollout_is_shared_in_proportion() {
        let shares = [8, 5].map(|replicas| Share {
            replicas,
            most_before: 13,
        });
        assert_eq!(spread(&shares, 10, 20, 23), [14, 9]);
        assert_eq!(spread(&shares, -13, 0, 0), [0, 0]);
        assert_eq!(spread(&shares, 0, 10, 13), [8, 5]);
    }
}
