//! `GET /health`, as the older health checker answered it: 200, whatever is down. While the table is down, only the
//! configured admin key and keys seen within the last 30 s are known, so others get 503.

use api::DependencyView;
use futures::future::join_all;
use gateway::{Call, Problem, Reply, TableAndCells};

/// Asks every dependency at once, and tells how each is.
pub async fn read(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let timestamp = call.look().now;
    let view = |name: String, running: bool| {
        let status = if running { "running" } else { "down" };
        DependencyView {
            name,
            timestamp,
            status: status.to_owned(),
        }
    };

    let homes = join_all(powers.lifecycle.cells().map(|home| async {
        let (cluster, proxy) = futures::join!(home.cluster.warm(), home.routes.warm());
        let name = &home.cell.name;
        [
            view(format!("cluster-{name}"), cluster.is_ok()),
            view(format!("proxy-{name}"), proxy.is_ok()),
        ]
    }));
    let (database, homes) = futures::join!(powers.store.warm(), homes);

    let mut views = vec![view("database".to_owned(), database.is_ok())];
    views.extend(homes.into_iter().flatten());
    Reply::ok(&views)
}
