//! Servers on the far side of a cable, each with an address that can come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use steadfast_lab::Host;

use super::director::Director;
use super::nginx;
use super::running::Running;

/// The cable's two ends, in both families.
const NEAR: [&str; 2] = ["198.18.0.1", "2001:db8:12::1"];
const FAR: [&str; 2] = ["198.18.0.2", "2001:db8:12::2"];

/// A host that has the address of every server.
pub(crate) struct Servers {
    pub(crate) host: Arc<Host>,
    running: Mutex<BTreeMap<&'static str, Running>>,
}

impl Servers {
    /// Connects them to a director, whose way to everywhere they are.
    pub(crate) fn behind(director: &Director) -> Self {
        let host = Arc::new(Host::new("servers").unwrap());
        director.host.wiring().create_veth("eth0", "eth0", host.network()).unwrap();
        for (end, addresses, gateway) in [(&director.host, NEAR, FAR), (&host, FAR, NEAR)] {
            end.set_up("eth0").unwrap();
            let [v4, v6] = addresses;
            end.assign("eth0", v4.parse().unwrap(), 24).unwrap();
            end.assign("eth0", v6.parse().unwrap(), 64).unwrap();
            for (family, gateway) in ["-4", "-6"].into_iter().zip(gateway) {
                let route = ["ip", family, "route", "add", "default", "via", gateway];
                assert!(end.run(&route).unwrap().status.success(), "{route:?}");
            }
        }
        Self { host, running: Mutex::default() }
    }

    /// Answers every question of HTTP at these ports.
    pub(crate) fn serve(&self, ports: &BTreeSet<u16>) {
        let mut listen = String::new();
        for port in ports {
            writeln!(listen, "listen 0.0.0.0:{port}; listen [::]:{port};").unwrap();
        }
        if listen.is_empty() {
            return;
        }
        let server = format!("server {{ {listen} location / {{ return 200 well; }} }}");
        self.keep("nginx", nginx::start(&self.host, "all", &server));
    }

    /// Lets a program run until [`Self::end`].
    pub(crate) fn keep(&self, name: &'static str, running: Running) {
        self.running.lock().unwrap().insert(name, running);
    }

    /// The program dies.
    pub(crate) fn end(&self, name: &str) {
        drop(self.running.lock().unwrap().remove(name));
    }

    /// These servers come.
    pub(crate) fn come(&self, addresses: &[IpAddr]) {
        self.routes("add", addresses);
    }

    /// These servers go, without a word.
    pub(crate) fn go(&self, addresses: &[IpAddr]) {
        self.routes("del", addresses);
    }

    fn routes(&self, verb: &str, addresses: &[IpAddr]) {
        let mut batch = String::new();
        for address in addresses {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            writeln!(batch, "route {verb} local {address}/{bits} dev lo table local").unwrap();
        }
        self.host.write("/run/batch", &batch).unwrap();
        let done = self.host.run(&["ip", "-batch", "/run/batch"]).unwrap();
        assert!(done.status.success(), "{batch}\n{}", done.output);
    }
}
