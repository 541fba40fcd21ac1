//! What to run, and by which rules.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::limits::{CULL_TIMEOUT_DEFAULT, MAX_AGE_DEFAULT, TEMPLATE_BYTES_MAX, TEMPLATE_ENTRIES_MAX};
use crate::{Millis, Refusal, RunAs, Security, TemplateName, Workload};

/// A template: what to run and by which rules. Field names on the wire are those of the older registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Template {
    /// Its name.
    pub name: TemplateName,
    /// What to run.
    #[serde(flatten)]
    pub workload: Workload,
    /// Inactivity after which an application is culled.
    #[serde(default = "default_cull_timeout")]
    pub cull_timeout: Millis,
    /// Age at which an application ends whatever its use.
    #[serde(default = "default_max_age")]
    pub max_age: Millis,
    /// The most applications of this template at once, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
    /// When it was first written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_created: Option<Timestamp>,
    /// When it was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_modified: Option<Timestamp>,
}

fn default_cull_timeout() -> Millis {
    Millis::of(CULL_TIMEOUT_DEFAULT)
}

fn default_max_age() -> Millis {
    Millis::of(MAX_AGE_DEFAULT)
}

impl Template {
    /// Checks what no single field can see.
    ///
    /// # Errors
    /// [`Refusal::Rule`] naming the fields that contradict each other, or the bound that was passed.
    pub fn check(&self) -> Result<(), Refusal> {
        let run = &self.workload;
        let refuse = |why: String| Err(Refusal::Rule(why));
        if run.port == 0 {
            return refuse("'port' must be 1 to 65535".into());
        }
        for (field, entries) in [
            ("command", run.command.len()),
            ("env", run.env.len()),
            ("node-selector", run.node_selector.len()),
            ("tolerations", run.tolerations.len()),
        ] {
            if entries > TEMPLATE_ENTRIES_MAX {
                return refuse(format!(
                    "'{field}' has {entries} entries, at most {TEMPLATE_ENTRIES_MAX} are allowed"
                ));
            }
        }
        if run.security == Security::Restricted && run.run_as == RunAs::User(0) {
            return refuse("'run-as-user' 0 is root, which 'security' restricted forbids: set 'security' to 'baseline' or choose another user".into());
        }
        for (resource, request, limit) in [
            ("cpu", &run.requests.cpu, &run.limits.cpu),
            ("memory", &run.requests.memory, &run.limits.memory),
        ] {
            if let (Some(request), Some(limit)) = (request, limit)
                && request.amount() > limit.amount()
            {
                return refuse(format!(
                    "'requests.{resource}' ({}) is more than 'limits.{resource}' ({})",
                    request.as_str(),
                    limit.as_str()
                ));
            }
        }
        if let Some(number) = run
            .tolerations
            .iter()
            .position(|toleration| !toleration.is_consistent())
        {
            return refuse(format!(
                "'tolerations[{number}]' must have a 'key' unless its 'operator' is 'Exists', which has no 'value'"
            ));
        }
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |text| text.len());
        if bytes > TEMPLATE_BYTES_MAX {
            return refuse(format!(
                "the template has {bytes} bytes, at most {TEMPLATE_BYTES_MAX} are allowed"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(json: serde_json::Value) -> Result<Template, String> {
        let template: Template = serde_json::from_value(json).map_err(|e| e.to_string())?;
        template
            .check()
            .map_err(|refusal| refusal.to_string())
            .map(|()| template)
    }

    #[test]
    fn a_template_of_the_older_registry_reads_with_its_defaults() {
        let read =
            template(serde_json::json!({"name": "t", "image-name": "t", "image-source": "img", "port": 8080})).unwrap();
        assert_eq!(
            (read.workload.port, read.cull_timeout.get(), read.max_age.get()),
            (8080, 3_600_000, 21_600_000)
        );
        assert_eq!(
            (read.workload.run_as, read.workload.security),
            (RunAs::User(1000), Security::Restricted)
        );
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written["image-source"], "img:latest");
        assert_eq!(serde_json::from_value::<Template>(written).unwrap(), read);
    }

    #[test]
    fn contradictions_are_refused_by_the_names_of_the_fields() {
        let root = template(serde_json::json!({"name": "t", "image-source": "i", "run-as-user": 0})).unwrap_err();
        assert!(root.contains("'run-as-user'") && root.contains("'baseline'"), "{root}");
        let more = template(
            serde_json::json!({"name": "t", "image-source": "i", "limits": {"memory": "1Gi"}, "requests": {"memory": "2Gi"}}),
        );
        assert!(more.unwrap_err().contains("'requests.memory' (2Gi)"));
        assert!(template(serde_json::json!({"name": "t", "image-source": "i", "port": 0})).is_err());
        assert!(template(serde_json::json!({"name": "t", "image-source": "i", "env": {"1A": "x"}})).is_err());
    }
}
