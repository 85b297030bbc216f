//! Two hosts that back each other up, one with our daemon and one with keepalived.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_lab::capture::{Advert, Capture};
use steadfast_lab::segment::{address_v4, address_v6};
use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};
use steadfast_wire::vrrp::{Family, Priority, Vrid};

/// How long anything may take that has no limit of its own, on a machine that does much else.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What a busy machine may add to a takeover.
pub(crate) const SLACK: Duration = Duration::from_millis(250);

/// A virtual router that both hosts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) vrid: u8,
    pub(crate) version: u8,
    pub(crate) family: Family,
    pub(crate) unicast: bool,
    /// auth_type and auth_pass.
    pub(crate) authentication: Option<(&'static str, &'static str)>,
}

const fn kind(vrid: u8, version: u8, family: Family, unicast: bool) -> Kind {
    Kind { vrid, version, family, unicast, authentication: None }
}

/// Every way in which adverts can travel.
pub(crate) const KINDS: [Kind; 10] = [
    Kind { authentication: Some(("PASS", "secret")), ..kind(21, 2, Family::V4, false) },
    kind(22, 2, Family::V4, true),
    kind(23, 2, Family::V6, false),
    kind(24, 2, Family::V6, true),
    kind(31, 3, Family::V4, false),
    kind(32, 3, Family::V4, true),
    kind(33, 3, Family::V6, false),
    kind(34, 3, Family::V6, true),
    Kind { authentication: Some(("AH", "sesame12")), ..kind(25, 2, Family::V4, false) },
    Kind { authentication: Some(("AH", "sesame12")), ..kind(26, 2, Family::V4, true) },
];

/// The kinds that need no wait of seconds.
pub(crate) const QUICK: [Kind; 2] = [KINDS[4], KINDS[6]];

impl Kind {
    /// As the instance is called in configurations.
    pub(crate) fn name(self) -> String {
        let family = if self.family == Family::V4 { "ipv4" } else { "ipv6" };
        let way = if self.unicast { "unicast" } else { "multicast" };
        let proof = if matches!(self.authentication, Some(("AH", _))) { "-ah" } else { "" };
        format!("v{}-{family}-{way}{proof}", self.version)
    }

    /// The shortest that the version carries, or nearly so.
    pub(crate) fn interval(self) -> Duration {
        if self.version == 2 { Duration::from_secs(1) } else { Duration::from_millis(100) }
    }

    /// RFC 9568 section 6.1, RFC 3768 section 6.1.
    pub(crate) fn skew(self, priority: u8, master_interval: Duration) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { master_interval };
        unit * (256 - u32::from(priority)) / 256
    }

    /// RFC 9568 section 6.1.
    pub(crate) fn master_down(self, priority: u8, master_interval: Duration) -> Duration {
        master_interval * 3 + self.skew(priority, master_interval)
    }

    pub(crate) fn vrid(self) -> Vrid {
        Vrid::new(self.vrid).unwrap()
    }

    /// The address whose owner the tests look for; adverts begin with it.
    pub(crate) fn address(self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 0, 9, self.vrid).into(),
            Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, self.vrid.into()).into(),
        }
    }

    /// In neither ascending nor descending order.
    pub(crate) fn addresses(self) -> Vec<IpAddr> {
        let further = [7_u8, 3, 5].map(|number| match self.family {
            Family::V4 => IpAddr::from(Ipv4Addr::new(10, 0, 100 + number, self.vrid)),
            Family::V6 => IpAddr::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 1, number.into(), self.vrid.into())),
        });
        std::iter::once(self.address()).chain(further).collect()
    }

    /// Of the same owner but in no advert.
    pub(crate) fn excluded(self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 0, 200, self.vrid).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 2, self.vrid.into()).into(),
        }
    }

    /// A vrrp_instance of the host with number `own`.
    pub(crate) fn instance(self, own: usize, priority: u8, further: &str) -> String {
        let Self { vrid, version, .. } = self;
        let prefix = if self.family == Family::V4 { 16 } else { 64 };
        let addresses: String =
            self.addresses().iter().map(|address| format!("        {address}/{prefix}\n")).collect();
        let excluded = self.excluded();
        let mut text = format!(
            "vrrp_instance {} {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    version {version}
    priority {priority}
    advert_int {}
    virtual_ipaddress {{
{addresses}    }}
    virtual_ipaddress_excluded {{
        {excluded}/{prefix}
    }}
",
            self.name(),
            self.interval().as_secs_f64(),
        );
        if let Some((kind, password)) = self.authentication {
            text += &format!(
                "    authentication {{\n        auth_type {kind}\n        auth_pass {password}\n    }}\n"
            );
        }
        if self.unicast {
            let (own, peer) = (own_address(own, self.family), own_address(1 - own, self.family));
            text += &format!("    unicast_src_ip {own}\n    unicast_peer {{\n        {peer}\n    }}\n");
        }
        text + further + "}\n"
    }
}

/// The address of a host that adverts come from, other than multicast ones of IPv6.
fn own_address(side: usize, family: Family) -> IpAddr {
    let number = u8::try_from(side + 1).unwrap();
    match family {
        Family::V4 => address_v4(number).into(),
        Family::V6 => address_v6(number).into(),
    }
}

/// What stands before the instances.
pub(crate) fn global(further: &str) -> String {
    format!(
        "global_defs {{\n    router_id lab\n    vrrp_version 3\n    script_user root\n    \
         enable_script_security\n    vrrp_garp_master_delay 1\n{further}}}\n"
    )
}

/// Instances of these kinds on the host with number `side`.
pub(crate) fn configuration(side: usize, kinds: &[Kind], priority: u8, further: &str) -> String {
    let instances: String = kinds.iter().map(|kind| kind.instance(side, priority, further)).collect();
    global("") + &instances
}

/// Ours and keepalived in both orders; none, with a line that says so, where one is missing.
pub(crate) fn programs(test: &str) -> Option<[[Program; 2]; 2]> {
    if !permission::lab_possible(test) {
        return None;
    }
    let (ours, reference) = (Program::steadfast(test)?, Program::keepalived(test)?);
    Some([[ours.clone(), reference.clone()], [reference, ours]])
}

/// The two hosts. Both sides are named by number, 0 and 1.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) segment: Segment,
    pub(crate) hosts: [Arc<Host>; 2],
    pub(crate) programs: [Program; 2],
    daemons: [Option<Daemon>; 2],
    captures: [Capture; 2],
    link_local: [IpAddr; 2],
}

impl Pair {
    pub(crate) fn new(programs: [Program; 2]) -> Self {
        let segment = Segment::new().unwrap();
        let hosts = ["r1", "r2"].map(|name| segment.host(name).unwrap());
        let captures = [0, 1].map(|side: usize| Capture::start(&hosts[side]).unwrap());
        let link_local = [0, 1].map(|side: usize| {
            wait::value(LIMIT, || hosts[side].addresses().unwrap().into_iter().find(is_link_local)).unwrap()
        });
        Self { segment, hosts, programs, daemons: [None, None], captures, link_local }
    }

    /// Starts the daemon of a side; its dumps go to its own /run.
    pub(crate) fn start(&mut self, side: usize, configuration: &str) {
        let (host, program) = (&self.hosts[side], &self.programs[side]);
        let mut command = Daemon::command(host, program, configuration).unwrap();
        command.env("TMPDIR", format!("/run/{}", program.name()));
        self.daemons[side] = Some(Daemon::spawn(host, program.name(), command).unwrap());
    }

    pub(crate) fn daemon(&self, side: usize) -> &Daemon {
        self.daemons[side].as_ref().unwrap()
    }

    /// Ends a daemon as a service manager does, without waiting for it.
    pub(crate) fn terminate(&self, side: usize) -> Instant {
        let since = Instant::now();
        self.daemon(side).signal(Signal::TERM);
        since
    }

    /// Waits for the end of a daemon that was told to end.
    pub(crate) fn ended(&mut self, side: usize) {
        let mut daemon = self.daemons[side].take().unwrap();
        assert_eq!(daemon.wait(LIMIT).unwrap().code(), Some(0), "{}", daemon.log_tail());
    }

    /// Kills all processes of a daemon at once.
    pub(crate) fn kill(&mut self, side: usize) -> Instant {
        let mut daemon = self.daemons[side].take().unwrap();
        let since = Instant::now();
        daemon.signal_all(Signal::KILL).unwrap();
        daemon.wait(LIMIT).unwrap();
        since
    }

    /// Waits until each of these has its addresses on `side` alone.
    pub(crate) fn settle(&self, kinds: &[Kind], side: usize) {
        let elsewhere =
            |kind: &Kind| !self.hosts[side].has(kind.address()) || self.hosts[1 - side].has(kind.address());
        let settled = wait::until(LIMIT, || !kinds.iter().any(elsewhere));
        let left: Vec<_> = kinds.iter().filter(|kind| elsewhere(kind)).map(|kind| kind.name()).collect();
        assert!(settled, "not on {} alone: {}", self.programs[side].name(), left.join(", "));
    }

    /// Waits until a new master is done with its announcements and only sends adverts.
    pub(crate) fn reigns(&self, kinds: &[Kind], side: usize) {
        let since = Instant::now();
        let steady = |kind: &Kind| self.sent(*kind, side, since).len() >= 2;
        assert!(wait::until(LIMIT, || kinds.iter().all(steady)), "{}", self.programs[side].name());
    }

    /// Waits until `side` sends adverts of each of these, whoever else does.
    pub(crate) fn takes_over(&self, kinds: &[Kind], side: usize, since: Instant) {
        let silent = |kind: &Kind| self.sent(*kind, side, since).is_empty();
        let all = wait::until(LIMIT, || !kinds.iter().any(silent));
        let left: Vec<_> = kinds.iter().filter(|kind| silent(kind)).map(|kind| kind.name()).collect();
        assert!(all, "{} sends no advert of {}", self.programs[side].name(), left.join(", "));
    }

    /// The adverts that a side sent, as they left it.
    pub(crate) fn sent(&self, kind: Kind, side: usize, since: Instant) -> Vec<(Instant, Advert)> {
        let own = self.source(kind, side);
        let adverts = self.captures[side].adverts(kind.vrid(), since);
        adverts.into_iter().filter(|(_, advert)| advert.source == own).collect()
    }

    /// Where a side's adverts come from.
    pub(crate) fn source(&self, kind: Kind, side: usize) -> IpAddr {
        match (kind.family, kind.unicast) {
            (Family::V6, false) => self.link_local[side],
            (family, _) => own_address(side, family),
        }
    }

    /// What passed a host.
    pub(crate) fn capture(&self, side: usize) -> &Capture {
        &self.captures[side]
    }

    /// The time from the last advert that `from` sent in its own right to the first of the other.
    pub(crate) fn gap(&self, kind: Kind, from: usize, since: Instant) -> Duration {
        let first = self.sent(kind, 1 - from, since).first().map(|(at, _)| *at).unwrap();
        let begin = since.checked_sub(LIMIT).unwrap_or(since);
        let last =
            self.sent(kind, from, begin).into_iter().map(|(at, _)| at).rfind(|at| *at < first).unwrap();
        first - last
    }

    /// RFC 9568 section 6.4.2 (145): after priority 0 a backup waits its skew time only. On a busy
    /// machine it may have lost patience before.
    pub(crate) fn hands_over(&self, kind: Kind, from: usize, backup_priority: u8, stopped: Instant) {
        let name = kind.name();
        let first = || Some(self.sent(kind, 1 - from, stopped).first()?.0);
        let first = wait::value(LIMIT, first).unwrap_or_else(|| panic!("{name}: nobody takes over"));
        let is_release = |(_, advert): &(Instant, Advert)| advert.priority == Priority::RELEASE;
        let release = || self.sent(kind, from, stopped).into_iter().find(is_release);
        let (released, _) = wait::value(LIMIT, release).unwrap_or_else(|| panic!("{name}: no priority 0"));
        let sent = self.sent(kind, from, stopped);
        assert_eq!(sent.iter().filter(|sent| is_release(sent)).count(), 1, "{name}: {sent:?}");
        assert!(sent.last().is_some_and(is_release), "{name}: {sent:?}");
        if first < released {
            let (gap, patience) =
                (self.gap(kind, from, stopped), kind.master_down(backup_priority, kind.interval()));
            assert!(gap >= patience.mul_f64(0.9), "{name}: {gap:?} after an advert, {patience:?} at least");
        } else {
            let (gap, skew) = (first - released, kind.skew(backup_priority, kind.interval()));
            assert!(gap <= skew + SLACK, "{name}: {gap:?} after priority 0, skew time {skew:?}");
        }
    }

    /// The error counters of a side that are not zero, by instance, from its statistics file.
    pub(crate) fn errors(&self, side: usize) -> BTreeMap<String, BTreeMap<String, u64>> {
        let daemon = self.daemon(side);
        let file = format!("{}/keepalived.stats", daemon.folder());
        let _ = std::fs::remove_file(daemon.host().outside(&file));
        daemon.signal(Signal::USR2);
        nonzero_errors(&wait::value(LIMIT, || whole(daemon.host(), &file)).unwrap())
    }
}

/// A file that has something in it and no longer grows: keepalived writes into the file that is
/// read.
pub(crate) fn whole(host: &Host, file: &str) -> Option<String> {
    const AT_REST: Duration = Duration::from_millis(30);
    let text = host.read(file).ok().filter(|text| text.ends_with('\n'))?;
    let grows = || host.read(file).is_ok_and(|later| later != text);
    (!wait::until(AT_REST, grows)).then_some(text)
}

fn nonzero_errors(statistics: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let (mut errors, mut instance, mut section) = (BTreeMap::new(), String::new(), String::new());
    for line in statistics.lines() {
        let (name, value) = line.split_once(':').unwrap();
        let value = value.trim();
        if name == "VRRP Instance" {
            value.clone_into(&mut instance);
        } else if value.is_empty() {
            name.trim().clone_into(&mut section);
        } else if section.ends_with("Errors") && name.starts_with("    ") && value != "0" {
            let of_instance: &mut BTreeMap<_, _> = errors.entry(instance.clone()).or_default();
            of_instance.insert(format!("{section}: {}", name.trim()), value.parse().unwrap());
        }
    }
    errors
}

fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
