//! Plays a flood, and ends with 1 when anything does not agree.

use std::process::ExitCode;

use clap::Parser;
use tests::flood::{self, Settings};

const EXAMPLES: &str = "\
Examples, from the repository's folder:
  cargo run -p tests --bin flood
  cargo run -p tests --bin flood -- --applications 500 --seed 7";

/// Thousands of applications in an installation of its own, and everything that can go wrong around the reaper: nobody
/// in use is culled, and at the end nothing is left.
#[derive(Parser)]
#[command(name = "flood", version, after_help = EXAMPLES)]
struct Args {
    /// How many applications
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    applications: usize,

    /// Decides who uses what when, and what goes wrong
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Args { applications, seed } = Args::parse();
    let played = flood::play(Settings { applications, seed });
    match played {
        Ok(findings) => {
            println!("{findings}");
            if findings.wrong.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("flood: {error}");
            ExitCode::FAILURE
        }
    }
}
