//! Templates.

use domain::{Access, Scope};

use super::{KEYRING, NO_SECRETS, TEMPLATE_GET};
use crate::TableAction::{BatchGetItem, DeleteItem, GetItem, PutItem};
use crate::{Code, Endpoint, Index, Method, Needs, TableNeed, Trigger};

/// List templates, newest first.
pub const TEMPLATE_LIST: Endpoint = Endpoint {
    id: "template-list",
    summary: "List the templates",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/templates"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[BatchGetItem],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[Index::List],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// Read one template.
pub const TEMPLATE_READ: Endpoint = Endpoint {
    id: "template-read",
    summary: "Read a template",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/templates/{name}"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[TEMPLATE_GET, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::DoesNotExist],
};

/// Write one template.
pub const TEMPLATE_PUT: Endpoint = Endpoint {
    id: "template-put",
    summary: "Write a template",
    trigger: Trigger::Http {
        method: Method::Put,
        paths: &["/templates/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[GetItem, PutItem],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::MalformedRequest, Code::RuleRefused, Code::Conflict],
};

/// Remove one template. Its applications live on.
pub const TEMPLATE_DELETE: Endpoint = Endpoint {
    id: "template-delete",
    summary: "Remove a template; its applications live on",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/templates/{name}"],
    },
    access: Access::Key(Scope::Admin),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[DeleteItem, GetItem],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: &[],
        secrets: NO_SECRETS,
    },
    problems: &[Code::DoesNotExist, Code::Conflict],
};
