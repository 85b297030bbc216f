//! Adverts between octets and values: `cargo bench --package steadfast-benches --bench wire`.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use criterion::{Criterion, Throughput};
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Carrier, Centiseconds, Expect, Family, Form, HOP_LIMIT,
    Priority, Proof, Received, Version, Vrid, pseudo_header,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for kind in [
        Kind::new("v2 IPv4, 1 address", Version::V2, Family::V4, 1),
        Kind::new("v3 IPv4, 1 address", Version::V3, Family::V4, 1),
        Kind::new("v3 IPv4, 20 addresses", Version::V3, Family::V4, 20),
        Kind::new("v3 IPv6, 1 address", Version::V3, Family::V6, 1),
    ] {
        kind.write(&mut criterion);
        kind.check(&mut criterion);
    }
    criterion.final_summary();
}

/// A sort of advert.
struct Kind {
    name: &'static str,
    family: Family,
    interval: AdvertInterval,
    authentication: Authentication,
    addresses: Vec<IpAddr>,
}

impl Kind {
    fn new(name: &'static str, version: Version, family: Family, addresses: u8) -> Self {
        let address = |last| match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last.into())),
        };
        let (interval, authentication) = match version {
            Version::V2 => (AdvertInterval::Seconds(NonZeroU8::MIN), Authentication::Password(*b"password")),
            Version::V3 => (AdvertInterval::Centiseconds(Centiseconds::MIN), Authentication::None),
        };
        Self { name, family, interval, authentication, addresses: (1..=addresses).map(address).collect() }
    }

    /// Source and destination of the datagram.
    fn way(&self) -> (IpAddr, IpAddr) {
        match self.family {
            Family::V4 => (Ipv4Addr::new(192, 0, 2, 250).into(), Ipv4Addr::new(224, 0, 0, 18).into()),
            Family::V6 => (
                Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 250).into(),
                Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
            ),
        }
    }

    fn message(&self, out: &mut Vec<u8>) -> bool {
        let (source, destination) = self.way();
        let advertisement = Advertisement {
            vrid: Vrid::MIN,
            priority: Priority::DEFAULT,
            form: Form::of(self.interval, self.authentication),
            family: self.family,
            addresses: &self.addresses,
        };
        pseudo_header(self.interval.version(), source, destination, false)
            .is_some_and(|pseudo| advertisement.write(pseudo, out).is_ok())
    }

    fn write(&self, criterion: &mut Criterion) {
        let mut out = Vec::new();
        assert!(self.message(&mut out), "{}", self.name);
        let mut group = criterion.benchmark_group("write an advert");
        group.throughput(Throughput::Elements(1));
        group.bench_function(self.name, |bencher| bencher.iter(|| self.message(black_box(&mut out))));
        group.finish();
    }

    fn check(&self, criterion: &mut Criterion) {
        let mut message = Vec::new();
        assert!(self.message(&mut message), "{}", self.name);
        let (source, destination) = self.way();
        let expect = Expect {
            vrid: Vrid::MIN,
            family: self.family,
            interval: self.interval,
            authentication: self.authentication,
            proof: Proof::None,
            on_link: true,
            ignore_v3_checksum: false,
        };
        let received = Received {
            source,
            destination,
            hop_limit: Some(HOP_LIMIT),
            carrier: Carrier::Ip,
            message: &message,
        };
        let believed = |received: &Received<'_>| {
            expect.check(received).is_ok_and(|advert| advert.addresses.matches(&self.addresses))
        };
        assert!(believed(&received), "{}", self.name);
        let mut group = criterion.benchmark_group("check an advert");
        group.throughput(Throughput::Elements(1));
        group.bench_function(self.name, |bencher| bencher.iter(|| believed(black_box(&received))));
        group.finish();
    }
}
