//! Templates.

use api::{Code, TEMPLATE_DELETE, TEMPLATE_LIST, TEMPLATE_PUT, TEMPLATE_READ};
use futures::FutureExt;
use serde_json::{Value, json};

use super::{ADMIN, Case, Setting};

pub fn cases() -> Vec<Case> {
    [reads(), writes()].into_iter().flatten().collect()
}

fn small() -> Value {
    json!({ "image-source": "layby/notebook:1" })
}

fn reads() -> Vec<Case> {
    vec![
        Case::success(&TEMPLATE_LIST, 200, |app, door| {
            async { door.get("/templates?limit=1").key(app.apps()).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_LIST, Code::MalformedRequest, |app, door| {
            async { door.get("/templates?limit=many").key(app.apps()).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_LIST, Code::BadCursor, |app, door| {
            async { door.get("/templates?cursor=forged").key(app.apps()).await }.boxed()
        }),
        Case::unauthorised(&TEMPLATE_LIST, |_, door| async { door.get("/templates").await }.boxed()),
        Case::success(&TEMPLATE_READ, 200, |app, door| {
            async { door.get("/templates/notebook").key(app.apps()).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_READ, Code::DoesNotExist, |app, door| {
            async { door.get("/templates/unknown").key(app.apps()).await }.boxed()
        }),
        Case::unauthorised(&TEMPLATE_READ, |_, door| {
            async { door.get("/templates/notebook").key("wrong").await }.boxed()
        }),
    ]
}

fn writes() -> Vec<Case> {
    vec![
        Case::success(&TEMPLATE_PUT, 200, |_, door| {
            async { door.put("/templates/written").key(ADMIN).json(&small()).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_PUT, Code::MalformedRequest, |_, door| {
            async { door.put("/templates/Written").key(ADMIN).json(&small()).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_PUT, Code::RuleRefused, |_, door| {
            let body = json!({ "image-source": "x", "run-as-user": 0 });
            async move { door.put("/templates/written").key(ADMIN).json(&body).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_PUT, Code::Conflict, |_, door| {
            async { door.put("/templates/notebook").key(ADMIN).json(&small()).await }.boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(&TEMPLATE_PUT, |app, door| {
            async { door.put("/templates/written").key(app.apps()).json(&small()).await }.boxed()
        }),
        Case::success(&TEMPLATE_DELETE, 200, |app, door| {
            async {
                app.template("unwanted", "layby/notebook:1").await;
                door.delete("/templates/unwanted").key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(&TEMPLATE_DELETE, Code::DoesNotExist, |_, door| {
            async { door.delete("/templates/unknown").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&TEMPLATE_DELETE, Code::Conflict, |_, door| {
            async { door.delete("/templates/notebook").key(ADMIN).await }.boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(&TEMPLATE_DELETE, |app, door| {
            async { door.delete("/templates/notebook").key(app.apps()).await }.boxed()
        }),
    ]
}
