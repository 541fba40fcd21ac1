//! A preload's objects: made, looked at, removed.

use std::collections::BTreeMap;

use domain::limits::PRELOAD_CONCURRENCY;
use domain::{ApplicationId, NodeImage, PodState, Preload, Reason};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::manifests::Plan;
use crate::manifests::preload::{preload_account, preload_namespace, preload_pod, preload_policy};
use crate::owner::{Owner, PRELOAD_LABEL};
use crate::pod_state::{own_container, pod_state};
use crate::{Cluster, Error, Made, Presence, Removal};

impl Cluster {
    /// Makes the preload's namespace, service account and network policy. What exists already and is the preload's
    /// counts as made, so this is safe to repeat.
    ///
    /// # Errors
    /// Those of [`Cluster::make_objects`].
    pub async fn make_preload(&self, preload: &Preload) -> Result<Made, Error> {
        self.verify().await?;
        let plan = Plan::preload(preload, self);
        let namespace = self.ensure(&plan, &preload_namespace(&plan)).await?;
        if namespace.metadata.deletion_timestamp.is_some() {
            return Err(Error::Terminating);
        }
        let no_uid = || Error::rejected("the cluster made a namespace without a uid");
        let namespace_uid = namespace.metadata.uid.ok_or_else(no_uid)?;
        self.ensure(&plan, &preload_account(&plan)).await?;
        self.ensure(&plan, &preload_policy(&plan)).await?;
        Ok(Made { namespace_uid })
    }

    /// How each node with a pod of the preload and the image are: the namespace and one list of its pods.
    ///
    /// # Errors
    /// Those of a read; [`Error::Terminating`] when the namespace is gone, is going or is another one.
    pub async fn observe_preload(&self, preload: &Preload) -> Result<BTreeMap<String, NodeImage>, Error> {
        self.verify().await?;
        let owner = Owner::preload(self.installation(), &preload.current.id);
        let (presence, namespace) = self.look(owner, preload.namespace_uid()).await?;
        let uid = namespace.and_then(|namespace| namespace.metadata.uid);
        if presence != Presence::There || uid.as_deref() != preload.namespace_uid() {
            return Err(Error::Terminating);
        }
        let id = owner.id.as_str();
        let labels = Some(format!("{PRELOAD_LABEL}={id}"));
        let keep = |pod: NodePod| owner.owns(&pod.0).then(|| node_image(&pod.0)).flatten();
        let seen = self.objects().list::<Pod, _, _>(Some(id), labels, keep).await?;
        Ok(seen.into_iter().collect())
    }

    /// Makes the preload's pods for `nodes`, [`PRELOAD_CONCURRENCY`] at a time; one that is there stays. Gives the nodes
    /// whose pod the cluster refuses.
    ///
    /// # Errors
    /// Those of [`Cluster::make_objects`] but for such a refusal; some of the pods may be made.
    pub async fn make_preload_pods(
        &self,
        preload: &Preload,
        nodes: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, NodeImage>, Error> {
        self.verify().await?;
        let plan = Plan::preload(preload, self);
        let makes: Vec<_> = nodes
            .into_iter()
            .map(|node| self.make_preload_pod(&plan, node))
            .collect();
        let made: Vec<_> = stream::iter(makes)
            .buffer_unordered(PRELOAD_CONCURRENCY)
            .try_collect()
            .await?;
        Ok(made.into_iter().flatten().collect())
    }

    async fn make_preload_pod(&self, plan: &Plan<'_>, node: String) -> Result<Option<(String, NodeImage)>, Error> {
        match self.objects().create(&preload_pod(plan, &node)).await {
            Ok(_) => Ok(None),
            Err(Error::Refused { message }) => {
                let image = NodeImage::failed(&format!("the cluster refused its pod: {message}"));
                Ok(Some((node, image)))
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Cluster::delete_namespace`], for a preload's namespace.
    ///
    /// # Errors
    /// Those of [`Cluster::delete_namespace`].
    pub async fn delete_preload(&self, id: &ApplicationId, uid: Option<&str>) -> Result<Removal, Error> {
        self.delete_owned(Owner::preload(self.installation(), id), uid).await
    }
}

/// A pod of a preload, judged and let go of as soon as it is read.
#[derive(Deserialize)]
#[serde(transparent)]
struct NodePod(Pod);

/// What a pod says of its node and the image. Whether its container could run is all the same once the node has
/// reported the image's id.
fn node_image(pod: &Pod) -> Option<(String, NodeImage)> {
    let node = pod.spec.as_ref()?.node_name.clone()?;
    if own_container(pod).is_some_and(|container| !container.image_id.is_empty()) {
        return Some((node, NodeImage::Pulled));
    }
    let is_going = pod.metadata.deletion_timestamp.is_some();
    let image = match pod_state(pod, 0) {
        _ if is_going => NodeImage::Waiting,
        PodState::Ended { message } => NodeImage::failed(&message),
        PodState::Hopeless(reason) => NodeImage::failed(&reason.sentence()),
        PodState::Waiting(Reason::ImageUnpullable { image, message }) => {
            NodeImage::failing(&format!("'{image}' cannot be pulled: {message}"))
        }
        PodState::Waiting(reason @ (Reason::ContainerRefused { .. } | Reason::NeedsRoot { .. })) => {
            NodeImage::failing(&reason.sentence())
        }
        PodState::Waiting(_) | PodState::Ready { .. } => NodeImage::Waiting,
    };
    Some((node, image))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::manifests::CONTAINER;

    fn of(status: Value) -> NodeImage {
        let pod = json!({
            "metadata": {"name": "a"},
            "spec": {"nodeName": "a", "containers": [{"name": CONTAINER, "image": "img:1"}]},
            "status": status,
        });
        let (node, image) = node_image(&serde_json::from_value(pod).unwrap()).unwrap();
        assert_eq!(node, "a");
        image
    }

    fn container(image_id: &str, state: Value) -> Value {
        json!([{"name": CONTAINER, "image": "img:1", "imageID": image_id, "ready": false, "restartCount": 0, "state": state}])
    }

    #[test]
    fn an_id_counts_however_the_container_ended() {
        let died = json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file: true"}});
        let status = json!({"phase": "Failed", "containerStatuses": container("sha256:1", died)});
        assert_eq!(of(status), NodeImage::Pulled);
        let runs = json!({"phase": "Running", "containerStatuses": container("sha256:1", json!({"running": {}}))});
        assert_eq!(of(runs), NodeImage::Pulled);
    }

    #[test]
    fn what_the_node_goes_on_trying_is_told_from_what_it_does_not() {
        let waits = |reason: &str| {
            let state = json!({"waiting": {"reason": reason, "message": "not found"}});
            of(json!({"phase": "Pending", "containerStatuses": container("", state)}))
        };
        assert_eq!(waits("ContainerCreating"), NodeImage::Waiting);
        assert_eq!(
            waits("ErrImagePull"),
            NodeImage::failing("'img:1' cannot be pulled: not found")
        );
        assert!(matches!(waits("CreateContainerError"), NodeImage::Failing { .. }));
        assert_eq!(of(json!({"phase": "Pending"})), NodeImage::Waiting);
        let refused = json!({"phase": "Failed", "reason": "OutOfpods", "message": "no room"});
        assert_eq!(of(refused), NodeImage::failed("OutOfpods: no room"));
    }
}
