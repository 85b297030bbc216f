//! Every checker against real programs, under keepalived and under steadfast at once: who is balanced after each fault, and
//! what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use steadfast_lab::{Daemon, Program, wait};

use super::director::{LIMIT, balances};
use super::nginx;
use super::running::Running;
use super::side::Side;

/// Between two looks at the table.
const LOOKS: Duration = Duration::from_millis(300);

/// A virtual server that is checked in one way.
struct Checked {
    /// Statements of the virtual server.
    service: &'static str,
    /// Where its server listens.
    port: u16,
    /// Statements of the server, its checker among them.
    server: &'static str,
    /// Its weight while it is well.
    weight: u32,
}

const fn checked(port: u16, server: &'static str) -> Checked {
    Checked { service: "", port, server, weight: 3 }
}

/// The last part of their addresses is the place in this list, counted from one.
const CHECKED: [Checked; 17] = [
    checked(80, "TCP_CHECK { \n connect_timeout 3 \n }"),
    checked(80, "HTTP_GET { \n url { \n path /nothing \n status_code 204 \n } \n connect_timeout 3 \n }"),
    checked(
        80,
        "HTTP_GET { \n url { \n path /page \n digest 2670f929ce8c93af815ba0ae8fd591ff \n } \n connect_timeout 3 \n }",
    ),
    checked(
        80,
        "HTTP_GET { \n url { \n path /page \n regex \"is w[aeiou]ll\" \n } \n connect_timeout 3 \n }",
    ),
    checked(
        80,
        "HTTP_GET { \n virtualhost inner.example \n url { \n path /inner \n } \n connect_timeout 3 \n }",
    ),
    checked(
        80,
        "HTTP_GET { \n http_protocol 1.1 \n url { \n path /other \n status_code 200 \n } \n connect_timeout 3 \n }",
    ),
    checked(
        443,
        "SSL_GET { \n url { \n path /page \n digest 2670f929ce8c93af815ba0ae8fd591ff \n } \n connect_timeout 3 \n }",
    ),
    checked(
        443,
        "SSL_GET { \n enable_sni \n virtualhost name.example \n url { \n path /named \n } \n connect_timeout 3 \n }",
    ),
    checked(25, "SMTP_CHECK { \n helo_name me.example \n connect_timeout 3 \n }"),
    checked(53, "DNS_CHECK { \n type A \n name example \n connect_timeout 3 \n }"),
    checked(
        53,
        "UDP_CHECK { \n payload 123401000001000000000000076578616d706c650000010001 \n require_reply 1234 \n connect_timeout 3 \n }",
    ),
    checked(80, "PING_CHECK { \n connect_timeout 3 \n }"),
    checked(80, "MISC_CHECK { \n misc_path \"/run/exit /run/status\" \n misc_timeout 9 \n }"),
    checked(80, "MISC_CHECK { \n misc_path \"/run/exit /run/weight\" \n misc_timeout 9 \n misc_dynamic \n }"),
    checked(80, "MISC_CHECK { \n misc_path /run/slow \n misc_timeout 5 \n user nobody \n }"),
    checked(80, "inhibit_on_failure \n TCP_CHECK { \n connect_timeout 3 \n }"),
    Checked {
        service: "alpha \n omega",
        port: 80,
        server: "TCP_CHECK { \n connect_timeout 3 \n }",
        weight: 3,
    },
];

/// Two servers that are needed both, and one that stands in for them.
const NEEDED: [&str; 2] = ["10.8.1.18", "10.8.2.18"];
const SORRY: &str = "10.8.3.18";

/// In the other family.
const SERVICE_V6: &str = "2001:db8:9::19";
const SERVER_V6: &str = "2001:db8:8::19";

fn configuration() -> String {
    let mut text = String::from("global_defs {\n lvs_notify_fifo /run/fifo\n script_user root\n}\n");
    let common = "delay_loop 2\n warmup 0\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n retry 1\n delay_before_retry 1\n";
    let mut service = |address: &str, settings: &str, servers: &str| {
        write!(
            text,
            "virtual_server {address} 80 {{\n {common} {settings}\n quorum_up \"/run/tell {address} up\"\n \
             quorum_down \"/run/tell {address} down\"\n {servers}\n}}\n"
        )
        .unwrap();
    };
    let server = |address: &str, port: u16, statements: &str| {
        format!(
            "real_server {address} {port} {{\n weight 3\n notify_up \"/run/tell {address} up\"\n \
             notify_down \"/run/tell {address} down\"\n {statements}\n }}\n"
        )
    };
    for (number, checked) in (1..).zip(&CHECKED) {
        let servers = server(&address(number), checked.port, checked.server);
        service(&format!("10.9.0.{number}"), checked.service, &servers);
    }
    let check = "TCP_CHECK { \n connect_timeout 3 \n }";
    let servers: String = NEEDED.iter().map(|address| server(address, 80, check)).collect();
    service("10.9.0.18", &format!("quorum 6\n sorry_server {SORRY} 80"), &servers);
    let check = "HTTP_GET { \n url { \n path /page \n status_code 200 \n } \n connect_timeout 3 \n }";
    service(SERVICE_V6, "", &server(SERVER_V6, 80, check));
    text
}

fn address(number: usize) -> String {
    format!("10.8.0.{number}")
}

/// A table as it should be.
struct Expected(BTreeSet<String>);

impl Expected {
    /// While all are well.
    fn all() -> Self {
        let mut all = Self(BTreeSet::new());
        for (number, checked) in (1..).zip(&CHECKED) {
            all.has(number, checked.weight);
        }
        for server in NEEDED {
            all.0.insert(needed(server, 3));
        }
        all.0.insert(format!("-a -t [{SERVICE_V6}]:80 -r [{SERVER_V6}]:80 -m -w 3"));
        all
    }

    fn has(&mut self, number: usize, weight: u32) {
        let port = CHECKED.get(number - 1).map_or(0, |checked| checked.port);
        self.0.insert(format!("-a -t 10.9.0.{number}:80 -r {}:{port} -m -w {weight}", address(number)));
    }

    /// These are away.
    fn without(mut self, numbers: &[usize]) -> Self {
        for number in numbers {
            let start = format!("-a -t 10.9.0.{number}:80 ");
            self.0.retain(|line| !line.starts_with(&start));
        }
        self
    }

    /// The one that stands in does so.
    fn sorry(mut self) -> Self {
        self = self.without(&[18]);
        self.0.insert(needed(SORRY, 1));
        self
    }
}

fn needed(server: &str, weight: u32) -> String {
    format!("-a -t 10.9.0.18:80 -r {server}:80 -m -w {weight}")
}

/// Lets a side become what the configuration speaks of.
fn furnish(side: &Side) {
    let host = &side.director.host;
    host.write_script("/run/tell", "echo \"$@\" >>/run/told").unwrap();
    host.write_script("/run/exit", "exit $(cat $1)").unwrap();
    host.write_script(
        "/run/slow",
        "[ \"$(id -un)\" = nobody ] || exit 1\n[ ! -e /run/wait ] || exec sleep 30",
    )
    .unwrap();
    host.write("/run/status", "0").unwrap();
    host.write("/run/weight", "0").unwrap();
    side.director.run(&["mkfifo", "/run/fifo"]);
    side.servers.keep("reader", Running::start(host, &["sh", "-c", "exec cat /run/fifo >/run/heard"]));
    web(side);
    mail(side);
    names(side);
    side.servers.come(&every_address());
    let greets = || host.network().run(|| TcpStream::connect((address(9).as_str(), 25)).is_ok()).unwrap();
    assert!(wait::until(LIMIT, greets), "nobody listens for mail");
    let resolves = || host.network().run(resolves).unwrap().is_ok();
    assert!(wait::until(LIMIT, resolves), "no name is resolved");
}

/// Asks for a name as the checker of UDP does.
fn resolves() -> std::io::Result<usize> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket
        .send_to(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\0\0\x01\0\x01", (address(10).as_str(), 53))?;
    socket.recv(&mut [0; 512])
}

fn every_address() -> Vec<IpAddr> {
    let numbered = (1..=CHECKED.len()).map(address);
    let others = NEEDED.into_iter().chain([SERVER_V6]).map(str::to_owned);
    numbered.chain(others).map(|address| address.parse().unwrap()).collect()
}

fn web(side: &Side) {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/tls");
    let home = nginx::home("all");
    let servers = format!(
        "ssl_certificate {tls}/certificate.pem; ssl_certificate_key {tls}/key.pem;
         server {{
           listen 80 default_server; listen [::]:80 default_server; listen 443 ssl; root {home}; server_name name.example;
           location = /nothing {{ if (!-f {home}/well) {{ return 500; }} return 204; }}
           location = /named {{ if ($ssl_server_name != name.example) {{ return 403; }} }}
         }}
         server {{ listen 80; server_name inner.example; root {home}/hidden; }}"
    );
    pages(side, true);
    side.servers.keep("nginx", nginx::start(&side.servers.host, "all", &servers));
}

/// Pages that checks find good, or not.
fn pages(side: &Side, good: bool) {
    let home = nginx::home("all");
    let host = &side.servers.host;
    host.write(&format!("{home}/page"), if good { "all is well\n" } else { "all is lost\n" }).unwrap();
    for page in ["well", "named", "other", "hidden/inner"] {
        let (page, away) = (format!("{home}/{page}"), format!("{home}/{page}.away"));
        if good {
            host.write(&page, "here\n").unwrap();
        } else {
            assert!(host.run(&["mv", &page, &away]).unwrap().status.success());
        }
    }
}

fn mail(side: &Side) {
    let words = ["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", "0.0.0.0:25"];
    side.servers.keep("mail", Running::start(&side.servers.host, &words));
}

fn names(side: &Side) {
    // An answer has to come from the address that was asked.
    let interfaces: String = [10, 11].map(|number| format!(" interface: {}\n", address(number))).concat();
    let configuration = format!(
        "server:\n do-daemonize: no\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n use-syslog: no\n ip-freebind: yes\n{interfaces} \
         access-control: 0.0.0.0/0 allow\n local-zone: \"example.\" static\n local-data: \"example. A 192.0.2.1\"\n"
    );
    side.servers.host.write("/run/unbound", &configuration).unwrap();
    let words = ["/usr/sbin/unbound", "-d", "-c", "/run/unbound"];
    side.servers.keep("names", Running::start(&side.servers.host, &words));
}

/// How often all of it may be played because of what keepalived does on a machine that is too busy for it.
const PLAYS: usize = 3;

/// Why what keepalived did cannot be compared, if it can not: it forgets a script that ended before it had noted it, and never
/// asks that server again; when it is late, it starts several scripts at once, of which any may be the first.
fn disturbed(keepalived: &Daemon) -> Option<String> {
    let log = keepalived.log();
    let forgotten = |line: &&str| line.contains("child (PID ") && line.ends_with(") lost");
    let late = |line: &&str| line.contains("thread timer expired");
    log.lines().find(|line| forgotten(line) || late(line)).map(str::to_owned)
}

/// Waits until both tables are as they should be. An error if keepalived does not get there for a reason of its own.
fn expect(what: &str, expected: &Expected, sides: &[Side], daemons: &[Daemon; 2]) -> Result<(), String> {
    for (side, daemon) in sides.iter().zip(daemons) {
        let servers = || side.director.table().into_iter().filter(|line| line.starts_with("-a")).collect();
        let mut found: BTreeSet<String> = BTreeSet::new();
        let reached = wait::until(LIMIT, || {
            std::thread::sleep(LOOKS);
            found = servers();
            found == expected.0
        });
        let missing: Vec<_> = expected.0.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected.0).collect();
        let told = || {
            let log = daemon.log_tail();
            format!("{what}: {} lacks {missing:#?} and has {surplus:#?}\n{log}", daemon.folder())
        };
        let is_keepalived = side.director.program.name() == "keepalived";
        if let Some(reason) = disturbed(daemon).filter(|_| !reached && is_keepalived) {
            return Err(format!("{reason}\n{}", told()));
        }
        assert!(reached, "{}", told());
    }
    Ok(())
}

/// Which line follows which of those about the same, from the beginning to the end. A server that is late on a busy machine
/// goes and comes once more, in the same order.
fn by_subject(text: &str, subject: fn(&str) -> Option<String>) -> BTreeMap<String, BTreeSet<[String; 2]>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        found
            .entry(subject(line).unwrap_or_default())
            .or_insert_with(|| vec!["(begin)".into()])
            .push(line.into());
    }
    let sequences = found.into_iter().map(|(subject, mut lines)| {
        lines.push("(end)".into());
        let pairs = lines.windows(2).filter_map(|pair| pair.to_vec().try_into().ok());
        (subject, pairs.collect())
    });
    sequences.collect()
}

/// What is told of the service with several servers comes in the order in which they are asked: each for itself.
fn of_fifo(line: &str) -> Option<String> {
    let words: Vec<_> = line.split(' ').collect();
    let service = words.iter().rev().nth(1)?;
    Some(if service.contains("10.9.0.18") {
        format!("{} {service}", words.get(1)?)
    } else {
        (*service).to_owned()
    })
}

fn of_script(line: &str) -> Option<String> {
    Some(line.split(' ').next()?.to_owned())
}

#[test]
fn every_checker_sees_what_keepalived_sees() {
    let test = "every_checker_sees_what_keepalived_sees";
    let (Some(steadfast), Some(keepalived)) = (Program::steadfast(test), Program::keepalived(test)) else {
        return;
    };
    if !balances(test) {
        return;
    }
    for play in 1..=PLAYS {
        match compare([&keepalived, &steadfast]) {
            Ok(()) => return,
            Err(reason) => println!("play {play}: {reason}"),
        }
    }
    panic!("keepalived could not be compared with in {PLAYS} plays: the machine is too busy");
}

/// From a start to the end, with a fault of every kind. An error if keepalived was disturbed.
fn compare(programs: [&Program; 2]) -> Result<(), String> {
    let sides = programs.map(Side::new);
    sides.iter().for_each(furnish);
    let text = configuration();
    let mut daemons = sides.each_ref().map(|side| side.start(&text));
    expect("all answer", &Expected::all(), &sides, &daemons)?;

    let state = |name: &str, value: &str| {
        sides.iter().for_each(|side| side.director.host.write(&format!("/run/{name}"), value).unwrap());
    };
    sides.iter().for_each(|side| side.servers.go(&every_address()));
    state("status", "1");
    state("weight", "1");
    state("wait", "");
    let mut none = Expected(BTreeSet::from([needed(SORRY, 1)]));
    none.has(16, 0);
    expect("none answers", &none, &sides, &daemons)?;

    sides.iter().for_each(|side| side.servers.come(&every_address()));
    state("status", "0");
    state("weight", "9");
    sides.iter().for_each(|side| drop(side.director.run(&["rm", "/run/wait"])));
    let mut all = Expected::all().without(&[14]);
    all.has(14, 7);
    expect("all answer again", &all, &sides, &daemons)?;

    for side in &sides {
        pages(side, false);
        side.servers.end("mail");
        side.servers.end("names");
        side.servers.go(&["10.8.1.18".parse().unwrap()]);
    }
    state("weight", "0");
    let wrong = Expected::all().without(&[2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).sorry();
    expect("other answers", &wrong, &sides, &daemons)?;

    for side in &sides {
        pages(side, true);
        mail(side);
        names(side);
        side.servers.come(&["10.8.1.18".parse().unwrap()]);
    }
    expect("all are mended", &Expected::all(), &sides, &daemons)?;
    for daemon in &mut daemons {
        daemon.stop(LIMIT).unwrap();
    }
    sides.iter().for_each(|side| assert!(side.director.table().is_empty(), "{:?}", side.director.table()));
    let disturbed = disturbed(&daemons[0]);
    let told = || {
        sides.each_ref().map(|side| {
            let read = |path| side.director.host.read(path).unwrap();
            (by_subject(&read("/run/heard"), of_fifo), by_subject(&read("/run/told"), of_script))
        })
    };
    // Keepalived does not wait for the scripts that it starts at its end.
    let _ = wait::until(LIMIT / 4, || {
        let [theirs, ours] = told();
        theirs == ours
    });
    let [theirs, ours] = told();
    if let Some(reason) = disturbed.filter(|_| ours != theirs) {
        return Err(reason);
    }
    assert_eq!(ours.0, theirs.0, "lines of the FIFO");
    assert_eq!(ours.1, theirs.1, "calls of scripts");
    Ok(())
}
