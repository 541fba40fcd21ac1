//! DELETE of a collection: everything that a list shows.

use bytes::Bytes;
use http::Response;

use super::delete::DeleteOptions;
use super::machine::Machine;
use super::registry::{NAMESPACES, Service};
use super::request::Call;
use super::status::Refusal;

impl Machine {
    /// Deletes what the options of the call select, and answers with the list of it as it was before.
    pub(super) fn delete_collection(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let kind = call.kind();
        if call.id == NAMESPACES || (kind.namespaced && call.namespace.is_empty()) {
            return Err(Refusal::method_not_allowed());
        }
        if !matches!(kind.service, Service::Full) {
            return Err(Refusal::not_simulated(&format!("deleting {}", kind.qualified())));
        }
        let options = DeleteOptions::read(call)?;
        let page = self.page(call)?;
        for (key, object) in &page.shown {
            // What follows from the deletion of one may be that another is gone.
            if self.objects.get(key).is_some() {
                self.delete_one(key, object, &options)?;
            }
        }
        page.answer(call)
    }
}
