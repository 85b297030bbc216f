//! The tables of a virtual router: what is dropped, and what is sent by another interface; and those of virtual servers:
//! which packets get which mark. Names are keepalived's.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::Family;
use super::expression::{Base, Expression, Meta, Verdict};
use super::transaction::{Entry, Hook, INTERFACE, MARK, Set, Transaction};
use crate::ipvs::Transport;

/// NF_INET_LOCAL_IN and NF_INET_LOCAL_OUT.
const INPUT: u32 = 1;
const OUTPUT: u32 = 3;

/// Types of nft(8): ipv4_addr, ipv6_addr, icmpv6_type; a concatenation has six bits for each.
const IPV4_ADDRESS: (u32, u32) = (7, 4);
const IPV6_ADDRESS: (u32, u32) = (8, 16);
const ICMPV6_TYPE: (u32, u32) = (29, 1);
const IPV6_ON_INTERFACE: (u32, u32) = (8 << 6 | 20, 20);

/// An address and a port (ipv4_addr or ipv6_addr, and inet_service); each field fills words of four octets.
const IPV4_AND_PORT: (u32, u32) = (7 << 6 | 13, 8);
const IPV6_AND_PORT: (u32, u32) = (8 << 6 | 13, 20);

/// IPPROTO_IGMP and IPPROTO_ICMPV6.
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;

/// RFC 2710 section 3 and RFC 3810 section 5.2: reports of multicast listeners, versions 1 and 2.
const LISTENER_REPORTS: [u8; 2] = [131, 143];
/// RFC 4861 section 4: router solicitation, neighbour solicitation and neighbour advertisement.
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_DISCOVERY: [u8; 2] = [135, 136];

/// fe80::/10 (RFC 4291 section 2.5.6).
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const LINK_LOCAL_MASK: [u8; 16] = [0xff, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// In the order of [`Needs::marks`].
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Sctp];

/// What the kernel calls the kind of an interface with a MAC address of its own, in IFNAMSIZ octets.
const MACVLAN: [u8; 16] = *b"macvlan\0\0\0\0\0\0\0\0\0";

/// Something that the filters are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// Nothing to or from this address passes (RFC 9568 section 6.4.3: Accept_Mode is false).
    NotAccepted(IpAddr),
    /// The same for a link-local address, on the interface of this index.
    NotAcceptedOn(Ipv6Addr, u32),
    /// What is said of groups on the interface `vmac` is said on the interface `lower` below it.
    Quiet {
        /// Of which protocol.
        family: Family,
        /// With the virtual MAC address.
        vmac: u32,
        /// Below it.
        lower: u32,
    },
    /// Packets to these addresses get a mark, before they are balanced.
    Marked {
        /// Of which protocol.
        transport: Transport,
        /// The first address.
        first: IpAddr,
        /// The last one, of the same family.
        last: IpAddr,
        /// To this port; 0 is every port.
        port: u16,
        /// The mark.
        mark: u32,
    },
}

impl Element {
    /// The table that it belongs to.
    pub const fn family(&self) -> Family {
        match self {
            Self::NotAccepted(address) | Self::Marked { first: address, .. } => match address {
                IpAddr::V4(_) => Family::V4,
                IpAddr::V6(_) => Family::V6,
            },
            Self::NotAcceptedOn(..) => Family::V6,
            Self::Quiet { family, .. } => *family,
        }
    }

    /// Sets that have it, and how.
    fn entries(&self) -> Vec<(&'static str, Entry)> {
        match self {
            Self::NotAccepted(address) => {
                vec![("vips", Entry { key: octets(*address), ..Entry::default() })]
            }
            Self::NotAcceptedOn(address, interface) => {
                let mut key = address.octets().to_vec();
                key.extend_from_slice(&interface.to_ne_bytes());
                vec![("vips_link_local", Entry { key, ..Entry::default() })]
            }
            Self::Quiet { family, vmac, lower } => {
                let vmac = vmac.to_ne_bytes().to_vec();
                let data = Some(lower.to_ne_bytes().to_vec());
                let mut entries = vec![("vmac_map", Entry { key: vmac.clone(), last: None, data })];
                if *family == Family::V6 {
                    entries.push(("vmac_set", Entry { key: vmac, ..Entry::default() }));
                }
                entries
            }
            Self::Marked { transport, first, last, port, mark } => {
                let (from, to) = if *port == 0 { (0, u16::MAX) } else { (*port, *port) };
                let key = |address: IpAddr, port: u16| {
                    let mut key = octets(address);
                    key.extend(port.to_be_bytes());
                    key.extend([0, 0]);
                    key
                };
                let data = Some(mark.to_ne_bytes().to_vec());
                let entry = Entry { key: key(*first, from), last: Some(key(*last, to)), data };
                vec![(marks(*transport).0, entry)]
            }
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The map of a protocol, and its number.
const fn marks(transport: Transport) -> (&'static str, u8) {
    match transport {
        Transport::Tcp => ("tcp_map", 6),
        Transport::Udp => ("udp_map", 17),
        Transport::Sctp => ("sctp_map", 132),
    }
}

/// Which parts a table has to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// For addresses that nothing is accepted for.
    pub not_accepted: bool,
    /// For interfaces that are quiet.
    pub quiet: bool,
    /// For marks: TCP, UDP and SCTP.
    pub marks: [bool; 3],
}

impl Needs {
    /// Of these elements.
    pub fn of<'e>(elements: impl IntoIterator<Item = &'e Element>) -> Self {
        let mut needs = Self::default();
        for element in elements {
            match element {
                Element::NotAccepted(_) | Element::NotAcceptedOn(..) => needs.not_accepted = true,
                Element::Quiet { .. } => needs.quiet = true,
                Element::Marked { transport, .. } => {
                    let places = TRANSPORTS.iter().zip(&mut needs.marks);
                    places.filter(|(of, _)| *of == transport).for_each(|(_, needed)| *needed = true);
                }
            }
        }
        needs
    }

    /// Whether a table that has these parts has those as well.
    pub fn cover(self, others: Self) -> bool {
        self.and(others) == self
    }

    /// Either.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        let mut marks = self.marks;
        marks.iter_mut().zip(others.marks).for_each(|(mark, other)| *mark |= other);
        let (not_accepted, quiet) = (self.not_accepted || others.not_accepted, self.quiet || others.quiet);
        Self { not_accepted, quiet, marks }
    }
}

/// How tables look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// Their name.
    pub table: String,
    /// Priority of the chains that the kernel calls.
    pub priority: i32,
    /// Rules count what they meet.
    pub counters: bool,
    /// What is said of groups is not only kept quiet but said by the interface below; not every kernel can.
    pub duplicate: bool,
}

impl Transaction {
    /// Deletes the table of a family, be it there or not.
    pub fn clear(&mut self, style: &Style, family: Family) {
        self.table(family, &style.table);
        self.delete_table(family, &style.table);
    }

    /// Puts a table with these parts and no elements in the place of any that is there.
    pub fn rebuild(&mut self, style: &Style, family: Family, needs: Needs) {
        self.clear(style, family);
        self.table(family, &style.table);
        let hook = |number| Some(Hook { number, priority: style.priority });
        if needs.not_accepted || needs.quiet {
            self.chain(family, &style.table, "out", hook(OUTPUT));
        }
        if needs.not_accepted || needs.marks.contains(&true) {
            self.chain(family, &style.table, "in", hook(INPUT));
        }
        let mut rules = Rules { transaction: self, style, family };
        if needs.quiet {
            rules.quiet();
        }
        if needs.not_accepted {
            rules.not_accepted();
        }
        for (transport, needed) in TRANSPORTS.into_iter().zip(needs.marks) {
            if needed {
                rules.marks(transport);
            }
        }
    }

    /// Adds elements to the tables, which are there.
    pub fn add_elements(&mut self, style: &Style, elements: &BTreeSet<Element>) {
        for ((family, set), entries) in by_set(elements) {
            self.add(family, &style.table, set, &entries);
        }
    }

    /// Takes elements away.
    pub fn remove_elements(&mut self, style: &Style, elements: &BTreeSet<Element>) {
        for ((family, set), entries) in by_set(elements) {
            self.take_away(family, &style.table, set, &entries);
        }
    }
}

fn by_set(elements: &BTreeSet<Element>) -> std::collections::BTreeMap<(Family, &'static str), Vec<Entry>> {
    let mut sets = std::collections::BTreeMap::<_, Vec<Entry>>::new();
    for element in elements {
        for (set, entry) in element.entries() {
            sets.entry((element.family(), set)).or_default().push(entry);
        }
    }
    sets
}

/// Writes the rules of one table.
struct Rules<'a> {
    transaction: &'a mut Transaction,
    style: &'a Style,
    family: Family,
}

impl Rules<'_> {
    fn set(&mut self, name: &str, key: (u32, u32)) {
        let set = Set { name, key, data: None, constant: false, fields: &[] };
        self.transaction.set(self.family, &self.style.table, set);
    }

    fn constant(&mut self, name: &str, types: &[u8]) {
        let set = Set { name, key: ICMPV6_TYPE, data: None, constant: true, fields: &[] };
        self.transaction.set(self.family, &self.style.table, set);
        let entries: Vec<Entry> =
            types.iter().map(|kind| Entry { key: vec![*kind], ..Entry::default() }).collect();
        self.transaction.add(self.family, &self.style.table, name, &entries);
    }

    /// Ends the steps with a counter, if wanted, and the verdict.
    fn rule(&mut self, chain: &str, steps: &[Expression<'_>], verdict: Verdict<'_>) {
        let mut steps = steps.to_vec();
        if self.style.counters {
            steps.push(Expression::Counter);
        }
        steps.push(Expression::Verdict(verdict));
        self.transaction.rule(self.family, &self.style.table, chain, &steps);
    }

    /// RFC 4541 section 2.1.2 has switches learn from reports where members are: a report with the virtual MAC address
    /// of a backup would draw the frames of the master there.
    fn quiet(&mut self) {
        let map =
            Set { name: "vmac_map", key: INTERFACE, data: Some(INTERFACE), constant: false, fields: &[] };
        self.transaction.set(self.family, &self.style.table, map);
        let report = match self.family {
            Family::V4 => vec![
                Expression::Payload { base: Base::Network, offset: 9, length: 1, to: 1 },
                Expression::Equal { register: 1, value: &[IGMP] },
                Expression::Payload { base: Base::Network, offset: 16, length: 4, to: 1 },
            ],
            Family::V6 => {
                self.set("vmac_set", INTERFACE);
                self.constant("mld-report", &LISTENER_REPORTS);
                vec![
                    Expression::Meta { key: Meta::TransportProtocol, to: 1 },
                    Expression::Equal { register: 1, value: &[ICMPV6] },
                    Expression::Payload { base: Base::Transport, offset: 0, length: 1, to: 1 },
                    Expression::In { register: 1, set: "mld-report" },
                    Expression::Payload { base: Base::Network, offset: 24, length: 16, to: 1 },
                ]
            }
        };
        let macvlan = [
            Expression::Meta { key: Meta::OutputInterfaceKind, to: 2 },
            Expression::Equal { register: 2, value: &MACVLAN },
            Expression::Meta { key: Meta::OutputInterface, to: 2 },
        ];
        let mut steps = [report.as_slice(), &macvlan].concat();
        steps.push(Expression::Map { register: 2, map: "vmac_map", to: 2 });
        if self.style.duplicate {
            steps.push(Expression::Duplicate { address: 1, interface: 2 });
        }
        self.rule("out", &steps, Verdict::Drop);
        if self.family == Family::V6 {
            let solicitation = [
                Expression::Meta { key: Meta::TransportProtocol, to: 1 },
                Expression::Equal { register: 1, value: &[ICMPV6] },
                Expression::Payload { base: Base::Transport, offset: 0, length: 1, to: 1 },
                Expression::Equal { register: 1, value: &[ROUTER_SOLICITATION] },
            ];
            let of_ours = [Expression::In { register: 2, set: "vmac_set" }];
            self.rule("out", &[&solicitation[..], &macvlan, &of_ours].concat(), Verdict::Drop);
        }
    }

    /// The marks of a protocol. Nothing is decided over the packet.
    fn marks(&mut self, transport: Transport) {
        let (name, number) = marks(transport);
        let number = [number];
        let (key, fields, destination, port) = match self.family {
            Family::V4 => (IPV4_AND_PORT, [4, 2], (16, 4), 9),
            Family::V6 => (IPV6_AND_PORT, [16, 2], (24, 16), 12),
        };
        let map = Set { name, key, data: Some(MARK), constant: false, fields: &fields };
        self.transaction.set(self.family, &self.style.table, map);
        let (offset, length) = destination;
        let mut steps = vec![
            Expression::Meta { key: Meta::TransportProtocol, to: 1 },
            Expression::Equal { register: 1, value: &number },
            Expression::Payload { base: Base::Network, offset, length, to: 8 },
            Expression::Payload { base: Base::Transport, offset: 2, length: 2, to: port },
            Expression::Map { register: 8, map: name, to: 1 },
            Expression::SetMark { from: 1 },
        ];
        if self.style.counters {
            steps.push(Expression::Counter);
        }
        self.transaction.rule(self.family, &self.style.table, "in", &steps);
    }

    fn not_accepted(&mut self) {
        let (key, source, destination) = match self.family {
            Family::V4 => (IPV4_ADDRESS, 12, 16),
            Family::V6 => (IPV6_ADDRESS, 8, 24),
        };
        self.set("vips", key);
        if self.family == Family::V6 {
            // RFC 9568 section 6.4.3: neighbour solicitations and advertisements are taken all the same.
            self.constant("neighbor-discovery", &NEIGHBOUR_DISCOVERY);
            self.set("vips_link_local", IPV6_ON_INTERFACE);
            for chain in ["in_link_local", "out_link_local"] {
                self.transaction.chain(self.family, &self.style.table, chain, None);
            }
        }
        let address = |offset| Expression::Payload { base: Base::Network, offset, length: key.1, to: 1 };
        let directions = [
            ("in", "in_link_local", destination, Meta::InputInterface),
            ("out", "out_link_local", source, Meta::OutputInterface),
        ];
        for (chain, link_local, offset, interface) in directions {
            if self.family == Family::V6 {
                let discovery = [
                    Expression::Meta { key: Meta::TransportProtocol, to: 1 },
                    Expression::Equal { register: 1, value: &[ICMPV6] },
                    Expression::Payload { base: Base::Transport, offset: 0, length: 1, to: 1 },
                    Expression::In { register: 1, set: "neighbor-discovery" },
                ];
                self.rule(chain, &discovery, Verdict::Accept);
                let is_link_local = [
                    address(offset),
                    Expression::Mask { register: 1, mask: &LINK_LOCAL_MASK },
                    Expression::Equal { register: 1, value: &LINK_LOCAL },
                ];
                self.rule(chain, &is_link_local, Verdict::GoTo(link_local));
                let on_interface = [
                    address(offset),
                    Expression::Meta { key: interface, to: 2 },
                    Expression::In { register: 1, set: "vips_link_local" },
                ];
                self.rule(link_local, &on_interface, Verdict::Drop);
            }
            self.rule(chain, &[address(offset), Expression::In { register: 1, set: "vips" }], Verdict::Drop);
        }
    }
}
