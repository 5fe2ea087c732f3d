//! Lists of hosts and networks: where callbacks may or may not go.

use std::fmt;
use std::sync::Arc;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Host;

/// How long a list may be, in entries: it is looked through for each connection.
const PATTERNS_MAX: usize = 256;

/// Hosts that are meant by one word of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This host: `hooks.example.com`.
    Host(String),
    /// Every host below this one, however deep, but not itself: `*.example.com`.
    Below(String),
    /// Every address of a network: `10.0.0.0/8`, `fd00::/8`, or a single one.
    Network(Network),
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A list of hosts and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Arc<[Pattern]>);

impl Pattern {
    /// Reads a host, `*.` and a host, an address, or a network in CIDR notation.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("{text:?} is neither a host, nor *.host, nor a network such as 10.0.0.0/8");
        if text.contains('/') {
            return Network::parse(text).map(Self::Network).ok_or_else(wrong);
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if !below && let Ok(address) = bare.parse() {
            return Ok(Self::Network(Network::of(address)));
        }
        // As a URL's host is read, so that both are written alike; what is an address there is one here.
        match Host::parse(name).map_err(|_| wrong())? {
            // A URL's host may be odder than that; a list's would be a mistake.
            Host::Domain(name) if !plain(&name).split('.').all(is_label) => Err(wrong()),
            Host::Domain(name) if below => Ok(Self::Below(plain(&name).into())),
            Host::Domain(name) => Ok(Self::Host(plain(&name).into())),
            Host::Ipv4(address) if !below => Ok(Self::Network(Network::of(address.into()))),
            Host::Ipv6(address) if !below => Ok(Self::Network(Network::of(address.into()))),
            Host::Ipv4(_) | Host::Ipv6(_) => Err(wrong()),
        }
    }

    fn names(&self, host: &str) -> bool {
        match self {
            Self::Host(name) => name == host,
            Self::Below(name) => host.strip_suffix(name.as_str()).is_some_and(|front| front.ends_with('.')),
            Self::Network(_) => false,
        }
    }
}

impl Network {
    /// One address, as what it is: IPv4 inside IPv6 as IPv4.
    fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let whole = Self::of(address.parse().ok()?);
        // Only digits: `parse` would take a sign as well.
        let bits: u8 = Some(bits).filter(|it| it.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        // A mapped address has lost its first 96 bits by becoming IPv4.
        let lost = if whole.address.is_ipv4() && address.contains(':') { 96 } else { 0 };
        let bits = bits.checked_sub(lost).filter(|bits| *bits <= whole.bits)?;
        Some(Self { address: masked(whole.address, bits), bits })
    }

    /// Whether the address is one of these.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

/// The address with all bits behind the first `bits` cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A host's name without the dot that may end it.
fn plain(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

impl Hosts {
    /// Reads a list whose entries are separated by commas.
    ///
    /// # Errors
    /// What is wrong with the first entry that cannot be read, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(Pattern::parse).collect::<Result<Vec<_>, _>>()?.try_into()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a host is in it by its name, which is in lower case.
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| pattern.names(plain(host)))
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.iter().any(|pattern| matches!(pattern, Pattern::Network(network) if network.holds(address)))
    }
}

impl TryFrom<Vec<Pattern>> for Hosts {
    type Error = String;

    fn try_from(patterns: Vec<Pattern>) -> Result<Self, String> {
        match patterns.len() {
            ..=PATTERNS_MAX => Ok(Self(patterns.into())),
            len => Err(format!("{len} entries are too many: at most {PATTERNS_MAX}; name networks or *.host")),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Network(Network { address, bits }) => write!(f, "{address}/{bits}"),
        }
    }
}

/// As [`parse`](Hosts::parse) reads it.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, pattern) in self.0.iter().enumerate() {
            write!(f, "{}{pattern}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn hosts(text: &str) -> Hosts {
        Hosts::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_itself_or_below() {
        let list = hosts("Hooks.Example.com, *.acme.example, bücher.example.");
        for host in ["hooks.example.com", "hooks.example.com.", "a.acme.example", "a.b.acme.example"] {
            assert!(list.names(host), "{host}");
        }
        assert!(list.names("xn--bcher-kva.example"));
        for host in ["example.com", "x.hooks.example.com", "acme.example", "evilacme.example", "acme.example.evil", ""]
        {
            assert!(!list.names(host), "{host}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_however_they_are_written() {
        let list = hosts("10.1.0.0/16,192.0.2.7,fd00::/8,::ffff:172.16.0.0/108,0x7f.1,[::1]");
        for address in [
            "10.1.255.255",
            "192.0.2.7",
            "fdff::1",
            "172.31.0.1",
            "127.0.0.1",
            "::ffff:10.1.0.1",
            "::ffff:7f00:1",
            "::1",
        ] {
            assert!(list.holds(address.parse().unwrap()), "{address}");
        }
        for address in ["10.2.0.0", "192.0.2.8", "fe00::1", "172.32.0.1", "127.0.0.2", "::2"] {
            assert!(!list.holds(address.parse().unwrap()), "{address}");
        }
        assert!(hosts("0.0.0.0/0").holds("8.8.8.8".parse().unwrap()));
        assert!(!hosts("0.0.0.0/0").holds("::8".parse().unwrap()));
        assert!(hosts("::/0").holds("ff02::1".parse().unwrap()));
    }

    #[test]
    fn what_means_no_host_is_refused() {
        for bad in [
            "",
            "*",
            "*.",
            "a b",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "http://a",
            "*.1.2.3.4",
            "a,,b",
            "a..b",
            "*...",
        ] {
            assert!(Hosts::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Hosts::parse(&vec!["a"; PATTERNS_MAX + 1].join(",")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_written_alike(text in "(\\*\\.)?[ -~é]{0,24}(/[0-9]{1,3})?") {
            if let Ok(list) = Hosts::parse(&text) {
                prop_assert_eq!(Hosts::parse(&list.to_string()), Ok(list));
            }
        }

        #[test]
        fn a_network_holds_exactly_what_begins_alike(of in any::<u32>(), bits in 0u8..=32, other in any::<u32>()) {
            let network = hosts(&format!("{}/{bits}", Ipv4Addr::from_bits(of)));
            let alike = bits == 0 || (of ^ other) >> (32 - u32::from(bits)) == 0;
            prop_assert_eq!(network.holds(Ipv4Addr::from_bits(other).into()), alike);
            prop_assert!(network.holds(Ipv4Addr::from_bits(of).to_ipv6_mapped().into()));
        }
    }
}
