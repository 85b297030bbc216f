//! Who is told of what a reload takes out.

use steadfast_lab::{Program, Signal, wait};

use super::director::{LIMIT, balances};
use super::running::Running;
use super::side::Side;

const GLOBALS: &str = "global_defs {
  script_user root
  enable_script_security
  lvs_notify_fifo /run/fifo
}
virtual_server_group G {
  10.9.0.1 80
}
";

/// A server whose end is told.
fn server(of: &str, last: u8) -> String {
    format!("real_server 198.18.0.{last} 80 {{\n notify_down \"/run/tell {of} {last} down\"\n }}")
}

fn service(target: &str, settings: &str, servers: &[String]) -> String {
    format!(
        "virtual_server {target} {{\n delay_loop 1\n lb_algo rr\n lb_kind NAT\n protocol TCP\n {settings}\n {}\n}}\n",
        servers.join("\n")
    )
}

/// What is told of the ends of a server, of a service with `omega` and of `others`, which have these `entries`, in order of the
/// words: by scripts and by the FIFO.
fn removal(program: &Program, others: &str, entries: &[&str]) -> (Vec<String>, Vec<String>) {
    let side = Side::new(program);
    let host = &side.director.host;
    host.write_script("/run/tell", "echo \"$@\" >>/run/told").unwrap();
    side.director.run(&["mkfifo", "/run/fifo"]);
    // Open at both ends, so that a writer that opens it anew does not end the reader.
    let reader = ["sh", "-c", "exec 3<>/run/fifo; exec cat <&3 >/run/heard"];
    side.servers.keep("reader", Running::start(host, &reader));
    let group =
        service("group G", "omega\n quorum_down \"/run/tell group quorum down\"", &[server("group", 2)]);
    let before = service("10.9.0.2 80", "", &[server("kept", 2), server("kept", 3)]);
    let after = service("10.9.0.2 80", "", &[server("kept", 2)]);
    let mut daemon = side.start(&format!("{GLOBALS}{group}{others}{before}"));
    let stays = ["-A -t 10.9.0.2:80 -s rr", "-a -t 10.9.0.2:80 -r 198.18.0.2:80 -m -w 1"];
    let goes = [
        "-A -t 10.9.0.1:80 -s rr",
        "-a -t 10.9.0.1:80 -r 198.18.0.2:80 -m -w 1",
        "-a -t 10.9.0.2:80 -r 198.18.0.3:80 -m -w 1",
    ];
    side.director.await_table(&[&stays[..], &goes[..], entries].concat(), &daemon);
    daemon.configure(&format!("{GLOBALS}{after}")).unwrap();
    daemon.signal(Signal::HUP);
    side.director.await_table(&stays, &daemon);
    let lines = |path: &str| {
        let text = host.read(path).unwrap_or_default();
        let mut lines: Vec<String> =
            text.lines().filter(|line| line.to_lowercase().ends_with("down")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let all = || lines("/run/told").len() == SCRIPTS.len() && lines("/run/heard").len() == FIFO.len();
    assert!(
        wait::until(LIMIT, all),
        "{}: {:?} {:?}\n{}",
        program.name(),
        lines("/run/told"),
        lines("/run/heard"),
        daemon.log_tail()
    );
    // What is left is without `omega`: of its end nobody is told, and of the others nothing more.
    daemon.stop(LIMIT).unwrap();
    (lines("/run/told"), lines("/run/heard"))
}

const SCRIPTS: [&str; 3] = ["group 2 down", "group quorum down", "kept 3 down"];
const FIFO: [&str; 3] =
    ["RS [198.18.0.2]:tcp:80 [G]:0 DOWN", "RS [198.18.0.3]:tcp:80 [10.9.0.2]:tcp:80 DOWN", "VS [G]:0 DOWN"];

#[test]
fn what_a_reload_takes_out_is_told_as_with_keepalived() {
    let test = "what_a_reload_takes_out_is_told_as_with_keepalived";
    let (Some(steadfast), Some(keepalived)) = (Program::steadfast(test), Program::keepalived(test)) else {
        return;
    };
    if !balances(test) {
        return;
    }
    // keepalived 2.4.3 tells nothing of a service without `omega`, older ones do.
    let quiet = service("10.9.0.3 80", "quorum_down \"/run/tell quiet quorum down\"", &[server("quiet", 2)]);
    let entries = ["-A -t 10.9.0.3:80 -s rr", "-a -t 10.9.0.3:80 -r 198.18.0.2:80 -m -w 1"];
    for (program, others, entries) in [(keepalived, "", &[][..]), (steadfast, &*quiet, &entries[..])] {
        let (scripts, fifo) = removal(&program, others, entries);
        assert_eq!(scripts, SCRIPTS, "{}", program.name());
        assert_eq!(fifo, FIFO, "{}", program.name());
    }
}
