//! Addresses with ports in half of the room, where they are IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A [`SocketAddr`] without scope and flow, which no configuration gives.
#[derive(Debug)]
pub(crate) enum Endpoint {
    V4(Ipv4Addr, u16),
    V6(Box<(Ipv6Addr, u16)>),
}

impl Endpoint {
    pub(crate) fn get(&self) -> SocketAddr {
        let (address, port) = self.parts();
        SocketAddr::new(address, port)
    }

    /// Address and port.
    pub(crate) fn parts(&self) -> (IpAddr, u16) {
        match self {
            Self::V4(address, port) => (IpAddr::V4(*address), *port),
            Self::V6(at) => (IpAddr::V6(at.0), at.1),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(*address.ip(), address.port()),
            SocketAddr::V6(address) => Self::V6(Box::new((*address.ip(), address.port()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_address_that_it_was_made_of() {
        for address in ["192.0.2.7:80", "[2001:db8::7]:443"] {
            let address: SocketAddr = address.parse().unwrap();
            let endpoint = Endpoint::from(address);
            assert_eq!((endpoint.get(), endpoint.parts()), (address, (address.ip(), address.port())));
        }
        assert_eq!(size_of::<Endpoint>(), 16);
    }
}
