//! Plays many who lease clusters at once and judges what they were told, or judges a history that was saved. Ends with 1
//! when anything does not agree.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::leases::{self, Settings};

const EXAMPLES: &str = "\
Examples, from the repository's folder:
  cargo run -p tests --bin leases
  cargo run -p tests --bin leases -- --operations 20000 --seed 7 --save history.jsonl
  cargo run -p tests --bin leases -- --judge history.jsonl";

/// Many who lease clusters at once, and die over it, with clocks that differ and everything that can go wrong with table
/// and clusters: what they were told is recorded and judged.
#[derive(Parser)]
#[command(name = "leases", version, after_help = EXAMPLES)]
struct Args {
    /// How many calls of clients
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    operations: u64,

    /// Decides who wants what, and what goes wrong
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How many clusters
    #[arg(long, value_name = "N", default_value_t = 16)]
    clusters: usize,

    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 48)]
    clients: usize,

    /// Save the history here, whatever comes of it; without this only one that does not agree is saved
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Judge a history that was saved, and play nothing
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
}

/// Clusters that are leased once.
const ONCE: usize = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(file) = args.judge {
        let judged = leases::judge_saved(&file);
        return told(judged.map(|verdict| (verdict.to_string(), verdict.wrong.is_empty())));
    }
    println!("{} operations, seed {}", args.operations, args.seed);
    let played = leases::play(Settings {
        operations: args.operations,
        seed: args.seed,
        clusters: args.clusters,
        once: ONCE,
        clients: args.clients,
        save: args.save,
        save_wrong: std::env::temp_dir().join(format!("leases-seed-{}.jsonl", args.seed)),
    });
    told(played.map(|findings| (findings.to_string(), findings.verdict.wrong.is_empty())))
}

fn told(outcome: Result<(String, bool), String>) -> ExitCode {
    match outcome {
        Ok((text, agrees)) => {
            println!("{text}");
            if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("leases: {error}");
            ExitCode::FAILURE
        }
    }
}
