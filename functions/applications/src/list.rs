//! `GET /applications/{template}` and `GET /applications`.

use api::{ApplicationView, Code};
use domain::limits::LIST_MAX;
use domain::{Status, TemplateName};
use gateway::{Call, Problem, Reply, Table};
use store::Which;

/// Applications of a template, or all, newest first; deleted ones included until they are forgotten.
pub async fn list(powers: Table, call: Call) -> Result<Reply, Problem> {
    let template = call.optional_param("template", TemplateName::parse)?;
    let status = call.query("status").map(|text| status_of(&text)).transpose()?;
    let filter = format!(
        "{}?{}",
        template.as_ref().map_or("", TemplateName::as_str),
        status.map_or("", Status::as_str)
    );
    let ask = call.page(LIST_MAX, &filter)?;

    let which = template.as_ref().map_or(Which::All, Which::Template);
    let page = powers
        .store
        .applications(which, status, ask.limit, ask.after.as_deref(), call.look().now)
        .await?;

    let views: Vec<ApplicationView> = page.items.iter().map(ApplicationView::from).collect();
    call.reply_page(&ask, &views, page.next.as_deref())
}

fn status_of(text: &str) -> Result<Status, Problem> {
    let known = || Status::ALL.map(Status::as_str).join(", ");
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| Problem::new(Code::MalformedRequest, format!("'status' is one of {}", known())))
}
