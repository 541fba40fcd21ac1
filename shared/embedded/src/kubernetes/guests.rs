//! Pods of another API server: their lives alone are led here, as kubelets lead them.

use jiff::Timestamp;
use serde_json::Value;

use super::json::{cut, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::PODS;

impl Machine {
    /// Takes up a pod that another API server has given to a node of this machine's name: from `now` on its `status`
    /// here is what that node's kubelet would report there. It keeps its uid, and goes when it is deleted here.
    ///
    /// Nothing happens while there is a pod of its namespace and name.
    pub fn host(&mut self, now: Timestamp, mut pod: Value) {
        self.tick(now);
        let key = Key::new(PODS, text(&pod, "/metadata/namespace"), text(&pod, "/metadata/name"));
        if self.objects.get(&key).is_some() {
            return;
        }
        // The other API server's to keep.
        for bookkeeping in ["finalizers", "managedFields", "ownerReferences"] {
            cut(&mut pod, &format!("/metadata/{bookkeeping}"));
        }
        let stored = self.objects.write(key.clone(), pod);
        self.adopt_pod(&key, &stored);
    }
}
