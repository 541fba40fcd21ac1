//! Templates as an external registry gives them.

use serde_json::{Map, Value};

use crate::refusal::shown;
use crate::{Refusal, Template, TemplateName};

impl Template {
    /// Reads what a template registry answered when it was asked for `name`: a document of the older service's
    /// registry, with our defaults for what it leaves out. What it knows and templates do not have (`_id`, `__v`,
    /// `services`, its dates) is ignored, and so is every field without a value.
    ///
    /// # Errors
    /// [`Refusal::Rule`] with what is wrong. Of the answer it quotes a short piece at most.
    pub fn of_registry(name: &TemplateName, answer: &[u8]) -> Result<Self, Refusal> {
        let refuse = |why: String| Refusal::Rule(why);
        let mut fields: Map<String, Value> = match serde_json::from_slice(answer) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(refuse("the registry's answer is no JSON object".to_owned())),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                return Err(refuse(format!(
                    "the registry's answer is not JSON (line {line}, column {column})"
                )));
            }
        };
        fields.retain(|_, value| !value.is_null());
        for of_the_registry in ["time-created", "time-modified"] {
            fields.remove(of_the_registry);
        }
        let named = fields.insert("name".to_owned(), name.as_str().into());
        if let Some(other) = named.filter(|named| named != name.as_str()) {
            return Err(refuse(format!(
                "the registry answered with another one, {}",
                shown(&other.to_string())
            )));
        }
        if !fields.contains_key("image-source") {
            return Err(refuse("the registry's answer has no 'image-source'".to_owned()));
        }
        let unreadable = |error: serde_json::Error| {
            refuse(format!(
                "the registry's answer is no template, {}",
                shown(&error.to_string())
            ))
        };
        let template: Self = serde_json::from_value(Value::Object(fields)).map_err(unreadable)?;
        template.check()?;
        Ok(template)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: &Value) -> Result<Template, String> {
        let name = TemplateName::parse("course").unwrap();
        Template::of_registry(&name, answer.to_string().as_bytes()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_document_of_the_older_registry_becomes_a_template_with_our_defaults() {
        let template = read(&json!({
            "_id": "5784f2", "__v": 3, "name": "course", "image-name": "course", "image-source": "registry/course",
            "port": 8080, "command": [], "limits": {"memory": "512Mi"}, "services": [{"name": "spark", "params": {}}],
            "cull-timeout": null, "time-created": "2016-07-12T13:37:54.000Z", "time-modified": "yesterday", "new": {},
        }));
        let template = template.unwrap();
        assert_eq!(
            (template.name.as_str(), template.workload.image.as_str()),
            ("course", "registry/course:latest")
        );
        assert_eq!((template.workload.port, template.cull_timeout.get()), (8080, 3_600_000));
        assert_eq!((template.time_created, template.time_modified), (None, None));
        assert!(read(&json!({"image-source": "i"})).is_ok(), "a name may be absent");
    }

    #[test]
    fn what_is_no_template_is_refused_with_what_is_wrong() {
        for (answer, why) in [
            (json!([]), "is no JSON object"),
            (
                json!({"type": "doesNotExist"}),
                "the registry's answer has no 'image-source'",
            ),
            (
                json!({"image-source": null}),
                "the registry's answer has no 'image-source'",
            ),
            (json!({"name": "other", "image-source": "i"}), "another one, \"other\""),
            (json!({"name": 7, "image-source": "i"}), "another one, 7"),
            (
                json!({"image-source": "i", "port": "high"}),
                "the registry's answer is no template, invalid type: string \"high\"",
            ),
            (json!({"image-source": "i", "port": 0}), "'port' must be 1 to 65535"),
            (json!({"image-source": "i", "limits": {"memory": "512MB"}}), "512MB"),
        ] {
            let said = read(&answer).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let name = TemplateName::parse("course").unwrap();
        let said = Template::of_registry(&name, b"<html>secret</html>")
            .unwrap_err()
            .to_string();
        assert_eq!(said, "the registry's answer is not JSON (line 1, column 1)");
    }

    #[test]
    fn a_refusal_quotes_a_short_piece_of_the_answer_at_most() {
        let long = "x".repeat(100_000);
        for answer in [
            json!({"name": long, "image-source": "i"}),
            json!({"image-source": long}),
            json!({"image-source": "i", "port": long}),
        ] {
            assert!(read(&answer).unwrap_err().chars().count() < 300);
        }
    }
}
