//! binder-client: the old client, as a command line and as a library.

use std::path::PathBuf;

use serde_json::Value;
use tokio::process::Command;

use crate::{Error, Ran, Scratch, npm};

/// The program that uses it as a library.
const CALLER: &str = include_str!("../npm/call.js");

/// binder-client, with a home folder of its own.
pub struct Binder {
    packages: PathBuf,
    caller: PathBuf,
    home: Scratch,
}

impl Binder {
    /// Installs it, if it is not there.
    ///
    /// # Errors
    /// When Node is missing or a package cannot be had.
    pub fn install() -> Result<Self, Error> {
        npm::NODE.check("binder-client")?;
        let packages = npm::install()?;
        let home = Scratch::new("binder")?;
        let caller = home.write("call.js", CALLER)?;
        Ok(Self { packages, caller, home })
    }

    /// Runs the command line `binder` with these arguments.
    ///
    /// # Errors
    /// When it cannot be run, or does not end in time.
    pub async fn run(&self, args: &[&str]) -> Result<Ran, Error> {
        let binder = self.packages.join("node_modules/.bin/binder");
        self.node(&[&binder.to_string_lossy()], args).await
    }

    /// The names of the library's functions, such as `deploy.statusAll`.
    ///
    /// # Errors
    /// As [`Binder::call`].
    pub async fn functions(&self) -> Result<Vec<String>, Error> {
        let listed = self.library(&["list"]).await?;
        serde_json::from_value(listed).map_err(|error| Error::Start {
            name: "binder-client",
            error: error.into(),
        })
    }

    /// Calls one of the library's functions, and gives what it hands over, or the message of its error.
    ///
    /// # Errors
    /// When it cannot be called, throws, or calls nobody back in time.
    pub async fn call(&self, function: &str, options: &Value) -> Result<Result<Value, String>, Error> {
        let (group, name) = function.split_once('.').unwrap_or((function, ""));
        let mut came = self.library(&["call", group, name, &options.to_string()]).await?;
        Ok(match came["error"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok(came["body"].take()),
        })
    }

    async fn library(&self, args: &[&str]) -> Result<Value, Error> {
        let ran = self
            .node(
                &[&self.caller.to_string_lossy(), &self.packages.to_string_lossy()],
                args,
            )
            .await?;
        serde_json::from_str(&ran.stdout).map_err(|_| Error::Start {
            name: "binder-client",
            error: std::io::Error::other(format!("{ran:?}")),
        })
    }

    async fn node(&self, program: &[&str], args: &[&str]) -> Result<Ran, Error> {
        let mut command = Command::new("node");
        command.args(program).args(args).env("HOME", self.home.path());
        Ran::of("binder-client", &mut command).await
    }
}
