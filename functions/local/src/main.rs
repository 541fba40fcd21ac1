//! `cargo run -p local`: everything on this machine, until Ctrl-C.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gateway::Config;
use local::args::{Args, Command, Demo};
use local::{Adapter, Console, Error, LogFormat, Options, RealParts};
use serde_json::Value;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Some(Command::Tour) => local::tour(Console(LogFormat::Lines)).await,
        None => serve(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), Error> {
    let console = Console(args.log);
    let (demo, ready_file) = (args.demo, args.ready_file.clone());
    if let Some(file) = &ready_file {
        // One of an earlier run must not be taken for this one's.
        let _ = std::fs::remove_file(file);
    }
    let adapter = Adapter::start(options(args, console)?).await?;
    let ready = adapter.ready();
    console.say(format_args!(
        "layby serves on {}\n  applications answer on {}",
        ready.api, ready.proxy
    ));
    for (scope, key) in &ready.keys {
        console.say(format_args!("  API key with the scope '{scope}': {key}"));
    }
    if let Some(demo) = &ready.demo {
        console.say(format_args!(
            "  access token of an administrator of the organisation '{}': {}",
            demo.organisation, demo.token
        ));
    }
    if let Some(file) = ready_file {
        ready.write(&file)?;
    }
    // What the demo launches is in the table.
    if demo == Demo::Launch && adapter.config().registry_url.is_none() {
        local::demo(&adapter, console).await?;
    }
    asked_to_stop()
        .await
        .map_err(|error| Error::Sentence(format!("signals cannot be waited for: {error}")))?;
    console.say("stopping …");
    adapter.stop().await;
    Ok(())
}

/// Waits for Ctrl-C, or for the signal with which service managers stop a program.
async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

fn options(args: Args, console: Console) -> Result<Options, Error> {
    let listen = args.listens(environment).map_err(Error::Sentence)?;
    let mut variables: BTreeMap<String, String> = match &args.config {
        None => BTreeMap::new(),
        Some(file) => {
            let wrong = |why: String| Error::Sentence(format!("{}: {why}", file.display()));
            let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let values: BTreeMap<String, Value> =
                serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
            if let Some(name) = values.keys().find(|name| !Config::VARIABLES.contains(&name.as_str())) {
                let known = Config::VARIABLES.join(", ");
                return Err(wrong(format!("'{name}' is no setting; there are {known}")));
            }
            values.into_iter().map(|(name, value)| (name, plain(value))).collect()
        }
    };
    // What an older service took from its environment is taken from there here too.
    for name in Config::VARIABLES.into_iter().filter(|name| !name.starts_with("LAYBY_")) {
        if let (false, Some(value)) = (variables.contains_key(name), environment(name)) {
            variables.insert(name.to_owned(), value);
        }
    }
    if args.no_auth {
        variables.insert("DEPLOY_STATE".to_owned(), "DEV".to_owned());
    }
    let clusters = usize::from(args.leasable());
    let proxy = args
        .proxy_api
        .zip(args.public_host)
        .map(|(api, host)| (api, host, args.proxy_token.unwrap_or_default()));
    Ok(Options {
        listen,
        proxy_listen: args.proxy_listen,
        data: args.data,
        real: RealParts {
            kubeconfig: args.kubeconfig,
            dynamodb_url: args.dynamodb,
            proxy,
            registry_url: args.registry,
            registry_key: args.registry_key,
        },
        clusters,
        host_per_application: args.host_per_application,
        variables,
        older_keys: Vec::new(),
        api_key: args.api_key.filter(|key| !key.is_empty()),
        reap_every: args.reap_every,
        net: net::Settings::default(),
        log: console.sink(),
        reaped: Arc::new(move |report| {
            let count = |name: &str| report[name].as_u64().unwrap_or_default();
            console.say(format_args!(
                "  reaper: {} due, {} deployed, {} kept, {} held, {} culled, {} failed, {} ended, {} waiting, {} errors",
                count("due"),
                count("deployed"),
                count("kept"),
                count("held"),
                count("culled"),
                count("failed"),
                count("ended"),
                count("waiting"),
                count("errors"),
            ));
        }),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "an edge: the older services' variables are read here"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A setting's text: JSON values that are no strings stand as their JSON.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
