//! Sealed kubeconfigs of clusters that can be leased. Their keys have a prefix of their own, so that only the functions
//! that need one may read it.

use domain::{ClusterName, Look};
use serde::{Deserialize, Serialize};

use crate::items::Kind;
use crate::keys::Key;
use crate::rows::{Next, value_row};
use crate::{Error, Row, Store, WriteError};

/// A sealed kubeconfig.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Nobody can open it without the installation's keys and the cluster's name.
    pub sealed: String,
}

impl Store {
    /// AP12 The sealed kubeconfig of a cluster, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn seal(&self, cluster: &ClusterName) -> Result<Option<Row<Seal>>, Error> {
        value_row(self.get(&Key::seal(cluster)).await?)
    }

    /// W1, W2 Writes the sealed kubeconfig of a cluster over the one that was read, or where there is none.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written it since.
    pub async fn put_seal(
        &self,
        old: Option<&Row<Seal>>,
        cluster: &ClusterName,
        sealed: String,
        look: &Look,
    ) -> Result<Row<Seal>, WriteError> {
        let seal = Seal { sealed };
        self.put_value(old, Next::new(Key::seal(cluster), Kind::ClusterSeal, &seal), look)
            .await
    }
}
