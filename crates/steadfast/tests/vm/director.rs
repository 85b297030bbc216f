//! A host that balances, and the servers that it asks, which listen on addresses of its own.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::nginx;
use super::running::Running;
use steadfast_lab::{Daemon, Host, Program, left_out, permission, wait};

/// How long anything that must happen may take in the guest.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Whether this kernel has a load balancer; tells it if `test` is left out for lack of it.
pub(crate) fn balances(test: &str) -> bool {
    if !permission::lab_possible(test) {
        return false;
    }
    // Where IPv6 is a module nobody may have asked for it yet, and hosts have both families.
    let _ = Command::new("modprobe").arg("ipv6").status();
    let asked = Host::new("asked").unwrap().run(&["ipvsadm", "-Sn"]).unwrap();
    if !asked.status.success() {
        left_out(test, "this kernel has no IPVS, or there is no ipvsadm; see `cargo xtask vm`");
    }
    asked.status.success()
}

/// A host with a load balancer.
pub(crate) struct Director {
    pub(crate) host: Arc<Host>,
    pub(crate) program: Program,
}

impl Director {
    /// None where no lab is possible or the kernel has no IPVS; that is then told.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let program = Program::steadfast(test)?;
        balances(test).then(|| Self::with(program))
    }

    /// A host for that program.
    pub(crate) fn with(program: Program) -> Self {
        Self { host: Arc::new(Host::new("director").unwrap()), program }
    }

    pub(crate) fn start(&self, configuration: &str) -> Daemon {
        Daemon::start(&self.host, &self.program, configuration).unwrap()
    }

    /// An interface `d0` with an address; nobody is at its other end.
    pub(crate) fn interface(&self, address: &str) {
        self.run(&["ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1"]);
        self.run(&["ip", "link", "set", "d1", "up"]);
        self.run(&["ip", "link", "set", "d0", "up"]);
        self.run(&["ip", "address", "add", address, "dev", "d0"]);
    }

    /// Another program at work, or keepalived.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let finished = self.host.run(words).unwrap();
        assert!(finished.status.success(), "{words:?}: {}", finished.output);
        finished.output
    }

    /// What ipvsadm saves of the table, in order.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.run(&["ipvsadm", "-Sn"]).lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    }

    /// Waits until the table is as expected.
    pub(crate) fn await_table(&self, expected: &[&str], of: &Daemon) {
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        let reached = wait::until(LIMIT, || self.table() == expected);
        assert!(reached, "expected {expected:#?}, found {:#?}\n{}", self.table(), of.log_tail());
    }

    /// The kernel's own list, which costs less than a program's.
    pub(crate) fn glance(&self) -> String {
        self.host
            .network()
            .run(|| std::fs::read_to_string("/proc/thread-self/net/ip_vs"))
            .unwrap()
            .unwrap_or_default()
    }

    /// What ipvsadm saves and lists: also the limits of servers, the timeouts and the daemons.
    pub(crate) fn full_table(&self) -> Vec<String> {
        let mut lines = self.table();
        for words in [
            &["ipvsadm", "-Ln", "--thresholds"][..],
            &["ipvsadm", "-Ln", "--timeout"],
            &["ipvsadm", "-Ln", "--daemon"],
        ] {
            lines.extend(self.run(words).lines().map(|line| line.trim_end().to_owned()));
        }
        lines.sort();
        lines
    }

    /// nginx on an address; it serves one page.
    pub(crate) fn nginx(&self, listen: &str) -> Running {
        let name = listen.replace([':', '.'], "-");
        let home = nginx::home(&name);
        self.host.write(&format!("{home}/page"), "all is well\n").unwrap();
        let server = format!("server {{ listen {listen}; root {home}; }}");
        let nginx = nginx::start(&self.host, &name, &server);
        let answers = || self.host.network().run(|| TcpStream::connect(listen).is_ok()).unwrap();
        assert!(wait::until(LIMIT, answers), "nginx does not listen on {listen}");
        nginx
    }
}
