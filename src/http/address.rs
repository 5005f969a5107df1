//! Where a client may connect to: an address that somebody typed into a webhook field must not reach into the house.
//!
//! A name is looked up, each of its addresses checked, and only checked ones are connected to, on every connection:
//! so a name that answers differently the second time gains nothing. The HTTP library asks no resolver for addresses
//! written as numbers, so these are checked in the URL.
//! Source: IANA special-purpose address registries (RFC 6890 and its successors).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::dns::{Name, Resolve, Resolving};
use url::{Host, Url};

/// Which addresses a client may connect to.
#[derive(Clone, Debug, Default)]
pub enum Addresses {
    /// Any: the operator configured them (CRMs may well stand in the house).
    #[default]
    Configured,
    /// Public ones, and those allowed by name or network: for addresses that users supply.
    Public {
        /// The exceptions.
        allow: Arc<Vec<Allowed>>,
    },
}

/// How names are looked up.
#[derive(Clone, Default)]
pub enum Lookup {
    /// As the system does it.
    #[default]
    System,
    /// By a function from a name to its addresses, asked anew for each connection: for tests, and for who must not ask the
    /// system.
    Given(Arc<LookupFn>),
}

/// From a name to its addresses; none if it has none.
pub type LookupFn = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Given(_) => "Given",
        })
    }
}

/// An exception: `hooks.corp.example` or `10.1.0.0/16`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A host name, with whatever addresses it has.
    Host(String),
    /// A network, by address and prefix length.
    Network(IpAddr, u8),
}

/// Text that is neither a host name nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is neither a host nor a network: write \"hooks.corp.example\" or \"10.1.0.0/16\"")]
pub struct AllowedError {
    /// What was written.
    pub found: String,
}

impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let refused = || AllowedError { found: text.to_owned() };
        let text = text.trim();
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Network(ip, if ip.is_ipv4() { 32 } else { 128 }));
        }
        if let Some((ip, bits)) = text.split_once('/') {
            let ip: IpAddr = ip.parse().map_err(|_| refused())?;
            let bits: u8 = bits.parse().map_err(|_| refused())?;
            return if bits <= if ip.is_ipv4() { 32 } else { 128 } {
                Ok(Self::Network(ip, bits))
            } else {
                Err(refused())
            };
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if !name.is_empty() => Ok(Self::Host(name.to_ascii_lowercase())),
            _ => Err(refused()),
        }
    }
}

impl Allowed {
    fn holds(&self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Network(IpAddr::V4(network), bits), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                (network.to_bits() ^ ip.to_bits()) & mask == 0
            }
            (Self::Network(IpAddr::V6(network), bits), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                (network.to_bits() ^ ip.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

impl Addresses {
    /// Checks what can be seen in a URL without looking names up.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        let ip = match (self, url.host()) {
            (Self::Configured, _) | (Self::Public { .. }, Some(Host::Domain(_))) => return Ok(()),
            (Self::Public { .. }, Some(Host::Ipv4(ip))) => IpAddr::V4(ip),
            (Self::Public { .. }, Some(Host::Ipv6(ip))) => IpAddr::V6(ip),
            (Self::Public { .. }, None) => return Err("the URL has no host".to_owned()),
        };
        if self.permits(ip) { Ok(()) } else { Err(Refused(ip).to_string()) }
    }

    /// Whether it may connect to `ip`.
    #[must_use]
    pub fn permits(&self, ip: IpAddr) -> bool {
        match self {
            Self::Configured => true,
            Self::Public { allow } => is_public(ip) || allow.iter().any(|allowed| allowed.holds(ip.to_canonical())),
        }
    }

    fn permits_host(&self, name: &str) -> bool {
        match self {
            Self::Configured => true,
            Self::Public { allow } => {
                allow.iter().any(|allowed| matches!(allowed, Allowed::Host(host) if host.eq_ignore_ascii_case(name)))
            }
        }
    }
}

struct Refused(IpAddr);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the address {} is not public; allow its host or network if it is meant", self.0)
    }
}

/// Looks names up for the HTTP library and hands out checked addresses only.
pub(super) struct CheckedResolver {
    addresses: Addresses,
    lookup: Lookup,
}

impl CheckedResolver {
    /// `None` where the system's own answer is good enough.
    pub(super) fn new(addresses: &Addresses, lookup: &Lookup) -> Option<Self> {
        match (addresses, lookup) {
            (Addresses::Configured, Lookup::System) => None,
            (Addresses::Configured | Addresses::Public { .. }, _) => {
                Some(Self { addresses: addresses.clone(), lookup: lookup.clone() })
            }
        }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (addresses, lookup) = (self.addresses.clone(), self.lookup.clone());
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = match lookup {
                Lookup::System => tokio::net::lookup_host((name, 0)).await?.collect(),
                Lookup::Given(lookup) => lookup(name).into_iter().map(|ip| SocketAddr::new(ip, 0)).collect(),
            };
            Ok(Box::new(checked(&addresses, name, found)?.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// The permitted ones of the addresses that `name` has.
fn checked(addresses: &Addresses, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let first = found.first().map(SocketAddr::ip);
    let allowed = addresses.permits_host(name);
    let left: Vec<_> = found.into_iter().filter(|at| allowed || addresses.permits(at.ip())).collect();
    match (left.is_empty(), first) {
        (true, Some(ip)) => Err(Refused(ip).to_string()),
        (true, None) => Err("the name has no address".to_owned()),
        (false, _) => Ok(left),
    }
}

/// Whether `ip` is an address of the open internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127 | 224..=255, _, _) => true, // this network, private, loopback, multicast, reserved, broadcast
        (100, 64..=127, _) => true,               // carrier-grade NAT
        (169, 254, _) => true,                    // link-local, where clouds keep their metadata
        (172, 16..=31, _) | (192, 168, _) => true,
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) => true, // protocol assignments, documentation
        (192, 31, 196) | (192, 52, 193) | (192, 88, 99) | (192, 175, 48) => true, // anycast for AS112, AMT, 6to4
        (198, 18..=19, _) => true,                                // benchmarks
        (168, 63, 129) => ip == Ipv4Addr::new(168, 63, 129, 16),  // Azure's wire server
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let s = ip.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match s {
        // NAT64 leads to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        // 6to4 as well.
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Teredo, benchmarks, ORCHID and other protocol assignments; documentation twice.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only 2000::/3 is global unicast; loopback, unspecified, link-local, ULA and multicast lie outside it.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(allow: &[&str]) -> Addresses {
        Addresses::Public { allow: Arc::new(allow.iter().map(|text| text.parse().unwrap()).collect()) }
    }

    #[test]
    fn addresses_inside_the_house_are_refused_in_every_spelling() {
        for text in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.5.4",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001:0:4136:e378::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[ff02::1]",
            "[2001:db8::1]",
        ] {
            let url = Url::parse(&format!("https://{text}/hook")).expect(text);
            assert!(public(&[]).check(&url).is_err(), "{text}");
            assert!(Addresses::Configured.check(&url).is_ok());
        }
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "[2606:4700::1111]", "[64:ff9b::1.1.1.1]", "hooks.example"]
        {
            let url = Url::parse(&format!("https://{text}/hook")).expect(text);
            assert!(public(&[]).check(&url).is_ok(), "{text}");
        }
    }

    #[test]
    fn only_checked_addresses_of_a_name_are_used() {
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 443);
        let (inside, outside) = (at("10.0.0.7"), at("93.184.215.14"));
        assert_eq!(checked(&public(&[]), "h.example", vec![inside, outside]), Ok(vec![outside]));
        assert!(checked(&public(&[]), "h.example", vec![inside]).unwrap_err().contains("10.0.0.7"));
        assert!(checked(&public(&[]), "h.example", vec![]).is_err());
        assert_eq!(checked(&public(&["H.example"]), "h.example", vec![inside]), Ok(vec![inside]));
        assert_eq!(checked(&public(&["10.0.0.0/29"]), "h.example", vec![inside]), Ok(vec![inside]));
        assert!(checked(&public(&["10.0.0.8/29"]), "h.example", vec![inside]).is_err());
    }

    #[test]
    fn exceptions_are_hosts_or_networks() {
        assert_eq!("10.0.0.0/8".parse(), Ok(Allowed::Network("10.0.0.0".parse().unwrap(), 8)));
        assert_eq!("::1".parse(), Ok(Allowed::Network("::1".parse().unwrap(), 128)));
        assert_eq!("Hooks.Corp.example".parse(), Ok(Allowed::Host("hooks.corp.example".to_owned())));
        for text in ["", "10.0.0.0/33", "x/8", "a b"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
        assert!(public(&["0.0.0.0/0"]).permits("127.0.0.1".parse().unwrap()));
        assert!(public(&["127.0.0.0/8"]).permits("::ffff:127.0.0.1".parse().unwrap()));
    }
}
