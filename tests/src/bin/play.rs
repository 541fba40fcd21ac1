//! Plays scenario scripts, and ends with 1 when a line does not hold.

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use futures::FutureExt;
use local::Ready;
use tests::scenario::{Scale, Script, Stage};

const EXAMPLES: &str = "\
Examples, from the repository's folder:
  cargo run -p tests --bin play -- tests/scenarios/scripts/idle-is-culled.txt
  cargo run -p tests --bin play -- --scale 900 tests/scenarios/scripts/idle-is-culled.txt
  cargo run -p tests --bin play -- tests/scenarios/scripts/*.txt

On an adapter that is running; start it for this alone, because scripts write templates and run the reaper:
  cargo run -p local -- --reap-every 0 --demo none --ready-file ready.json
  cargo run -p tests --bin play -- --ready-file ready.json tests/scenarios/scripts/idle-is-culled.txt

tests/scenarios/README.md says what a script can say.";

/// Plays scenario scripts, each on an installation of its own in this process, and tells of each line whether it held.
#[derive(Parser)]
#[command(name = "play", version, after_help = EXAMPLES)]
struct Args {
    /// Wait instead of winding the clock, with every duration of the script divided by this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    scale: Option<u32>,

    /// Play on the adapter that wrote this file, with embedded parts, and start nothing
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,

    /// The scripts
    #[arg(value_name = "SCRIPT", required = true)]
    scripts: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    panic::set_hook(Box::new(tell_why));
    match play_all(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("play: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What does not hold panics with what was seen.
fn tell_why(panic: &PanicHookInfo<'_>) {
    eprintln!("\n{panic}");
}

/// Plays every script, and gives whether all of them held. Nothing is played before all are read.
async fn play_all(args: &Args) -> Result<bool, String> {
    let scale = args.scale.map_or(Scale::Wound, Scale::Waited);
    let ready: Option<Ready> = args.ready_file.as_deref().map(read_ready).transpose()?;
    let scripts: Result<Vec<Script>, String> = args.scripts.iter().map(|file| read_script(file)).collect();
    let scripts = scripts?;
    let mut held = 0;
    for (file, script) in args.scripts.iter().zip(&scripts) {
        println!("{}", file.display());
        let stage = async {
            match &ready {
                Some(ready) => Stage::at(ready.clone(), script, scale).await,
                None => Ok(Stage::of_its_own(script, scale).await),
            }
        };
        let stage = AssertUnwindSafe(stage).catch_unwind().await;
        let stage = stage.unwrap_or_else(|_| Err("there is no installation to play on".to_owned()));
        let stage = stage.map_err(|error| format!("{}: {error}", file.display()))?;
        held += usize::from(holds(stage, script).await);
    }
    println!("{held} of {} scripts held", scripts.len());
    Ok(held == scripts.len())
}

/// Plays a script to its end, or to the first line that does not hold.
async fn holds(mut stage: Stage, script: &Script) -> bool {
    for line in script.lines() {
        begin(&format!("{:>4}: {}", line.number, line.text));
        match AssertUnwindSafe(stage.play(line)).catch_unwind().await {
            Ok(next) => stage = next,
            Err(_) => return end_with(false),
        }
        end_with(true);
    }
    if !stage.is_of_its_own() {
        return true;
    }
    begin(" end: nothing is left over or missing");
    end_with(AssertUnwindSafe(stage.end()).catch_unwind().await.is_ok())
}

/// Shows what is being played, before it may take long.
fn begin(what: &str) {
    print!("{what} … ");
    // Whoever cannot be shown this yet sees it with the next line.
    io::stdout().flush().ok();
}

fn end_with(held: bool) -> bool {
    println!("{}", if held { "held" } else { "      DOES NOT HOLD" });
    held
}

fn read_script(file: &Path) -> Result<Script, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Script::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

fn read_ready(file: &Path) -> Result<Ready, String> {
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()))
}
