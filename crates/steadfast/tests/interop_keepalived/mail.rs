//! Alert mail arrives as keepalived writes it.

use std::process::Command;
use std::time::Duration;

use steadfast_lab::{Host, wait};
use steadfast_wire::vrrp::Family;

use crate::pair::{Kind, LIMIT, Pair, programs};

const SIDE: usize = 0;
const KIND: Kind = Kind { vrid: 61, version: 3, family: Family::V4, unicast: false, authentication: None };

/// A mail server that writes everything it takes to a file.
const SERVER: &str = "import time
from aiosmtpd.controller import Controller
class Take:
    async def handle_DATA(self, server, session, envelope):
        with open('/run/mail', 'a') as file:
            file.write('FROM %s TO %s\\n' % (envelope.mail_from, ','.join(envelope.rcpt_tos)))
            file.write(envelope.content.decode())
        return '250 OK'
Controller(Take(), hostname='127.0.0.1', port=2525).start()
time.sleep(600)
";

const SETTINGS: &str = "    notification_email {
        ops@example.org
        second@example.org
    }
    notification_email_from keeper@example.org
    smtp_server 127.0.0.1 2525
    smtp_connect_timeout 5
    smtp_alert
";

fn serve(host: &Host) -> std::process::Child {
    host.write("/run/server.py", SERVER).unwrap();
    let server = host.spawn(Command::new("/usr/bin/python3").arg("/run/server.py")).unwrap();
    let listens = || {
        host.run(&["/usr/bin/ss", "-Hltn", "sport = :2525"]).is_ok_and(|ended| ended.output.contains("2525"))
    };
    assert!(wait::until(LIMIT, listens), "the mail server of the test does not listen");
    server
}

/// Letters without what differs from run to run, in order of their text: deliveries overtake each other.
fn letters(host: &Host) -> Vec<String> {
    let text = host.read("/run/mail").unwrap_or_default().replace('\r', "");
    let mut letters: Vec<String> = text
        .split("FROM ")
        .skip(1)
        .map(|letter| {
            letter.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
        })
        .map(|letter| letter.trim_end().to_owned())
        .collect();
    letters.sort();
    letters
}

fn configuration(settings: &str) -> String {
    let instance = KIND.instance(SIDE, 100, "");
    let instance = instance.replace(&format!("vrrp_instance {}", KIND.name()), "vrrp_instance V1");
    crate::pair::global(settings) + "vrrp_sync_group G {\n    group {\n        V1\n    }\n}\n" + &instance
}

#[test]
fn every_change_of_state_is_written_of_as_keepalived_does() {
    let Some(orders) = programs("every_change_of_state_is_written_of_as_keepalived_does") else { return };
    let found = orders.map(|programs| {
        let mut pair = Pair::new(programs);
        let host = std::sync::Arc::clone(&pair.hosts[SIDE]);
        let mut server = serve(&host);
        pair.start(SIDE, &configuration(SETTINGS));
        pair.settle(&[KIND], SIDE);
        assert!(wait::until(LIMIT, || letters(&host).len() == 4), "{:#?}", letters(&host));
        host.set_down("eth0").unwrap();
        assert!(wait::until(LIMIT, || letters(&host).len() == 6), "{:#?}", letters(&host));
        let found = letters(&host);
        server.kill().unwrap();
        server.wait().unwrap();
        found
    });
    assert_eq!(found[0], found[1]);
    assert!(
        found[0]
            .iter()
            .any(|letter| letter.contains("Subject: [lab] VRRP Instance V1 - Entering MASTER state"))
    );
}

/// A server that is away delays nothing, is told once, and gets everything when it is there.
#[test]
fn letters_wait_for_a_server_that_is_away() {
    let Some([programs, _]) = programs("letters_wait_for_a_server_that_is_away") else { return };
    let mut pair = Pair::new(programs);
    let host = std::sync::Arc::clone(&pair.hosts[SIDE]);
    let settings = SETTINGS.replace("smtp_alert\n", "smtp_alert_vrrp\n    no_email_faults\n");
    pair.start(SIDE, &configuration(&settings));
    pair.settle(&[KIND], SIDE);
    let told = "mail is not delivered by 127.0.0.1: no connection to 127.0.0.1:2525";
    assert!(wait::until(LIMIT, || pair.daemon(SIDE).log().contains(told)), "{}", pair.daemon(SIDE).log());
    host.set_down("eth0").unwrap();
    assert!(wait::until(LIMIT, || pair.daemon(SIDE).log().contains("Entering FAULT")));
    let mut server = serve(&host);
    assert!(
        wait::until(LIMIT + Duration::from_secs(10), || letters(&host).len() == 4),
        "{:#?}",
        letters(&host)
    );
    assert!(!letters(&host).iter().any(|letter| letter.contains("FAULT")), "{:#?}", letters(&host));
    assert!(wait::until(LIMIT, || pair.daemon(SIDE).log().contains("mail is delivered again")));
    assert_eq!(pair.daemon(SIDE).log().matches("mail is not delivered").count(), 1);
    server.kill().unwrap();
    server.wait().unwrap();
}
