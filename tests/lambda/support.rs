//! Functions over the parts of an installation.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use api::ENDPOINTS;
use futures::FutureExt;
use gateway::{Config, Launches, SecretsFrom};
use local::Options;
use real::{Functions, lambda};
use serde_json::{Map, Value, json};
use tests::{App, in_time};

/// 32 bytes in base64. The adapter has another one: nothing that is sealed or derived here is shown to it.
const KEYRING: &str = "bGF5YnktdGVzdHMtb2YtaXRzLWxhbWJkYS1iaW5zLTE=";

/// Starts an installation, its functions before it, and gives both to `test`, for at most [`tests::TEST_MAX`] together.
pub async fn run(test: impl AsyncFnOnce(&App, &Functions)) {
    let built = built();
    in_time(async {
        let app = App::start(Options::embedded()).await;
        let all = ENDPOINTS.iter().map(|endpoint| endpoint.id);
        let functions = start(built, all, &app.adapter().config()).await;
        let app = app.served_at(functions.url(), &Functions::events(api::REAPER.id));
        let tested = AssertUnwindSafe(test(&app, &functions)).catch_unwind().await;
        let ended = functions.ended();
        if tested.is_err() || !ended.is_empty() {
            eprintln!("what the functions wrote: {:#?}", functions.logs());
        }
        tested.unwrap_or_else(|panic| resume_unwind(panic));
        assert_eq!(ended, [""; 0], "functions went down");
        drop(functions);
        Box::pin(app.stop()).await;
    })
    .await;
}

/// Starts functions that are told `config`.
pub async fn start(built: &Path, names: impl IntoIterator<Item = &'static str>, config: &Config) -> Functions {
    let started = Functions::start(&root(), built, names, &variables(config)).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// Starts one function that is told these variables.
pub async fn told_directly(name: &'static str, variables: &[(&'static str, String)]) -> Functions {
    let started = Functions::start(&root(), built(), [name], variables).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// The folder with the functions, which are built once.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        lambda::build(&root(), target).unwrap_or_else(|error| panic!("{error}"))
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `config` as functions are told it.
fn variables(config: &Config) -> Vec<(&'static str, String)> {
    let SecretsFrom::Given(secrets) = &config.secrets else {
        panic!("an adapter hands its secrets over");
    };
    let cells = secrets.cells.iter().map(|(name, cell)| {
        let cell = json!({ "token": cell.token, "proxy_token": cell.proxy_token });
        (name.to_string(), cell)
    });
    let cells: Map<String, Value> = cells.collect();
    let secrets = json!({ "keyring": [KEYRING], "registry_key": secrets.registry_key, "cells": cells });
    let launches = match config.launches {
        Launches::Open => "open",
        Launches::Keyed => "keyed",
    };
    let issuer = config.environments.issuer.as_ref();
    let optional = [
        ("LAYBY_OIDC_ISSUER", issuer.map(|issuer| issuer.url.clone())),
        ("LAYBY_OIDC_AUDIENCE", issuer.map(|issuer| issuer.audience.clone())),
        ("LAYBY_DYNAMODB_URL", config.dynamodb_url.clone()),
        ("LAYBY_QUOTA", config.quota.map(|quota| quota.to_string())),
        ("LAYBY_ADMIN_KEY_SHA256", config.admin_key_sha256.clone()),
        (
            "LAYBY_REGISTRY_URL",
            config.registry_url.as_ref().map(ToString::to_string),
        ),
    ];
    let mut told = vec![
        ("LAYBY_INSTALLATION", config.installation.to_string()),
        ("LAYBY_TABLE", config.table.clone()),
        ("LAYBY_LAUNCHES", launches.to_owned()),
        ("LAYBY_CELLS", serde_json::to_string(&config.cells).unwrap()),
        ("LAYBY_SECRETS", secrets.to_string()),
    ];
    told.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    told
}
