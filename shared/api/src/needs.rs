//! What an endpoint needs from outside: the ground for its role's policy.

/// Everything that an endpoint needs. The key that a caller may present is looked up by the edge, and its use
/// noted; those needs are [`Needs::KEYS`] and [`Needs::KEY_USE`] and stand in the descriptor like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Rows of the table, by the prefix of their partition key.
    pub table: &'static [TableNeed],
    /// Indexes that it queries.
    pub indexes: &'static [Index],
    /// What it asks of the home clusters.
    pub cluster: &'static [ClusterNeed],
    /// What it reads out of the one secret of the installation.
    pub secrets: &'static [Secret],
}

/// Rows whose partition key begins with `prefix`, and what is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableNeed {
    /// Such as `APP#`.
    pub prefix: &'static str,
    /// What is done.
    pub actions: &'static [TableAction],
}

/// An action on rows, as IAM names it. A transaction needs those of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableAction {
    /// Several rows by key.
    BatchGetItem,
    /// Remove a row.
    DeleteItem,
    /// One row by key.
    GetItem,
    /// Write a row whole.
    PutItem,
    /// Rows of one partition.
    Query,
    /// Change a row in place.
    UpdateItem,
}

impl TableAction {
    /// As IAM names it, without the service.
    pub fn as_str(self) -> &'static str {
        match self {
            TableAction::BatchGetItem => "BatchGetItem",
            TableAction::DeleteItem => "DeleteItem",
            TableAction::GetItem => "GetItem",
            TableAction::PutItem => "PutItem",
            TableAction::Query => "Query",
            TableAction::UpdateItem => "UpdateItem",
        }
    }
}

/// An index of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Index {
    /// What is due, by lane and shard.
    Due,
    /// Lists by kind, and applications by template.
    List,
    /// All applications: live by shard, past by day.
    Day,
    /// Spares that are ready.
    Pick,
    /// Clusters that are free.
    Free,
}

impl Index {
    /// As the table names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Index::Due => "due",
            Index::List => "list",
            Index::Day => "day",
            Index::Pick => "pick",
            Index::Free => "free",
        }
    }
}

/// Verbs on one resource of a home cluster, as RBAC writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterNeed {
    /// The API group; empty is the core group.
    pub group: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
}

/// A part of the one secret of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secret {
    /// The keyring that seals cursors and derives tokens.
    Keyring,
    /// The tokens of the home clusters.
    ClusterTokens,
    /// The tokens of the route proxies.
    ProxyTokens,
    /// The key of the external template registry.
    RegistryKey,
    /// What the operator's internal router is shown when a pod template is fetched through it.
    RouterSecret,
}

impl Secret {
    /// In words, for the permission matrix.
    pub fn as_str(self) -> &'static str {
        match self {
            Secret::Keyring => "keyring",
            Secret::ClusterTokens => "cluster tokens",
            Secret::ProxyTokens => "proxy tokens",
            Secret::RegistryKey => "registry key",
            Secret::RouterSecret => "router secret",
        }
    }
}

impl Needs {
    /// Nothing at all.
    pub const NOTHING: Needs = Needs {
        table: &[],
        indexes: &[],
        cluster: &[],
        secrets: &[],
    };
    /// Looking up the key that a caller presents.
    pub const KEYS: TableNeed = TableNeed {
        prefix: "KEY#",
        actions: &[TableAction::GetItem],
    };
    /// Noting that this key was used.
    pub const KEY_USE: TableNeed = TableNeed {
        prefix: "KEYUSE#",
        actions: &[TableAction::PutItem],
    };
    /// Looking up the keys that an issuer signs access tokens with, and keeping them, where
    /// [`Access::Environments`](domain::Access::Environments) asks for it.
    pub const JWKS: TableNeed = TableNeed {
        prefix: "JWKS#",
        actions: &[TableAction::GetItem, TableAction::PutItem],
    };
}
