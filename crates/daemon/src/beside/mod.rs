//! Other daemons of this kind beside this one, in the same network namespace.
//!
//! They are known by their raw sockets for VRRP and for its authentication header, whatever their pid files and
//! control sockets are called. What one of them runs, a steadfast says on its control socket; of a keepalived it is
//! what the configuration says that its command line names.
//!
//! ```text
//!   raw sockets of the namespace ─▶ processes that hold them ─▶ control socket, or command line ─▶ configuration
//! ```

mod arguments;
mod files;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use steadfast_config::AnyMachine;
use steadfast_config::load::{LoadOptions, load};
use steadfast_config::model::Model;
use steadfast_control::client::Client;
use steadfast_control::event::{Clash, Neighbour, VirtualRouter};
use steadfast_control::wording;
use steadfast_kernel::process::{Process, sockets};
use steadfast_wire::vrrp::{Family, Vrid};

use self::arguments::Arguments;
use self::files::FilesOf;
pub(crate) use self::turn::{TURN_WAIT_MAX, Turn};
use crate::link::vrrp::Living;

/// VRRP (RFC 9568 section 5.1.1.4), and the authentication header of version 2 (RFC 2402).
const PROTOCOLS: [u8; 2] = [112, 51];

/// A daemon that speaks VRRP in this network namespace.
#[derive(Debug)]
pub(crate) struct Other {
    who: Neighbour,
    /// What it runs, or why that is not known.
    runs: Result<Runs, String>,
}

/// Virtual routers and their addresses.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    routers: BTreeMap<VirtualRouter, String>,
    addresses: BTreeSet<IpAddr>,
}

/// Those that run, but for `own` processes: a supervisor and its workers.
pub(crate) fn others(own: &[u32]) -> Vec<Other> {
    let mut foreign = sockets::raw_sockets(&PROTOCOLS);
    for pid in own {
        // A check worker has a socket for each server that it asks.
        if foreign.is_empty() {
            break;
        }
        let held = sockets::sockets_of(*pid);
        foreign.retain(|socket| !held.contains(socket));
    }
    // Every process of the machine is looked into only when there is something to find.
    if foreign.is_empty() {
        return Vec::new();
    }
    let held = sockets::holders(&foreign);
    let hidden = held.values().flatten().collect::<BTreeSet<_>>().len() < foreign.len();
    let heads: BTreeMap<u32, Process> = held
        .keys()
        .filter_map(|pid| Process::look_up(*pid))
        .map(head)
        .map(|process| (process.pid, process))
        .filter(|(pid, _)| !own.contains(pid))
        .collect();
    let mut others: Vec<Other> = heads.into_values().map(Other::of).collect();
    if hidden {
        let name = "a process that cannot be looked into".to_owned();
        let runs = Err("its sockets are all that can be seen of it".to_owned());
        others.push(Other { who: Neighbour { pid: None, name }, runs });
    }
    others
}

/// [`others`], as a worker needs to know them.
pub(crate) fn living(own: &[u32]) -> Vec<Living> {
    others(own).into_iter().map(Living::from).collect()
}

/// Whether a number that stands in a pid file without a lock is that of a living daemon: only keepalived, before 2.4,
/// locks nothing.
pub(crate) fn is_keepalived(pid: u32) -> bool {
    Process::look_up(pid).is_some_and(|process| match process.program_name() {
        Some(name) => name == "keepalived",
        None => process.name == "keepalived",
    })
}

/// A worker's supervisor runs the same program, and is whom a person knows.
fn head(process: Process) -> Process {
    supervisor_of(&process).unwrap_or(process)
}

/// Whether a worker has a supervisor.
pub(crate) fn is_supervised(worker: &Process) -> bool {
    supervisor_of(worker).is_some()
}

fn supervisor_of(worker: &Process) -> Option<Process> {
    let parent = Process::look_up(worker.parent);
    parent.filter(|parent| parent.program.is_some() && parent.program == worker.program)
}

impl Other {
    fn of(process: Process) -> Self {
        let runs = match asked(&process) {
            Some(runs) => Ok(runs),
            None => configured(&process),
        };
        Self { who: Neighbour { pid: Some(process.pid), name: process.name }, runs }
    }

    /// Who it is.
    pub(crate) const fn who(&self) -> &Neighbour {
        &self.who
    }

    /// Why its routers are not known, if they are not.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.runs.as_ref().err().map(String::as_str)
    }

    /// A virtual router that it runs and that a configuration would run once more, if there is one.
    pub(crate) fn clash(&self, wanted: &Runs) -> Option<Clash> {
        let runs = self.runs.as_ref().ok()?;
        let (router, ours) = wanted.routers.iter().find(|(router, _)| runs.routers.contains_key(*router))?;
        Some(Clash {
            neighbour: self.who.clone(),
            router: router.clone(),
            theirs: runs.routers.get(router).cloned().unwrap_or_default(),
            ours: ours.clone(),
        })
    }
}

impl From<Other> for Living {
    fn from(other: Other) -> Self {
        Self { who: other.who, addresses: other.runs.ok().map(|runs| runs.addresses) }
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wording::neighbour(&self.who))
    }
}

impl Runs {
    /// Of a configuration.
    pub(crate) fn of(model: &Model) -> Self {
        let mut runs = Self::default();
        for instance in &model.instances {
            let interface = instance.interface.as_deref().unwrap_or_default().to_owned();
            let router =
                VirtualRouter { interface, family: instance.family, vrid: instance.virtual_router_id };
            runs.routers.insert(router, instance.name.to_string());
            let addresses = instance.addresses.iter().chain(&instance.excluded_addresses);
            runs.addresses.extend(addresses.map(|address| address.address));
        }
        runs.addresses.extend(model.static_addresses.iter().map(|address| address.address));
        runs
    }
}

/// What a steadfast says of itself.
fn asked(process: &Process) -> Option<Runs> {
    let listening = sockets::listening_paths();
    let own = sockets::sockets_of(process.pid);
    let path = own.iter().find_map(|socket| listening.get(socket))?;
    let path = process.path(path.as_ref());
    let status = Client::connect(&path).ok()?.status().ok()?;
    let mut runs = Runs::default();
    for instance in status.instances {
        let family = [Family::V4, Family::V6]
            .into_iter()
            .find(|family| wording::family(*family) == instance.family)?;
        let interface = instance.interface.to_string();
        let router = VirtualRouter { interface, family, vrid: Vrid::new(instance.vrid)? };
        runs.routers.insert(router, instance.name.to_string());
        // As shown: the prefix length and more may stand behind the address.
        let addresses = instance.addresses.iter().filter_map(|text| text.split(['/', ' ']).next());
        runs.addresses.extend(addresses.filter_map(|text| text.parse::<IpAddr>().ok()));
    }
    Some(runs)
}

/// What the configuration says that the process was started with. It may have been changed since, and not put in force.
fn configured(process: &Process) -> Result<Runs, String> {
    let known = |name: Option<&str>| matches!(name, Some("keepalived" | "steadfast"));
    if !known(process.program_name()) && !known(Some(&process.name)) {
        return Err("it is another program".to_owned());
    }
    let arguments = Arguments::of(&process.command_line());
    let files = FilesOf::new(process, arguments.config_id);
    let loaded = load(&files, &arguments.configuration, &AnyMachine, &LoadOptions::default());
    match loaded.start_status() {
        Ok(()) => Ok(Runs::of(&loaded.model)),
        Err(_) => Err(format!("its configuration {} cannot be read", arguments.configuration.display())),
    }
}

#[cfg(test)]
mod tests {
    use steadfast_config::Memory;

    use super::*;

    fn runs(text: &str) -> Runs {
        let source = Memory::new().file("k.conf", text.to_owned());
        let loaded = load(&source, "/k.conf".as_ref(), &AnyMachine, &LoadOptions::default());
        Runs::of(&loaded.model)
    }

    fn other(pid: Option<u32>, name: &str, runs: Result<Runs, String>) -> Other {
        Other { who: Neighbour { pid, name: name.to_owned() }, runs }
    }

    fn instance(name: &str, interface: &str, vrid: u8, address: &str) -> String {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id {vrid}\npriority 100\n\
             virtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    }

    #[test]
    fn only_the_same_router_on_the_same_interface_in_the_same_family_clashes() {
        let theirs = runs(&instance("A", "eth0", 51, "10.0.0.9"));
        let other = other(Some(7), "keepalived", Ok(theirs));
        let clash = |text: &str| other.clash(&runs(text));
        assert_eq!(clash(&instance("B", "eth1", 51, "10.0.0.9")), None);
        assert_eq!(clash(&instance("B", "eth0", 52, "10.0.0.9")), None);
        assert_eq!(clash(&instance("B", "eth0", 51, "fe80::9")), None);
        let told = wording::clash(&clash(&instance("B", "eth0", 51, "10.0.0.10")).unwrap());
        assert!(
            told.starts_with("process 7 (keepalived) runs virtual router 51 on eth0 (IPv4) already, as A: B")
        );
    }

    #[test]
    fn a_daemon_of_which_nothing_is_known_may_hold_every_address() {
        let address = "10.0.0.9".parse().unwrap();
        let hidden = other(None, "", Err("why".to_owned()));
        assert!(hidden.clash(&runs(&instance("B", "eth0", 51, "10.0.0.9"))).is_none());
        assert!(Living::from(hidden).may_hold(address));
        let known = other(None, "", Ok(runs(&instance("A", "eth0", 1, "10.0.0.8"))));
        assert!(!Living::from(known).may_hold(address));
    }
}
