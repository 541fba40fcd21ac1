//! Lambda functions: what `cargo lambda build` makes, under the emulator of `cargo lambda watch`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{Recipe, Tool};
use crate::{Error, Process, Program, Scratch, ports};

const CARGO_LAMBDA: Recipe = Recipe {
    name: "cargo-lambda-1.9.2",
    files: &[("requirements.txt", include_str!("../python/requirements.txt"))],
    commands: &[
        "python3 -m venv venv",
        "venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt",
    ],
    needs: &[Tool {
        name: "python3",
        how: "install Python 3.9 or newer with its venv, on Debian `apt-get install python3-venv`",
    }],
};

/// How functions are built: as `.ci/run` does, so that nothing is built twice.
const BUILD: [&str; 8] = [
    "lambda",
    "build",
    "--quiet",
    "--locked",
    "--profile",
    "ci",
    "--compiler",
    "cargo",
];
/// What Cargo tells the programs that it runs. Some crates are built again where these differ.
const CARGOS: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// Installs cargo-lambda, if it is not there, and gives its program.
///
/// # Errors
/// When Python is missing or the package cannot be had.
pub fn install() -> Result<PathBuf, Error> {
    Ok(CARGO_LAMBDA.folder()?.join("venv/bin/cargo-lambda"))
}

/// Builds what is missing of the functions of the workspace in `root`, as `.ci/run` does, and gives the folder with a
/// folder for each.
///
/// # Errors
/// When cargo-lambda cannot be had or the build fails.
pub fn build(root: &Path, target: &Path) -> Result<PathBuf, Error> {
    let mut command = Command::new(install()?);
    command.args(BUILD).current_dir(root).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", target);
    for (name, _) in std::env::vars_os() {
        if CARGOS.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let failed = |output: String| Error::Install {
        command: format!("cargo {}", BUILD.join(" ")),
        folder: root.to_owned(),
        output,
    };
    let done = command.output().map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        Ok(target.join("lambda"))
    } else {
        Err(failed(String::from_utf8_lossy(&done.stderr).into_owned()))
    }
}

/// Running functions, reached by the router in the workspace's `Cargo.toml`. Each runs once and takes one request after
/// the other.
pub struct Functions {
    url: String,
    functions: BTreeMap<&'static str, Process>,
    _emulator: Process,
    /// Dropped after the processes.
    _scratch: Scratch,
}

impl Functions {
    /// Starts the functions `names` out of the folder `built`, with these variables, behind an emulator on a free port of
    /// loopback that routes as `root` says.
    ///
    /// # Errors
    /// When something is missing, cannot be started, or is not ready in time.
    pub async fn start(
        root: &Path,
        built: &Path,
        names: impl IntoIterator<Item = &'static str>,
        variables: &[(&'static str, String)],
    ) -> Result<Self, Error> {
        let scratch = Scratch::new("functions")?;
        let port = ports::free();
        let url = format!("http://127.0.0.1:{port}");
        // It starts no function itself: that would build all of them in another profile. It has no time-out, which would
        // end functions too that wait for something to do.
        let emulator = Program::new("cargo-lambda", install()?)
            .args(["lambda", "watch", "--only-lambda-apis", "--disable-cors"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()])
            .args(["--manifest-path", &root.join("Cargo.toml").to_string_lossy()]);
        let emulator = Process::start(emulator, scratch.path())?;
        emulator.ready(async || ports::is_open(port).await).await?;
        let start = |name: &'static str| {
            let program = Program::new(name, built.join(name).join("bootstrap"))
                .variable("AWS_LAMBDA_FUNCTION_NAME", name)
                .variable("AWS_LAMBDA_FUNCTION_VERSION", "1")
                .variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
                .variable("AWS_LAMBDA_RUNTIME_API", format!("{url}/.rt/{name}"));
            let told = variables.iter().cloned();
            let program = told.fold(program, |program, (name, value)| program.variable(name, value));
            Ok((name, Process::start(program, scratch.path())?))
        };
        let functions: Result<_, Error> = names.into_iter().map(start).collect();
        Ok(Self {
            url,
            functions: functions?,
            _emulator: emulator,
            _scratch: scratch,
        })
    }

    /// Where they are reached.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path to which an event for the function `name` is posted.
    pub fn events(name: &str) -> String {
        format!("/2015-03-31/functions/{name}/invocations")
    }

    /// The functions that run, with what each has written so far.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn logs(&self) -> Result<BTreeMap<&'static str, String>, Error> {
        let read = |(name, process): (&&'static str, &Process)| {
            let file = process.log();
            let text = std::fs::read_to_string(&file).map_err(Error::file(&file))?;
            Ok((*name, text))
        };
        self.functions.iter().map(read).collect()
    }

    /// The functions that have ended, which none does by itself.
    pub fn ended(&self) -> Vec<&'static str> {
        let ended = self.functions.iter().filter(|(_, process)| process.memory().is_none());
        ended.map(|(name, _)| *name).collect()
    }
}
