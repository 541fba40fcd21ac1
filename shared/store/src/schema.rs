//! The table's definition as plain values: what creates it here, and what a deployment's template is compared with.

/// The table's keys, indexes and time-to-live attribute. All keys are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The attribute of the partition key.
    pub partition_key: &'static str,
    /// The attribute of the sort key.
    pub sort_key: &'static str,
    /// The attribute with the second (Unix time) from which on a row may be deleted by the database itself.
    pub time_to_live: &'static str,
    /// The global secondary indexes.
    pub indexes: &'static [Index],
}

/// A global secondary index. It is sparse: only rows that have both key attributes are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// The attribute of its partition key.
    pub partition_key: &'static str,
    /// The attribute of its sort key.
    pub sort_key: &'static str,
    /// The attributes that it carries beside the keys, its own and the table's.
    pub projected: &'static [&'static str],
}

/// The one table.
pub const TABLE: Definition = Definition {
    partition_key: "pk",
    sort_key: "sk",
    time_to_live: "forget_at",
    indexes: &[DUE, LIST, DAY, PICK, FREE],
};

/// Rows with a deadline, by lane and shard, in the order in which they are due.
pub const DUE: Index = Index {
    name: "due",
    partition_key: "due_part",
    sort_key: "due_key",
    projected: &[
        "kind",
        "state",
        "version",
        "cell",
        "due_since",
        "held_since",
        "troubled",
        "template",
        "spare",
    ],
};

/// Rows that can be listed together, newest first.
pub const LIST: Index = Index {
    name: "list",
    partition_key: "list_part",
    sort_key: "list_key",
    projected: &["status"],
};

/// All applications, newest first: the living in shards, the past by the day of their creation.
pub const DAY: Index = Index {
    name: "day",
    partition_key: "day_part",
    sort_key: "day_key",
    projected: &["status"],
};

/// Spares that are ready, by cell, template and workload.
pub const PICK: Index = Index {
    name: "pick",
    partition_key: "pick_part",
    sort_key: "pick_key",
    projected: &["version"],
};

/// Free clusters, by pool.
pub const FREE: Index = Index {
    name: "free",
    partition_key: "free_part",
    sort_key: "free_key",
    projected: &["offer"],
};
