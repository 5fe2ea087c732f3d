//! Where callbacks may go (pure).
//!
//! In this order: what `--callback-deny` names, nobody reaches. What a namespace leaves out of its
//! `fabric.callback-hosts`, its callbacks do not reach. What `--callback-allow` names, the others reach, inside the network
//! or at an odd port too. For all other places it is what `--allow-private-callbacks` says, and without that the public
//! internet, at ports that are not some other protocol's.

use std::net::{IpAddr, SocketAddr};

use proto::host::Hosts;

use super::address::{embedded, is_public};

/// What this process allows.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether callbacks may go to loopback, private and link-local addresses.
    pub allow_private: bool,
    /// Where they may go besides.
    pub allow: Hosts,
    /// Where they may not go, whatever else is said.
    pub deny: Hosts,
}

/// Why a callback may not go somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An operator says so.
    #[error("--callback-deny names it")]
    Denied,
    /// The namespace's own list leaves it out.
    #[error("fabric.callback-hosts of the namespace does not name it")]
    NotOfNamespace,
    /// It is inside the network.
    #[error("its address is not on the public internet; --callback-allow or --allow-private-callbacks would allow it")]
    Inside,
    /// Another protocol is spoken there.
    #[error("port {0} is another protocol's; --callback-allow would allow it")]
    Port(u16),
}

impl Rules {
    /// Whether a callback to `host`, which is `address` at present, may go there; `only` is the list of its namespace.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, host: &str, address: SocketAddr, only: Option<&Hosts>) -> Result<(), Refused> {
        let (ip, port) = (address.ip(), address.port());
        // However an address is wrapped, it leads to the one inside.
        let is_denied = |ip: IpAddr| self.deny.holds(ip);
        if self.deny.names(host) || is_denied(ip) || embedded(ip).is_some_and(|ip| is_denied(ip.into())) {
            return Err(Refused::Denied);
        }
        if only.is_some_and(|only| !only.names(host) && !only.holds(ip)) {
            return Err(Refused::NotOfNamespace);
        }
        if self.allow.names(host) || self.allow.holds(ip) || self.allow_private {
            return Ok(());
        }
        if !is_public(ip) {
            return Err(Refused::Inside);
        }
        if OTHER_PROTOCOLS.binary_search(&port).is_ok() { Err(Refused::Port(port)) } else { Ok(()) }
    }
}

/// The ports that the Fetch standard blocks: a POST can be made to look like mail, or like a command, to who listens there.
const OTHER_PROTOCOLS: [u16; 82] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &str, deny: &str) -> Rules {
        let read = |text: &str| if text.is_empty() { Hosts::default() } else { Hosts::parse(text).unwrap() };
        Rules { allow_private: false, allow: read(allow), deny: read(deny) }
    }

    fn check(rules: &Rules, host: &str, address: &str, only: Option<&str>) -> Result<(), Refused> {
        let only = only.map(|text| Hosts::parse(text).unwrap());
        rules.check(host, address.parse().unwrap(), only.as_ref())
    }

    #[test]
    fn what_is_denied_nobody_reaches() {
        let rules = Rules { allow_private: true, ..rules("10.0.0.0/8,*.example", "10.1.0.0/16,bad.example,8.8.8.8") };
        for (host, address) in [
            ("bad.example", "1.1.1.1:443"),
            ("good.example", "10.1.2.3:80"),
            ("good.example", "[::ffff:10.1.2.3]:80"),
            ("good.example", "[64:ff9b::a01:203]:80"),
            ("good.example", "[2002:808:808::1]:80"),
            ("8.8.8.8", "8.8.8.8:80"),
        ] {
            assert_eq!(check(&rules, host, address, None), Err(Refused::Denied), "{host} {address}");
        }
        assert_eq!(check(&rules, "good.example", "10.2.0.1:80", None), Ok(()));
    }

    #[test]
    fn what_is_allowed_opens_no_more_than_itself() {
        let rules = rules("10.1.0.0/16,hooks.internal", "");
        assert_eq!(check(&rules, "x.example", "10.1.2.3:25", None), Ok(()));
        assert_eq!(check(&rules, "hooks.internal", "192.168.0.1:80", None), Ok(()));
        assert_eq!(check(&rules, "x.example", "10.2.0.1:80", None), Err(Refused::Inside));
        assert_eq!(check(&rules, "x.example", "[64:ff9b::a01:203]:80", None), Err(Refused::Inside), "by way of NAT64");
        assert_eq!(check(&rules, "hooks.internal.evil.example", "192.168.0.1:80", None), Err(Refused::Inside));
        assert_eq!(check(&rules, "x.example", "1.1.1.1:443", None), Ok(()), "the internet stays open");
    }

    #[test]
    fn a_namespace_narrows_and_opens_nothing() {
        let rules = rules("", "bad.example");
        let only = Some("*.acme.example,bad.example,10.0.0.0/8,1.1.1.0/24");
        assert_eq!(check(&rules, "a.acme.example", "8.8.8.8:443", only), Ok(()));
        assert_eq!(check(&rules, "other.example", "1.1.1.1:443", only), Ok(()));
        assert_eq!(check(&rules, "other.example", "8.8.8.8:443", only), Err(Refused::NotOfNamespace));
        assert_eq!(check(&rules, "a.acme.example", "10.0.0.1:80", only), Err(Refused::Inside));
        assert_eq!(check(&rules, "bad.example", "8.8.8.8:443", only), Err(Refused::Denied));
    }

    #[test]
    fn other_protocols_are_left_alone() {
        assert!(OTHER_PROTOCOLS.is_sorted());
        let rules = rules("mail.example", "");
        for port in [22, 25, 6667] {
            assert_eq!(check(&rules, "x.example", &format!("1.1.1.1:{port}"), None), Err(Refused::Port(port)));
        }
        assert_eq!(check(&rules, "mail.example", "1.1.1.1:25", None), Ok(()));
    }
}
