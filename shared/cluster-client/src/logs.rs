//! What an application's container wrote.

use bytes::Bytes;
use domain::limits::{LOG_BYTES_MAX, PORT_DEFAULT};
use domain::{Application, PodState};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;

use crate::manifests::{CONTAINER, POD};
use crate::objects::Log;
use crate::pod_state::{pod_state, status_of};
use crate::{Cluster, Error};

/// What a kubelet gives in the place of a log, and as a success, once it has removed the container: this and its id
/// (<https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/kubelet/kuberuntime/kuberuntime_container.go>).
const REMOVED: &[u8] = b"unable to retrieve container logs for ";

/// What there is of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logs {
    /// The end of what the container wrote.
    Written {
        /// At most [`LOG_BYTES_MAX`] bytes, as they were written.
        bytes: Bytes,
        /// Whether there was more before them than was kept.
        is_cut: bool,
    },
    /// The container has not run yet; its pod is like this.
    NotStarted(PodState),
    /// The container did not run before: it was not started again.
    NoPrevious,
    /// The container ran and was removed from its node, and its log with it.
    Removed,
    /// There is no pod of the application.
    NoPod,
}

/// The same of any container, before it is said how its pod is.
pub(crate) enum Told {
    Written { bytes: Bytes, is_cut: bool },
    NotStarted,
    NoPrevious,
    Removed,
    NoPod,
}

impl Cluster {
    /// The last `tail` lines of the log of the application's container, or of its run before this one where `previous`
    /// says so: two reads. Somebody else's pod is none of the application.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn logs(&self, application: &Application, tail: u32, previous: bool) -> Result<Logs, Error> {
        self.verify().await?;
        let id = &application.id;
        let pod: Option<Pod> = self.objects().get(Some(id.as_str()), POD).await?;
        let Some(pod) = pod.filter(|pod| self.owner(id).owns(pod)) else {
            return Ok(Logs::NoPod);
        };
        let params = LogParams {
            container: Some(CONTAINER.to_owned()),
            tail_lines: Some(tail.into()),
            previous,
            ..Default::default()
        };
        Ok(
            match self.read_log((id.as_str(), POD), &pod, &params, LOG_BYTES_MAX).await? {
                Told::Written { bytes, is_cut } => Logs::Written { bytes, is_cut },
                Told::NotStarted => {
                    let port = application.run.as_ref().map_or(PORT_DEFAULT, |run| run.port);
                    Logs::NotStarted(pod_state(&pod, port))
                }
                Told::NoPrevious => Logs::NoPrevious,
                Told::Removed => Logs::Removed,
                Told::NoPod => Logs::NoPod,
            },
        )
    }

    /// What there is of a container's log, its last `most` bytes: of `pod`, which was just looked at, and is at `place`, its
    /// namespace and name.
    pub(crate) async fn read_log(
        &self,
        place: (&str, &str),
        pod: &Pod,
        params: &LogParams,
        most: usize,
    ) -> Result<Told, Error> {
        let log = self.objects().log(place.0, place.1, params, most).await?;
        let container = params.container.as_deref().unwrap_or_default();
        // Of a pod without a node the cluster gives an empty log, or none.
        let has_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        Ok(match log {
            Log::End { bytes, .. } if bytes.is_empty() && !has_node => Told::NotStarted,
            Log::End { bytes, .. } if is_removed(&bytes) => Told::Removed,
            Log::End { bytes, is_cut } => Told::Written { bytes, is_cut },
            // A node may have removed the run before this one although there was one.
            Log::NotYet if params.previous && was_started_again(pod, container) => Told::Removed,
            Log::NotYet if params.previous && has_node => Told::NoPrevious,
            Log::NotYet => Told::NotStarted,
            Log::NoPod => Told::NoPod,
        })
    }
}

fn was_started_again(pod: &Pod, container: &str) -> bool {
    status_of(pod, container).is_some_and(|status| status.restart_count > 0)
}

/// Whether this is no log, but a kubelet's word that there is none any more.
fn is_removed(log: &[u8]) -> bool {
    let id = log.strip_prefix(REMOVED).and_then(|id| std::str::from_utf8(id).ok());
    id.is_some_and(|id| id.contains("://") && !id.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kubelets_own_word_is_no_log() {
        assert!(is_removed(
            b"unable to retrieve container logs for containerd://25b0aefb8461"
        ));
        for log in [
            "unable to retrieve container logs for containerd://25b0aefb8461\n",
            "unable to retrieve container logs for you",
            "begins\nunable to retrieve container logs for containerd://25b0aefb8461",
            "",
        ] {
            assert!(!is_removed(log.as_bytes()), "{log}");
        }
    }
}
