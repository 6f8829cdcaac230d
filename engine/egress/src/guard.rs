//! Which addresses may be connected to. A name is resolved here, every address it has is judged, and exactly the judged ones are connected
//! to, so that a name cannot mean one thing when it is checked and another when it is used. Nothing here sends anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why an address is out of bounds; none: it is a public one.
///
/// The classes are those of the IANA special-purpose registries (RFC 6890 and its updates). Addresses that carry an IPv4 address inside
/// (mapped, NAT64, 6to4, ISATAP) are judged by that one; Teredo hides its own and is refused whole.
pub fn refuse(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => refuse_v4(ip),
        IpAddr::V6(ip) => refuse_v6(ip),
    }
}

fn refuse_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some("an unspecified address"),
        (127, ..) => Some("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (169, 254, _) => Some("a link-local address"),
        (100, 64..=127, _) => Some("a carrier's shared address"),
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (198, 18..=19, _) | (192, 88, 99) => {
            Some("a reserved address")
        }
        (224..=239, ..) => Some("a multicast address"),
        (240.., ..) => Some("a reserved or broadcast address"),
        _ => None,
    }
}

fn refuse_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        refuse_v4(Ipv4Addr::new(a, b, c, d))
    };
    if ip.is_unspecified() {
        return Some("an unspecified address");
    }
    if ip.is_loopback() {
        return Some("a loopback address");
    }
    match s {
        // Mapped, RFC 4291.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // NAT64, RFC 6052: behind it every public IPv4 address looks so.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4, RFC 3056.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, RFC 4380, and what else begins so: benchmarking, ORCHID.
        [0x2001, 0..=0x1ff, ..] => Some("a tunnelled or reserved address"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("a documentation address"),
        // ISATAP, RFC 5214, under any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] if embedded(high, low).is_some() => {
            embedded(high, low)
        }
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

/// What this machine and this program must not be asked to talk to: themselves.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    listeners: Arc<[SocketAddr]>,
    /// Whether the trial bind of [`is_local`] means anything on this machine.
    bind_tells: bool,
}

impl Own {
    pub(crate) fn new(listeners: &[SocketAddr]) -> Self {
        // TEST-NET-1 belongs to nobody. Where even that can be bound (`ip_nonlocal_bind`), binding says nothing.
        let bind_tells = !can_bind(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        Self {
            listeners: listeners.into(),
            bind_tells,
        }
    }

    /// Whether this machine has the address.
    fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || ip.is_unspecified() || (self.bind_tells && can_bind(ip))
    }

    /// Whether one of our own listeners answers there.
    pub(crate) fn listens_at(&self, ip: IpAddr, port: u16) -> bool {
        let ip = ip.to_canonical();
        self.listeners.iter().any(|listener| {
            let own = listener.ip().to_canonical();
            listener.port() == port
                && (own == ip
                    || (own.is_unspecified() && self.is_local(ip))
                    || (ip.is_unspecified() && self.is_local(own)))
        })
    }

    /// Why the strict client must not go there; none: it may.
    pub(crate) fn refuse(&self, ip: IpAddr) -> Option<&'static str> {
        refuse(ip).or_else(|| {
            self.is_local(ip.to_canonical())
                .then_some("an address of this machine")
        })
    }
}

fn can_bind(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// What a resolver says no with; found again in the client's error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Denied {
    pub(crate) why: String,
}

/// What a resolver says if a name means nothing.
#[derive(Debug, thiserror::Error)]
#[error("name cannot be resolved")]
pub(crate) struct NoSuchName;

/// Resolves for one client: for the world, or for the one port of an exception.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    pub(crate) own: Own,
    /// The exception's port; none: strict.
    pub(crate) exception: Option<u16>,
}

impl Guarded {
    /// Judges one address; the text says why not.
    pub(crate) fn check(&self, ip: IpAddr) -> Result<(), Denied> {
        let why = match self.exception {
            Some(port) => self
                .own
                .listens_at(ip, port)
                .then_some("where this program itself listens"),
            None => self.own.refuse(ip),
        };
        match why {
            Some(why) => Err(Denied {
                why: format!("{ip} is {why}"),
            }),
            None => Ok(()),
        }
    }

    /// Judges all addresses of a name: one bad one spoils them all, else a name could show a good one and lead to the other.
    fn check_all(&self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Denied> {
        for address in &addresses {
            self.check(address.ip())?;
        }
        Ok(addresses)
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| NoSuchName)?
                .collect();
            if found.is_empty() {
                return Err(NoSuchName.into());
            }
            let checked = guarded.check_all(found)?;
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}
