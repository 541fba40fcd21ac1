//! k8s-claimer: the old command line that leases clusters.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cache::Recipe;
use crate::kubernetes::GO;
use crate::{Error, Ran, Scratch};

/// What it is called in errors.
const NAME: &str = "k8s-claimer";

/// Its own source is built as it is. With it come types of Kubernetes that only its server used, and with these a codec
/// whose alphabet, never used here, has a letter twice: today's Go refuses that at the start.
const CLAIMER: Recipe = Recipe {
    name: "k8s-claimer-0.1.0",
    files: &[
        ("go.mod", include_str!("../go/claimer/go.mod")),
        ("go.sum", include_str!("../go/claimer/go.sum")),
    ],
    commands: &[
        "go mod vendor",
        "sed -i 's/0123456789__/0123456789_-/' vendor/github.com/ugorji/go/codec/gen.go",
        "CGO_ENABLED=0 go build -mod=vendor -trimpath -ldflags '-s -w' -o k8s-claimer github.com/deis/k8s-claimer/cli",
    ],
    needs: &[GO],
};

/// Builds it, if it is not there, and gives the program.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn install() -> Result<PathBuf, Error> {
    Ok(CLAIMER.folder()?.join("k8s-claimer"))
}

/// The command line, with a folder of its own that it runs in.
pub struct Claimer {
    program: PathBuf,
    folder: Scratch,
}

impl Claimer {
    /// Builds it, if it is not there.
    ///
    /// # Errors
    /// As [`install`].
    pub fn install() -> Result<Self, Error> {
        Ok(Self {
            program: install()?,
            folder: Scratch::new("claimer")?,
        })
    }

    /// Where it runs, and writes what it is told no other place for.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it against `server`, by the key `token`.
    ///
    /// # Errors
    /// When it cannot be run, or does not end in time.
    pub async fn run(&self, server: &str, token: &str, args: &[&str]) -> Result<Ran, Error> {
        let mut command = Command::new(&self.program);
        command
            .args(["--server", server])
            .args(args)
            .env("AUTH_TOKEN", token)
            .current_dir(self.folder());
        Ran::of(NAME, &mut command).await
    }
}
