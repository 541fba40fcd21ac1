//! What is made to fail, and how.

use std::time::Duration;

use real::{DynamoDb, Process, Proxy};
use tests::parts::Cluster;
use tokio::time::sleep;

/// What is made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    ApiServer,
    Etcd,
    Table,
    Proxy,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is killed, and started again after so long.
    Killed(Duration),
    /// It is stopped, so that what it was asked hangs, and goes on after so long.
    Stopped(Duration),
}

/// The parts of one installation.
pub(super) struct Parts {
    pub(super) cluster: Cluster,
    pub(super) dynamodb: DynamoDb,
    pub(super) proxy: Proxy,
}

impl Parts {
    pub(super) async fn start() -> Self {
        Self {
            cluster: Cluster::start().await,
            dynamodb: DynamoDb::start().await.unwrap_or_else(|error| panic!("{error}")),
            proxy: Proxy::start().await.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    fn process(&mut self, part: Part) -> &mut Process {
        match part {
            Part::ApiServer => self.cluster.control().apiserver(),
            Part::Etcd => self.cluster.control().etcd(),
            Part::Table => self.dynamodb.process(),
            Part::Proxy => self.proxy.process(),
        }
    }

    /// Lets a part fail and come back, and returns once it serves again.
    pub(super) async fn strike(&mut self, part: Part, fault: Fault) {
        let process = self.process(part);
        match fault {
            Fault::Killed(lasting) => {
                process.kill();
                sleep(lasting).await;
                process.restart().unwrap_or_else(|error| panic!("{error}"));
            }
            Fault::Stopped(lasting) => {
                process.pause();
                sleep(lasting).await;
                process.resume();
            }
        }
        let served = match part {
            Part::ApiServer | Part::Etcd => self.cluster.control().ready().await,
            Part::Table => self.dynamodb.ready().await,
            Part::Proxy => self.proxy.ready().await,
        };
        served.unwrap_or_else(|error| panic!("{error}"));
    }
}
