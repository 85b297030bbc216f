//! Virtual servers: a line each, or one with everything behind it.

use std::fmt::Write as _;

use steadfast_control::status::{Check, KernelServer, Override, Server, Service, Status, Traffic};
use steadfast_control::wording::duration;

use super::View;
use crate::table::{Cell, Facts, Table};
use crate::terminal::{Paint, harmless};

/// A line for each.
pub(super) fn overview(text: &mut String, status: &Status, view: &View) {
    if status.services.is_empty() {
        return;
    }
    text.push('\n');
    let mut table = Table::new([
        "VIRTUAL SERVER",
        "STATE",
        "SERVERS",
        "WEIGHT",
        "ACTIVE",
        "CONN/S",
        "IN/S",
        "OUT/S",
        "WHY",
    ])
    .expendable(&["OUT/S", "IN/S", "CONN/S", "WEIGHT"]);
    for service in &status.services {
        let rate = |of: fn(&Traffic) -> u64, write: fn(u64) -> String| {
            Cell::plain(service.traffic.as_ref().map_or_else(dash, |traffic| write(of(traffic))))
        };
        table.push([
            Cell::plain(&service.name),
            state(service),
            servers_up(service),
            Cell::plain(weight(service)),
            Cell::plain(service.traffic.map_or_else(dash, |_| service.connections().0.to_string())),
            rate(|traffic| traffic.connections_per_second, |number| number.to_string()),
            rate(|traffic| traffic.bytes_in_per_second, bytes),
            rate(|traffic| traffic.bytes_out_per_second, bytes),
            Cell::plain(why(service)),
        ]);
    }
    table.write(text, view.palette, view.width);
}

/// Everything about one.
pub(super) fn details(text: &mut String, service: &Service, view: &View) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", view.palette.paint(Paint::Strong, &harmless(&service.name)));
    let mut facts = Facts::new(2);
    facts.push("state", state(service));
    let margin = match service.hysteresis {
        0 => String::new(),
        margin => format!(", hysteresis {margin}"),
    };
    let live = service.live_weight.map_or_else(String::new, |weight| format!("live weight {weight}, "));
    facts.push("quorum", Cell::plain(format!("{live}needed {}{margin}", service.quorum)));
    facts.push("scheduler", Cell::plain(&service.scheduler));
    if let Some(sorry) = &service.sorry_server {
        let used = if sorry.serves { "serves now" } else { "waits" };
        let connections = sorry.kernel.map_or_else(String::new, |kernel| {
            format!(", {} connections", kernel.active_connections + kernel.inactive_connections)
        });
        facts.push("sorry server", Cell::plain(format!("{} {used}{connections}", sorry.address)));
    }
    if let Some(instance) = &service.waits_for {
        let line = format!("only while {instance} is master, which it is not");
        facts.push("in the kernel", Cell::plain(line));
    }
    if let Some(reason) = &service.refused {
        facts.push("refused", Cell::painted(Paint::Bad, reason));
    }
    facts.push(
        "traffic",
        service.traffic.as_ref().map_or_else(not_there, |counted| Cell::plain(traffic(counted))),
    );
    facts.write(text, view.palette, view.width);
    servers(text, service, view);
    checks(text, service, view);
}

fn servers(text: &mut String, service: &Service, view: &View) {
    text.push('\n');
    let mut table = Table::new([
        "  SERVER", "STATE", "FOR", "WEIGHT", "KIND", "ACTIVE", "INACTIVE", "CONN/S", "IN/S", "OUT/S", "WHY",
    ])
    .expendable(&["OUT/S", "IN/S", "KIND", "CONN/S", "INACTIVE"]);
    for server in &service.servers {
        let of = |of: fn(&KernelServer) -> String| Cell::plain(server.kernel.as_ref().map_or_else(dash, of));
        table.push([
            Cell::plain(format!("  {}", server.address)),
            server_state(server),
            Cell::plain(server.milliseconds_in_state.map_or_else(dash, duration::milliseconds)),
            server_weight(server),
            Cell::plain(&server.forwarding),
            of(|kernel| kernel.active_connections.to_string()),
            of(|kernel| kernel.inactive_connections.to_string()),
            of(|kernel| kernel.traffic.connections_per_second.to_string()),
            of(|kernel| bytes(kernel.traffic.bytes_in_per_second)),
            of(|kernel| bytes(kernel.traffic.bytes_out_per_second)),
            Cell::plain(server.why.as_deref().unwrap_or_default()),
        ]);
    }
    table.write(text, view.palette, view.width);
}

fn checks(text: &mut String, service: &Service, view: &View) {
    let mut told = std::collections::BTreeSet::new();
    let every = service.servers.iter().flat_map(|server| &server.checks);
    // Servers with the same check share it.
    let different: Vec<&Check> = every.filter(|check| told.insert(&check.name)).collect();
    if different.is_empty() {
        return;
    }
    text.push('\n');
    let mut table = Table::new(["  CHECK", "RESULT", "FOR", "TOOK", "NEXT IN", "BAD", "OF", "LAST FAILURE"])
        .expendable(&["OF", "BAD", "NEXT IN"]);
    for check in different {
        table.push([
            Cell::plain(format!("  {}", check.name)),
            check_result(check),
            Cell::plain(check.milliseconds_in_state.map_or_else(dash, duration::milliseconds)),
            Cell::plain(check.took_microseconds.map_or_else(dash, duration::microseconds)),
            Cell::plain(check.next_in_milliseconds.map_or_else(dash, duration::milliseconds)),
            Cell::plain(check.bad_results.to_string()),
            Cell::plain(check.results.to_string()),
            Cell::plain(check.last_failure.as_deref().unwrap_or_default()),
        ]);
    }
    table.write(text, view.palette, view.width);
}

fn state(service: &Service) -> Cell {
    if let Some(instance) = &service.waits_for {
        return Cell::painted(Paint::Calm, format!("waits for {instance}"));
    }
    match (service.up, service.suspended) {
        (None, _) => Cell::painted(Paint::Warn, "unknown"),
        (Some(_), true) => Cell::painted(Paint::Calm, "rests"),
        (Some(true), false) => Cell::painted(Paint::Good, "UP"),
        (Some(false), false) => Cell::painted(Paint::Bad, "DOWN"),
    }
}

fn server_state(server: &Server) -> Cell {
    match (server.operator, server.up) {
        (Override::Disable, _) => Cell::painted(Paint::Warn, "disabled"),
        (Override::Drain, true) => Cell::painted(Paint::Warn, "draining"),
        (_, true) => Cell::painted(Paint::Good, "UP"),
        (_, false) => Cell::painted(Paint::Bad, "DOWN"),
    }
}

/// The weight in the kernel, and the configured one where it differs.
fn server_weight(server: &Server) -> Cell {
    let found = server.kernel.map(|kernel| kernel.weight).or(server.wanted_weight);
    match found {
        None => Cell::plain("-"),
        Some(weight) if weight == server.configured_weight => Cell::plain(weight.to_string()),
        Some(weight) => Cell::painted(Paint::Warn, format!("{weight} of {}", server.configured_weight)),
    }
}

fn check_result(check: &Check) -> Cell {
    match (check.has_run, check.up, check.failures) {
        (false, _, 0) => Cell::painted(Paint::Warn, "not asked yet"),
        (_, true, 0) => Cell::painted(Paint::Good, "good"),
        (_, true, failures) => {
            Cell::painted(Paint::Warn, format!("good, failed {failures} of {} times", check.retries))
        }
        (_, false, _) => Cell::painted(Paint::Bad, "fails"),
    }
}

fn servers_up(service: &Service) -> Cell {
    let (up, all) = (service.servers_up(), service.servers.len());
    let text = format!("{up} of {all}");
    if up == all { Cell::plain(text) } else { Cell::painted(Paint::Warn, text) }
}

fn weight(service: &Service) -> String {
    match service.live_weight {
        Some(weight) => format!("{weight}, needs {}", service.quorum),
        None => format!("needs {}", service.quorum),
    }
}

/// The first server that is not up, and how many more there are.
fn why(service: &Service) -> String {
    if let Some(reason) = &service.refused {
        return reason.clone();
    }
    let mut down = service.servers.iter().filter(|server| !server.up);
    let Some(first) = down.next() else { return String::new() };
    let more = match down.count() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let sorry = service.sorry_server.as_ref().filter(|sorry| sorry.serves);
    let sorry = sorry.map_or_else(String::new, |sorry| format!("; {} serves", sorry.address));
    format!("{}: {}{more}{sorry}", first.address, first.why.as_deref().unwrap_or("down"))
}

fn traffic(counted: &Traffic) -> String {
    format!(
        "{} connections, {} a second; in {}, {} a second; out {}, {} a second",
        counted.connections,
        counted.connections_per_second,
        bytes(counted.bytes_in),
        bytes(counted.bytes_in_per_second),
        bytes(counted.bytes_out),
        bytes(counted.bytes_out_per_second),
    )
}

fn not_there() -> Cell {
    Cell::painted(Paint::Warn, "the kernel has no such service: `steadfast events` has its reason")
}

/// Bytes in a fitting unit, as network people count: thousands.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut tenths = count / 100;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_000
        && let Some(next) = units.next()
    {
        tenths /= 1_000;
        unit = Some(next);
    }
    let unit = unit.copied().unwrap_or_default();
    if tenths >= 1_000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_a_fitting_unit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (99_950, "99.9 kB"),
            (123_456, "123 kB"),
            (1_234_567, "1.2 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }
}
