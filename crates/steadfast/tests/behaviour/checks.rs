//! What servers notice of checks, and how soon checks notice that a server is dead.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steadfast_control::status::Check;
use steadfast_lab::{Host, wait};

use crate::stage::{LIMIT, Router, Stage};

/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(700);

/// One server, which is asked every second.
fn configuration(port: u16, check: &str) -> String {
    format!(
        "virtual_server 10.9.0.1 80 {{\n delay_loop 1\n warmup 0\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
         real_server 127.0.0.1 {port} {{\n {check}\n }}\n}}\n"
    )
}

fn check(router: &Router) -> Option<Check> {
    let server = router.services().into_iter().next()?.servers.into_iter().next()?;
    server.checks.into_iter().next()
}

/// Resets that a host has sent.
fn resets(host: &Host) -> u64 {
    let read = || std::fs::read_to_string("/proc/thread-self/net/snmp");
    let text = host.network().run(read).unwrap().unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: ")).map(str::split_whitespace);
    let (mut names, mut values) = (lines.next().unwrap(), lines.next().unwrap());
    values.nth(names.position(|name| name == "OutRsts").unwrap()).unwrap().parse().unwrap()
}

/// A server that greets, and has something to say at the end, as those of mail and databases do. It counts the
/// connections that it has seen to their end.
fn greet(host: &Host, port: u16) -> Arc<AtomicU64> {
    let listener = host.network().run(|| TcpListener::bind(("127.0.0.1", port))).unwrap().unwrap();
    let ended = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&ended);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"220 welcome\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
            let _ = stream.write_all(b"221 farewell\r\n");
            drop(stream);
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    ended
}

#[test]
fn a_server_sees_no_reset_where_its_check_closes_in_order() {
    let Some(stage) = Stage::set("a_server_sees_no_reset_where_its_check_closes_in_order") else { return };
    for (keyword, is_reset) in [("", true), ("close_in_order", false)] {
        let host = stage.host(if is_reset { "cut" } else { "ordered" });
        let ended = greet(&host, 8025);
        let router = stage.start(
            &host,
            &configuration(8025, &format!("TCP_CHECK {{\n connect_timeout 5\n {keyword}\n }}")),
        );
        assert!(wait::until(LIMIT, || ended.load(Ordering::Relaxed) >= 3), "{}", router.log_tail());
        assert!(
            check(&router).is_some_and(|check| check.up && check.bad_results == 0),
            "{:?}",
            check(&router)
        );
        assert_eq!(resets(&host) > 0, is_reset, "'{keyword}': {} resets", resets(&host));
    }
}

/// A server of names that dies: nothing comes from it any more but what was never asked for.
struct Names {
    socket: UdpSocket,
    dead: Arc<AtomicBool>,
    /// The last one who asked.
    asker: Arc<std::sync::Mutex<Option<SocketAddr>>>,
}

impl Names {
    fn serve(host: &Host) -> Self {
        let socket = host.network().run(|| UdpSocket::bind("127.0.0.1:8053")).unwrap().unwrap();
        let names = Self { socket, dead: Arc::default(), asker: Arc::default() };
        let (socket, dead) = (names.socket.try_clone().unwrap(), Arc::clone(&names.dead));
        let asker = Arc::clone(&names.asker);
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                *asker.lock().unwrap() = Some(from);
                if !dead.load(Ordering::Relaxed) {
                    // RFC 1035 section 4.1.1: the question comes back as a response.
                    question[2] |= 0x80;
                    let _ = socket.send_to(&question[..length], from);
                }
            }
        });
        names
    }

    /// To whoever asked: an answer to another question.
    fn babble(&self) {
        let asker = *self.asker.lock().unwrap();
        if let Some(asker) = asker {
            let _ = self.socket.send_to(&[0, 0, 0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0], asker);
        }
    }
}

#[test]
fn a_dead_server_of_names_is_noticed_within_the_timeout_whatever_comes_from_it() {
    let test = "a_dead_server_of_names_is_noticed_within_the_timeout_whatever_comes_from_it";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("checker");
    let names = Names::serve(&host);
    for (settings, timeout) in [
        ("connect_timeout 1", Duration::from_secs(1)),
        ("connect_timeout 9\n check_timeout 1", Duration::from_secs(1)),
    ] {
        names.dead.store(false, Ordering::Relaxed);
        let router = stage.start(
            &host,
            &configuration(8053, &format!("DNS_CHECK {{\n retry 0\n name example.org\n {settings}\n }}")),
        );
        let well = || check(&router).is_some_and(|check| check.up && check.has_run);
        assert!(wait::until(LIMIT, well), "{:?}\n{}", check(&router), router.log_tail());
        names.dead.store(true, Ordering::Relaxed);
        let died = Instant::now();
        let noticed = wait::until(LIMIT, || {
            names.babble();
            check(&router).is_some_and(|check| !check.up)
        });
        assert!(noticed, "{:?}\n{}", check(&router), router.log_tail());
        // It died just after it was asked: a second until it is asked again.
        let limit = Duration::from_secs(1) + timeout + SLACK;
        assert!(died.elapsed() < limit, "{:?}, {settings}", died.elapsed());
        let reason = check(&router).and_then(|check| check.last_failure).unwrap_or_default();
        assert!(reason.contains("in time"), "{reason}");
    }
}

/// Ways to ask the one server of each port, at the second host of a segment.
const OVER_IPV6: [(u16, &str); 3] = [
    (8080, "TCP_CHECK {\n retry 0\n connect_timeout 9\n }"),
    (8081, "UDP_CHECK {\n retry 0\n connect_timeout 1\n }"),
    (8082, "PING_CHECK {\n retry 0\n connect_timeout 1\n }"),
];

#[test]
fn a_server_behind_a_packet_filter_that_rejects_is_taken_out() {
    let Some(stage) = Stage::set("a_server_behind_a_packet_filter_that_rejects_is_taken_out") else { return };
    let (director, host) = (stage.host("director"), stage.host("server"));
    let listens = || (TcpListener::bind("[fd00::2]:8080"), UdpSocket::bind("[fd00::2]:8081"));
    let _servers = host.network().run(listens).unwrap();
    let configuration: String = OVER_IPV6
        .iter()
        .map(|(port, check)| {
            format!(
                "virtual_server fd00::9 {port} {{\n delay_loop 1\n warmup 0\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
                 real_server fd00::2 {port} {{\n {check}\n }}\n}}\n"
            )
        })
        .collect();
    let router = stage.start(&director, &configuration);
    let are = |what: &str, up: bool| {
        let all = || {
            let services = router.services();
            let checks: Vec<&Check> = services
                .iter()
                .flat_map(|service| &service.servers)
                .flat_map(|server| &server.checks)
                .collect();
            checks.len() == OVER_IPV6.len() && checks.iter().all(|check| check.has_run && check.up == up)
        };
        assert!(wait::until(LIMIT, all), "{what}: {:?}\n{}", router.services(), router.log_tail());
    };
    are("at the start", true);
    let wall = "add table ip6 wall; add chain ip6 wall in { type filter hook input priority 0; }; \
                add rule ip6 wall in icmpv6 type echo-request reject with icmpv6 admin-prohibited; \
                add rule ip6 wall in meta l4proto { tcp, udp } reject with icmpv6 admin-prohibited";
    let built = host.run(&["nft", wall]).unwrap();
    assert!(built.status.success(), "{}", built.output);
    are("behind the packet filter", false);
    assert!(host.run(&["nft", "delete table ip6 wall"]).unwrap().status.success());
    are("without it", true);
}

/// Two groups whose packets get marks.
const MARKED: &str = "
global_defs {
  nftables_ipvs balanced
  nftables_ipvs_start_fwmark 70
}
virtual_server_group web {
  10.9.0.1 80
  10.9.0.10-20 80
}
virtual_server_group names {
  10.9.0.1 53
  2001:db8::1-9 53
}
";

fn marked(group: &str, protocol: &str) -> String {
    format!(
        "virtual_server group {group} {{\n lb_algo rr\n lb_kind NAT\n protocol {protocol}\n real_server 10.0.0.1 80 {{\n }}\n}}\n"
    )
}

/// Without the layout.
fn ruleset(host: &Host) -> String {
    let shown = host.run(&["nft", "list", "ruleset"]).unwrap().output;
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn packets_to_groups_get_marks_that_stay_over_reloads_and_other_programs() {
    let test = "packets_to_groups_get_marks_that_stay_over_reloads_and_other_programs";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("director");
    let web = marked("web", "TCP");
    let router = stage.start(&host, &(MARKED.to_owned() + &web));
    let shows = |router: &Router, what: &[&str]| {
        let shown = wait::until(LIMIT, || {
            let rules = ruleset(&host);
            what.iter().all(|part| rules.contains(part))
        });
        assert!(shown, "{what:?}: {}\n{}", ruleset(&host), router.log_tail());
    };
    let first = [
        "table ip balanced {",
        "10.9.0.1 . 80 : 0x00000046, 10.9.0.10-10.9.0.20 . 80 : 0x00000046",
        "meta mark set ip daddr . tcp dport map @tcp_map",
    ];
    shows(&router, &first);
    // What is new comes before in the file, and gets what is next.
    router.reload(&(MARKED.to_owned() + &marked("names", "UDP") + &web));
    shows(&router, &first);
    shows(
        &router,
        &["10.9.0.1 . 53 : 0x00000047", "table ip6 balanced {", "2001:db8::1-2001:db8::9 . 53 : 0x00000047"],
    );
    assert!(host.run(&["nft", "flush", "ruleset"]).unwrap().status.success());
    shows(&router, &first);
    let told = router.logged("another program changed the packet filters of table balanced", LIMIT);
    assert!(told, "{}", router.log_tail());
    router.reload(&(MARKED.to_owned() + &web));
    assert!(wait::until(LIMIT, || !ruleset(&host).contains("table ip6")), "{}", ruleset(&host));
    let mut daemon = router.into_daemon();
    daemon.stop(LIMIT).unwrap();
    assert_eq!(ruleset(&host), "");
}
