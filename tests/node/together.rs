//! Many at once.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;
use tests::in_time;

use crate::ground::Installation;

/// Launches at once.
const MANY: usize = 20;

#[tokio::test]
async fn twenty_launches_at_once_are_twenty_applications() {
    in_time(async {
        let installation = Installation::start("together").await;
        installation.template("notebook", json!({})).await;
        let launched = join_all((0..MANY).map(|_| installation.app.launch("notebook"))).await;
        let ids: BTreeSet<_> = launched.iter().map(|one| &one.id).collect();
        assert_eq!(ids.len(), MANY);
        join_all(launched.iter().map(|one| async {
            let seen = installation.deployed(one).await;
            let page = installation.page(&seen, "/").await;
            assert_eq!(page["path"], format!("/user/{}/", one.id));
        }))
        .await;
        join_all(launched.iter().map(|one| installation.stop(one))).await;
        installation.app.stop().await;
    })
    .await;
}
