//! Looks at objects until they are as wanted.

use serde_json::{Value, json};

use crate::server::{Server, eventually};

impl Server {
    /// Deletes an object, with this propagation policy, or as its kind has it.
    pub(crate) async fn remove(&self, path: &str, policy: Option<&str>) -> Value {
        let options = policy.map_or(Value::Null, |policy| json!({ "propagationPolicy": policy }));
        self.delete(path, options).await.done()
    }

    /// The items of a list.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.done();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// The object as soon as it is as wanted.
    pub(crate) async fn until(&self, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{path}: {what}"), async || {
            let seen = self.get(path).await;
            (seen.code == 200 && is_so(&seen.body)).then_some(seen.body)
        })
        .await
    }

    /// Waits until there is nothing.
    pub(crate) async fn until_gone(&self, path: &str) {
        eventually(&format!("{path} is gone"), async || {
            (self.get(path).await.code == 404).then_some(())
        })
        .await;
    }
}

/// The text of a value, empty when it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The condition of this type in an object's status, `null` when there is none.
pub(crate) fn condition<'a>(object: &'a Value, name: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|one| one["type"] == name);
    found.unwrap_or(&Value::Null)
}
