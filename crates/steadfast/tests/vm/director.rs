//! A host that balances, and the servers that it asks, which listen on addresses of its own.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use steadfast_lab::{Daemon, Host, Program, left_out, permission, wait};

/// How long anything that must happen may take in the guest.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A host with a load balancer.
pub(crate) struct Director {
    pub(crate) host: Arc<Host>,
    pub(crate) program: Program,
}

impl Director {
    /// None where no lab is possible or the kernel has no IPVS; that is then told.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let program = Program::steadfast(test).filter(|_| permission::lab_possible(test))?;
        // Where IPv6 is a module nobody may have asked for it yet, and hosts have both families.
        let _ = Command::new("modprobe").arg("ipv6").status();
        let host = Arc::new(Host::new("director").unwrap());
        let director = Self { host, program };
        if !director.host.run(&["ipvsadm", "-Sn"]).unwrap().status.success() {
            left_out(test, "this kernel has no IPVS, or there is no ipvsadm; see `cargo xtask vm`");
            return None;
        }
        Some(director)
    }

    pub(crate) fn start(&self, configuration: &str) -> Daemon {
        Daemon::start(&self.host, &self.program, configuration).unwrap()
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

    /// nginx on an address; it serves one page.
    pub(crate) fn nginx(&self, listen: &str) -> Nginx {
        assert!(Path::new("/usr/sbin/nginx").exists(), "the guest's packages bring nginx");
        let home = format!("/run/nginx-{}", listen.replace([':', '.'], "-"));
        self.host.write(&format!("{home}/page"), "all is well\n").unwrap();
        let configuration = format!(
            "daemon off; master_process off; user root; pid {home}/pid; error_log {home}/errors;
             events {{}}
             http {{
               access_log off; client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
               uwsgi_temp_path {home}; scgi_temp_path {home};
               server {{ listen {listen}; root {home}; }}
             }}"
        );
        self.host.write(&format!("{home}/conf"), &configuration).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.args(["-c", &format!("{home}/conf"), "-p", &home]);
        let nginx = Nginx(self.host.spawn(&mut command).unwrap());
        let answers = || self.host.network().run(|| TcpStream::connect(listen).is_ok()).unwrap();
        assert!(wait::until(LIMIT, answers), "nginx does not listen on {listen}");
        nginx
    }
}

/// A server that can die.
pub(crate) struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
