//! What a newcomer finds at the first start: two templates and one application.

use http::Method;
use serde_json::{Value, json};

use crate::http::Api;
use crate::{Adapter, Console, Error, Ready};

/// The templates that are registered.
pub(crate) const NOTEBOOK: &str = "notebook";
const NO_SUCH_IMAGE: &str = "no-such-image";

/// Registers both templates.
pub(crate) async fn templates(api: &Api) -> Result<(), Error> {
    let notebook = json!({ "image-source": "layby/notebook:1", "limits": { "cpu": "500m", "memory": "512Mi" } });
    let broken = json!({ "image-source": "layby/pull-error:1" });
    for (name, template) in [(NOTEBOOK, notebook), (NO_SUCH_IMAGE, broken)] {
        let (status, answer) = api
            .call(Method::PUT, &format!("/templates/{name}"), Some(&template))
            .await?;
        if status != 200 {
            return Err(Error::Sentence(format!(
                "the demo template '{name}' was refused with {status}: {answer}"
            )));
        }
    }
    Ok(())
}

/// Registers both templates, launches one, waits until it answers, and says what to try next.
///
/// # Errors
/// [`Error::Sentence`] when the API refuses any of it.
pub async fn demo(adapter: &Adapter, console: Console) -> Result<(), Error> {
    let ready = adapter.ready();
    let api = Api::new(&ready.api, &ready.keys["admin"])?;
    templates(&api).await?;
    let (status, launched) = api
        .call(Method::POST, &format!("/applications/{NOTEBOOK}"), None)
        .await?;
    let Some(id) = launched["id"].as_str().filter(|_| status == 200) else {
        return Err(Error::Sentence(format!(
            "the demo launch was refused with {status}: {launched}"
        )));
    };
    console.say(format_args!(
        "Launched '{NOTEBOOK}' as {id}, waiting until it answers …"
    ));
    let deployed = wait_until_deployed(&api, NOTEBOOK, id).await?;
    match deployed["location"].as_str() {
        Some(location) => console.say(format_args!("\n  Open it:  http://{location}/\n")),
        None => console.say(format_args!("It is {}: {}", deployed["status"], deployed["reason"])),
    }
    console.say(next_steps(&ready, id));
    Ok(())
}

/// Reads the application, each time waiting for its status to change, until it is neither pending nor deploying.
pub(crate) async fn wait_until_deployed(api: &Api, template: &str, id: &str) -> Result<Value, Error> {
    const LOOKS_MAX: usize = 20;
    let mut seen = Value::Null;
    for _ in 0..LOOKS_MAX {
        (_, seen) = api
            .call(Method::GET, &format!("/applications/{template}/{id}?wait=20"), None)
            .await?;
        if !["pending", "deploying"].contains(&seen["status"].as_str().unwrap_or_default()) {
            break;
        }
    }
    Ok(seen)
}

fn next_steps(ready: &Ready, id: &str) -> String {
    let (api, key) = (&ready.api, &ready.keys["admin"]);
    format!(
        "\
What to try next:
  launch another             curl -X POST {api}/applications/{NOTEBOOK}
  see how it is              curl {api}/applications/{NOTEBOOK}/{id}
  list them all              curl -H 'Authorization: {key}' {api}/applications/
  one that cannot start      curl -X POST {api}/applications/{NO_SUCH_IMAGE}
  let an hour pass           curl -X POST '{api}/_local/advance?seconds=3700'
  run the reaper             curl -X POST {api}/_local/reap
  ask what it would do       curl -X POST {api}/_local/reap -d '{{\"dry-run\": true}}'
  stop it                    curl -X DELETE -H 'Authorization: {key}' {api}/applications/{NOTEBOOK}/{id}
  look into the cluster      kubectl --kubeconfig {} get pods --all-namespaces
Left idle for an hour it is culled by itself. Ctrl-C stops everything.
",
        ready.kubeconfig
    )
}
