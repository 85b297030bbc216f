//! The configurations in `examples/`: they are read without a word, and do what their README says.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::Arc;
    use std::time::Duration;

    use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};

    /// How long anything that must happen may take on a busy machine.
    const LIMIT: Duration = Duration::from_secs(20);

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap()
    }

    /// Two routers of an example, plugged in to as many segments as it has interfaces.
    struct Pair {
        segments: Vec<Segment>,
        hosts: [Arc<Host>; 2],
        daemons: [Option<Daemon>; 2],
        program: Program,
        example: &'static str,
    }

    impl Pair {
        fn set_up(example: &'static str, networks: &[&str]) -> Option<Self> {
            let program = Program::steadfast(example).filter(|_| permission::lab_possible(example))?;
            let segments: Vec<_> = networks.iter().map(|_| Segment::new().unwrap()).collect();
            let hosts = [1, 2].map(|number| {
                let host = Arc::new(Host::new(&format!("n{number}")).unwrap());
                for (index, (segment, network)) in segments.iter().zip(networks).enumerate() {
                    let interface = format!("eth{index}");
                    segment.plug(&host, &interface).unwrap();
                    host.assign(&interface, format!("{network}.{number}").parse().unwrap(), 24).unwrap();
                    let wide = format!("2001:db8:0:{index}::{number}");
                    host.assign(&interface, wide.parse().unwrap(), 64).unwrap();
                }
                host
            });
            Some(Self { segments, hosts, daemons: [None, None], program, example })
        }

        fn start(&mut self, router: usize) {
            let name = ["first.conf", "second.conf"][router];
            let text = std::fs::read_to_string(folder().join(self.example).join(name)).unwrap();
            self.daemons[router] = Some(Daemon::start(&self.hosts[router], &self.program, &text).unwrap());
        }

        fn start_both(&mut self) {
            self.start(0);
            self.start(1);
        }

        /// Waits until exactly this router has the address.
        fn owner(&self, address: &str, router: usize, when: &str) {
            let address: IpAddr = address.parse().unwrap();
            let (owner, other) = (&self.hosts[router], &self.hosts[1 - router]);
            // A router without power keeps its addresses; nobody reaches them.
            let owned = || owner.has(address) && (self.daemons[1 - router].is_none() || !other.has(address));
            let logs = || {
                let logs = self.daemons.iter().flatten().map(Daemon::log_tail);
                logs.collect::<Vec<_>>().join("\n---\n")
            };
            assert!(wait::until(LIMIT, owned), "{}: {when}: {address}\n{}", self.example, logs());
        }

        /// Every process of a router ends without a word.
        fn loses_power(&mut self, router: usize) {
            self.hosts[router].signal_everything(Signal::KILL).unwrap();
            self.daemons[router] = None;
        }
    }

    #[test]
    fn pair() {
        let Some(mut pair) = Pair::set_up("pair", &["192.0.2"]) else { return };
        pair.start_both();
        pair.owner("192.0.2.100", 0, "at the start");
        pair.loses_power(0);
        pair.owner("192.0.2.100", 1, "after the power loss");
        pair.start(0);
        pair.owner("192.0.2.100", 0, "when the first is back");
    }

    #[test]
    fn dual_master() {
        let Some(mut pair) = Pair::set_up("dual-master", &["192.0.2"]) else { return };
        pair.start_both();
        pair.owner("192.0.2.101", 0, "at the start");
        pair.owner("192.0.2.102", 1, "at the start");
        pair.loses_power(1);
        pair.owner("192.0.2.102", 0, "after the second's power loss");
        pair.start(1);
        pair.owner("192.0.2.102", 1, "when the second is back");
        pair.loses_power(0);
        pair.owner("192.0.2.101", 1, "after the first's power loss");
    }

    #[test]
    fn unicast() {
        let Some(mut pair) = Pair::set_up("unicast", &["192.0.2"]) else { return };
        pair.start(0);
        pair.owner("192.0.2.100", 0, "alone");
        pair.start(1);
        pair.loses_power(0);
        pair.owner("192.0.2.100", 1, "after the power loss");
        pair.start(0);
        let program = pair.program.path().to_str().unwrap();
        let status = [program, "status", "--control-socket", "/run/steadfast/k.sock"];
        let hears_the_second = || {
            let told = pair.hosts[0].run(&status).unwrap().output;
            told.contains("BACKUP") && told.contains("192.0.2.2")
        };
        assert!(wait::until(LIMIT, hears_the_second), "{}", pair.hosts[0].run(&status).unwrap().output);
        pair.owner("192.0.2.100", 1, "when the first is back");
    }

    #[test]
    fn ipv6() {
        let Some(mut pair) = Pair::set_up("ipv6", &["192.0.2"]) else { return };
        let addresses = ["192.0.2.100", "fe80::100", "2001:db8::100"];
        pair.start_both();
        addresses.into_iter().for_each(|address| pair.owner(address, 0, "at the start"));
        pair.loses_power(0);
        addresses.into_iter().for_each(|address| pair.owner(address, 1, "after the power loss"));
    }

    #[test]
    fn sync_group() {
        let Some(mut pair) = Pair::set_up("sync-group", &["192.0.2", "198.51.100"]) else { return };
        let addresses = ["192.0.2.100", "198.51.100.100"];
        pair.start_both();
        addresses.into_iter().for_each(|address| pair.owner(address, 0, "at the start"));
        pair.segments[1].cut(&pair.hosts[0]).unwrap();
        addresses.into_iter().for_each(|address| pair.owner(address, 1, "with the inside cable cut"));
        pair.segments[1].restore(&pair.hosts[0]).unwrap();
        addresses.into_iter().for_each(|address| pair.owner(address, 0, "with the cable plugged in"));
    }

    #[test]
    fn haproxy() {
        let Some(mut pair) = Pair::set_up("haproxy", &["192.0.2"]) else { return };
        // The script looks for a process of that name.
        let run = |host: &Host| {
            let stand_in = "cp /bin/sleep /run/haproxy && exec /run/haproxy 1000";
            host.spawn(Command::new("sh").args(["-c", stand_in])).unwrap()
        };
        let mut running = pair.hosts.each_ref().map(|host| run(host));
        pair.start_both();
        pair.owner("192.0.2.100", 0, "at the start");
        running[0].kill().unwrap();
        running[0].wait().unwrap();
        pair.owner("192.0.2.100", 1, "without HAProxy on the first");
        running[0] = run(&pair.hosts[0]);
        pair.owner("192.0.2.100", 0, "with HAProxy on the first again");
        for mut child in running {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn lvs_nginx() {
        let Some(mut pair) = Pair::set_up("lvs-nginx", &["192.0.2"]) else { return };
        pair.start_both();
        pair.owner("192.0.2.100", 0, "at the start");
        pair.loses_power(0);
        pair.owner("192.0.2.100", 1, "after the power loss");
    }

    #[test]
    fn each_example_is_run_and_described() {
        let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
        let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.path().is_dir());
        let names: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        let described: BTreeSet<String> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| [")?.split_once(']'))
            .map(|(name, _)| name.to_owned())
            .collect();
        let code = include_str!("examples.rs");
        let run: BTreeSet<String> = code
            .lines()
            .filter_map(|line| line.split_once("Pair::set_up(\"")?.1.split_once('"'))
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(names, described, "examples/README.md");
        assert_eq!(names, run);
    }

    /// As their README advises. What is not active yet is told by a note only.
    #[test]
    fn each_example_is_read_without_a_complaint() {
        let Some(program) = Program::steadfast("each_example_is_read_without_a_complaint") else { return };
        for entry in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
            if !entry.is_dir() {
                continue;
            }
            let files = ["first.conf", "second.conf"].map(|name| entry.join(name));
            let check =
                Command::new(program.path()).args(["check", "--any-machine"]).args(&files).output().unwrap();
            let told = String::from_utf8_lossy(&check.stdout) + String::from_utf8_lossy(&check.stderr);
            assert!(check.status.success(), "{}: {told}", entry.display());
            assert!(!told.contains("warning[") && !told.contains("error["), "{}: {told}", entry.display());
            let layout = Command::new(program.path()).args(["fmt", "--check"]).args(&files).output().unwrap();
            assert!(layout.status.success(), "{}", String::from_utf8_lossy(&layout.stdout));
        }
    }
}
