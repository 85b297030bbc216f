//! Virtual servers, the servers behind them, and the checks of these.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
pub use steadfast_health::Override;

/// A virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What it is called, as in events.
    pub name: Arc<str>,
    /// Whether it has its quorum; `None` while nobody knows.
    pub up: Option<bool>,
    /// Live weight needed.
    pub quorum: u32,
    /// Margin around it.
    pub hysteresis: u32,
    /// Live weight; `None` while nobody knows.
    pub live_weight: Option<u64>,
    /// Its checks rest: its address is not here.
    pub suspended: bool,
    /// It is in the kernel only while this instance is master, which it is not at the moment.
    pub waits_for: Option<Arc<str>>,
    /// What the kernel refuses of it, in a sentence; it is tried again.
    pub refused: Option<String>,
    /// The scheduler of the kernel.
    pub scheduler: String,
    /// Serves while there is no quorum.
    pub sorry_server: Option<SorryServer>,
    /// Ordered as configured.
    pub servers: Vec<Server>,
    /// What the kernel counted, all its entries together; `None` if the kernel has none.
    pub traffic: Option<Traffic>,
}

/// A sorry server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServer {
    /// Address and port.
    pub address: SocketAddr,
    /// It serves in place of the others.
    pub serves: bool,
    /// What the kernel has of it.
    pub kernel: Option<KernelServer>,
}

/// A server of a virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Address and port.
    pub address: SocketAddr,
    /// How packets reach it, in the words of `lb_kind`.
    pub forwarding: String,
    /// None of its checks is down, and nobody has taken it out.
    pub up: bool,
    /// Milliseconds in this state; `None` if it has been so since the start.
    pub milliseconds_in_state: Option<u64>,
    /// Why it is not up, in a sentence.
    pub why: Option<String>,
    /// Configured weight.
    pub configured_weight: u32,
    /// What its checks and its operator make of that.
    pub weight: u32,
    /// The weight that the service gives it at the moment; `None` if the service is not to have it.
    pub wanted_weight: Option<u32>,
    /// How an operator uses it.
    pub operator: Override,
    /// Its checks; it is up while none of them is down.
    pub checks: Vec<Check>,
    /// What the kernel has of it.
    pub kernel: Option<KernelServer>,
}

/// A check of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is asked of whom.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether it has been asked.
    pub has_run: bool,
    /// Milliseconds in this state; `None` if it has been so since the start.
    pub milliseconds_in_state: Option<u64>,
    /// Failures in a row that do not count yet.
    pub failures: u32,
    /// How many do not count.
    pub retries: u32,
    /// What was wrong last.
    pub last_failure: Option<Arc<str>>,
    /// How long its last result took.
    pub took_microseconds: Option<u64>,
    /// Until it is asked next, if it is not being asked.
    pub next_in_milliseconds: Option<u64>,
    /// Results so far.
    pub results: u64,
    /// Bad ones among them.
    pub bad_results: u64,
}

/// A server in the kernel's table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelServer {
    /// Its weight there.
    pub weight: u32,
    /// Connections that are established.
    pub active_connections: u64,
    /// Connections in any other state.
    pub inactive_connections: u64,
    /// Templates of persistence.
    pub persistent_connections: u64,
    /// What was counted.
    pub traffic: Traffic,
}

/// What the kernel counted since the entry was made, and rates, which it keeps while the sysctl `run_estimation` is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, where they pass here.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections a second.
    pub connections_per_second: u64,
    /// Packets from clients a second.
    pub packets_in_per_second: u64,
    /// Packets to clients a second.
    pub packets_out_per_second: u64,
    /// Bytes from clients a second.
    pub bytes_in_per_second: u64,
    /// Bytes to clients a second.
    pub bytes_out_per_second: u64,
}

impl Service {
    /// How many of its servers are up.
    pub fn servers_up(&self) -> usize {
        self.servers.iter().filter(|server| server.up).count()
    }

    /// Connections of all its servers that are established, and the others.
    pub fn connections(&self) -> (u64, u64) {
        let sorry = self.sorry_server.as_ref().and_then(|sorry| sorry.kernel.as_ref());
        let found = self.servers.iter().filter_map(|server| server.kernel.as_ref()).chain(sorry);
        found.fold((0, 0), |(active, inactive), server| {
            (active + server.active_connections, inactive + server.inactive_connections)
        })
    }
}

const NUMBER_OPENS: &str = " (";
const NUMBER_ENDS: char = ')';

/// The name of the second, third … service for the same.
pub fn numbered_service(name: &str, number: u32) -> String {
    format!("{name}{NUMBER_OPENS}{number}{NUMBER_ENDS}")
}

/// The name that services for the same have in common: what keepalived calls each of them.
pub fn unnumbered_service(name: &str) -> &str {
    let unnumbered = || {
        let (name, number) = name.strip_suffix(NUMBER_ENDS)?.rsplit_once(NUMBER_OPENS)?;
        number.parse::<u32>().is_ok().then_some(name)
    };
    unnumbered().unwrap_or(name)
}

/// Whether a virtual server of that name is meant by what somebody typed: its name, its address, its address and port,
/// or its group.
pub fn is_service_meant(name: &str, asked: &str) -> bool {
    if name == asked {
        return true;
    }
    let name = unnumbered_service(name);
    let Some((inner, rest)) = name.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return false;
    };
    let Ok(address) = inner.parse::<IpAddr>() else { return inner == asked };
    let port = rest.rsplit(':').next().and_then(|port| port.parse().ok());
    match asked.parse::<SocketAddr>() {
        Ok(asked) => port == Some(asked.port()) && asked.ip() == address,
        Err(_) => asked.parse() == Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_services_for_the_same_are_told_from_names() {
        let second = numbered_service("FWM 7 (IPv6)", 2);
        assert_eq!((&*second, unnumbered_service(&second)), ("FWM 7 (IPv6) (2)", "FWM 7 (IPv6)"));
        assert_eq!(unnumbered_service("FWM 7 (IPv6)"), "FWM 7 (IPv6)");
    }

    #[test]
    fn services_are_meant_by_name_address_port_and_group() {
        let cases = [
            ("[192.0.2.1]:tcp:80", "[192.0.2.1]:tcp:80", true),
            ("[192.0.2.1]:tcp:80", "192.0.2.1", true),
            ("[192.0.2.1]:tcp:80", "192.0.2.1:80", true),
            ("[192.0.2.1]:tcp:80", "192.0.2.1:8080", false),
            ("[192.0.2.1]:tcp:80", "192.0.2.11", false),
            ("[2001:db8::1]:udp:53", "2001:DB8:0::1", true),
            ("[2001:db8::1]:udp:53", "[2001:db8::1]:53", true),
            ("[192.0.2.1]:tcp:80 (2)", "192.0.2.1:80", true),
            ("[192.0.2.1]:tcp:80 (2)", "[192.0.2.1]:tcp:80", false),
            ("[web]:tcp (2)", "web", true),
            ("[web]:tcp", "web", true),
            ("[web]:tcp", "we", false),
            ("FWM 7", "FWM 7", true),
            ("FWM 7", "7", false),
        ];
        for (name, asked, meant) in cases {
            assert_eq!(is_service_meant(name, asked), meant, "{name} by {asked}");
        }
    }
}
