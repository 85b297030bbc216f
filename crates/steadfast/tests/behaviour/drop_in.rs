//! In keepalived's place: its files, its name, its ways to be started.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use steadfast_lab::{Host, Segment, Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{
    LIMIT, Stage, VIRTUAL, Virtual, configuration, own_etc, send, set_mode, simple, soon, text_of,
    write_script,
};

/// Configurations as tutorials have them, which people run today.
fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour/as_tutorials_have_it")
}

/// Ends a daemon that went into the background.
fn end(host: &Host, pid_file: &str) {
    let inside: u32 = text_of(host, pid_file).trim().parse().unwrap();
    let told = host.run(&["kill", &inside.to_string()]).unwrap();
    assert!(told.status.success(), "{}", told.output);
    soon("it ends", || host.processes().unwrap().is_empty());
    assert_eq!(text_of(host, pid_file), "", "{pid_file} is left");
}

#[test]
fn the_configurations_of_users_run_unchanged() {
    let test = "the_configurations_of_users_run_unchanged";
    let (Some(stage), examples) = (Stage::set(test), examples()) else { return };
    let cases = [
        ("backup.conf", "192.168.0.207"),
        ("checked-backup.conf", "192.168.1.200"),
        ("checked-master.conf", "192.168.1.200"),
        ("notified-balancer.conf", "192.168.1.200"),
    ];
    // Each alone on its segment, all at the same time.
    let place = |number: usize, file: &str| -> (Segment, Arc<Host>) {
        let segment = Segment::new().unwrap();
        let host = segment.host(&format!("e{number}")).unwrap();
        // What the first one names as its source.
        host.assign("eth0", "192.168.0.206".parse().unwrap(), 24).unwrap();
        own_etc(&host);
        let outside = host.outside("/etc/keepalived");
        std::fs::create_dir_all(&outside).unwrap();
        for script in ["check.sh", "notify.sh"] {
            std::fs::copy(examples.join(script), outside.join(script)).unwrap();
            set_mode(&host, &format!("/etc/keepalived/{script}"), 0o755);
        }
        std::fs::copy(examples.join(file), outside.join("keepalived.conf")).unwrap();
        (segment, host)
    };
    let program = stage.program.path().to_str().unwrap();
    let places: Vec<_> = cases.iter().enumerate().map(|(number, (file, _))| place(number, file)).collect();
    for (_, host) in &places {
        let started = host.run(&[program, "-D"]).unwrap();
        assert_eq!(started.status.code(), Some(0), "{}", started.output);
    }
    for ((file, address), (_, host)) in cases.iter().zip(&places) {
        let address = address.parse().unwrap();
        soon(&format!("{file} brings {address}"), || host.has(address));
    }
    let (_, last) = places.last().unwrap();
    let status = last.run(&[program, "status", "--json"]).unwrap();
    let status: steadfast_control::status::Status = serde_json::from_str(&status.output).unwrap();
    assert!(status.not_active.is_empty(), "{:?}", status.not_active);
    for ((file, _), (_, host)) in cases.iter().zip(&places) {
        // As a service manager starts it, beside the one that runs.
        let again = host.run(&[program, "-n", "-l"]).unwrap();
        assert_eq!(again.status.code(), Some(1), "{file}: {}", again.output);
        end(host, "/run/keepalived.pid");
    }
    // In the foreground.
    let mut running: Vec<_> = places
        .iter()
        .map(|(_, host)| {
            let mut command = Command::new(program);
            command.args(["-n", "-l", "-D"]);
            steadfast_lab::Daemon::spawn(host, "steadfast", command).unwrap()
        })
        .collect();
    for (((file, address), (_, host)), daemon) in cases.iter().zip(&places).zip(&mut running) {
        let address = address.parse().unwrap();
        assert!(wait::until(LIMIT, || host.has(address)), "{file} in the foreground:\n{}", daemon.log_tail());
        assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0), "{file}");
        assert!(!host.has(address), "{file}");
    }
    // The kernel loads its load balancer by itself where it has one.
    let balances = std::path::Path::new("/proc/net/ip_vs").exists();
    let waits = || running[3].log().contains("virtual servers wait");
    assert!(wait::until(LIMIT, || balances != waits()), "{}", running[3].log());
}

#[test]
fn under_the_name_keepalived_with_its_default_files() {
    let Some(stage) = Stage::set("under_the_name_keepalived_with_its_default_files") else { return };
    let host = stage.host("r1");
    own_etc(&host);
    std::fs::create_dir_all(host.outside("/etc/keepalived")).unwrap();
    write_script(&host, "/run/notify", "echo \"$*\" >> /run/notified");
    let text = configuration(&[&crate::stage::Virtual::default().more("notify /run/notify")]);
    std::fs::write(host.outside("/etc/keepalived/keepalived.conf"), &text).unwrap();
    std::fs::create_dir(host.outside("/run/sbin")).unwrap();
    std::os::unix::fs::symlink(stage.program.path(), host.outside("/run/sbin/keepalived")).unwrap();

    let started = host.run(&["/run/sbin/keepalived", "-D", "-g/run/log"]).unwrap();
    assert_eq!((started.status.code(), started.output.as_str()), (Some(0), ""));
    soon("the address comes", || host.has(VIRTUAL));
    let number = |path: &str| -> u32 { text_of(&host, path).trim().parse().unwrap() };
    let (supervisor, worker) = (number("/run/keepalived.pid"), number("/run/vrrp.pid"));
    assert_ne!(supervisor, worker);
    let seen = |pid: u32, what: &str| host.run(&["ps", "-o", what, "-p", &pid.to_string()]).unwrap().output;
    // Without a terminal, a child of the first process.
    let details = seen(supervisor, "ppid=,sid=,tty=");
    let details: Vec<_> = details.split_whitespace().collect();
    assert_eq!((details[0], details[2]), ("1", "?"), "{details:?}");
    assert_eq!(seen(worker, "ppid=").trim(), supervisor.to_string());
    soon("its script runs", || text_of(&host, "/run/notified").contains("INSTANCE V1 MASTER 100"));
    soon("it logs to the file", || text_of(&host, "/run/log").contains("(V1) Entering MASTER STATE"));

    // Another one does not start, and harms nothing.
    let before = text_of(&host, "/run/keepalived.pid");
    let second = host.run(&["/run/sbin/keepalived", "-D"]).unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", second.output);
    assert!(
        second.output.contains("/run/keepalived.pid") && second.output.contains("already"),
        "{}",
        second.output
    );
    assert_eq!(text_of(&host, "/run/keepalived.pid"), before);
    assert!(host.has(VIRTUAL));

    // As logrotate and scripts do it.
    std::fs::write(host.outside("/etc/keepalived/keepalived.conf"), text.replace("10.0.9.9", "10.0.9.10"))
        .unwrap();
    assert!(host.run(&["sh", "-c", "kill -HUP $(cat /run/keepalived.pid)"]).unwrap().status.success());
    soon("the other address comes", || host.has("10.0.9.10".parse().unwrap()) && !host.has(VIRTUAL));
    end(&host, "/run/keepalived.pid");
    assert_eq!(text_of(&host, "/run/vrrp.pid"), "");
    assert!(!host.has("10.0.9.10".parse().unwrap()));
    assert!(text_of(&host, "/run/notified").contains("INSTANCE V1 STOP 100"));
}

#[test]
fn pid_files_name_the_processes_and_stale_ones_are_taken_over() {
    let Some(stage) = Stage::set("pid_files_name_the_processes_and_stale_ones_are_taken_over") else {
        return;
    };
    let host = stage.host("r1");
    for file in ["k.pid", "v.pid"] {
        host.write(&format!("/run/steadfast/{file}"), "4194303\n").unwrap();
    }
    let mut router = stage.start(&host, &simple(100));
    router.reaches("V1", State::Master);
    let worker = text_of(&host, "/run/steadfast/v.pid");
    let status = router.status().unwrap();
    assert_eq!(text_of(&host, "/run/steadfast/k.pid"), format!("{}\n", status.pid));
    assert_eq!(worker, format!("{}\n", status.worker.unwrap().pid));
    send(router.worker(), Signal::KILL);
    soon("the successor writes its number", || {
        let now = text_of(&host, "/run/steadfast/v.pid");
        now != worker && router.status().and_then(|s| s.worker).is_some_and(|w| now == format!("{}\n", w.pid))
    });
    router.stop(LIMIT).unwrap();
    for file in ["k.pid", "v.pid"] {
        assert!(host.read(&format!("/run/steadfast/{file}")).is_err(), "{file} is left");
    }
}

#[test]
fn dont_release_vrrp_leaves_the_addresses() {
    let Some(stage) = Stage::set("dont_release_vrrp_leaves_the_addresses") else { return };
    let host = stage.host("r1");
    let mut router = stage.start_with(&host, &simple(100), |command| {
        command.arg("-V");
    });
    router.reaches("V1", State::Master);
    soon("the address is there", || router.owns(VIRTUAL));
    router.stop(LIMIT).unwrap();
    assert!(host.has(VIRTUAL));
}

#[test]
fn it_runs_in_a_network_namespace_of_that_name() {
    let Some(stage) = Stage::set("it_runs_in_a_network_namespace_of_that_name") else { return };
    let host = stage.host("r1");
    let prepare = "ip netns add blue && ip link add veth0 type veth peer name blue0 netns blue && ip link set veth0 up && \
                   ip -n blue link set blue0 up && ip -n blue address add 10.5.0.1/24 dev blue0";
    let prepared = host.run(&["sh", "-c", prepare]).unwrap();
    assert!(prepared.status.success(), "{}", prepared.output);
    let inside =
        || host.run(&["ip", "-n", "blue", "address", "show"]).unwrap().output.contains("10.0.9.9/32");
    // An interface that only the namespace has.
    let text = simple(100).replace("eth0", "blue0");
    let program = stage.program.path().to_str().unwrap();
    for (kind, named) in [("named", "net_namespace blue\n"), ("unnamed", "")] {
        let file = format!("/run/{kind}.conf");
        host.write(&file, &(named.to_owned() + &text)).unwrap();
        for command in [vec!["check"], vec!["-t", "-f"]] {
            let told = host.run(&[&[program], &*command, &[&file]].concat()).unwrap();
            let misses = told.output.contains("there is no interface 'blue0'");
            assert_eq!(misses, named.is_empty(), "{command:?} {file}: {}", told.output);
        }
    }
    for by_keyword in [false, true] {
        let text = if by_keyword { format!("net_namespace blue\n{text}") } else { text.clone() };
        let mut router = stage.start_with(&host, &text, |command| {
            if !by_keyword {
                command.args(["-s", "blue"]);
            }
        });
        router.reaches("V1", State::Master);
        soon("the address is in the namespace", inside);
        assert!(!host.has(VIRTUAL));
        router.stop(LIMIT).unwrap();
        assert!(!inside());
    }
}

#[test]
fn without_anything_to_run_it_stays_and_says_so() {
    let Some(stage) = Stage::set("without_anything_to_run_it_stays_and_says_so") else { return };
    let host = stage.host("r1");
    let mut router = stage.start_with(&host, &simple(100), |command| {
        command.arg("-C");
    });
    soon("it answers", || router.status().is_some());
    assert!(router.status().unwrap().worker.is_none());
    assert!(router.logged("nothing to run: VRRP is left out (-C)", LIMIT), "{}", router.log_tail());
    assert!(router.instance("V1").unwrap().why.contains("-C"));
    assert_eq!(router.stop(LIMIT).unwrap().code(), Some(0));
}

#[test]
fn daemons_of_several_namespaces_and_instances_do_not_meet() {
    let Some(stage) = Stage::set("daemons_of_several_namespaces_and_instances_do_not_meet") else { return };
    let host = stage.host("r1");
    own_etc(&host);
    let program = stage.program.path().to_str().unwrap();
    host.write("/run/k.conf", &simple(100)).unwrap();
    // Beside the last daemon in one namespace, so another virtual router.
    let other =
        configuration(&[&Virtual { vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::default() }]);
    host.write("/run/one.conf", &format!("instance one\n{other}")).unwrap();
    let prepare = "for n in blue red; do ip netns add $n && ip link add v$n type veth peer name eth0 netns $n || exit; done";
    let prepared = host.run(&["sh", "-c", prepare]).unwrap();
    assert!(prepared.status.success(), "{}", prepared.output);
    let daemons = [
        (&["-s", "blue", "-f", "/run/k.conf"][..], "/run/keepalived/blue/keepalived.pid"),
        (&["-s", "red", "-f", "/run/k.conf"], "/run/keepalived/red/keepalived.pid"),
        (&["-f", "/run/one.conf"], "/run/keepalived/keepalived_one.pid"),
        (&["-f", "/run/k.conf"], "/run/keepalived.pid"),
    ];
    for (options, pid_file) in daemons {
        let started = host.run(&[&[program], options].concat()).unwrap();
        assert_eq!(started.status.code(), Some(0), "{options:?}: {}", started.output);
        soon("it runs", || !text_of(&host, pid_file).is_empty());
    }
    // Each is found by what it was started with.
    let asked: [(&[&str], &str); 4] = [
        (&["-s", "blue"], daemons[0].1),
        (&["-s", "red"], daemons[1].1),
        (&["-p", "/run/keepalived/keepalived_one.pid"], daemons[2].1),
        (&[], daemons[3].1),
    ];
    for (options, pid_file) in asked {
        let number = format!("\"pid\": {},", text_of(&host, pid_file).trim());
        soon("it answers", || {
            let told = host.run(&[&[program, "status", "--json"], options].concat()).unwrap();
            told.output.contains(&number)
        });
    }
    // Its interfaces are those where it runs, and nothing is missing there.
    host.write("/run/k.conf", &simple(100).replace("eth0", "vblue")).unwrap();
    let shown = |options: &[&str]| host.run(&[&[program, "show", "config"], options].concat()).unwrap();
    assert_eq!(shown(&[]).status.code(), Some(0), "{}", shown(&[]).output);
    let inside = shown(&["-s", "blue"]);
    assert!(inside.output.contains("there is no interface 'vblue'"), "{}", inside.output);
    host.write("/run/k.conf", &simple(100)).unwrap();
    assert_eq!(shown(&["-s", "blue"]).status.code(), Some(0), "{}", shown(&["-s", "blue"]).output);
    for (_, pid_file) in daemons.iter().take(3) {
        let ended = host.run(&["sh", "-c", &format!("kill $(cat {pid_file})")]).unwrap();
        assert!(ended.status.success(), "{}", ended.output);
        soon("it ends", || text_of(&host, pid_file).is_empty());
    }
    soon("their folder goes with them", || !host.outside("/run/keepalived").exists());
    end(&host, "/run/keepalived.pid");
}

#[test]
fn in_the_background_relative_paths_mean_the_folder_of_the_start() {
    let Some(stage) = Stage::set("in_the_background_relative_paths_mean_the_folder_of_the_start") else {
        return;
    };
    let host = stage.host("r1");
    let program = stage.program.path().to_str().unwrap();
    host.write("/run/here/k.conf", &simple(100)).unwrap();
    let started = format!("cd /run/here && {program} -f k.conf -p k.pid -r v.pid");
    let started = host.run(&["sh", "-c", &started]).unwrap();
    assert_eq!(started.status.code(), Some(0), "{}", started.output);
    soon("the address comes", || host.has(VIRTUAL));
    let status = || host.run(&[program, "status", "-p", "/run/here/k.pid"]).unwrap().output;
    assert!(status().contains("/run/here/k.conf"), "{}", status());
    assert!(!text_of(&host, "/run/here/v.pid").is_empty());
    host.write("/run/here/k.conf", &simple(100).replace("10.0.9.9", "10.0.9.10")).unwrap();
    assert!(host.run(&["sh", "-c", "kill -HUP $(cat /run/here/k.pid)"]).unwrap().status.success());
    soon("the other address comes", || host.has("10.0.9.10".parse().unwrap()) && !host.has(VIRTUAL));
    end(&host, "/run/here/k.pid");
    assert_eq!(text_of(&host, "/run/here/v.pid"), "");
}

#[test]
fn snmp_is_taken_and_named_as_not_active() {
    let Some(stage) = Stage::set("snmp_is_taken_and_named_as_not_active") else { return };
    let host = stage.host("r1");
    let router = stage.start_with(&host, &simple(100), |command| {
        command.arg("-x");
    });
    soon("it answers", || router.status().is_some());
    assert_eq!(router.status().unwrap().not_active, ["SNMP"]);
    assert!(router.logged("-x, --snmp", LIMIT), "{}", router.log_tail());
}
