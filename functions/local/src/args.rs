//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use crate::LogFormat;

/// Runs all of layby on this machine: the API, the schedule, and, unless told where real ones are, an embedded
/// DynamoDB, Kubernetes and route proxy.
#[derive(Parser)]
#[command(name = "local", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Where the API listens; port 0 picks a free one [default: BIND_HOST:BIND_PORT, or 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// Where the embedded route proxy listens; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub proxy_listen: SocketAddr,

    /// How many embedded clusters there are to lease: each is a Kubernetes API of its own, by https [default: 3, or none
    /// with --dynamodb, whose table others may share]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(..=20))]
    pub clusters: Option<u8>,

    /// Keep the table, the keys and the embedded cluster's identity in this folder, over restarts
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Use the Kubernetes cluster of this kubeconfig's current context instead of the embedded one
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Use DynamoDB (or DynamoDB Local) at this URL instead of the embedded one
    #[arg(long, value_name = "URL")]
    pub dynamodb: Option<String>,

    /// Use the configurable-http-proxy whose API is at this URL instead of the embedded one; its token comes from
    /// CONFIGPROXY_AUTH_TOKEN
    #[arg(long, value_name = "URL", requires = "public_host")]
    pub proxy_api: Option<String>,

    /// Host at which people reach the proxy of --proxy-api; '{id}.' at its beginning gives each application a host of
    /// its own
    #[arg(long, value_name = "HOST[:PORT]", requires = "proxy_api")]
    pub public_host: Option<String>,

    /// Give each application a host of its own below localhost: `ID.localhost`, which browsers and curl find by
    /// themselves
    #[arg(long, conflicts_with = "proxy_api")]
    pub host_per_application: bool,

    /// Take the templates of launches from the registry at this URL instead of the table; its key comes from
    /// REGISTRY_API_KEY. There is no demo then
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,

    /// Key for --registry
    #[arg(long, env = "REGISTRY_API_KEY", hide = true, hide_env_values = true)]
    pub registry_key: Option<String>,

    /// Token for the API of --proxy-api
    #[arg(long, env = "CONFIGPROXY_AUTH_TOKEN", hide = true, hide_env_values = true)]
    pub proxy_token: Option<String>,

    /// Settings as a JSON object of the LAYBY_… variables that the functions know, such as {"LAYBY_LAUNCHES": "keyed"}
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// An API key with the scope 'apps', beside the ones that are made and printed
    #[arg(long, value_name = "KEY", env = "BINDER_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,

    /// Ask nobody who has environments, on their paths alone; DEPLOY_STATE=DEV is the same
    #[arg(long)]
    pub no_auth: bool,

    /// Time between two runs of the reaper, such as 15, 15s or 2m; 0 runs it only on POST /_local/reap
    #[arg(long, value_name = "TIME", default_value = "15", value_parser = span)]
    pub reap_every: Duration,

    /// What to set up at the start: two templates and one launch, or nothing
    #[arg(long, value_enum, default_value = "launch")]
    pub demo: Demo,

    /// Once serving, write addresses and keys to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// How each request is shown
    #[arg(long, value_enum, default_value = "lines")]
    pub log: LogFormat,

    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Play the whole life of an application, an environment and a leased cluster, telling each call and answer; fails when any step is not as it should be
    Tour,
}

/// What to set up at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Demo {
    /// Two templates and one launch
    Launch,
    /// Nothing
    None,
}

const EXAMPLES: &str = "\
Examples:
  cargo run -p local                                serve on 127.0.0.1:8080 with a demo application
  cargo run -p local -- tour                        play an application's whole life and stop
  cargo run -p local -- --data ~/.local/share/layby keep everything over restarts
  cargo run -p local -- --listen 127.0.0.1:0 --proxy-listen 127.0.0.1:0 --ready-file ready.json --demo none
  cargo run -p local -- --host-per-application      answer at <id>.localhost, a browser origin for each application
  cargo run -p local -- --listen 127.0.0.1:9000 --no-auth   serve scripts of enrober
  cargo run -p local -- --kubeconfig ~/.kube/config --proxy-api http://127.0.0.1:8001 --public-host 127.0.0.1:8000

Of k8s-claimer's environment, each also with the prefix K8S-CLAIMER_ and then first:
  AUTH_TOKEN             an API key with the scope 'leases', beside the one that is made and printed
  CLEAR_NAMESPACES       'false' only compares clusters that are given back, and cleans none
  BIND_HOST, BIND_PORT   where the API listens, where --listen does not say

Of enrober's environment, for environments and their deployments:
  DEPLOY_STATE           'DEV' or 'DEV_CONTAINER' asks nobody who has environments, and takes pod templates from any
                         public host; 'PROD' when unset
  AUTH_API_HOST          host or URL of the service that says who is 'orgadmin' of what; unset, nobody's roles are looked up
  ALLOW_PRIV_CONTAINERS  'true' lets containers be privileged
  ISOLATE_NAMESPACE      'true' lets nothing in but from the environment itself and the router
  APIGEE_KVM             'true' tells Apigee the public keys of new environments
  SHIPYARD_HOST, INTERNAL_ROUTER_HOST, SHIPYARD_PRIVATE_SECRET, API_ROUTING_KEY_HEADER
                         the host whose pod templates come through this router, and what it is shown in which header

In a file for --config, as an installation has them:
  LAYBY_TAKEN_HOST_500=true           a host name that another environment has is answered with 500, as of old
  LAYBY_DEPLOYMENT_HOSTS_OWN=true     a deployment is served under host names of its environment alone
  LAYBY_OUTSIDE_CA, LAYBY_OUTSIDE_PINS, LAYBY_FETCH_HOSTS
                         who vouches for, where is, and who may be an origin of pod templates";

/// Embedded clusters to lease where nothing is said.
const CLUSTERS: u8 = 3;
/// The variables of k8s-claimer that say where the API listens, with its prefix and without.
const BIND_HOST: [&str; 2] = ["K8S-CLAIMER_BIND_HOST", "BIND_HOST"];
const BIND_PORT: [&str; 2] = ["K8S-CLAIMER_BIND_PORT", "BIND_PORT"];
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl Args {
    /// How many embedded clusters there are to lease.
    pub fn leasable(&self) -> u8 {
        let usual = if self.dynamodb.is_some() { 0 } else { CLUSTERS };
        self.clusters.unwrap_or(usual)
    }

    /// Where the API listens: as the command line says, or as the environment does, whose variables `variable` gives.
    ///
    /// # Errors
    /// The variable, what is wrong with it, and what is expected.
    pub fn listens(&self, variable: impl Fn(&str) -> Option<String>) -> Result<SocketAddr, String> {
        if let Some(listen) = self.listen {
            return Ok(listen);
        }
        let first = |names: [&'static str; 2]| {
            let mut given = names.into_iter().filter_map(|name| Some((name, variable(name)?)));
            given.find(|(_, value)| !value.is_empty())
        };
        let port = match first(BIND_PORT) {
            None => LISTEN.port(),
            Some((name, text)) => text
                .parse()
                .map_err(|_| format!("{name}: '{text}' is no port, 0 to 65535"))?,
        };
        match first(BIND_HOST) {
            None => Ok(SocketAddr::new(LISTEN.ip(), port)),
            Some((name, text)) => {
                let resolved = (text.as_str(), port).to_socket_addrs().ok();
                let first = resolved.and_then(|mut all| all.next());
                first.ok_or_else(|| format!("{name}: '{text}' is no address or name of this host, such as 127.0.0.1"))
            }
        }
    }
}

/// Whole seconds, or a duration in words as jiff reads them.
fn span(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(24 * 60 * 60);
    let words = || {
        text.parse::<SignedDuration>()
            .ok()
            .and_then(|span| Duration::try_from(span).ok())
    };
    let span = text.parse().ok().map(Duration::from_secs).or_else(words);
    span.filter(|span| *span <= MOST)
        .ok_or_else(|| "write seconds, or a duration such as 15s or 2m, at most 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_has_the_documented_defaults() {
        use clap::CommandFactory;
        Args::command().debug_assert();
        let args = Args::try_parse_from(["local"]).unwrap();
        let listens = args.listens(|_| None).unwrap().to_string();
        assert_eq!((listens.as_str(), args.reap_every.as_secs()), ("127.0.0.1:8080", 15));
        for (text, millis) in [("0", 0), ("2", 2_000), ("15s", 15_000), ("2m", 120_000), ("500ms", 500)] {
            assert_eq!(span(text).unwrap().as_millis(), millis, "{text}");
        }
        assert!(!args.no_auth && Args::try_parse_from(["local", "--no-auth"]).unwrap().no_auth);
        assert!(span("soon").is_err() && span("-1s").is_err() && span("25h").is_err());
        assert!(
            Args::try_parse_from(["local", "--proxy-api", "http://127.0.0.1:1"]).is_err(),
            "--public-host is needed"
        );
        let old = |name: &str| match name {
            "BIND_HOST" => Some("0.0.0.0".to_owned()),
            "BIND_PORT" => Some("1".to_owned()),
            "K8S-CLAIMER_BIND_PORT" => Some("9090".to_owned()),
            _ => None,
        };
        assert_eq!(args.listens(old).unwrap().to_string(), "0.0.0.0:9090");
        let args = Args::try_parse_from(["local", "--listen", "127.0.0.1:1"]).unwrap();
        assert_eq!(args.listens(old).unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(
            Args::try_parse_from(["local", "tour"]).unwrap().command,
            Some(Command::Tour)
        );
    }
}
