//! What is wrong with single fields (apimachinery's `pkg/util/validation/field`).

use serde_json::Value;

/// One wrong field of an object.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

impl Cause {
    /// The same about the part at `place` of a larger object.
    pub(super) fn under(mut self, place: &str) -> Cause {
        self.field = format!("{place}.{}", self.field);
        self
    }

    pub(super) fn required(field: impl Into<String>, detail: &str) -> Cause {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Cause {
            reason: "FieldValueRequired",
            field: field.into(),
            message,
        }
    }

    /// `value` is shown as JSON, the way Go quotes it.
    pub(super) fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: &str) -> Cause {
        Cause::invalid_as(field, &value.into().to_string(), detail)
    }

    /// With the value as it is shown.
    pub(super) fn invalid_as(field: impl Into<String>, shown: &str, detail: &str) -> Cause {
        let message = format!("Invalid value: {shown}: {detail}");
        Cause {
            reason: "FieldValueInvalid",
            field: field.into(),
            message,
        }
    }

    pub(super) fn forbidden(field: impl Into<String>, detail: &str) -> Cause {
        Cause {
            reason: "FieldValueForbidden",
            field: field.into(),
            message: format!("Forbidden: {detail}"),
        }
    }

    pub(super) fn duplicate(field: impl Into<String>, value: &str) -> Cause {
        Cause {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {value:?}"),
        }
    }

    pub(super) fn too_long(field: impl Into<String>, detail: &str) -> Cause {
        Cause {
            reason: "FieldValueTooLong",
            field: field.into(),
            message: format!("Too long: {detail}"),
        }
    }

    /// One that is not there, of what `field` may name.
    pub(super) fn not_found(field: impl Into<String>, value: &str) -> Cause {
        Cause {
            reason: "FieldValueNotFound",
            field: field.into(),
            message: format!("Not found: {value:?}"),
        }
    }

    pub(super) fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Cause {
        Cause::unsupported_value(field, &value.into(), supported)
    }

    /// `value` is shown as JSON, the way Go quotes it.
    pub(super) fn unsupported_value(field: impl Into<String>, value: &Value, supported: &[&str]) -> Cause {
        let supported: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Cause {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message,
        }
    }
}
