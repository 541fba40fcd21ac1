//! A folder for what servers write, gone when they are.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Error;

/// Servers that are being killed at the same moment may still write.
const REMOVE: &str = r#"for n in 1 2 3 4 5; do rm -rf "$0" 2>/dev/null && exit; sleep 1; done"#;

/// A folder that is removed when this is dropped, and when this process ends in any way.
pub struct Scratch {
    path: PathBuf,
    _remover: Remover,
}

impl Scratch {
    /// A new folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix(&format!("layby-{name}-")).tempdir();
        let path = folder.map_err(Error::file(std::env::temp_dir()))?.keep();
        let remover = Remover::new(REMOVE, &path)?;
        Ok(Self {
            path,
            _remover: remover,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let file = self.path.join(name);
        std::fs::write(&file, text).map_err(Error::file(&file))?;
        Ok(file)
    }
}

/// Takes something away when this is dropped, and when this process ends in any way, be it by a panic or by `SIGKILL`.
pub(crate) struct Remover(Child);

impl Remover {
    /// Runs the shell script `remove` then, with `what` as its `$0`.
    ///
    /// # Errors
    /// When there is no shell.
    pub(crate) fn new(remove: &str, what: impl AsRef<OsStr>) -> Result<Self, Error> {
        let remover = Command::new("sh")
            .args(["-c", &format!("cat >/dev/null\n{remove}")])
            .arg(what)
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn();
        remover.map(Self).map_err(Error::file("sh"))
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}
