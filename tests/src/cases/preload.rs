//! Preloads.

use std::sync::atomic::{AtomicUsize, Ordering};

use api::{Code, PRELOAD_READ, PRELOAD_START};
use domain::{CellName, PreloadState, TemplateName};
use futures::FutureExt;
use net::Peer;
use serde_json::json;

use super::{Case, Here, REST, Setting};
use crate::{Answer, App, Http};

/// A template of which every case makes another one.
const ANEW: &str = "preloaded-anew";
const PATH: &str = "/preload/preloaded-anew";
/// Looks until a preload is over.
const LOOKS_MAX: usize = 60;

pub fn cases() -> Vec<Case> {
    [starts(), reads()].into_iter().flatten().collect()
}

fn starts() -> Vec<Case> {
    let start = &PRELOAD_START;
    vec![
        Case::success(start, 200, |app, door| {
            async {
                anew(app).await;
                door.post(PATH).key(app.apps()).await
            }
            .boxed()
        }),
        Case::success(start, 200, |app, door| {
            async {
                anew(app).await;
                door.post(PATH).key(app.apps()).await
            }
            .boxed()
        })
        .with(Setting::LosingCluster),
        Case::success(start, 200, |app, door| {
            async {
                anew(app).await;
                app.post(PATH).key(app.apps()).await.expect(200);
                app.advance(REST).await;
                door.post(PATH).key(app.apps()).await
            }
            .boxed()
        }),
        Case::success(start, 200, |app, door| {
            async { door.post("/preload/notebook").key(app.apps()).await }.boxed()
        })
        .with(Setting::Registry),
        Case::refusal(start, Code::RegistryError, |app, door| {
            async { door.post("/preload/unknown").key(app.apps()).await }.boxed()
        }),
        Case::refusal(start, Code::RegistryUnreachable, |app, door| {
            async { door.post("/preload/notebook").key(app.apps()).await }.boxed()
        })
        .with(Setting::RegistryDown),
        Case::refusal(start, Code::Conflict, |app, door| {
            async {
                anew(app).await;
                door.post(PATH).key(app.apps()).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::refusal(start, Code::BadKubeRequest, |app, door| {
            async { door.post("/preload/notebook").key(app.apps()).await }.boxed()
        })
        .with(Setting::NoCells),
        Case::unauthorised(start, |_, door| async { door.post("/preload/notebook").await }.boxed()),
        Case::unauthorised(start, |_, door| {
            async { door.post("/preload/notebook").key("wrong").await }.boxed()
        }),
    ]
}

fn reads() -> Vec<Case> {
    let read = &PRELOAD_READ;
    vec![
        Case::success(read, 200, |app, door| {
            async { door.get("/preload/never").key(app.apps()).await }.boxed()
        }),
        Case::success(read, 200, |app, door| {
            async {
                pending(app).await;
                door.get(PATH).key(app.apps()).await
            }
            .boxed()
        })
        .with(Setting::LosingCluster),
        Case::success(read, 200, |app, door| {
            async {
                pending(app).await;
                read_until_completed(app, door).await
            }
            .boxed()
        })
        .only(Here::Outage),
        Case::unauthorised(read, |_, door| async { door.get("/preload/notebook").await }.boxed()),
    ]
}

/// The template with an image that it did not have before, and nothing left of former preloads.
async fn anew(app: &App) {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let (template, cell) = (TemplateName::parse(ANEW).unwrap(), CellName::parse("default").unwrap());
    let lifecycle = app.adapter().lifecycle().unwrap();
    for _ in 0..LOOKS_MAX {
        let row = lifecycle.store().preload(&template, &cell).await.unwrap();
        if row.is_none_or(|row| matches!(row.value.state, PreloadState::Done { .. })) {
            let image = format!("layby/notebook:{}", MADE.fetch_add(1, Ordering::Relaxed));
            app.template_of(ANEW, &json!({ "image-source": image })).await;
            return;
        }
        app.get(PATH).key(app.apps()).await.expect(200);
        app.advance(REST).await;
    }
    panic!("a preload never ended")
}

/// A preload of which nothing is made yet: its cluster was out of reach.
pub async fn pending(app: &App) {
    anew(app).await;
    app.outages().begin(Peer::Cluster);
    app.post(PATH).key(app.apps()).await.expect(200);
    app.outages().end(Peer::Cluster);
    app.advance(REST).await;
}

async fn read_until_completed(app: &App, door: &Http) -> Answer {
    for _ in 0..LOOKS_MAX {
        let answer = door.get(PATH).key(app.apps()).await;
        if answer.expect(200)["status"] == "completed" {
            return answer;
        }
        app.advance(REST).await;
    }
    panic!("it was never completed")
}
