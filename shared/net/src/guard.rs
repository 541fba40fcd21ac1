//! Which addresses a guarded client may connect to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use ipnet::IpNet;
use tower::Service;

use crate::error::{LONGEST_CHAIN, Source};

/// Kinds of addresses that a [`Reach`] may open.
const PRIVATE: &str = "private";
const CARRIER_GRADE_NAT: &str = "carrier-grade NAT";
const UNIQUE_LOCAL: &str = "unique local";
const LOOPBACK: &str = "loopback";

/// IPv4 ranges that are not the public internet, by address and length of the prefix: of two, the first counts. Those of
/// metadata are what hosts of a cloud are told their credentials at.
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
const INWARD_V4: [(Ipv4Addr, u32, &str); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PRIVATE),
    (Ipv4Addr::new(100, 100, 100, 200), 32, "metadata"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, CARRIER_GRADE_NAT),
    (Ipv4Addr::new(127, 0, 0, 0), 8, LOOPBACK),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local or metadata"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PRIVATE),
    (Ipv4Addr::new(192, 0, 0, 192), 32, "metadata"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PRIVATE),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmark"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// IPv6 ranges that are not the public internet. The last one is everything but global unicast, 2000::/3.
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
const INWARD_V6: [(Ipv6Addr, u32, &str); 15] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, LOOPBACK),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, "metadata"),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, "metadata"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, UNIQUE_LOCAL),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 3, "reserved"),
    (Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 0), 2, "reserved"),
    (Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), 1, "reserved"),
];

/// The prefix under which NAT64 shows IPv4 addresses (RFC 6052).
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// Which inward addresses a guarded client may connect to all the same, by the operator's word: none by default.
///
/// Link-local, metadata, multicast, documentation and every other address that nobody serves at are in no reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Networks whose private addresses (RFC 1918, carrier-grade NAT, unique local) may be connected to.
    pub networks: Vec<IpNet>,
    /// Whether the host that this runs on may be.
    pub loopback: bool,
}

impl Reach {
    /// These networks, between commas, such as `10.0.0.0/8, fd12:3456::/32`, and not this host.
    ///
    /// # Errors
    /// The first that is none.
    pub fn of_networks(text: &str) -> Result<Self, String> {
        let networks = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let parsed = networks.map(|text| {
            let network = text.parse();
            network.map_err(|_| format!("'{text}' is no network, such as 10.0.0.0/8"))
        });
        Ok(Self {
            networks: parsed.collect::<Result<_, _>>()?,
            loopback: false,
        })
    }

    fn covers(&self, address: IpAddr, kind: &str) -> bool {
        match kind {
            LOOPBACK => self.loopback,
            PRIVATE | CARRIER_GRADE_NAT | UNIQUE_LOCAL => self.networks.iter().any(|net| net.contains(&address)),
            _ => false,
        }
    }
}

/// The rule of a guard that refused an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The host is, or resolves to, an address that is not of the public internet.
    #[error("its host has a {0} address, which is not of the public internet")]
    InwardAddress(
        /// What kind of address, in a word.
        &'static str,
    ),
}

impl Rule {
    /// The rule among `error` and its sources, where it was one that refused.
    pub(crate) fn among(error: &(dyn std::error::Error + 'static)) -> Option<Rule> {
        std::iter::successors(Some(error), |&error| error.source())
            .take(LONGEST_CHAIN)
            .find_map(|error| error.downcast_ref().copied())
    }
}

/// What kind of inward address this is; nothing for one of the public internet.
fn inward(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => inward_v4(address),
        IpAddr::V6(address) => inward_v6(address),
    }
}

/// The address that this one leads to in the end.
fn led_to(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
    }
}

fn inward_v4(address: Ipv4Addr) -> Option<&'static str> {
    let within = |net: Ipv4Addr, length: u32| (address.to_bits() ^ net.to_bits()) >> (32 - length) == 0;
    let found = INWARD_V4.iter().find(|(net, length, _)| within(*net, *length));
    found.map(|(_, _, kind)| *kind)
}

fn inward_v6(address: Ipv6Addr) -> Option<&'static str> {
    let within = |net: Ipv6Addr, length: u32| (address.to_bits() ^ net.to_bits()) >> (128 - length) == 0;
    let found = INWARD_V6.iter().find(|(net, length, _)| within(*net, *length));
    found.map(|(_, _, kind)| *kind)
}

/// The IPv4 address that a mapped or a NAT64 address leads to.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let is_nat64 = address.to_bits() >> 32 == NAT64.to_bits() >> 32;
    let last = || Ipv4Addr::from_bits(address.to_bits() as u32);
    address.to_ipv4_mapped().or_else(|| is_nat64.then(last))
}

/// Refuses inward addresses, except of the hosts that the operator wrote down, and within the operator's reach.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    exempt: Arc<BTreeSet<String>>,
    pins: Arc<BTreeMap<String, IpAddr>>,
    reach: Arc<Reach>,
}

impl Guard {
    /// A guard that lets every address of the hosts `exempt` pass, and of a host of `pins` the one that is written down,
    /// without asking for its addresses.
    pub(crate) fn of_hosts(exempt: &BTreeSet<String>, pins: &BTreeMap<String, IpAddr>) -> Self {
        let exempt = exempt.iter().map(|host| host.to_ascii_lowercase()).collect();
        let pins = pins.iter().map(|(host, address)| (host.to_ascii_lowercase(), *address));
        Guard {
            exempt: Arc::new(exempt),
            pins: Arc::new(pins.collect()),
            reach: Arc::default(),
        }
    }

    /// A guard that lets what `reach` covers pass, whichever host has it.
    pub(crate) fn of_reach(reach: &Reach) -> Self {
        Guard {
            exempt: Arc::default(),
            pins: Arc::default(),
            reach: Arc::new(reach.clone()),
        }
    }

    /// Checks a host that is an address itself: those are never resolved.
    pub(crate) fn check(&self, uri: &Uri) -> Result<(), Rule> {
        let host = uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bare.unwrap_or(host).parse() {
            Ok(address) => self.admit(host, address),
            Err(_) => Ok(()),
        }
    }

    fn admit(&self, host: &str, address: IpAddr) -> Result<(), Rule> {
        let address = led_to(address);
        let is_exempt = || self.exempt.contains(&host.to_ascii_lowercase());
        match inward(address) {
            Some(kind) if !self.reach.covers(address, kind) && !is_exempt() => Err(Rule::InwardAddress(kind)),
            _ => Ok(()),
        }
    }
}

/// Says which addresses a name has, in place of the operating system.
pub type Names = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Resolves names as the operating system does, or as `names` says. With a guard, a name with any inward address is
/// refused, and connections go to the very addresses that were checked.
#[derive(Clone)]
pub(crate) struct Resolver {
    system: GaiResolver,
    names: Option<Names>,
    guard: Option<Guard>,
}

impl Resolver {
    pub(crate) fn new(names: Option<Names>, guard: Option<Guard>) -> Self {
        Resolver {
            system: GaiResolver::new(),
            names,
            guard,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Source;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Source>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Source>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Resolver { system, names, guard } = self;
        let (mut system, names, guard) = (system.clone(), names.clone(), guard.clone());
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            // The connector puts the port in.
            let with_port = |address: IpAddr| SocketAddr::new(address, 0);
            if let Some(pinned) = guard.as_ref().and_then(|guard| guard.pins.get(&host)) {
                return Ok(vec![with_port(*pinned)].into_iter());
            }
            let addresses: Vec<SocketAddr> = match names {
                Some(names) => names(&host).into_iter().map(with_port).collect(),
                None => system.call(name).await?.collect(),
            };
            if let Some(guard) = guard {
                for address in &addresses {
                    guard.admit(&host, address.ip())?;
                }
            }
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(address: &str) -> Option<&'static str> {
        inward(led_to(address.parse().unwrap()))
    }

    #[test]
    fn every_range_inside_is_refused_from_its_first_to_its_last_address() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("168.63.129.16", "168.63.129.16", "metadata"),
            ("169.254.0.0", "169.254.169.254", "link-local or metadata"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "reserved"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "benchmark"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.254", "reserved"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
            ("::", "::", "unspecified"),
            ("::1", "::1", "loopback"),
            ("::2", "1fff:ffff::", "reserved"),
            ("fe80::", "febf::1", "link-local"),
            ("fc00::", "fdff::1", "unique local"),
            ("fd00:ec2::254", "fd00:ec2::254", "metadata"),
            ("fd20:ce::254", "fd20:ce::254", "metadata"),
            ("100.100.100.200", "100.100.100.200", "metadata"),
            ("192.0.0.192", "192.0.0.192", "metadata"),
            ("ff00::", "ffff::1", "multicast"),
            ("2001::", "2001:1ff:ffff::", "reserved"),
            ("2001:db8::", "2001:db8:ffff::", "documentation"),
            ("2002:a00:1::", "2002:808:808::", "6to4"),
            ("3fff::", "3fff:fff::", "documentation"),
            ("4000::", "7fff::", "reserved"),
            ("8000::", "fbff::", "reserved"),
            ("64:ff9b:1::", "64:ff9b:1::a00:1", "reserved"),
        ] {
            for address in [first, last] {
                assert_eq!(kind(address), Some(expected), "{address}");
            }
        }
    }

    #[test]
    fn an_address_within_another_is_judged_as_what_it_leads_to() {
        for prefix in ["::ffff:", "64:ff9b::"] {
            let of = |address: &str| kind(&format!("{prefix}{address}"));
            assert_eq!(of("127.0.0.1"), Some("loopback"));
            assert_eq!(of("169.254.169.254"), Some("link-local or metadata"));
            assert_eq!(of("10.0.0.1"), Some("private"));
            assert_eq!(of("8.8.8.8"), None);
        }
    }

    #[test]
    fn the_public_internet_is_let_through_up_to_its_borders() {
        for address in [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.17",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_checked_in_every_form_that_is_not_resolved() {
        let exempt = BTreeSet::from(["10.0.0.9".to_owned(), "[FD00::9]".to_owned()]);
        let guard = Guard::of_hosts(&exempt, &BTreeMap::new());
        let check = |uri: &str| guard.check(&uri.parse().unwrap());
        for inside in [
            "http://127.0.0.1/",
            "http://[::1]:80/",
            "http://[::ffff:10.0.0.1]/",
            "http://10.0.0.8/",
        ] {
            assert!(check(inside).is_err(), "{inside}");
        }
        for outside in [
            "http://8.8.8.8/",
            "http://10.0.0.9/",
            "http://[fd00::9]/",
            "http://host.example/",
        ] {
            assert_eq!(check(outside), Ok(()), "{outside}");
        }
    }

    #[test]
    fn a_reach_opens_private_networks_that_are_listed_and_loopback_where_it_says_so_and_nothing_else() {
        let networks = [
            "10.1.0.0/16",
            "100.64.0.0/10",
            "fd00::/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
        ];
        let reach = Reach {
            networks: networks.map(|net| net.parse().unwrap()).into(),
            loopback: false,
        };
        let admits = |reach: &Reach, address: &str| {
            let guard = Guard::of_reach(reach);
            guard.admit("host.example", address.parse().unwrap()).is_ok()
        };
        for open in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "100.64.0.1",
            "fd12::1",
            "8.8.8.8",
        ] {
            assert!(admits(&reach, open), "{open}");
        }
        for shut in [
            "10.2.0.1",
            "::ffff:10.2.0.1",
            "192.168.0.1",
            "fc00::1",
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "fe80::1",
        ] {
            assert!(!admits(&reach, shut), "{shut}");
        }
        let here = Reach {
            networks: Vec::new(),
            loopback: true,
        };
        assert!(admits(&here, "127.0.0.1") && admits(&here, "::1") && admits(&here, "::ffff:127.0.0.1"));
        assert!(!admits(&here, "10.1.2.3") && !admits(&here, "0.0.0.0"));
    }
}
