//! Pools of spares.

use domain::{Access, Scope};

use crate::TableAction::{BatchGetItem, GetItem, PutItem};
use crate::{Code, Endpoint, Index, Method, Needs, Secret, TableNeed, Trigger};

const REGISTRY: &[Secret] = &[Secret::RegistryKey];
/// Which spares there are.
const SPARES: TableNeed = TableNeed {
    prefix: "APP#",
    actions: &[BatchGetItem],
};
/// What it takes to write the pool of a template, and to tell how it is filled.
const WRITE: Needs = Needs {
    table: &[
        TableNeed {
            prefix: "TPL#",
            actions: &[GetItem, PutItem],
        },
        SPARES,
        Needs::KEYS,
        Needs::KEY_USE,
    ],
    indexes: &[Index::List],
    cluster: &[],
    secrets: REGISTRY,
};

/// Say how many spares a template is to have.
pub const POOL_PUT: Endpoint = Endpoint {
    id: "pool-put",
    summary: "Say how many applications of a template are kept started ahead",
    trigger: Trigger::Http {
        method: Method::Put,
        paths: &["/pools/{template}"],
    },
    access: Access::Key(Scope::Admin),
    needs: WRITE,
    problems: &[
        Code::MalformedRequest,
        Code::DoesNotExist,
        Code::RegistryUnreachable,
        Code::Conflict,
    ],
};

/// Tell how a pool is filled.
pub const POOL_READ: Endpoint = Endpoint {
    id: "pool-read",
    summary: "Tell how the pool of a template is filled",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/pools/{template}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[super::TEMPLATE_AND_POOL, SPARES, Needs::KEYS, Needs::KEY_USE],
        indexes: &[Index::List],
        cluster: &[],
        secrets: REGISTRY,
    },
    problems: &[Code::DoesNotExist, Code::RegistryUnreachable],
};

/// Keep no spares of a template any more.
pub const POOL_DELETE: Endpoint = Endpoint {
    id: "pool-delete",
    summary: "Keep nothing of a template started ahead any more",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/pools/{template}"],
    },
    access: Access::Key(Scope::Admin),
    needs: WRITE,
    problems: &[Code::DoesNotExist, Code::RegistryUnreachable, Code::Conflict],
};
