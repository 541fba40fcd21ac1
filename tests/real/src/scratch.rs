//! A folder for what servers write, gone when they are.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Error;

/// Removes the folder once the test has ended, be it by a panic or by `SIGKILL`. Servers that are being killed at the
/// same moment may still write.
const REMOVER: &str = r#"cat >/dev/null; for n in 1 2 3 4 5; do rm -rf "$0" 2>/dev/null && exit; sleep 1; done"#;

/// A folder that is removed when this is dropped, and when this process ends in any way.
pub struct Scratch {
    path: PathBuf,
    remover: Child,
}

impl Scratch {
    /// A new folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix(&format!("layby-{name}-")).tempdir();
        let path = folder.map_err(Error::file(std::env::temp_dir()))?.keep();
        let remover = Command::new("sh")
            .args(["-c", REMOVER])
            .arg(&path)
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(Error::file(&path))?;
        Ok(Self { path, remover })
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

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        self.remover.wait().ok();
    }
}
