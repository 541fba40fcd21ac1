//! The cluster's addresses, one a service (`pkg/registry/core/service/ipallocator`).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

const RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 16);
/// That of the API itself.
const API: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// The first address that is given to those who ask for none; the ones before it come last.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 0);

/// Which addresses are taken.
#[derive(Debug)]
pub(in super::super) struct Addresses {
    taken: BTreeSet<Ipv4Addr>,
    /// The last one that was taken beyond [`FIRST`]: the search goes on from there, so that addresses come back late.
    last: Ipv4Addr,
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses {
            taken: BTreeSet::from([API]),
            last: FIRST,
        }
    }
}

impl Addresses {
    /// An address that nobody has, or none when all are taken.
    pub(super) fn free(&self) -> Option<Ipv4Addr> {
        let (first, last, end) = (FIRST.to_bits(), self.last.to_bits(), RANGE.broadcast().to_bits());
        let beginning = RANGE.network().to_bits() + 1;
        (last..end)
            .chain(first..last)
            .chain(beginning..first)
            .map(Ipv4Addr::from_bits)
            .find(|address| !self.taken.contains(address))
    }

    /// What a dry run is shown where it asks for no address: nothing is looked for.
    pub(super) fn shown_dry() -> Ipv4Addr {
        RANGE.network()
    }

    /// Why an address cannot be given.
    pub(super) fn problem(&self, address: Ipv4Addr) -> Option<&'static str> {
        if !is_within(address) {
            return Some("the provided network does not match the current range");
        }
        self.taken
            .contains(&address)
            .then_some("provided IP is already allocated")
    }

    /// The same for a dry run, which does not ask whether the address is taken.
    pub(super) fn problem_dry(address: Ipv4Addr) -> Option<String> {
        let problem =
            || format!("the provided IP ({address}) is not in the valid range. The range of valid IPs is {RANGE}");
        (!is_within(address)).then(problem)
    }

    pub(super) fn take(&mut self, address: Ipv4Addr) {
        if address > FIRST {
            self.last = address;
        }
        self.taken.insert(address);
    }

    pub(super) fn release(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }
}

fn is_within(address: Ipv4Addr) -> bool {
    RANGE.contains(&address) && address != RANGE.network() && address != RANGE.broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_in_turn_and_those_to_be_asked_for_come_last() {
        let mut addresses = Addresses::default();
        let mut given = Vec::new();
        for _ in FIRST.to_bits()..RANGE.broadcast().to_bits() {
            let address = addresses.free().unwrap();
            assert_eq!(addresses.problem(address), None);
            addresses.take(address);
            given.push(address);
        }
        assert_eq!((given[0], given[65_278]), (FIRST, Ipv4Addr::new(10, 96, 255, 254)));
        assert_eq!(addresses.free(), Some(Ipv4Addr::new(10, 96, 0, 2)));
        addresses.release(given[7]);
        assert_eq!(addresses.free(), Some(given[7]));
        for offset in 2..256 {
            addresses.take(Ipv4Addr::from_bits(RANGE.network().to_bits() + offset));
        }
        addresses.take(given[7]);
        assert_eq!(addresses.free(), None);
    }
}
