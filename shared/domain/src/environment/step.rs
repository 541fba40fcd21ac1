//! What an environment needs next.

use jiff::Timestamp;

use crate::environment::{Environment, EnvironmentEnd, EnvironmentState};
use crate::limits::{ENVIRONMENT_STRAYS_LEAST, ENVIRONMENT_STRAYS_SHARE};

/// The one step that an environment needs next. Whoever looks does it, records it and asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentStep {
    /// Its namespace is to be made as was asked last. *Cluster required.*
    Apply,
    /// Its end is to be written. *Nothing but the table required.*
    End(EnvironmentEnd),
    /// Its namespace is to be deleted and looked for; when it is gone, the terminal write follows. *Cluster required.*
    Remove,
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing, until somebody asks for something.
    Nothing,
}

/// What `environment` needs next at `now`. Its expiry is a promise: it is kept whatever else is to be done.
pub fn next_for_environment(environment: &Environment, now: Timestamp) -> EnvironmentStep {
    match environment.state {
        EnvironmentState::Live => match environment.ends_at() {
            Some(end) if now >= end => EnvironmentStep::End(EnvironmentEnd::Expired),
            _ if environment.applied != Some(environment.generation) => EnvironmentStep::Apply,
            Some(end) => EnvironmentStep::Wait(end),
            None => EnvironmentStep::Nothing,
        },
        EnvironmentState::Ending { .. } => EnvironmentStep::Remove,
        EnvironmentState::Ended { .. } => EnvironmentStep::Nothing,
    }
}

/// Whether so many namespaces without a row, among so many that there are, can be what somebody left who died. Of more
/// than that, the table is the more likely to be wrong: a new one, or another installation's.
pub fn are_strays_credible(strays: usize, namespaces: usize) -> bool {
    strays <= ENVIRONMENT_STRAYS_LEAST || strays * 100 <= namespaces * ENVIRONMENT_STRAYS_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::state::tests::asked;
    use crate::fixture::at;

    #[test]
    fn it_is_made_then_waits_for_its_end_and_is_removed() {
        let mut environment = asked();
        environment.expires_at = Some(at(60));
        assert_eq!(next_for_environment(&environment, at(0)), EnvironmentStep::Apply);
        let made = environment.applied("uid".into());
        assert_eq!(next_for_environment(&made, at(61)), EnvironmentStep::Wait(at(62)));
        assert_eq!(
            next_for_environment(&made, at(62)),
            EnvironmentStep::End(EnvironmentEnd::Expired)
        );
        assert_eq!(
            next_for_environment(&environment, at(62)),
            EnvironmentStep::End(EnvironmentEnd::Expired)
        );
        let ending = made.ending(EnvironmentEnd::Expired, at(62));
        assert_eq!(next_for_environment(&ending, at(62)), EnvironmentStep::Remove);
        assert_eq!(
            next_for_environment(&ending.ended(at(63)), at(99)),
            EnvironmentStep::Nothing
        );
    }

    #[test]
    fn what_is_protected_does_not_expire_and_what_has_no_end_waits_for_nobody() {
        let mut environment = asked().applied("uid".into());
        assert_eq!(next_for_environment(&environment, at(99)), EnvironmentStep::Nothing);
        (environment.expires_at, environment.protect) = (Some(at(60)), true);
        assert_eq!(next_for_environment(&environment, at(99)), EnvironmentStep::Nothing);
    }

    #[test]
    fn a_table_that_knows_hardly_any_environment_is_not_believed() {
        for (strays, namespaces, credible) in [
            (3, 3, true),
            (4, 4, false),
            (4, 39, false),
            (4, 40, true),
            (400, 4000, true),
        ] {
            assert_eq!(
                are_strays_credible(strays, namespaces),
                credible,
                "{strays} of {namespaces}"
            );
        }
    }
}
