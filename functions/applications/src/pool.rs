//! What the endpoints of pools share.

use api::PoolView;
use domain::{Application, Look, Pool, Template, TemplateName};
use gateway::{Call, Problem, TemplateError};
use store::Store;

/// The template that the path of `call` names.
///
/// # Errors
/// 404, as for a template that does not exist, when it can name none.
pub(crate) fn name_of(call: &Call) -> Result<TemplateName, Problem> {
    call.param("template", TemplateName::parse)
        .map_err(|_| Problem::does_not_exist())
}

/// A template that cannot be found: 404, or why it cannot be told.
pub(crate) fn not_found(error: TemplateError) -> Problem {
    match error {
        TemplateError::Missing { .. } => Problem::does_not_exist(),
        TemplateError::Unreachable(_) | TemplateError::Store(_) => error.into(),
    }
}

/// How the pool of the template called `name` is filled. Without a `template`, or with a size of 0, none of its spares
/// can be taken.
///
/// # Errors
/// Those of a read.
pub(crate) async fn view(
    store: &Store,
    name: &TemplateName,
    template: Option<&Template>,
    pool: Option<&Pool>,
    look: &Look,
) -> Result<PoolView, Problem> {
    let (spares, running) = futures::try_join!(store.spares(name, look.now), store.count_live(name))?;
    let template = template.filter(|_| pool.is_some_and(|pool| pool.size > 0));
    let can_be_taken =
        |spare: &Application| spare.is_ready_spare() && template.is_some_and(|template| spare.may_serve(template));
    let available = spares.iter().filter(|row| can_be_taken(&row.value)).count();
    Ok(PoolView::new(pool, available as u64, running))
}
