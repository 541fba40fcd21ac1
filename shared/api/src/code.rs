//! Problem codes: the only place that names a status.

/// The stable code of a problem: the `type` of its document, a bare word. The words of the older services are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The request cannot be read: its JSON, a field's type, a value's form, a query parameter.
    MalformedRequest,
    /// A parameter that the endpoint cannot do without is missing; 422 in the older service.
    MissingParameter,
    /// A rule refused what was asked, though every value is well formed.
    RuleRefused,
    /// No key, or not the right one.
    Unauthorized,
    /// The same where leases and environments are: 401 in the older services.
    Unauthenticated,
    /// No such path.
    NotFound,
    /// The path does not have this method.
    MethodNotAllowed,
    /// The body is over its limit.
    BodyTooLarge,
    /// A cursor that was not given out for this list, or too long ago.
    BadCursor,
    /// An `Idempotency-Key` that cannot be one.
    BadIdempotencyKey,
    /// The same `Idempotency-Key` came with another body before.
    IdempotencyKeyReused,
    /// What the `Idempotency-Key` made has ended since.
    IdempotencyKeyEnded,
    /// The template of a launch is not known.
    RegistryError,
    /// The external template registry cannot be reached.
    RegistryUnreachable,
    /// Whoever vouches for callers, the issuer of tokens or the service of roles, cannot be reached.
    AuthorityUnreachable,
    /// Where a pod template was to be fetched, nobody answered with one.
    OriginFailed,
    /// There is no room for more under some limit.
    QuotaExceeded,
    /// There is no such application.
    NoRecord,
    /// The application has ended.
    HasEnded,
    /// No cluster is free that nobody else waits for.
    NoneFree,
    /// Others took every cluster that was tried, or it takes longer than a request may.
    Busy,
    /// There is no such lease to give back.
    NoLease,
    /// The lease does not hold, or not any more.
    LeaseOver,
    /// Somebody has it, or something is in it.
    InUse,
    /// There is nothing of that name.
    DoesNotExist,
    /// Something else has this name.
    NameTaken,
    /// Another environment has this host name.
    HostTaken,
    /// The same, with the older service's status.
    HostTakenOfOld,
    /// Somebody else changed the same thing at the same moment, again and again.
    Conflict,
    /// The table cannot be reached or is busy.
    BadDatabase,
    /// The cluster cannot be reached.
    BadKubeRequest,
    /// A bug.
    Internal,
}

impl Code {
    /// Each code.
    pub const ALL: [Code; 32] = [
        Code::MalformedRequest,
        Code::MissingParameter,
        Code::RuleRefused,
        Code::Unauthorized,
        Code::Unauthenticated,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::BodyTooLarge,
        Code::BadCursor,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
        Code::RegistryError,
        Code::RegistryUnreachable,
        Code::AuthorityUnreachable,
        Code::OriginFailed,
        Code::QuotaExceeded,
        Code::NoRecord,
        Code::HasEnded,
        Code::NoneFree,
        Code::Busy,
        Code::NoLease,
        Code::LeaseOver,
        Code::InUse,
        Code::DoesNotExist,
        Code::NameTaken,
        Code::HostTaken,
        Code::HostTakenOfOld,
        Code::Conflict,
        Code::BadDatabase,
        Code::BadKubeRequest,
        Code::Internal,
    ];

    /// The codes that the edge answers with for every endpoint.
    pub const EDGE: [Code; 4] = [
        Code::Unauthorized,
        Code::BodyTooLarge,
        Code::BadDatabase,
        Code::Internal,
    ];

    /// The bare word that is the problem's `type`.
    pub fn word(self) -> &'static str {
        match self {
            Code::MalformedRequest | Code::MissingParameter => "malformedRequest",
            Code::RuleRefused => "ruleRefused",
            Code::Unauthorized | Code::Unauthenticated => "unauthorized",
            Code::NotFound => "notFound",
            Code::MethodNotAllowed => "methodNotAllowed",
            Code::BodyTooLarge => "bodyTooLarge",
            Code::BadCursor => "badCursor",
            Code::BadIdempotencyKey => "badIdempotencyKey",
            Code::IdempotencyKeyReused => "idempotencyKeyReused",
            Code::IdempotencyKeyEnded => "idempotencyKeyEnded",
            Code::RegistryError => "registryError",
            Code::RegistryUnreachable => "registryUnreachable",
            Code::AuthorityUnreachable => "authorityUnreachable",
            Code::OriginFailed => "originFailed",
            Code::QuotaExceeded => "quotaExceeded",
            Code::NoRecord => "noRecord",
            Code::HasEnded => "hasEnded",
            Code::NoneFree => "noneFree",
            Code::Busy => "busy",
            Code::NoLease => "noLease",
            Code::LeaseOver => "leaseOver",
            Code::InUse => "inUse",
            Code::DoesNotExist => "doesNotExist",
            Code::NameTaken => "nameTaken",
            Code::HostTaken | Code::HostTakenOfOld => "hostTaken",
            Code::Conflict => "conflict",
            Code::BadDatabase => "badDatabase",
            Code::BadKubeRequest => "badKubeRequest",
            Code::Internal => "internal",
        }
    }

    /// Its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Code::MalformedRequest | Code::BadCursor | Code::BadIdempotencyKey => 400,
            Code::Unauthenticated => 401,
            Code::Unauthorized => 403,
            Code::NotFound | Code::RegistryError | Code::NoRecord | Code::DoesNotExist => 404,
            Code::MethodNotAllowed => 405,
            Code::IdempotencyKeyEnded
            | Code::NameTaken
            | Code::HostTaken
            | Code::HasEnded
            | Code::NoneFree
            | Code::NoLease
            | Code::InUse
            | Code::Conflict => 409,
            Code::LeaseOver => 410,
            Code::BodyTooLarge => 413,
            Code::MissingParameter | Code::RuleRefused | Code::IdempotencyKeyReused => 422,
            Code::QuotaExceeded => 429,
            Code::HostTakenOfOld | Code::Internal => 500,
            Code::OriginFailed => 502,
            Code::BadDatabase
            | Code::BadKubeRequest
            | Code::Busy
            | Code::RegistryUnreachable
            | Code::AuthorityUnreachable => 503,
        }
    }

    /// The problem's `title`: the same for every occurrence.
    pub fn title(self) -> &'static str {
        match self {
            Code::MalformedRequest => "The request cannot be read",
            Code::MissingParameter => "A required parameter is missing",
            Code::RuleRefused => "A rule refuses this",
            Code::Unauthorized | Code::Unauthenticated => "Not allowed with this key",
            Code::NotFound => "No such path",
            Code::MethodNotAllowed => "No such method here",
            Code::BodyTooLarge => "The body is too large",
            Code::BadCursor => "The cursor is not good for this list",
            Code::BadIdempotencyKey => "The Idempotency-Key is not good",
            Code::IdempotencyKeyReused => "The Idempotency-Key was used for something else",
            Code::IdempotencyKeyEnded => "What the Idempotency-Key made has ended",
            Code::RegistryError => "No such template",
            Code::RegistryUnreachable => "The template registry cannot be reached",
            Code::AuthorityUnreachable => "Who calls cannot be found out",
            Code::OriginFailed => "The pod template cannot be fetched",
            Code::QuotaExceeded => "There is no room for more",
            Code::NoRecord => "No such application",
            Code::HasEnded => "It has ended",
            Code::NoneFree => "No cluster is free",
            Code::Busy => "Too busy at the moment",
            Code::NoLease => "No such lease",
            Code::LeaseOver => "The lease does not hold",
            Code::InUse => "It is in use",
            Code::DoesNotExist => "There is nothing of that name",
            Code::NameTaken => "The name is taken",
            Code::HostTaken | Code::HostTakenOfOld => "Another environment has this host name",
            Code::Conflict => "Changed by somebody else meanwhile",
            Code::BadDatabase => "The database cannot be reached",
            Code::BadKubeRequest => "The cluster cannot be reached",
            Code::Internal => "Something went wrong here",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_older_services_keep_a_status_that_their_clients_understand() {
        let pinned: Vec<(&str, u16)> = [
            Code::RegistryError,
            Code::NoRecord,
            Code::DoesNotExist,
            Code::BadDatabase,
            Code::Unauthorized,
            Code::MissingParameter,
            Code::Unauthenticated,
            Code::NoneFree,
            Code::NoLease,
        ]
        .iter()
        .map(|code| (code.word(), code.status()))
        .collect();
        assert_eq!(
            pinned,
            [
                ("registryError", 404),
                ("noRecord", 404),
                ("doesNotExist", 404),
                ("badDatabase", 503),
                ("unauthorized", 403),
                ("malformedRequest", 422),
                ("unauthorized", 401),
                ("noneFree", 409),
                ("noLease", 409),
            ]
        );
    }
}
