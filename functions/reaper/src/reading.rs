//! What a lane begins with: what is due, and what can be reached.

use domain::{CellName, Due, Lane, Reach};
use futures::future::join_all;
use gateway::{Call, TableAndCells};
use jiff::Timestamp;
use store::Store;

use crate::run::is_late;

/// What was due in a lane.
#[derive(Default)]
pub(crate) struct DueRead {
    pub(crate) items: Vec<Due>,
    /// Shards that could be read.
    pub(crate) read: usize,
    /// Why one could not be.
    pub(crate) unread: Option<store::Error>,
}

/// Reads what is due in all shards of a lane at once. Each shard has its share of `rows_max`, so that a full one does
/// not keep the others from their turn.
pub(crate) async fn read_due(store: &Store, call: &Call, lane: &Lane, now: Timestamp, rows_max: usize) -> DueRead {
    let share = rows_max / usize::from(lane.shards());
    let shards: Vec<_> = (0..lane.shards())
        .map(|shard| read_shard(store, call, lane, shard, now, share))
        .collect();
    let mut all = DueRead::default();
    for mut shard in join_all(shards).await {
        all.items.append(&mut shard.items);
        all.read += shard.read;
        all.unread = shard.unread.or(all.unread);
    }
    all
}

async fn read_shard(store: &Store, call: &Call, lane: &Lane, shard: u16, now: Timestamp, most: usize) -> DueRead {
    let (mut due, mut after): (DueRead, Option<String>) = Default::default();
    loop {
        match store.due(lane, shard, now, after.as_deref()).await {
            Ok(page) => {
                due.items.extend(page.items);
                after = page.next;
            }
            Err(error) => {
                call.note("reading what is due", &error);
                due.unread = Some(error);
                return due;
            }
        }
        if after.is_none() || due.items.len() >= most || is_late(call) {
            due.read = 1;
            return due;
        }
    }
}

/// What of a cell can be reached: one small request to each part.
pub(crate) async fn probe(powers: &TableAndCells, call: &Call, cell: &CellName) -> Reach {
    let Some(home) = powers.lifecycle.cells().find(|home| home.cell.name == *cell) else {
        return Reach {
            cluster: false,
            proxy: false,
            routes_lost: false,
        };
    };
    let (cluster, marked) = futures::join!(home.cluster.warm(), home.routes.is_marked());
    if let Err(error) = &cluster {
        call.note("probing the cluster", error);
    }
    if let Err(error) = &marked {
        call.note("probing the route proxy", error);
    }
    Reach {
        cluster: cluster.is_ok(),
        proxy: marked.is_ok(),
        routes_lost: matches!(marked, Ok(false)),
    }
}
