//! The table as it is wanted, whatever was there and whoever changes it.

use std::os::fd::AsFd as _;
use std::time::Instant;

use steadfast_kernel::Errno;
use steadfast_kernel::ipvs::{Ipvs, Server, ServerKey, Service, ServiceKey};
use steadfast_kernel::reconcile::ipvs::{COMMANDS_MAX, Item, Services, Wish};
use steadfast_kernel::reconcile::{Fate, RETRY_INTERVAL_NANOSECONDS, Reconcile, Report, Thing};

use super::{at, ipvsadm, saved, server, service, tcp, with_ipvs};

/// Writes once; how many commands the kernel took, and what else is told.
fn write(reconciler: &mut Services, ipvs: &mut Ipvs) -> (usize, Vec<Report>) {
    reconciler.install(ipvs, 0).unwrap();
    let reports = reconciler.take_reports();
    let is_done = |report: &Report| matches!(report.fate, Fate::Installed | Fate::PutBack | Fate::Gone);
    let (done, told): (Vec<_>, Vec<_>) = reports.into_iter().partition(is_done);
    (done.len(), told)
}

/// Writes until nothing is left to do; how many commands the kernel took, and what else is told.
fn settle_and_tell(reconciler: &mut Services, ipvs: &mut Ipvs) -> (usize, Vec<Report>) {
    let (mut sum, mut all) = (0, Vec::new());
    while reconciler.next_wakeup() == Some(0) {
        let (done, told) = write(reconciler, ipvs);
        sum += done;
        all.extend(told);
    }
    (sum, all)
}

/// The same where nothing else is told.
fn settle(reconciler: &mut Services, ipvs: &mut Ipvs) -> usize {
    let (done, told) = settle_and_tell(reconciler, ipvs);
    assert_eq!(told, []);
    done
}

fn survey(reconciler: &mut Services, ipvs: &mut Ipvs, mend: bool) -> Vec<Report> {
    while reconciler.look(ipvs, mend).unwrap() {}
    reconciler.take_reports()
}

fn wish_service(reconciler: &mut Services, key: ServiceKey, service: Service) {
    reconciler.wish(Wish::Service(key, service));
}

fn wish_server(reconciler: &mut Services, key: ServiceKey, server_key: ServerKey, server: Server) {
    reconciler.wish(Wish::Server(key, server_key, server));
}

fn unwish_server(reconciler: &mut Services, key: ServiceKey, server: ServerKey) {
    reconciler.unwish(&Item::server(key, server));
}

/// A service with two servers.
fn wanted() -> Services {
    let mut reconciler = Services::default();
    let key = tcp("10.0.0.1", 80);
    wish_service(&mut reconciler, key, service("wlc"));
    wish_server(&mut reconciler, key, at("192.0.2.1", 80), server(1));
    wish_server(&mut reconciler, key, at("192.0.2.2", 80), server(2));
    reconciler
}

const TABLE: [&str; 3] = [
    "-A -t 10.0.0.1:80 -s wlc",
    "-a -t 10.0.0.1:80 -r 192.0.2.1:80 -m -w 1",
    "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 2",
];

fn assert_table(expected: &[&str]) {
    let mut saved = saved();
    saved.sort();
    assert_eq!(saved, expected);
}

#[test]
fn only_differences_are_written() {
    with_ipvs("only_differences_are_written", |ipvs| {
        let mut reconciler = wanted();
        assert_eq!(settle(&mut reconciler, ipvs), 3);
        assert_table(&TABLE);
        let key = tcp("10.0.0.1", 80);
        wish_service(&mut reconciler, key, service("wlc"));
        wish_server(&mut reconciler, key, at("192.0.2.2", 80), server(2));
        assert_eq!(settle(&mut reconciler, ipvs), 0);
        wish_server(&mut reconciler, key, at("192.0.2.2", 80), server(9));
        assert_eq!(settle(&mut reconciler, ipvs), 1);
        assert!(reconciler.is_served(key, at("192.0.2.2", 80)));
        unwish_server(&mut reconciler, key, at("192.0.2.1", 80));
        assert_eq!(settle(&mut reconciler, ipvs), 1);
        assert_table(&[TABLE[0], "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 9"]);
        reconciler.unwish_all();
        assert_eq!(settle(&mut reconciler, ipvs), 1);
        assert_table(&[]);
    });
}

#[test]
fn what_an_earlier_run_left_is_adopted() {
    with_ipvs("what_an_earlier_run_left_is_adopted", |ipvs| {
        settle(&mut wanted(), ipvs);
        // A server that left the configuration while nobody was there, one that changed, and a service of others.
        ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 1");
        ipvsadm("-e -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 7");
        ipvsadm("-A -t 10.0.0.9:80 -s rr");
        ipvsadm("-A -t 10.0.0.8:80 -s rr");
        let mut reconciler = wanted();
        reconciler.discard(tcp("10.0.0.8", 80));
        reconciler.adopt(ipvs).unwrap();
        let taken = Report { thing: Thing::Service(tcp("10.0.0.1", 80)), fate: Fate::TakenOver };
        assert_eq!(settle_and_tell(&mut reconciler, ipvs), (3, vec![taken]));
        assert!(!reconciler.is_alone(ipvs).unwrap(), "one is of others");
        let mut expected = TABLE.to_vec();
        expected.insert(1, "-A -t 10.0.0.9:80 -s rr");
        assert_table(&expected);
        reconciler.flush(ipvs).unwrap();
        assert_eq!(settle(&mut reconciler, ipvs), 3);
        assert_table(&TABLE);
    });
}

#[test]
fn what_others_change_is_told_once_and_mended() {
    with_ipvs("what_others_change_is_told_once_and_mended", |ipvs| {
        let key = tcp("10.0.0.1", 80);
        let mut reconciler = wanted();
        settle(&mut reconciler, ipvs);
        assert_eq!(survey(&mut reconciler, ipvs, true), []);
        let (first, second, third) = (at("192.0.2.1", 80), at("192.0.2.2", 80), at("192.0.2.3", 80));
        for mend in [false, true] {
            ipvsadm("-E -t 10.0.0.1:80 -s rr");
            ipvsadm("-d -t 10.0.0.1:80 -r 192.0.2.1:80");
            ipvsadm("-e -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 0");
            ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 1");
            let found = survey(&mut reconciler, ipvs, mend);
            let of = |server| Thing::Server(key, server);
            let expected = [
                Report { thing: Thing::Service(key), fate: Fate::Changed },
                Report { thing: of(second), fate: Fate::Changed },
                Report { thing: of(third), fate: Fate::Intruded },
                Report { thing: of(first), fate: Fate::TakenAway },
            ];
            assert_eq!(found, expected);
            assert_eq!(survey(&mut reconciler, ipvs, mend), []);
            // What was only told is put back by hand.
            let written = settle(&mut reconciler, ipvs);
            assert_eq!(written, if mend { 4 } else { 0 });
            if !mend {
                ipvsadm("-E -t 10.0.0.1:80 -s wlc");
                ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.1:80 -m -w 1");
                ipvsadm("-e -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 2");
                ipvsadm("-d -t 10.0.0.1:80 -r 192.0.2.3:80");
                survey(&mut reconciler, ipvs, mend);
            }
            assert_table(&TABLE);
        }
        ipvsadm("-C");
        let came = |fate| Report { thing: Thing::Service(key), fate };
        assert_eq!(survey(&mut reconciler, ipvs, true), [came(Fate::TakenAway)]);
        reconciler.install(ipvs, 0).unwrap();
        let reports = reconciler.take_reports();
        assert_eq!((reports.first(), reports.len()), (Some(&came(Fate::PutBack)), 3));
        assert_table(&TABLE);
    });
}

/// Between two looks others have changed what is about to change: the kernel's answers set the picture right.
#[test]
fn refusals_that_show_a_wrong_picture_mend_it() {
    with_ipvs("refusals_that_show_a_wrong_picture_mend_it", |ipvs| {
        let key = tcp("10.0.0.1", 80);
        let mut reconciler = wanted();
        settle(&mut reconciler, ipvs);
        ipvsadm("-D -t 10.0.0.1:80");
        wish_server(&mut reconciler, key, at("192.0.2.2", 80), server(5));
        let came = |thing, fate| Report { thing, fate };
        let (_, told) = settle_and_tell(&mut reconciler, ipvs);
        assert_eq!(told, [came(Thing::Service(key), Fate::TakenAway)]);
        let expected = [TABLE[0], TABLE[1], "-a -t 10.0.0.1:80 -r 192.0.2.2:80 -m -w 5"];
        assert_table(&expected);
        ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 9");
        wish_server(&mut reconciler, key, at("192.0.2.3", 80), server(3));
        ipvsadm("-d -t 10.0.0.1:80 -r 192.0.2.1:80");
        unwish_server(&mut reconciler, key, at("192.0.2.1", 80));
        let (_, told) = settle_and_tell(&mut reconciler, ipvs);
        assert_eq!(told, [came(Thing::Server(key, at("192.0.2.3", 80)), Fate::TakenOver)]);
        assert_table(&[expected[0], expected[2], "-a -t 10.0.0.1:80 -r 192.0.2.3:80 -m -w 3"]);
    });
}

#[test]
fn a_missing_scheduler_is_named_and_tried_again() {
    with_ipvs("a_missing_scheduler_is_named_and_tried_again", |ipvs| {
        let (good, bad) = (tcp("10.0.0.1", 80), tcp("10.0.0.2", 80));
        let mut reconciler = wanted();
        wish_service(&mut reconciler, bad, service("nosuch"));
        wish_server(&mut reconciler, bad, at("192.0.2.1", 80), server(1));
        reconciler.install(ipvs, 0).unwrap();
        let reports = reconciler.take_reports();
        let (refused, done): (Vec<_>, Vec<_>) =
            reports.iter().partition(|report| matches!(report.fate, Fate::Refused(_)));
        assert!(done.len() == 3 && done.iter().all(|report| report.fate == Fate::Installed), "{done:?}");
        let [Report { thing: Thing::Service(named), fate: Fate::Refused(error) }] = &refused[..] else {
            panic!("{refused:?}")
        };
        assert_eq!((*named, error.errno), (bad, Errno::NOENT));
        assert!(error.to_string().contains("no such scheduler"), "{error}");
        assert_eq!(reconciler.next_wakeup(), Some(RETRY_INTERVAL_NANOSECONDS));
        reconciler.install(ipvs, RETRY_INTERVAL_NANOSECONDS).unwrap();
        assert_eq!(reconciler.take_reports(), [], "told once");
        assert_eq!(reconciler.next_wakeup(), Some(3 * RETRY_INTERVAL_NANOSECONDS));
        wish_service(&mut reconciler, bad, service("rr"));
        assert_eq!(settle(&mut reconciler, ipvs), 2);
        assert!(
            reconciler.is_served(bad, at("192.0.2.1", 80)) && reconciler.is_served(good, at("192.0.2.1", 80))
        );
        reconciler.unwish(&Item::service(bad));
        settle(&mut reconciler, ipvs);
        assert!(reconciler.is_settled() || reconciler.next_wakeup().is_some_and(|time| time > 0));
        assert_table(&TABLE);
    });
}

/// No moment at which the service has no server: the new one is there before the old one goes.
#[test]
fn what_comes_comes_before_what_goes() {
    with_ipvs("what_comes_comes_before_what_goes", |ipvs| {
        let key = tcp("10.0.0.1", 80);
        let mut reconciler = Services::default();
        wish_service(&mut reconciler, key, service("rr"));
        wish_server(&mut reconciler, key, at("192.0.2.1", 80), server(1));
        settle(&mut reconciler, ipvs);
        unwish_server(&mut reconciler, key, at("192.0.2.1", 80));
        wish_server(&mut reconciler, key, at("192.0.2.2", 80), server(1));
        let commands = reconciler.planned();
        assert!(
            commands.first().is_some_and(|command| command.server() == Some(at("192.0.2.2", 80))),
            "{commands:?}"
        );
        assert_eq!(settle(&mut reconciler, ipvs), 2);
    });
}

#[test]
fn forty_thousand_servers_are_written_read_and_found_unchanged() {
    with_ipvs("forty_thousand_servers_are_written_read_and_found_unchanged", |ipvs| {
        let fill = || {
            let mut reconciler = Services::default();
            for service_number in 0..400_u16 {
                let key = tcp("10.0.0.1", 1000 + service_number);
                wish_service(&mut reconciler, key, service("rr"));
                for server_number in 1..=100 {
                    wish_server(&mut reconciler, key, at(&format!("192.0.2.{server_number}"), 80), server(1));
                }
            }
            reconciler
        };
        let mut reconciler = fill();
        let mut calls = 0;
        let started = Instant::now();
        while reconciler.next_wakeup() == Some(0) {
            let (done, told) = write(&mut reconciler, ipvs);
            assert_eq!(told, []);
            assert!(done <= COMMANDS_MAX + 100, "{done}");
            calls += 1;
        }
        println!("written by {calls} calls in {:?}", started.elapsed());
        let mut another = fill();
        let started = Instant::now();
        another.adopt(ipvs).unwrap();
        println!("adopted in {:?}", started.elapsed());
        assert_eq!(settle(&mut another, ipvs), 0);
        assert_eq!(survey(&mut another, ipvs, true), []);
        assert!(another.is_alone(ipvs).unwrap());
        let started = Instant::now();
        another.unwish_all();
        assert_eq!(settle(&mut another, ipvs), 400);
        println!("removed in {:?}", started.elapsed());
    });
}

/// A socket with so little room loses refusals (ENOBUFS), of which nothing is known then: the table is read again, and
/// holds in the end what it is to hold.
#[test]
fn answers_for_which_there_was_no_room_are_no_refusals() {
    with_ipvs("answers_for_which_there_was_no_room_are_no_refusals", |others| {
        let key = tcp("10.0.0.1", 80);
        let fill = |weight| {
            let mut reconciler = Services::default();
            wish_service(&mut reconciler, key, service("rr"));
            for last in 1..=200 {
                wish_server(&mut reconciler, key, at(&format!("192.0.2.{last}"), 80), server(weight));
            }
            reconciler
        };
        settle(&mut fill(1), others);
        let socket = Ipvs::socket().unwrap();
        let room = socket.as_fd().try_clone_to_owned().unwrap();
        let for_octets = |octets| rustix::net::sockopt::set_socket_recv_buffer_size(&room, octets).unwrap();
        // For a handful of answers.
        for_octets(4096);
        let mut ipvs = Ipvs::over(socket).unwrap();
        let mut reconciler = fill(2);
        // Each of these is refused: it is there already.
        let refused = reconciler.install(&mut ipvs, 0).err().map(|error| error.errno);
        assert!(matches!(refused, None | Some(Errno::NOBUFS | Errno::AGAIN)), "{refused:?}");
        assert_eq!(reconciler.take_reports(), [], "no answer was lost");
        for_octets(1 << 20);
        assert_eq!(settle(&mut reconciler, &mut ipvs), 200);
        assert!(reconciler.is_settled());
        assert!(saved().iter().skip(1).all(|line| line.ends_with("-w 2")), "{:?}", saved());
    });
}
