//! Checks and services that follow files, addresses and instances, and mail about them.

use std::process::{Child, Command};

use steadfast_control::status::Status;
use steadfast_lab::{Daemon, Program, Signal, wait};

use super::director::{Director, LIMIT};
use super::operating;

const SERVICE: &str = "-A -t 10.9.0.1:80 -s wrr";

/// Two servers without a process behind them.
fn service(of_service: &str, of_first: &str) -> String {
    format!(
        "virtual_server 10.9.0.1 80 {{
           delay_loop 1
           warmup 0
           lb_algo wrr
           lb_kind NAT
           protocol TCP
           {of_service}
           real_server 127.0.0.1 8081 {{
             weight 5
             {of_first}
           }}
           {SECOND}
         }}"
    )
}

const SECOND: &str = "real_server 127.0.0.1 8082 {
  weight 5
}";

fn server(port: u16, weight: u32) -> String {
    format!("-a -t 10.9.0.1:80 -r 127.0.0.1:{port} -m -w {weight}")
}

#[test]
fn a_file_changes_the_weight_of_a_server_and_takes_it_out() {
    let Some(director) = Director::new("a_file_changes_the_weight_of_a_server_and_takes_it_out") else {
        return;
    };
    director.host.write("/run/load", "-2\n").unwrap();
    let file = "track_file load {\n file /run/load\n weight 1\n}\n";
    let check = "FILE_CHECK {\n track_file load\n }";
    let daemon = director.start(&format!("{file}{}", service("", check)));
    director.await_table(&[SERVICE, &server(8081, 3), &server(8082, 5)], &daemon);
    director.host.write("/run/load", "4\n").unwrap();
    director.await_table(&[SERVICE, &server(8081, 9), &server(8082, 5)], &daemon);
    director.host.write("/run/load", "-2147483648\n").unwrap();
    director.await_table(&[SERVICE, &server(8082, 5)], &daemon);
    assert!(daemon.logged("track_file load holds -2147483648", LIMIT), "{}", daemon.log_tail());
    director.host.write("/run/load", "0\n").unwrap();
    director.await_table(&[SERVICE, &server(8081, 5), &server(8082, 5)], &daemon);
}

#[test]
fn a_server_that_a_file_holds_down_at_the_start_is_never_there() {
    let Some(director) = Director::new("a_server_that_a_file_holds_down_at_the_start_is_never_there") else {
        return;
    };
    director.host.write("/run/maintenance", "1\n").unwrap();
    let file = "track_file maintenance {\n file /run/maintenance\n weight 0\n}\n";
    let check = "FILE_CHECK {\n track_file maintenance\n }";
    let daemon = director.start(&format!("{file}{}", service("", check)));
    director.await_table(&[SERVICE, &server(8082, 5)], &daemon);
    assert!(!daemon.log().contains("Removing server 127.0.0.1:8081"), "{}", daemon.log());
    director.host.write("/run/maintenance", "0\n").unwrap();
    director.await_table(&[SERVICE, &server(8081, 5), &server(8082, 5)], &daemon);
}

/// Each reload gives both servers another check: what one of them followed before is not what the other follows now.
#[test]
fn after_a_reload_each_check_follows_its_own_file() {
    let Some(director) = Director::new("after_a_reload_each_check_follows_its_own_file") else { return };
    let names = ["idle", "busy", "calm", "held"];
    let mut files = String::new();
    for (name, number) in names.into_iter().zip([0, 1, 0, 1]) {
        director.host.write(&format!("/run/{name}"), &format!("{number}\n")).unwrap();
        files += &format!("track_file {name} {{\n file /run/{name}\n weight 0\n}}\n");
    }
    let configuration = |followed: [&str; 2], weight: u32, of_servers: u32| {
        let [first, second] =
            followed.map(|name| format!("FILE_CHECK {{\n track_file {name}\n weight {weight}\n }}"));
        let both = service("", &first).replace("weight 5", &format!("weight {of_servers}"));
        let both = both.replace("8082 {", &format!("8082 {{\n {second}"));
        format!("{files}{both}")
    };
    let daemon = director.start(&configuration(["idle", "busy"], 1, 5));
    director.await_table(&[SERVICE, &server(8081, 5), &server(8082, 6)], &daemon);
    let reload = |followed, weight, of_servers, table: &[&str]| {
        operating::reload(&director, &daemon, &configuration(followed, weight, of_servers));
        director.await_table(table, &daemon);
    };
    reload(["idle", "busy"], 3, 5, &[SERVICE, &server(8081, 5), &server(8082, 8)]);
    reload(["idle", "busy"], 0, 5, &[SERVICE, &server(8081, 5)]);
    reload(["calm", "held"], 0, 6, &[SERVICE, &server(8081, 6)]);
    reload(["held", "calm"], 0, 7, &[SERVICE, &server(8082, 7)]);
    // Each goes on following it.
    director.host.write("/run/held", "0\n").unwrap();
    director.host.write("/run/calm", "1\n").unwrap();
    director.await_table(&[SERVICE, &server(8081, 7)], &daemon);
}

#[test]
fn checks_rest_while_the_address_is_elsewhere() {
    let Some(director) = Director::new("checks_rest_while_the_address_is_elsewhere") else { return };
    let daemon = director.start(&service("ha_suspend", "TCP_CHECK {\n retry 0\n connect_timeout 2\n }"));
    // Nobody listens, but nobody asks either.
    director.await_table(&[SERVICE, &server(8081, 5), &server(8082, 5)], &daemon);
    let asked = || {
        let (told, _) = super::operating::ask(&director, &daemon, &["status", "--json"]);
        let status: Status = serde_json::from_str(&told).unwrap();
        (status.services[0].suspended, status.services[0].servers[0].checks[0].results)
    };
    assert!(wait::until(LIMIT, || asked().0), "{}", daemon.log_tail());
    assert_eq!(asked(), (true, 0));
    director.interface("10.9.0.1/32");
    director.await_table(&[SERVICE, &server(8082, 5)], &daemon);
    director.run(&["ip", "address", "del", "10.9.0.1/32", "dev", "d0"]);
    assert!(wait::until(LIMIT, || asked().0), "{}", daemon.log_tail());
    // What was found last stands.
    director.await_table(&[SERVICE, &server(8082, 5)], &daemon);
}

const INSTANCE: &str = "vrrp_instance V1 {
  state BACKUP
  interface d0
  virtual_router_id 51
  priority 100
  advert_int 1
  virtual_ipaddress {
    10.9.0.1/32 dev d0
  }
}
";

/// What `ipvsadm -l --daemon` has of the synchronisation daemons, a word each.
pub(crate) fn sync_daemons(director: &Director) -> Vec<String> {
    let told = director.run(&["ipvsadm", "-l", "--daemon"]);
    told.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn services_and_the_sync_daemon_follow_an_instance() {
    let Some(director) = Director::new("services_and_the_sync_daemon_follow_an_instance") else { return };
    director.interface("10.8.0.1/24");
    let globals = "global_defs {\n lvs_sync_daemon d0 V1\n}\n";
    let daemon = director.start(&format!("{globals}{INSTANCE}{}", service("only_while_master V1", "")));
    let whole = [SERVICE.to_owned(), server(8081, 5), server(8082, 5)];
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    director.await_table(&whole, &daemon);
    assert!(daemon.logged("Entering MASTER STATE", LIMIT), "{}", daemon.log());
    assert!(wait::until(LIMIT, || sync_daemons(&director) == ["master"]), "{}", daemon.log_tail());
    director.run(&["ip", "link", "set", "d0", "down"]);
    director.await_table(&[], &daemon);
    assert!(wait::until(LIMIT, || sync_daemons(&director) == ["backup"]), "{}", daemon.log_tail());
    let told = || super::operating::ask(&director, &daemon, &["status"]).0;
    assert!(wait::until(LIMIT, || told().contains("waits for V1")), "{}", told());
    director.run(&["ip", "link", "set", "d0", "up"]);
    director.await_table(&whole, &daemon);
    assert!(wait::until(LIMIT, || sync_daemons(&director) == ["master"]), "{}", daemon.log_tail());
}

/// The way of early versions: an instance names the interface, and is followed.
#[test]
fn the_sync_daemon_follows_the_instance_that_names_its_interface() {
    let Some(director) = Director::new("the_sync_daemon_follows_the_instance_that_names_its_interface")
    else {
        return;
    };
    director.interface("10.8.0.1/24");
    let instance = INSTANCE.replace("interface d0\n", "interface d0\n  lvs_sync_daemon_interface d0\n");
    let daemon = director.start(&format!("{instance}{}", service("", "")));
    assert!(wait::until(LIMIT, || sync_daemons(&director) == ["master"]), "{}", daemon.log_tail());
    let told = director.run(&["ipvsadm", "-l", "--daemon"]);
    // The number of the virtual router is that of the daemon.
    assert!(told.contains("mcast=d0") && told.contains("syncid=51"), "{told}");
    director.run(&["ip", "link", "set", "d0", "down"]);
    assert!(wait::until(LIMIT, || sync_daemons(&director) == ["backup"]), "{}", daemon.log_tail());
}

const MAILS: &str = "global_defs {
  router_id lab
  notification_email {
    ops@example.org
  }
  notification_email_from keeper@example.org
  smtp_server 127.0.0.1 2525
  smtp_connect_timeout 5
  smtp_alert
}
";

/// A mail server that writes everything it takes to a file.
const MAIL_SERVER: &str = "import time
from aiosmtpd.controller import Controller
class Take:
    async def handle_DATA(self, server, session, envelope):
        with open('/run/mail', 'a') as file:
            file.write('LETTER\\n' + envelope.content.decode())
        return '250 OK'
Controller(Take(), hostname='127.0.0.1', port=2525).start()
time.sleep(600)
";

fn mail_server(director: &Director) -> Child {
    director.host.write("/run/server.py", MAIL_SERVER).unwrap();
    let server = director.host.spawn(Command::new("/usr/bin/python3").arg("/run/server.py")).unwrap();
    let listens = || {
        let told = director.host.run(&["ss", "-Hltn", "sport = :2525"]);
        told.is_ok_and(|told| told.output.contains("2525"))
    };
    assert!(wait::until(LIMIT, listens), "the mail server of the test does not listen");
    server
}

/// Letters without what differs from run to run, in order of their text.
fn letters(director: &Director) -> Vec<String> {
    let text = director.host.read("/run/mail").unwrap_or_default().replace('\r', "");
    let mut letters: Vec<String> = text
        .split("LETTER\n")
        .skip(1)
        .map(|letter| {
            letter.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
        })
        .map(|letter| letter.trim_end().to_owned())
        .collect();
    letters.sort();
    letters
}

#[test]
fn servers_and_services_are_written_of_as_by_keepalived() {
    let test = "servers_and_services_are_written_of_as_by_keepalived";
    let Some(director) = Director::new(test) else { return };
    let Some(keepalived) = Program::keepalived(test) else { return };
    let check = "TCP_CHECK {\n retry 0\n connect_timeout 2\n }";
    let only_first = service("smtp_alert\nquorum 6", check);
    let configuration = format!("{MAILS}{only_first}");
    let mut server_of_mail = mail_server(&director);
    let found: Vec<Vec<String>> = [&director.program, &keepalived]
        .into_iter()
        .map(|program| {
            let _ = director.host.run(&["rm", "-f", "/run/mail"]);
            let mut daemon = Daemon::start(&director.host, program, &configuration).unwrap();
            let count = |wanted: usize, daemon: &Daemon| {
                let reached = wait::until(LIMIT, || letters(&director).len() >= wanted);
                assert!(reached, "{:#?}\n{}", letters(&director), daemon.log_tail());
            };
            // It starts with the quorum, and loses it with the first check.
            count(3, &daemon);
            let first = director.nginx("127.0.0.1:8081");
            count(5, &daemon);
            daemon.stop(LIMIT).unwrap();
            drop(first);
            letters(&director)
        })
        .collect();
    server_of_mail.kill().unwrap();
    server_of_mail.wait().unwrap();
    assert_eq!(found[0], found[1]);
    let down = "Subject: [lab] Realserver [127.0.0.1]:tcp:8081 of virtual server [10.9.0.1]:tcp:80 - DOWN";
    assert!(found[0].iter().any(|letter| letter.contains(down)), "{:#?}", found[0]);
}

#[test]
fn what_a_reload_takes_out_is_written_of_as_by_keepalived() {
    let test = "what_a_reload_takes_out_is_written_of_as_by_keepalived";
    let Some(director) = Director::new(test) else { return };
    let Some(keepalived) = Program::keepalived(test) else { return };
    let stays = service("", "").replace("10.9.0.1", "10.9.0.2");
    let before = format!("{MAILS}{stays}\n{}", service("omega", ""));
    let after = format!("{MAILS}{}", stays.replacen(SECOND, "", 1));
    let mut server_of_mail = mail_server(&director);
    let found = [&keepalived, &director.program].map(|program| {
        let _ = director.host.run(&["rm", "-f", "/run/mail"]);
        let mut daemon = Daemon::start(&director.host, program, &before).unwrap();
        let count = |wanted: usize| {
            let reached = wait::until(LIMIT, || letters(&director).len() >= wanted);
            assert!(reached, "{}: {:#?}\n{}", program.name(), letters(&director), daemon.log_tail());
        };
        // Both start with the quorum, and one loses it.
        count(2);
        daemon.configure(&after).unwrap();
        daemon.signal(Signal::HUP);
        // The service, its two servers, and one of the other's.
        count(6);
        daemon.stop(LIMIT).unwrap();
        letters(&director)
    });
    server_of_mail.kill().unwrap();
    server_of_mail.wait().unwrap();
    assert_eq!(found[0], found[1]);
    let down = "Subject: [lab] Virtualserver [10.9.0.1]:tcp:80 - DOWN";
    assert!(found[1].iter().any(|letter| letter.contains(down)), "{:#?}", found[1]);
}
