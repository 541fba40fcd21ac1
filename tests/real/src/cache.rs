//! The folder outside every checkout in which components are kept once they are built.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ring::digest::{SHA256, digest};

use crate::Error;

/// Of a command's output, in an error: the last so many lines.
const OUTPUT_TAIL: usize = 20;

/// A component: what it is made of, and how.
pub(crate) struct Recipe {
    /// Its name and version, which its folder begins with.
    pub(crate) name: &'static str,
    /// Files it is made from, among them the one with everything's checksums: other contents are another folder.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// The commands that make it, run one after the other where the files are. They are part of the key too.
    pub(crate) commands: &'static [&'static str],
    /// What the commands call that may be missing, and how to get it.
    pub(crate) needs: &'static [Tool],
}

/// A program that must be there already.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// Its name on the path.
    pub(crate) name: &'static str,
    /// How to get it.
    pub(crate) how: &'static str,
}

impl Tool {
    /// # Errors
    /// When it is not on the path.
    pub(crate) fn check(self, what: &'static str) -> Result<(), Error> {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\"", self.name])
            .stdout(Stdio::null())
            .status();
        if found.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        Err(Error::Missing {
            what,
            tool: self.name,
            how: self.how,
        })
    }
}

/// Where everything is kept.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: where caches are is the environment's to say"
)]
fn root() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into()));
    cache.unwrap_or_else(|| home().join(".cache")).join("layby")
}

impl Recipe {
    /// The folder of the component, made first if it is not there. Whoever else makes it meanwhile is waited for.
    ///
    /// # Errors
    /// When something is missing, or a command fails.
    pub(crate) fn folder(&self) -> Result<PathBuf, Error> {
        let root = root().join("real");
        let folder = root.join(format!("{}-{}", self.name, self.key()));
        if folder.is_dir() {
            return Ok(folder);
        }
        self.needs.iter().try_for_each(|tool| tool.check(self.name))?;
        fs::create_dir_all(&root).map_err(Error::file(&root))?;
        let lock = root.join(format!("{}.lock", self.name));
        let lock = File::create(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(Error::file(&lock))?;
        if !folder.is_dir() {
            eprintln!("real: building {}, once", self.name);
            let building = root.join(format!("{}.building", self.name));
            self.build(&building)?;
            fs::rename(&building, &folder).map_err(Error::file(&folder))?;
        }
        drop(lock);
        Ok(folder)
    }

    fn key(&self) -> String {
        let parts = self.files.iter().flat_map(|(name, text)| [*name, *text]);
        let all: Vec<&str> = parts.chain(self.commands.iter().copied()).collect();
        let hash = digest(&SHA256, all.join("\0").as_bytes());
        hex::encode(&hash.as_ref()[..8])
    }

    fn build(&self, folder: &Path) -> Result<(), Error> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::file(folder))?;
        }
        for (name, text) in self.files {
            let file = folder.join(name);
            let parent = file.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(Error::file(parent))?;
            fs::write(&file, text).map_err(Error::file(&file))?;
        }
        self.commands.iter().try_for_each(|command| run(command, folder))
    }
}

fn run(command: &str, folder: &Path) -> Result<(), Error> {
    let failed = |output: String| Error::Install {
        command: command.to_owned(),
        folder: folder.to_owned(),
        output,
    };
    let done = Command::new("sh")
        .args(["-ec", command])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    let lines: Vec<&str> = output.lines().collect();
    Err(failed(lines[lines.len().saturating_sub(OUTPUT_TAIL)..].join("\n")))
}
