//! API keys.

use domain::{Access, Scope};

use super::{BINDING, KEYRING};
use crate::TableAction::{BatchGetItem, DeleteItem, GetItem, PutItem};
use crate::{Code, Endpoint, Index, Method, Needs, TableNeed, Trigger};

/// Everything that is done to the rows of keys.
pub(super) const RECORDS: TableNeed = TableNeed {
    prefix: "KEY#",
    actions: &[BatchGetItem, DeleteItem, GetItem, PutItem],
};
/// Everything that is done to the rows of their names.
pub(super) const NAMES: TableNeed = TableNeed {
    prefix: "KEYNAME#",
    actions: &[DeleteItem, GetItem, PutItem],
};
/// Everything that is done to the rows of their last use.
pub(super) const USES: TableNeed = TableNeed {
    prefix: "KEYUSE#",
    actions: &[BatchGetItem, DeleteItem, PutItem],
};

/// Make an API key.
pub const KEY_CREATE: Endpoint = Endpoint {
    id: "key-create",
    summary: "Make an API key, which is shown once",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/keys"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "KEY#",
                actions: &[GetItem, PutItem],
            },
            TableNeed {
                prefix: "KEYNAME#",
                actions: &[GetItem, PutItem],
            },
            BINDING,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[
        Code::MalformedRequest,
        Code::RuleRefused,
        Code::NameTaken,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
    ],
};

/// List API keys, newest first.
pub const KEY_LIST: Endpoint = Endpoint {
    id: "key-list",
    summary: "List the API keys, without the keys themselves",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/keys"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "KEY#",
                actions: &[BatchGetItem, GetItem],
            },
            TableNeed {
                prefix: "KEYUSE#",
                actions: &[BatchGetItem, PutItem],
            },
        ],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// Revoke an API key.
pub const KEY_DELETE: Endpoint = Endpoint {
    id: "key-delete",
    summary: "Revoke an API key",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/keys/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "KEY#",
                actions: &[DeleteItem, GetItem],
            },
            TableNeed {
                prefix: "KEYNAME#",
                actions: &[DeleteItem, GetItem],
            },
            TableNeed {
                prefix: "KEYUSE#",
                actions: &[DeleteItem, PutItem],
            },
        ],
        indexes: &[],
        cluster: &[],
        secrets: super::NO_SECRETS,
    },
    problems: &[Code::DoesNotExist, Code::Conflict],
};
