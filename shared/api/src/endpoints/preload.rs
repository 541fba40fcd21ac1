//! Preloads.

use domain::{Access, Scope};

use super::cluster::CLUSTER_PRELOAD;
use super::{CELL_TOKENS, CELL_TOKENS_AND_REGISTRY, PRELOAD_STEP};
use crate::TableAction::{BatchGetItem, GetItem, PutItem};
use crate::{Code, Endpoint, Method, Needs, TableNeed, Trigger};

/// Bring the image of a template onto the nodes.
pub const PRELOAD_START: Endpoint = Endpoint {
    id: "preload-start",
    summary: "Preload the image of a template onto every node that it may use",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/preload/{template}"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "TPL#",
                actions: &[BatchGetItem, GetItem, PutItem],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[],
        cluster: CLUSTER_PRELOAD,
        secrets: CELL_TOKENS_AND_REGISTRY,
    },
    problems: &[
        Code::RegistryError,
        Code::RegistryUnreachable,
        Code::Conflict,
        Code::BadKubeRequest,
    ],
};

/// Tell how far a preload is, and bring it on where nobody else does.
pub const PRELOAD_READ: Endpoint = Endpoint {
    id: "preload-read",
    summary: "Tell how far the preload of a template is",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/preload/{template}"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[PRELOAD_STEP, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_PRELOAD,
        secrets: CELL_TOKENS,
    },
    problems: &[],
};
