use super::*;
use crate::error::Errno;
use crate::ipvs::{Forwarding, Name, SchedulerFlags, Transport};

const SECOND: u64 = RETRY_INTERVAL_NANOSECONDS;

fn key() -> ServiceKey {
    ServiceKey::Address { transport: Transport::Tcp, address: [192, 0, 2, 1].into(), port: 80 }
}

fn server_key(last: u8) -> ServerKey {
    ServerKey { address: [10, 0, 0, last].into(), port: 80 }
}

fn service(scheduler: &str) -> Service {
    Service {
        scheduler: Name::new(scheduler).unwrap(),
        scheduler_flags: SchedulerFlags::default(),
        one_packet: false,
        persistence: None,
    }
}

fn server() -> Server {
    Server { forwarding: Forwarding::Masquerade, weight: 1, upper_threshold: 0, lower_threshold: 0 }
}

/// A service with two servers, as a kernel without a fault has it after the first round.
fn wanted() -> Services {
    let mut services = Services::default();
    services.wish(Wish::Service(key(), service("rr")));
    for last in [1, 2] {
        services.wish(Wish::Server(key(), server_key(last), server()));
    }
    services
}

/// One round with a kernel that answers so; what it was asked comes back.
fn round(services: &mut Services, now: u64, answer: impl Fn(&Command) -> Outcome) -> Vec<Command> {
    services.take_due(now);
    let commands = services.difference();
    for command in commands.clone() {
        let item = Item { service: command.service(), server: command.server() };
        services.dirty.remove(&item);
        let outcome = answer(&command);
        services.settle(item, command, outcome, now);
    }
    commands
}

fn refused(errno: Errno) -> impl Fn(&Command) -> Outcome {
    move |command| Outcome::Refused(Refusal::of(command, errno))
}

fn done(_: &Command) -> Outcome {
    Outcome::Done
}

fn fates(services: &mut Services) -> Vec<(Option<u8>, Fate)> {
    let last = |thing| match thing {
        Thing::Server(_, ServerKey { address: std::net::IpAddr::V4(address), .. }) => {
            address.octets().last().copied()
        }
        _ => None,
    };
    services.take_reports().into_iter().map(|report| (last(report.thing), report.fate)).collect()
}

#[test]
fn what_the_kernel_has_no_room_or_time_for_is_told_once_with_its_cause_and_tried_again() {
    for (errno, cause) in [
        (Errno::BUSY, "the kernel is busy with another change"),
        (Errno::NOBUFS, "the kernel has no memory for it"),
        (Errno::NOMEM, "the kernel has no memory for it"),
        (Errno::NOSPC, "the kernel's table has no room for one more"),
        (Errno::NOPROTOOPT, "the module is being unloaded"),
        (Errno::AFNOSUPPORT, "the kernel balances no packets of that family"),
        (Errno::RANGE, "a weight or threshold is out of range"),
    ] {
        let mut services = wanted();
        round(&mut services, 0, done);
        fates(&mut services);
        services.wish(Wish::Server(key(), server_key(3), server()));
        assert_eq!(round(&mut services, 0, refused(errno)).len(), 1);
        let told = fates(&mut services);
        let [(Some(3), Fate::Refused(error))] = &told[..] else { panic!("{errno}: {told:?}") };
        assert_eq!(error.attempted, "add the server 10.0.0.3:80 to the service tcp 192.0.2.1:80");
        assert_eq!(error.kernel_message.as_deref(), Some(cause));
        assert_eq!(services.refusals(key()).collect::<Vec<_>>(), [&**error]);
        // Again after one second, two, four; told no more.
        for at in [SECOND, 3 * SECOND] {
            assert_eq!(services.next_wakeup(), Some(at), "{errno}");
            assert_eq!(round(&mut services, at, refused(errno)).len(), 1);
            assert_eq!(fates(&mut services), []);
        }
        assert_eq!(round(&mut services, 7 * SECOND, done).len(), 1);
        assert_eq!(fates(&mut services), [(Some(3), Fate::Accepted)]);
        assert_eq!(services.refusals(key()).count(), 0);
        assert!(services.is_settled());
    }
}

#[test]
fn what_is_refused_delays_no_other_service() {
    let other = ServiceKey::Address { transport: Transport::Tcp, address: [192, 0, 2, 2].into(), port: 80 };
    for errno in [Errno::BUSY, Errno::NOBUFS, Errno::NOMEM, Errno::NOSPC] {
        let mut services = wanted();
        services.wish(Wish::Service(other, service("rr")));
        services.wish(Wish::Server(other, server_key(1), server()));
        let answer = |command: &Command| match command.service() == key() {
            true => refused(errno)(command),
            false => Outcome::Done,
        };
        round(&mut services, 0, answer);
        assert_eq!(services.refusals(other).count(), 0, "{errno}");
        // While the one waits the other goes on at once, and does not bring the next attempt nearer.
        assert_eq!(services.next_wakeup(), Some(SECOND), "{errno}");
        services.wish(Wish::Server(other, server_key(2), server()));
        assert_eq!(services.next_wakeup(), Some(0), "{errno}");
        let asked = round(&mut services, SECOND / 2, answer);
        assert!(
            asked.iter().all(|command| command.service() == other) && asked.len() == 1,
            "{errno}: {asked:?}"
        );
        assert_eq!(services.next_wakeup(), Some(SECOND), "{errno}");
    }
}

#[test]
fn another_reason_and_another_wish_are_told_again() {
    let mut services = wanted();
    let is_service = |command: &Command| match command {
        Command::AddService(..) => Outcome::Refused(Refusal::of(command, Errno::NOENT)),
        _ => Outcome::Refused(Refusal::of(command, Errno::SRCH)),
    };
    round(&mut services, 0, is_service);
    let told = fates(&mut services);
    assert!(matches!(&told[..], [(None, Fate::Refused(error))] if error.errno == Errno::NOENT), "{told:?}");
    round(&mut services, SECOND, refused(Errno::BUSY));
    let told = fates(&mut services);
    assert!(told.iter().any(|(of, fate)| of.is_none() && matches!(fate, Fate::Refused(_))), "{told:?}");
    services.wish(Wish::Service(key(), service("wrr")));
    round(&mut services, SECOND, is_service);
    let told = fates(&mut services);
    assert!(matches!(told[..], [(None, Fate::Refused(_))]), "{told:?}");
}

#[test]
fn what_others_made_or_took_away_is_told_by_name_and_the_table_is_read_again() {
    for (errno, expected) in [
        (Errno::EXIST, vec![(Some(3), Fate::TakenOver), (Some(4), Fate::TakenOver)]),
        (Errno::SRCH, vec![(None, Fate::TakenAway)]),
    ] {
        let mut services = wanted();
        round(&mut services, 0, done);
        fates(&mut services);
        for last in [3, 4] {
            services.wish(Wish::Server(key(), server_key(last), server()));
        }
        assert_eq!(round(&mut services, 0, refused(errno)).len(), 2);
        assert_eq!(fates(&mut services), expected, "{errno}");
        assert_eq!(services.stale, BTreeSet::from([key()]), "{errno}");
    }
    let mut services = wanted();
    round(&mut services, 0, done);
    fates(&mut services);
    services.wish(Wish::Server(key(), server_key(1), Server { weight: 9, ..server() }));
    round(&mut services, 0, refused(Errno::NOENT));
    assert_eq!(fates(&mut services), [(Some(1), Fate::TakenAway)]);
    // What another process takes away first is away.
    services.unwish(&Item::server(key(), server_key(2)));
    round(&mut services, 0, refused(Errno::NOENT));
    assert_eq!(fates(&mut services), [(Some(2), Fate::Gone)]);
}

/// An answer that was lost (ENOBUFS of the socket) says nothing: the table is read before anything is believed.
#[test]
fn a_lost_answer_is_no_refusal() {
    let mut services = wanted();
    round(&mut services, 0, |_| Outcome::Unknown);
    assert_eq!(fates(&mut services), []);
    assert_eq!((services.stale.len(), services.refusals(key()).count()), (1, 0));
    assert_eq!(services.next_wakeup(), Some(0));
}

/// What the kernel has of the service where the servers 1, 2 and 3 are as they are wanted.
fn all() -> (Service, BTreeMap<ServerKey, Server>) {
    (service("rr"), [1, 2, 3].map(|last| (server_key(last), server())).into())
}

/// A service with two servers, and a third one that the kernel has refused.
fn refused_third(errno: Errno) -> Services {
    let mut services = wanted();
    round(&mut services, 0, done);
    services.wish(Wish::Server(key(), server_key(3), server()));
    round(&mut services, 0, refused(errno));
    fates(&mut services);
    services
}

#[test]
fn what_is_as_wanted_by_itself_is_refused_no_more() {
    let mut services = refused_third(Errno::NOMEM);
    assert_eq!(services.refusals(key()).count(), 1);
    // The second attempt works, but its answer is lost.
    round(&mut services, SECOND, |_| Outcome::Unknown);
    services.take_over(key(), Some(all()));
    assert_eq!(services.difference(), []);
    assert_eq!(services.refusals(key()).count(), 0);
    assert_eq!(fates(&mut services), [(Some(3), Fate::Accepted)]);
    assert!(services.refused.is_empty() && services.dirty.is_empty());

    // While it is missing it is refused, and so it is while its service is.
    for present in [Some((service("rr"), BTreeMap::new())), None] {
        let mut services = refused_third(Errno::NOMEM);
        services.take_over(key(), present);
        services.difference();
        assert_eq!(services.refusals(key()).count(), 1);
        assert_eq!(fates(&mut services), []);
    }

    // A service that could not be removed and is gone is removed.
    let mut services = wanted();
    round(&mut services, 0, done);
    services.unwish(&Item::service(key()));
    round(&mut services, 0, refused(Errno::BUSY));
    assert_eq!(services.refusals(key()).count(), 1);
    services.take_over(key(), None);
    assert_eq!(services.difference(), []);
    assert_eq!(services.refusals(key()).count(), 0);
}

#[test]
fn what_others_do_is_told_as_theirs_each_time() {
    // A server that is already there as it is wanted: no command of ours follows.
    let mut services = refused_third(Errno::EXIST);
    services.take_over(key(), Some(all()));
    assert_eq!((services.difference(), fates(&mut services)), (vec![], vec![]));
    assert!(services.refused.is_empty());
    // Later it is taken away and put back again by others, twice.
    for _ in 0..2 {
        services.wish(Wish::Server(key(), server_key(3), Server { weight: 9, ..server() }));
        round(&mut services, SECOND, refused(Errno::NOENT));
        assert_eq!(fates(&mut services), [(Some(3), Fate::TakenAway)]);
        services.stale.clear();
        services.wish(Wish::Server(key(), server_key(3), server()));
        services.take_over(key(), Some(all()));
        assert_eq!(services.difference(), []);
        assert!(services.taken_away.is_empty() && services.refused.is_empty());
    }
}

#[test]
fn what_others_made_after_a_refusal_is_read_and_no_refusal() {
    let mut services = refused_third(Errno::NOMEM);
    services.stale.clear();
    round(&mut services, SECOND, refused(Errno::EXIST));
    assert_eq!(fates(&mut services), [(Some(3), Fate::TakenOver)]);
    assert_eq!(services.stale, BTreeSet::from([key()]));
    // The kernel goes on to say so though the table lacks it: that is told, and tried again later.
    services.stale.clear();
    services.take_over(key(), Some((service("rr"), [1, 2].map(|last| (server_key(last), server())).into())));
    assert_eq!(round(&mut services, SECOND, refused(Errno::EXIST)).len(), 1);
    let told = fates(&mut services);
    assert!(
        matches!(&told[..], [(Some(3), Fate::Refused(error))] if error.errno == Errno::EXIST),
        "{told:?}"
    );
    assert!(services.stale.is_empty());
    assert_eq!(round(&mut services, 2 * SECOND, refused(Errno::EXIST)).len(), 1);
    assert_eq!((services.stale.len(), fates(&mut services)), (0, vec![]));
    services.take_over(key(), Some(all()));
    assert_eq!(services.difference(), []);
    assert_eq!(fates(&mut services), [(Some(3), Fate::Accepted)]);
    assert_eq!(services.refusals(key()).count(), 0);
}
