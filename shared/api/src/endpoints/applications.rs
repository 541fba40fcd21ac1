//! Applications.

use domain::{Access, Scope};

use super::cluster::CLUSTER_LOG;
use super::{
    APPLICATION_GET, APPLICATION_STEP, APPLICATIONS_STEP, BINDING, CELL_TOKENS, CLUSTER_END, CLUSTER_LIFE, KEYRING,
    KEYRING_AND_CELL_TOKENS, KEYRING_CELL_TOKENS_AND_REGISTRY, QUOTA_GIVE_BACK, QUOTA_TAKE, TEMPLATE_AND_POOL,
};
use crate::TableAction::BatchGetItem;
use crate::{Code, Endpoint, Index, Method, Needs, TableNeed, Trigger};

/// Start an application.
pub const APPLICATION_LAUNCH: Endpoint = Endpoint {
    id: "application-launch",
    summary: "Launch an application from a template",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/applications/{template}", "/applications"],
    },
    access: Access::OpenUnlessClosed(Scope::Apps),
    needs: Needs {
        table: &[
            APPLICATIONS_STEP,
            BINDING,
            TEMPLATE_AND_POOL,
            QUOTA_TAKE,
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[Index::Pick, Index::List, Index::Due],
        cluster: CLUSTER_LIFE,
        secrets: KEYRING_CELL_TOKENS_AND_REGISTRY,
    },
    problems: &[
        Code::MalformedRequest,
        Code::MissingParameter,
        Code::RegistryError,
        Code::RegistryUnreachable,
        Code::QuotaExceeded,
        Code::BadIdempotencyKey,
        Code::IdempotencyKeyReused,
        Code::IdempotencyKeyEnded,
        Code::BadKubeRequest,
    ],
};

/// Read one application, and bring it on where nobody else does.
pub const APPLICATION_READ: Endpoint = Endpoint {
    id: "application-read",
    summary: "Read an application, or wait until its status changes",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/applications/{template}/{id}"],
    },
    access: Access::Open,
    needs: Needs {
        table: &[APPLICATION_STEP, QUOTA_GIVE_BACK],
        indexes: &[],
        cluster: CLUSTER_LIFE,
        secrets: CELL_TOKENS,
    },
    problems: &[Code::MalformedRequest, Code::NoRecord],
};

/// List applications, newest first.
pub const APPLICATION_LIST: Endpoint = Endpoint {
    id: "application-list",
    summary: "List the applications of a template, or all",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/applications/{template}", "/applications"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[
            TableNeed {
                prefix: "APP#",
                actions: &[BatchGetItem],
            },
            Needs::KEYS,
            Needs::KEY_USE,
        ],
        indexes: &[Index::List, Index::Day],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::BadCursor],
};

/// End an application now.
pub const APPLICATION_STOP: Endpoint = Endpoint {
    id: "application-stop",
    summary: "Stop an application",
    trigger: Trigger::Http {
        method: Method::Delete,
        paths: &["/applications/{template}/{id}"],
    },
    access: Access::KeyOrLaunchToken(Scope::Apps),
    needs: Needs {
        table: &[APPLICATION_STEP, QUOTA_GIVE_BACK, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_END,
        secrets: KEYRING_AND_CELL_TOKENS,
    },
    problems: &[Code::NoRecord, Code::Conflict, Code::BadKubeRequest],
};

/// Tell what an application's container wrote.
pub const APPLICATION_LOGS: Endpoint = Endpoint {
    id: "application-logs",
    summary: "Tell the log of an application",
    trigger: Trigger::Http {
        method: Method::Get,
        paths: &["/applications/{template}/{id}/logs"],
    },
    access: Access::Key(Scope::Apps),
    needs: Needs {
        table: &[APPLICATION_GET, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: CLUSTER_LOG,
        secrets: CELL_TOKENS,
    },
    problems: &[Code::MalformedRequest, Code::NoRecord, Code::BadKubeRequest],
};

/// Report that an application is in use.
pub const APPLICATION_ACTIVITY: Endpoint = Endpoint {
    id: "application-activity",
    summary: "Report that an application is in use",
    trigger: Trigger::Http {
        method: Method::Post,
        paths: &["/applications/{template}/{id}/activity"],
    },
    access: Access::KeyOrLaunchToken(Scope::Apps),
    needs: Needs {
        table: &[APPLICATION_STEP, Needs::KEYS, Needs::KEY_USE],
        indexes: &[],
        cluster: &[],
        secrets: KEYRING,
    },
    problems: &[Code::MalformedRequest, Code::NoRecord, Code::HasEnded, Code::Conflict],
};
