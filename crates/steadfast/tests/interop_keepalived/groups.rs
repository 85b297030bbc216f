//! Sync groups tell of their states as keepalived's do.

use steadfast_lab::{Daemon, wait};

use crate::pair::LIMIT;
use crate::rarer::{Alone, alone, global, instance};

const TOLD: &str = "/run/told";

/// Lines of the scripts, without their order: those of one transition run beside each other.
fn told(alone: &Alone) -> Vec<String> {
    let text = alone.host.read(TOLD).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn reaches(alone: &Alone, daemon: &Daemon, line: &str) {
    let there = wait::until(LIMIT, || told(alone).iter().any(|told| told == line));
    assert!(there, "{}: no '{line}': {:#?}\n{}", alone.program.name(), told(alone), daemon.log_tail());
}

#[test]
fn scripts_of_a_group_are_run_as_keepalived_runs_them() {
    let mut found = Vec::new();
    for alone in alone("scripts_of_a_group_are_run_as_keepalived_runs_them") {
        alone.host.write_script("/run/tell", &format!("echo \"$*\" >> {TOLD}")).unwrap();
        let script = |keyword: &str| format!(" {keyword} \"/run/tell {keyword}\"\n");
        let scripts: String =
            ["notify", "notify_master", "notify_backup", "notify_fault", "notify_stop"].map(script).concat();
        let text = global(" script_user root\n")
            + &format!("vrrp_sync_group G {{\n group {{\n V1\n V2\n }}\n{scripts}}}\n")
            + &instance(1, "10.0.9.1/32", "")
            + &instance(2, "10.0.9.2/32", "");
        let mut daemon = alone.start(&text);
        reaches(&alone, &daemon, "notify_master");
        alone.host.set_down("eth0").unwrap();
        reaches(&alone, &daemon, "notify_fault");
        alone.host.set_up("eth0").unwrap();
        let again =
            wait::until(LIMIT, || told(&alone).iter().filter(|line| *line == "notify_master").count() == 2);
        assert!(again, "{}: {:#?}", alone.program.name(), told(&alone));
        daemon.stop(LIMIT).unwrap();
        reaches(&alone, &daemon, "notify_stop");
        // Each state is told by two scripts, of which either may be the last to write.
        let whole = || {
            let lines = told(&alone);
            lines.iter().filter(|line| line.starts_with("notify ")).count() * 2 == lines.len()
        };
        assert!(wait::until(LIMIT, whole), "{}: {:#?}", alone.program.name(), told(&alone));
        found.push(told(&alone));
    }
    if let [theirs, ours] = &found[..] {
        assert_eq!(ours, theirs);
    }
}
