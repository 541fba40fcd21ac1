//! The one application that a path names, and who may act on it.

use api::Code;
use domain::{Application, ApplicationId, Caller, Look, Scope, TemplateName};
use gateway::{Call, Problem};
use store::{Row, Store};

/// What a path `/applications/{template}/{id}` names.
pub(crate) struct One {
    pub(crate) template: TemplateName,
    pub(crate) id: ApplicationId,
}

impl One {
    /// What the path of `call` names.
    ///
    /// # Errors
    /// 404, as for an application that does not exist, when it can name none.
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        let no_record = |_| Problem::no_record();
        let template = call.param("template", TemplateName::parse).map_err(no_record)?;
        let id = call.param("id", ApplicationId::parse).map_err(no_record)?;
        Ok(One { template, id })
    }

    /// Its row. A spare is nobody's yet, and to nobody there.
    ///
    /// # Errors
    /// 404 when there is none; those of a read.
    pub(crate) async fn read(&self, store: &Store, look: &Look) -> Result<Row<Application>, Problem> {
        let row = store.application(&self.id, look.now).await?;
        row.filter(|row| row.value.template == self.template && !row.value.spare)
            .ok_or_else(Problem::no_record)
    }
}

/// Who acts on the application that the path of `call` names, in words: a key with the scope `apps`, or the token of
/// its launch. Whoever may not is refused before it is told whether the application exists.
///
/// # Errors
/// 403.
pub(crate) fn key_or_launch_token(call: &Call) -> Result<String, Problem> {
    match call.caller() {
        Caller::Key { name, .. } if call.caller().has(Scope::Apps) => return Ok(format!("the key '{name}'")),
        Caller::ConfiguredAdmin => return Ok("the admin key of the configuration".to_owned()),
        Caller::Key { .. } | Caller::ConfiguredLeases | Caller::Person { .. } | Caller::Unasked | Caller::Nobody => {}
    }
    match call.param("id", ApplicationId::parse) {
        Ok(id) if call.holds_launch_token(&id)? => Ok("the token of its launch".to_owned()),
        _ => Err(Problem::new(
            Code::Unauthorized,
            "this needs an API key with the scope 'apps', or the token that the launch was answered with, in the Authorization header",
        )),
    }
}
