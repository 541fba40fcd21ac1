//! configurable-http-proxy.

use crate::{Error, Process, Program, Scratch, npm, ports};

/// A running configurable-http-proxy.
pub struct Proxy {
    process: Process,
    url: String,
    api: String,
    token: String,
    /// Dropped after the process.
    _scratch: Scratch,
}

impl Proxy {
    /// Starts one on free ports of loopback and waits until it serves.
    ///
    /// # Errors
    /// When Node is missing, a package cannot be had, or it is not ready in time.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(&[]).await
    }

    /// As [`Proxy::start`], with more options of the command line.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub async fn start_with(options: &[&str]) -> Result<Self, Error> {
        npm::NODE.check("configurable-http-proxy")?;
        let packages = npm::install()?;
        let scratch = Scratch::new("proxy")?;
        let (port, api) = (ports::free(), ports::free());
        let token = format!("{:032x}", fastrand::u128(..));
        let program = Program::new("configurable-http-proxy", "node")
            .arg(
                packages
                    .join("node_modules/.bin/configurable-http-proxy")
                    .to_string_lossy(),
            )
            .args(["--ip=127.0.0.1", "--api-ip=127.0.0.1"])
            .args([format!("--port={port}"), format!("--api-port={api}")])
            .args(options.iter().copied())
            .variable("CONFIGPROXY_AUTH_TOKEN", &token);
        let process = Process::start(program, scratch.path())?;
        let proxy = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            api: format!("http://127.0.0.1:{api}"),
            token,
            _scratch: scratch,
        };
        proxy.ready().await?;
        Ok(proxy)
    }

    /// Where people reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its API, below which `/api/routes` is.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The token of its API.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The process, to be killed or stopped. A restart has lost every route.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<(), Error> {
        let (url, api) = (ports::of(&self.url), ports::of(&self.api));
        self.process
            .ready(async || ports::is_open(url).await && ports::is_open(api).await)
            .await
    }
}
