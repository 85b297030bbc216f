//! Services that are the same one for the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::check::name;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::model::{GroupEntry, Model, ServiceTarget, Transport, VirtualServer, VirtualServerGroup};
use crate::table::Context;

/// Tells of each service that has something in common with one before.
pub(crate) fn advise(model: &Model, context: &mut Context<'_>) {
    let groups = model.virtual_server_groups.iter().rev().map(|group| (&*group.name, group)).collect();
    let marked = model.global.firewall.ipvs_table.is_some();
    let mut taken = Taken::default();
    for server in &model.virtual_servers {
        let mut met = None;
        for part in common(server, &groups, marked) {
            let found = taken.take(part, server);
            met = met.or(found);
        }
        if let Some(Met { part, other }) = met {
            context.push(diagnostic(server, other, part));
        }
    }
}

fn diagnostic(server: &VirtualServer, other: &VirtualServer, part: Part) -> Diagnostic {
    let (ours, theirs) = (name(server), name(other));
    let same = server.target == other.target && server.protocol == other.protocol;
    let message = if same {
        format!("virtual_server {ours}: the service stands in the file already")
    } else {
        format!("virtual_server {ours}: {part} belongs to virtual_server {theirs} already")
    };
    let told = Diagnostic::new(Code::ServiceTwice, server.site.0, message).label(other.site.0, "first here");
    if part.marked && !same {
        return told.note("its packets have the mark of the first group: this one does not serve them");
    }
    let together = "the kernel has one service for both, with the real servers of both; each stays as long as one of \
                    them wants it";
    let ignored = ignored(server, other);
    match &*ignored {
        [] => told.note(together),
        words => {
            told.note(together).note(format!("it balances as the first says: {} not used", words.join(", ")))
        }
    }
}

/// What the later one says otherwise about the service, which has one scheduler only.
fn ignored(server: &VirtualServer, first: &VirtualServer) -> Vec<&'static str> {
    let differs = [
        ("lvs_sched", server.scheduler != first.scheduler),
        ("flags of the scheduler", server.scheduler_flags != first.scheduler_flags),
        ("ops", server.one_packet != first.one_packet),
        ("persistence_engine", server.persistence_engine != first.persistence_engine),
        ("persistence_timeout", server.persistence_timeout_seconds != first.persistence_timeout_seconds),
        ("persistence_granularity", server.persistence_granularity != first.persistence_granularity),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(word, _)| word).collect()
}

/// What the kernel knows services by: what is in different rooms has nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Mark { ipv4: bool },
    Addresses { ipv4: bool, transport: u8, port: u16, marked: bool },
}

/// Some of it: addresses from the first to the last, or a mark.
#[derive(Debug, Clone, Copy)]
struct Part {
    room: Room,
    first: u128,
    last: u128,
    marked: bool,
    /// The first address, if it is one.
    address: Option<IpAddr>,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.address, self.room) {
            (Some(address), Room::Addresses { port, .. }) if self.first == self.last => {
                write!(f, "{address} port {port}")
            }
            (Some(address), Room::Addresses { port, .. }) => {
                write!(f, "a part of the range from {address} on, port {port},")
            }
            _ => write!(f, "fwmark {}", self.first),
        }
    }
}

impl Part {
    fn addresses(first: IpAddr, last: IpAddr, port: u16, protocol: Option<Transport>, marked: bool) -> Self {
        let transport = match protocol {
            Some(Transport::Tcp) => 0,
            Some(Transport::Udp) | None => 1,
            Some(Transport::Sctp) => 2,
        };
        let room = Room::Addresses { ipv4: first.is_ipv4(), transport, port, marked };
        Self { room, first: number(first), last: number(last), marked, address: Some(first) }
    }

    fn mark(mark: u32, family: Family) -> Self {
        let (room, number) = (Room::Mark { ipv4: family == Family::V4 }, u128::from(mark));
        Self { room, first: number, last: number, marked: false, address: None }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// What a service is for the kernel.
fn common<'a>(
    server: &'a VirtualServer,
    groups: &BTreeMap<&str, &'a VirtualServerGroup>,
    marked: bool,
) -> impl Iterator<Item = Part> + use<'a> {
    let entries: &[GroupEntry] = match &server.target {
        ServiceTarget::Group(name) => groups.get(&**name).map_or(&[], |group| &group.entries),
        _ => &[],
    };
    let own = match &server.target {
        ServiceTarget::Address(at) => {
            Some(Part::addresses(at.address, at.address, at.port, server.protocol, false))
        }
        ServiceTarget::Mark(mark) => Some(Part::mark(*mark, server.family)),
        ServiceTarget::Group(_) => None,
    };
    let entries = entries.iter().map(move |entry| match *entry {
        GroupEntry::Addresses { first, last, port } => {
            Part::addresses(first, last, port, server.protocol, marked)
        }
        GroupEntry::Mark { mark, family } => Part::mark(mark, family.unwrap_or(server.family)),
    });
    own.into_iter().chain(entries)
}

/// What services have, in parts that do not overlap.
#[derive(Default)]
struct Taken<'a>(BTreeMap<(Room, u128), (u128, &'a VirtualServer)>);

/// Where a service meets another one.
struct Met<'a> {
    part: Part,
    other: &'a VirtualServer,
}

impl<'a> Taken<'a> {
    /// A service has this as well; who else has something of it comes back.
    fn take(&mut self, part: Part, server: &'a VirtualServer) -> Option<Met<'a>> {
        let Part { room, mut first, mut last, .. } = part;
        let mut other = None;
        let mut meet = |found: &'a VirtualServer| {
            if !std::ptr::eq(found, server) {
                other.get_or_insert(found);
            }
        };
        let before = self.0.range(..(room, first)).next_back();
        let reaching = before.filter(|((found, _), (end, _))| *found == room && *end >= first);
        if let Some((_, (end, found))) = reaching {
            meet(found);
            first = end.saturating_add(1).max(first);
            if *end >= last {
                return other.map(|other| Met { part, other });
            }
        }
        let inside: Vec<_> =
            self.0.range((room, first)..=(room, last)).map(|(at, end)| (*at, *end)).collect();
        let mut is_full = false;
        for ((_, start), (end, found)) in inside {
            meet(found);
            if end <= last {
                self.0.remove(&(room, start));
            } else {
                // It goes on behind: only what is before it is new.
                (last, is_full) = (start.saturating_sub(1), start == first);
            }
        }
        if !is_full {
            self.0.insert((room, first), (last, server));
        }
        other.map(|other| Met { part, other })
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::AnyMachine;
    use crate::text::source::Memory;
    use crate::{LoadOptions, load};

    /// The messages about services that are one, with their notes.
    fn told(text: &str) -> Vec<String> {
        let behind = "{\n protocol TCP\n lvs_sched rr\n lvs_method NAT\n real_server 10.0.0.1 80 {\n }\n}\n";
        let memory = Memory::new().file("k.conf", text.replace("{}", behind).as_str());
        let loaded = load(&memory, "/k.conf".as_ref(), &AnyMachine, &LoadOptions::default());
        let told = loaded.diagnostics.iter().filter(|told| told.code.name() == "SF0416");
        told.map(|told| format!("{} ({})", told.message, told.notes.len())).collect()
    }

    #[test]
    fn services_that_are_one_are_told_where_they_meet() {
        let none: [&str; 0] = [];
        assert_eq!(told("virtual_server 10.9.0.1 80 {}\nvirtual_server 10.9.0.1 81 {}\n"), none);
        let twice = "virtual_server 10.9.0.1 80 {}\nvirtual_server 10.9.0.1 80 {}\n";
        assert_eq!(
            told(twice),
            ["virtual_server [10.9.0.1]:tcp:80: the service stands in the file already (1)"]
        );
    }

    #[test]
    fn a_range_meets_what_is_in_it() {
        let group = "virtual_server_group G {\n 10.9.0.1-9 80\n 10.9.0.5 80\n fwmark 7\n}\n";
        let text = |other: &str| format!("{group}virtual_server group G {{}}\n{other}");
        let alone = told(&text(""));
        assert_eq!(alone, [""; 0]);
        for (other, met) in [
            ("10.9.0.1 80", "10.9.0.1 port 80"),
            ("10.9.0.9 80", "10.9.0.9 port 80"),
            ("10.9.0.6 80", "10.9.0.6 port 80"),
            ("fwmark 7", "fwmark 7"),
        ] {
            let found = told(&text(&format!("virtual_server {other} {{}}\n")));
            assert_eq!(found.len(), 1, "{other}: {found:?}");
            assert!(found[0].contains(&format!("{met} belongs to virtual_server [G] already")), "{found:?}");
        }
        for other in ["10.9.0.10 80", "10.9.0.0 80", "10.9.0.5 81", "fwmark 8"] {
            assert_eq!(told(&text(&format!("virtual_server {other} {{}}\n"))), alone, "{other}");
        }
        // A third one meets what the second had alone, too.
        let more = "virtual_server_group H {\n 10.9.0.5-20 80\n}\nvirtual_server group H {}\nvirtual_server 10.9.0.15 80 {}\n";
        assert_eq!(told(&text(more)).len(), 2);
    }
}
