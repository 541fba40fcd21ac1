//! Plays many applications on real parts, and ends with 1 when not all live and end as they must.

use std::process::ExitCode;

use clap::Parser;
use tests::scale;

const EXAMPLES: &str = "\
Examples, from the repository's folder:
  cargo run -p tests --features real --bin scale
  cargo run -p tests --features real --bin scale -- --applications 2000";

/// Many applications on kube-apiserver, etcd, DynamoDB Local and configurable-http-proxy, with played kubelets: launched,
/// read until they run, visited, left alone and culled. Tells how long each part took and how many requests it made.
#[derive(Parser)]
#[command(name = "scale", version, after_help = EXAMPLES)]
struct Args {
    /// How many applications
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = applications)]
    applications: usize,
}

fn applications(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=scale::APPLICATIONS_MAX).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {}", scale::APPLICATIONS_MAX))
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { applications } = Args::parse();
    match Box::pin(scale::play(applications)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}
