//! Starts real parts and tells where they are, until it is interrupted.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use real::{ControlPlane, DynamoDb, Error, Kwok, Node, Proxy, kwok};

/// Starts real parts on free ports of loopback, tells where they are, and stops them when it ends.
#[derive(Parser)]
#[command(name = "real", version)]
struct Args {
    /// Only build and install into the cache what the parts need
    #[arg(long)]
    install: bool,

    /// Which parts; when none is named, all of them, but the node is not started
    #[arg(value_name = "PART")]
    parts: Vec<Part>,
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
enum Part {
    /// A Kubernetes control plane, without nodes
    Kubernetes,
    /// Two nodes in it that kwok plays
    Nodes,
    /// A Kubernetes control plane with a node on which pods run; for root alone
    Node,
    /// DynamoDB Local
    Dynamodb,
    /// configurable-http-proxy
    Proxy,
    /// cargo-lambda, which is installed and does not run alone
    Lambda,
    /// k8s-claimer's command line, which is installed and does not run alone
    Claimer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("real: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Error> {
    let by_default = |part: Part| args.parts.is_empty() && (args.install || part != Part::Node);
    let wanted = |part: Part| by_default(part) || args.parts.contains(&part);
    if args.install {
        return install(wanted);
    }
    let (mut kubernetes, mut nodes, mut node, mut dynamodb, mut proxy) = (None, None, None, None, None);
    if wanted(Part::Kubernetes) || wanted(Part::Nodes) {
        let started = ControlPlane::start().await?;
        println!(
            "kubernetes: {}, kubeconfig {}",
            started.url(),
            started.kubeconfig().display()
        );
        if wanted(Part::Nodes) {
            nodes = Some(Kwok::start(&started).await?);
            println!("nodes: {}", kwok::NODES.join(", "));
        }
        kubernetes = Some(started);
    }
    if wanted(Part::Node) {
        let started = Node::start().await?;
        let kubernetes = started.kubernetes();
        println!(
            "node: {}, kubeconfig {}",
            kubernetes.url(),
            kubernetes.kubeconfig().display()
        );
        node = Some(started);
    }
    if wanted(Part::Dynamodb) {
        let started = DynamoDb::start().await?;
        println!("dynamodb: {}", started.url());
        dynamodb = Some(started);
    }
    if wanted(Part::Proxy) {
        let started = Proxy::start().await?;
        println!(
            "proxy: {}, API {}, token {}",
            started.url(),
            started.api(),
            started.token()
        );
        proxy = Some(started);
    }
    println!("until Ctrl-C");
    tokio::signal::ctrl_c().await.map_err(|error| Error::Start {
        name: "the wait for Ctrl-C",
        error,
    })?;
    drop((nodes, kubernetes, node, dynamodb, proxy));
    Ok(())
}

fn install(wanted: impl Fn(Part) -> bool) -> Result<(), Error> {
    if wanted(Part::Kubernetes) || wanted(Part::Nodes) {
        real::kubernetes::install()?;
    }
    if wanted(Part::Nodes) {
        real::kubernetes::install_kwok()?;
    }
    if wanted(Part::Node) {
        real::node::install()?;
    }
    if wanted(Part::Dynamodb) || wanted(Part::Proxy) {
        real::npm::install()?;
    }
    if wanted(Part::Lambda) {
        real::lambda::install()?;
    }
    if wanted(Part::Claimer) {
        real::claimer::install()?;
    }
    Ok(())
}
