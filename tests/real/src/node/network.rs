//! The network of a node: a namespace of its own, joined to this machine by one link.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::{Value, json};

use crate::Error;
use crate::scratch::Remover;

/// Takes away what a node leaves behind: its network, and its control groups as soon as they are empty.
const REMOVE: &str = r#"ip netns delete "$0"
for n in 1 2 3 4 5 6 7 8 9 10; do
    find /sys/fs/cgroup -depth -type d '(' -name "$0" -o -path "*/$0/*" ')' -exec rmdir {} + 2>/dev/null && exit
    sleep 1
done"#;
/// Ranges that are tried before it is given up.
const TRIES: usize = 100;

/// A network namespace with addresses of its own, gone when this is dropped, and when this process ends in any way.
pub(super) struct Network {
    /// Its name, which is also that of the link's end on this machine.
    pub(super) name: String,
    /// This machine's address, as the node sees it.
    pub(super) host: Ipv4Addr,
    /// The node's address.
    pub(super) node: Ipv4Addr,
    /// The addresses of its pods.
    pods: String,
    _remover: Remover,
}

impl Network {
    /// A new one, of 256 addresses of the private range 10.129.0.0 to 10.255.255.255 that this machine has no other way to.
    pub(super) fn new() -> Result<Self, Error> {
        let mut ranges = std::iter::repeat_with(|| (fastrand::u8(129..), fastrand::u8(..))).take(TRIES);
        let is_free = |range: &(u8, u8)| {
            let routes = ip(&format!("route show root 10.{}.{}.0/24", range.0, range.1));
            routes.is_ok_and(|routes| routes.is_empty())
        };
        let (a, b) = ranges.find(is_free).ok_or_else(|| Error::Start {
            name: "a node's network",
            error: std::io::Error::other("all of 10.0.0.0/8 is in use"),
        })?;
        let name = format!("layby-{a}-{b}");
        let network = Self {
            host: Ipv4Addr::new(10, a, b, 1),
            node: Ipv4Addr::new(10, a, b, 2),
            pods: format!("10.{a}.{b}.128/25"),
            _remover: Remover::new(REMOVE, &name)?,
            name,
        };
        let Self {
            name, host, node, pods, ..
        } = &network;
        ip(&format!("netns add {name}"))?;
        ip(&format!("link add {name} type veth peer name eth0 netns {name}"))?;
        ip(&format!("address add {host}/30 dev {name}"))?;
        ip(&format!("link set {name} up"))?;
        ip(&format!("-netns {name} address add {node}/30 dev eth0"))?;
        ip(&format!("-netns {name} link set eth0 up"))?;
        ip(&format!("-netns {name} link set lo up"))?;
        ip(&format!("route add {pods} via {node}"))?;
        Ok(network)
    }

    /// The file that the namespace is entered by.
    pub(super) fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// How pods are joined to it: a bridge, with nothing translated.
    pub(super) fn plugins(&self) -> Value {
        json!({
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [{
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": self.pods }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            }],
        })
    }
}

/// What `ip` prints when it is called so.
fn ip(args: &str) -> Result<String, Error> {
    let failed = |output: String| Error::Install {
        command: format!("ip {args}"),
        folder: "/".into(),
        output,
    };
    let done = Command::new("ip").args(args.split(' ')).output();
    let done = done.map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&done.stderr).into_owned()))
}
