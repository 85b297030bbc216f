//! Routers on a segment, what they are told and what they tell.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_control::client::Client;
use steadfast_control::event::{Filter, Happening, Record};
use steadfast_control::status::{Instance, Service, Status};
use steadfast_kernel::netlink::{Change, Monitor};
use steadfast_lab::capture::Capture;
use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};
use steadfast_vrrp::State;
use steadfast_wire::vrrp::Vrid;

/// How long anything that must happen may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);
/// What a busy machine may add to a protocol time.
pub(crate) const SLACK: Duration = Duration::from_millis(150);
/// The address that most virtual routers here have.
pub(crate) const VIRTUAL_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 9);
/// Likewise.
pub(crate) const VIRTUAL: IpAddr = IpAddr::V4(VIRTUAL_V4);

/// A switch, and the program that its routers run.
pub(crate) struct Stage {
    pub(crate) segment: Segment,
    pub(crate) program: Program,
}

impl Stage {
    /// None where no lab is possible; that is then told.
    pub(crate) fn set(test: &str) -> Option<Self> {
        let program = Program::steadfast(test).filter(|_| permission::lab_possible(test))?;
        Some(Self { segment: Segment::new().unwrap(), program })
    }

    pub(crate) fn host(&self, name: &str) -> Arc<Host> {
        self.segment.host(name).unwrap()
    }

    /// A further host with a daemon on it.
    pub(crate) fn router(&self, name: &str, configuration: &str) -> Router {
        self.start(&self.host(name), configuration)
    }

    /// A daemon on a host that is there.
    pub(crate) fn start(&self, host: &Arc<Host>, configuration: &str) -> Router {
        self.start_with(host, configuration, |_| {})
    }

    /// Likewise, with more on its command line or in its environment.
    pub(crate) fn start_with(
        &self,
        host: &Arc<Host>,
        configuration: &str,
        more: impl FnOnce(&mut Command),
    ) -> Router {
        let mut command = Daemon::command(host, &self.program, configuration).unwrap();
        more(&mut command);
        Router(Daemon::spawn(host, self.program.name(), command).unwrap())
    }
}

/// A daemon that can be asked.
pub(crate) struct Router(Daemon);

impl Router {
    /// The process alone.
    pub(crate) fn into_daemon(self) -> Daemon {
        self.0
    }
}

impl Deref for Router {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Router {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}

impl Router {
    pub(crate) fn client(&self) -> Option<Client> {
        Client::connect(&self.host().outside("/run/steadfast/k.sock")).ok()
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.client()?.status().ok()
    }

    /// Every virtual server with its servers and their checks.
    pub(crate) fn services(&self) -> Vec<Service> {
        self.client().and_then(|mut client| client.services(&[]).ok()).unwrap_or_default()
    }

    pub(crate) fn instance(&self, name: &str) -> Option<Instance> {
        self.status()?.instances.into_iter().find(|instance| &*instance.name == name)
    }

    /// State of an instance; None while the daemon does not answer.
    pub(crate) fn state(&self, name: &str) -> Option<State> {
        Some(self.instance(name)?.state)
    }

    pub(crate) fn counter(&self, instance: &str, name: &str) -> Option<u64> {
        self.instance(instance)?.counters.get(name).copied()
    }

    /// Everything that the daemon keeps of what happened.
    pub(crate) fn events(&self) -> Vec<Record> {
        let events = self.client().and_then(|client| client.events(false, Filter::default()).ok());
        events.map(|events| events.filter_map(Result::ok).collect()).unwrap_or_default()
    }

    pub(crate) fn happened(&self, matches: impl Fn(&Happening) -> bool) -> bool {
        self.events().iter().any(|record| matches(&record.happening))
    }

    /// Waits for an event: it takes its way through the supervisor, and what it tells of can be seen before.
    #[track_caller]
    pub(crate) fn tells(&self, matches: impl Fn(&Happening) -> bool) {
        let told = wait::until(LIMIT, || self.happened(&matches));
        assert!(told, "{} did not tell it: {:#?}", self.host().name(), self.events());
    }

    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        self.host().has(address)
    }

    /// Waits for an instance's state.
    #[track_caller]
    pub(crate) fn reaches(&self, instance: &str, state: State) {
        let reached = wait::until(LIMIT, || self.state(instance) == Some(state));
        assert!(
            reached,
            "{instance} on {} is not {state:?} but {:?}",
            self.host().name(),
            self.instance(instance)
        );
    }

    /// Has another configuration read, and waits until it is in force.
    #[track_caller]
    pub(crate) fn reload(&self, configuration: &str) {
        self.configure(configuration).unwrap();
        let before = self.status().expect("the daemon answers").generation;
        self.signal(Signal::HUP);
        soon("the reload is in force", || self.status().is_some_and(|status| status.generation > before));
    }

    /// The process of the vrrp worker as the test sees it.
    pub(crate) fn worker(&self) -> u32 {
        wait::value(LIMIT, || self.vrrp_worker()).expect("a vrrp worker writes its pid file")
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn soon(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait::until(LIMIT, condition), "within {LIMIT:?} it did not happen that {what}");
}

/// A vrrp_instance of a configuration file.
#[derive(Clone)]
pub(crate) struct Virtual {
    pub(crate) name: &'static str,
    pub(crate) vrid: u8,
    pub(crate) interface: &'static str,
    pub(crate) priority: u8,
    /// As in the file: seconds.
    pub(crate) interval: &'static str,
    pub(crate) addresses: Vec<&'static str>,
    /// Further lines.
    pub(crate) more: String,
}

impl Default for Virtual {
    fn default() -> Self {
        Self {
            name: "V1",
            vrid: 51,
            interface: "eth0",
            priority: 100,
            interval: "0.1",
            addresses: vec!["10.0.9.9/32"],
            more: String::new(),
        }
    }
}

impl fmt::Display for Virtual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, vrid, interface, priority, interval, addresses, more } = self;
        write!(
            f,
            "vrrp_instance {name} {{\n    state BACKUP\n    interface {interface}\n    virtual_router_id {vrid}\n    \
             priority {priority}\n    advert_int {interval}\n    virtual_ipaddress {{\n        {}\n    }}\n{more}\n}}\n",
            addresses.join("\n        ")
        )
    }
}

impl Virtual {
    pub(crate) fn with_priority(priority: u8) -> Self {
        Self { priority, ..Self::default() }
    }

    /// Further lines.
    pub(crate) fn more(self, more: &str) -> Self {
        Self { more: more.to_owned(), ..self }
    }
}

/// A version 3 configuration file of virtual routers and other blocks.
pub(crate) fn configuration(blocks: &[&dyn fmt::Display]) -> String {
    with_globals("vrrp_version 3", blocks)
}

/// Likewise with these lines in global_defs.
pub(crate) fn with_globals(globals: &str, blocks: &[&dyn fmt::Display]) -> String {
    blocks.iter().fold(format!("global_defs {{\n{globals}\n}}\n"), |text, block| text + &block.to_string())
}

/// One virtual router with the usual address.
pub(crate) fn simple(priority: u8) -> String {
    configuration(&[&Virtual::with_priority(priority)])
}

/// Silence of a master after which a version 3 backup takes over: three adverts and its skew time
/// (RFC 9568 section 6.1).
pub(crate) fn master_down(interval: Duration, priority: u8) -> Duration {
    interval * 3 + interval * (256 - u32::from(priority)) / 256
}

/// Who sent the adverts of a virtual router since then, and when.
pub(crate) fn senders(capture: &Capture, vrid: u8, since: Instant) -> Vec<(Instant, IpAddr, u8)> {
    let adverts = capture.adverts(Vrid::new(vrid).unwrap(), since);
    adverts.into_iter().map(|(at, advert)| (at, advert.source, advert.priority.get())).collect()
}

/// The longest time between two adverts of a list.
pub(crate) fn longest_gap(adverts: &[(Instant, IpAddr, u8)]) -> Duration {
    adverts.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default()
}

/// Address changes on a host, from the kernel itself.
pub(crate) struct AddressChanges {
    monitor: Monitor,
}

impl AddressChanges {
    pub(crate) fn watch(host: &Host) -> Self {
        Self { monitor: host.network().run(Monitor::open).unwrap().unwrap() }
    }

    /// What happened since the last call: true for an address that came.
    pub(crate) fn since_last(&mut self) -> Vec<(bool, IpAddr)> {
        let mut changes = Vec::new();
        while self.monitor.read(&mut changes).unwrap() {}
        let change = |change| match change {
            Change::AddressAdded { address, .. } => Some((true, address.key.address)),
            Change::AddressRemoved { address, .. } => Some((false, address.key.address)),
            Change::Link(_) | Change::LinkGone(_) => None,
            Change::Overrun => panic!("the kernel dropped announcements"),
        };
        changes.into_iter().filter_map(change).collect()
    }
}

/// Sends a signal to a process that the test knows by its number.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

/// State of a process (proc_pid_stat(5)); None when it is gone.
pub(crate) fn state_of(pid: u32) -> Option<char> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit_once(") ")?.1.chars().next()
}

/// Whether a process was killed, and maybe nobody has waited for it. Its sockets are open for as long as one of its threads is there,
/// which may end after the first.
pub(crate) fn is_dead(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    threads <= 1 && state_of(pid).is_none_or(|state| state == 'Z')
}

/// Puts a shell script on a host, for everyone to run.
pub(crate) fn write_script(host: &Host, path: &str, text: &str) {
    host.write_script(path, text).unwrap();
}

/// Opens the FIFO `/run/gate` for whoever waits there and whoever comes, as long as this lives.
pub(crate) fn open_gate(host: &Host) -> File {
    OpenOptions::new().read(true).write(true).open(host.outside("/run/gate")).unwrap()
}

/// Changes the permissions of a file on a host.
pub(crate) fn set_mode(host: &Host, path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(host.outside(path), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A file of a host; empty while there is none.
pub(crate) fn text_of(host: &Host, path: &str) -> String {
    host.read(path).unwrap_or_default()
}

/// Gives a host an /etc of its own, a copy of the machine's.
pub(crate) fn own_etc(host: &Host) {
    let copied = host.run(&[
        "sh",
        "-c",
        "cp -a /etc /run/etc && mount --bind /run/etc /etc && rm -rf /etc/keepalived",
    ]);
    let copied = copied.unwrap();
    assert!(copied.status.success(), "{}", copied.output);
}
