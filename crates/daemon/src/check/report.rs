//! How services, servers and checks are, for who asks: from the machine and from the kernel, a part at a time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::status as report;
use steadfast_health::{CheckId, Machine, ServerStatus, Target};
use steadfast_kernel::ipvs::{Forwarding, ListedServer, ServerKey, ServiceKey, Statistics, Tunnel};
use steadfast_time::Moment;

use super::spec;
use super::table::Table;
use crate::link::check::work::Placement;

/// Entries of the kernel that are read in a turn, so that checks go on meanwhile.
const ENTRIES_OF_A_TURN: usize = 64;

/// Answers under way, the first one first.
#[derive(Debug, Default)]
pub(super) struct Reports {
    waiting: VecDeque<Report>,
}

#[derive(Debug)]
struct Report {
    request: u32,
    services: VecDeque<Arc<str>>,
    /// Of the first of them.
    read: Figures,
    /// How many of its entries were read.
    entries: usize,
}

/// A part of an answer.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) request: u32,
    pub(super) services: Vec<report::Service>,
    pub(super) last: bool,
}

/// What the kernel has of a service: all its entries together.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    servers: BTreeMap<Target, report::KernelServer>,
    traffic: Option<report::Traffic>,
}

impl Reports {
    /// Somebody wants to know of these services.
    pub(super) fn ask(&mut self, request: u32, services: Vec<Arc<str>>) {
        let report = Report { request, services: services.into(), read: Figures::default(), entries: 0 };
        self.waiting.push_back(report);
    }

    /// Whether there is something to do.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Goes on for a turn.
    pub(super) fn go_on(&mut self, now: Moment, machine: &Machine, table: &mut Table) -> Option<Part> {
        let report = self.waiting.front_mut()?;
        let mut part = Part { request: report.request, services: Vec::new(), last: false };
        let mut room = ENTRIES_OF_A_TURN;
        while room > 0
            && let Some(name) = report.services.front()
        {
            // One that a reload removed meanwhile is not told.
            let found = table.services().get(name).cloned();
            let left = found.as_ref().map_or(0, |found| found.entry_count().saturating_sub(report.entries));
            let now_read = left.min(room);
            if let Some(placement) = &found {
                for key in placement.entries().skip(report.entries).take(now_read) {
                    report.read.take(machine, placement, key, table);
                }
                if now_read == left {
                    let figures = std::mem::take(&mut report.read);
                    let told = service(now, machine, placement, &figures);
                    part.services.extend(told.map(|told| report::Service {
                        waits_for: table.waits_for(placement),
                        refused: table.refusal(placement),
                        ..told
                    }));
                }
            }
            report.entries += now_read;
            // A service without entries costs as much as one.
            room -= now_read.max(1);
            if now_read == left {
                report.services.pop_front();
                report.read = Figures::default();
                report.entries = 0;
            }
        }
        part.last = report.services.is_empty();
        if part.last {
            self.waiting.pop_front();
        }
        Some(part)
    }
}

impl Figures {
    /// What the kernel has of a service, of as many of its entries as one turn reads.
    pub(super) fn of(machine: &Machine, placement: &Placement, table: &mut Table) -> Self {
        let mut figures = Self::default();
        for key in placement.entries().take(ENTRIES_OF_A_TURN) {
            figures.take(machine, placement, key, table);
        }
        figures
    }

    /// Adds what the kernel has of one entry.
    fn take(&mut self, machine: &Machine, placement: &Placement, key: ServiceKey, table: &mut Table) {
        let Some((statistics, servers)) = table.listed(key) else { return };
        add(self.traffic.get_or_insert_default(), &statistics);
        let listed: BTreeMap<ServerKey, ListedServer> =
            servers.into_iter().map(|server| (server.key, server)).collect();
        let servers = machine.service_id(&placement.key).map(|id| machine.server_addresses(id));
        let servers = servers.into_iter().flatten().map(Target::Server);
        for target in servers.chain([Target::Sorry]) {
            let Some(reach) = placement.reach(target) else { continue };
            let Some(found) = listed.get(&reach.in_service(key)) else { continue };
            let sum = self.servers.entry(target).or_default();
            sum.weight = found.server.weight;
            sum.active_connections += u64::from(found.connections.active);
            sum.inactive_connections += u64::from(found.connections.inactive);
            sum.persistent_connections += u64::from(found.connections.persistent);
            add(&mut sum.traffic, &found.statistics);
        }
    }
}

fn add(sum: &mut report::Traffic, counted: &Statistics) {
    let pairs = [
        (&mut sum.connections, counted.connections),
        (&mut sum.packets_in, counted.packets_in),
        (&mut sum.packets_out, counted.packets_out),
        (&mut sum.bytes_in, counted.bytes_in),
        (&mut sum.bytes_out, counted.bytes_out),
        (&mut sum.connections_per_second, counted.connection_rate),
        (&mut sum.packets_in_per_second, counted.packet_rate_in),
        (&mut sum.packets_out_per_second, counted.packet_rate_out),
        (&mut sum.bytes_in_per_second, counted.byte_rate_in),
        (&mut sum.bytes_out_per_second, counted.byte_rate_out),
    ];
    for (sum, number) in pairs {
        *sum = sum.saturating_add(number);
    }
}

/// One service with everything behind it.
pub(crate) fn service(
    now: Moment,
    machine: &Machine,
    placement: &Placement,
    figures: &Figures,
) -> Option<report::Service> {
    let status = machine.service(machine.service_id(&placement.key)?)?;
    let servers = status.servers.iter().filter_map(|id| machine.server(*id));
    Some(report::Service {
        name: Arc::clone(&status.key),
        up: Some(status.quorum),
        quorum: status.needed,
        hysteresis: status.hysteresis,
        live_weight: Some(status.live_weight),
        suspended: status.suspended,
        waits_for: None,
        refused: None,
        scheduler: placement.service.scheduler.to_string(),
        sorry_server: status.sorry.map(|sorry| report::SorryServer {
            address: sorry.address,
            serves: !status.quorum,
            kernel: figures.servers.get(&Target::Sorry).copied(),
        }),
        servers: servers.map(|status| server(now, machine, placement, &status, figures)).collect(),
        traffic: figures.traffic,
    })
}

/// One server of a service.
pub(super) fn server(
    now: Moment,
    machine: &Machine,
    placement: &Placement,
    status: &ServerStatus,
    figures: &Figures,
) -> report::Server {
    let checks: Vec<report::Check> = status.checks.iter().filter_map(|id| check(now, machine, *id)).collect();
    report::Server {
        address: status.address,
        forwarding: forwarding(placement, status.address).to_owned(),
        up: status.alive,
        milliseconds_in_state: status.changed.map(|at| milliseconds(now.since(at))),
        why: why(status, &checks),
        configured_weight: status.configured_weight,
        weight: status.weight,
        wanted_weight: status.entry,
        operator: status.by,
        checks,
        kernel: figures.servers.get(&Target::Server(status.address)).copied(),
    }
}

/// Why a server is not up: the operator, or the first check that is down.
fn why(status: &ServerStatus, checks: &[report::Check]) -> Option<String> {
    if status.alive {
        return status.unproven.then(|| "waits for its first check".to_owned());
    }
    if status.by == report::Override::Disable {
        return Some("an operator took it out".to_owned());
    }
    let failing = checks.iter().find(|check| !check.up)?;
    Some(match &failing.last_failure {
        Some(reason) => format!("{} fails: {reason}", failing.name),
        None => format!("{} has not succeeded yet", failing.name),
    })
}

fn check(now: Moment, machine: &Machine, id: CheckId) -> Option<report::Check> {
    let status = machine.check(id)?;
    Some(report::Check {
        name: spec::name(&status.key),
        up: status.up,
        has_run: status.has_run,
        milliseconds_in_state: status.changed.map(|at| milliseconds(now.since(at))),
        failures: status.failures,
        retries: status.retries,
        last_failure: status.last_failure,
        took_microseconds: status.took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        next_in_milliseconds: status.next.map(|at| milliseconds(at.since(now))),
        results: status.verdicts,
        bad_results: status.bad_verdicts,
    })
}

fn forwarding(placement: &Placement, address: SocketAddr) -> &'static str {
    match placement.ways.to(address).map(|reach| reach.way.forwarding) {
        Some(Forwarding::Masquerade) => "NAT",
        Some(Forwarding::Direct) => "DR",
        Some(Forwarding::Tunnel(Tunnel::Ipip)) => "TUN",
        Some(Forwarding::Tunnel(Tunnel::Gue { .. })) => "TUN gue",
        Some(Forwarding::Tunnel(Tunnel::Gre { .. })) => "TUN gre",
        Some(Forwarding::Local | Forwarding::Bypass) | None => "-",
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
