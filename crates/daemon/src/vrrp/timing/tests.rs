//! One turn of the thread, with sockets of a network namespace of its own, and its last word.

use std::os::fd::AsFd as _;

use steadfast_detection::Detection;
use steadfast_kernel::datagram::{Endpoint, Packet, SendBatch, SocketIndex};
use steadfast_kernel::process::pulse::Pulses;
use steadfast_kernel::wait::wake::Waker;
use steadfast_vrrp::{Config, Machine};
use steadfast_wire::vrrp::{Carrier, IpProtocol};

use super::sockets::Place;
use super::*;
use crate::link::life::Lives;
use crate::vrrp::lane::lane;
use crate::vrrp::network::in_a_network;

/// More than one page of events has room for.
const SOCKETS: u8 = 70;

/// The same window whatever the state of the instances.
const fn always(window: Duration) -> Coalescing {
    Coalescing { speaking: window, listening: window }
}

/// The thread before its first turn, and the other ends of its lanes.
struct Bench {
    timing: Timing,
    to_timing: Sender<ToTiming>,
    from_timing: Inbox<FromTiming>,
}

impl Bench {
    fn new() -> Self {
        let (to_timing, inbox) = lane(Arc::new(Waker::open().unwrap()));
        let (to_effects, from_timing) = lane(Arc::new(Waker::open().unwrap()));
        let routers = Machine::new(now(), Config::default(), Vec::new());
        let routers = steadfast_record::Recorder::new(routers, now(), None);
        let sessions = steadfast_bfd::Machine::new(now(), &steadfast_bfd::Config::default(), 0, Vec::new());
        let machines =
            Machines { routers, sessions, followed: Followed::default(), detection: Detection::default() };
        let life = Lives::new(Pulses::shared(1, 0).unwrap(), Duration::from_secs(60)).of(0);
        let window = always(Duration::from_millis(1));
        let timing = Timing::new(machines, window, inbox, to_effects, life).unwrap();
        Self { timing, to_timing, from_timing }
    }

    /// Opens the pair of sockets of 127.0.0.`host`, and has so many datagrams wait at it.
    fn hear(&mut self, host: u8, datagrams: usize) {
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, host));
        let endpoint = Endpoint::Unicast { interface: None, source };
        let (receive, send) =
            (ReceiveSocket::open(endpoint, IpProtocol::Vrrp).unwrap(), SendSocket::open(endpoint).unwrap());
        let mut batch = SendBatch::default();
        let packet =
            Packet { source, destination: source, hop_limit: 255, carrier: Carrier::Ip, message: b"advert" };
        for _ in 0..datagrams {
            assert!(batch.push(SocketIndex(0), None, &packet, 0));
        }
        batch.flush(|_| Some(send.as_fd()));
        assert_eq!(batch.failures(), []);
        let key = SocketKey {
            interface: InterfaceId(host.into()),
            place: Place::Source(source),
            ip_protocol: IpProtocol::Vrrp,
        };
        self.timing.engine.take(ToTiming::Opened { key, receive: Box::new(receive), send: Box::new(send) });
    }

    /// Waits once and takes in what is there.
    fn turn(&mut self) {
        let mut events = Events::default();
        self.timing.wait(&mut events, None);
        self.timing.take_in(&mut events, None);
    }

    /// Reads what the turns so far left at the first `sockets` sockets.
    fn left(&mut self, sockets: u8) -> Vec<usize> {
        let sockets = 0..u64::from(sockets);
        sockets.map(|token| self.timing.engine.sockets.receive(token, usize::MAX, |_, _, _| {})).collect()
    }
}

#[test]
fn a_turn_reads_its_share_and_each_socket_has_the_same_part() {
    in_a_network("a_turn_reads_its_share_and_each_socket_has_the_same_part", || {
        let mut bench = Bench::new();
        bench.hear(1, TURN_DATAGRAMS + 100);
        bench.hear(2, TURN_DATAGRAMS + 100);
        bench.turn();
        let left = TURN_DATAGRAMS / 2 + 100;
        assert!(bench.timing.engine.more);
        assert_eq!(bench.left(2), [left, left]);
    });
}

#[test]
fn a_flood_at_one_socket_leaves_nothing_waiting_at_another() {
    in_a_network("a_flood_at_one_socket_leaves_nothing_waiting_at_another", || {
        let mut bench = Bench::new();
        bench.hear(1, TURN_DATAGRAMS * 2);
        bench.hear(2, 10);
        bench.turn();
        assert_eq!(bench.left(2), [TURN_DATAGRAMS * 3 / 2, 0]);
    });
}

#[test]
fn what_a_turn_left_is_read_by_the_next_ones_without_another_arrival() {
    in_a_network("what_a_turn_left_is_read_by_the_next_ones_without_another_arrival", || {
        let mut bench = Bench::new();
        bench.hear(1, TURN_DATAGRAMS * 2);
        // A thread that sleeps while datagrams wait would do so for this long.
        let window = Duration::from_secs(10);
        bench.timing.engine.gathering = Gathering::new(always(window));
        bench.turn();
        assert!(bench.timing.engine.more && bench.timing.engine.busy);
        let before = now();
        bench.turn();
        assert!(now().since(before) < window);
        assert_eq!(bench.left(1), [0]);
    });
}

#[test]
fn a_busy_turn_reads_the_sockets_of_every_page_of_events() {
    in_a_network("a_busy_turn_reads_the_sockets_of_every_page_of_events", || {
        let mut bench = Bench::new();
        for host in 1..=SOCKETS {
            bench.hear(host, 1);
        }
        bench.timing.engine.busy = true;
        bench.turn();
        assert_eq!(bench.left(SOCKETS), [0; SOCKETS as usize]);
    });
}

#[test]
fn the_last_word_waits_for_room_in_a_full_lane() {
    let Bench { mut timing, mut to_timing, mut from_timing } = Bench::new();
    while !timing.engine.out.is_behind() {
        timing.engine.out.tell(FromTiming::Lost { datagrams: 0, news: 0 });
        timing.engine.out.flush_lane();
    }
    // As much waits as may, and more.
    while timing.engine.out.news_lost() == 0 {
        timing.engine.out.tell(FromTiming::Late(LATE_EVENT));
    }
    // It lets go of this message when it has found the lane full.
    let obstacle: Arc<str> = Arc::from("none");
    to_timing.push(ToTiming::Channel { instances: Vec::new(), obstacle: Some(Arc::clone(&obstacle)) });
    to_timing.flush();
    let thread = std::thread::spawn(move || timing.end(FromTiming::Drained, &mut Events::default()));
    while Arc::strong_count(&obstacle) > 1 {
        std::thread::yield_now();
    }
    let mut last = None;
    from_timing.drain(|message| last = Some(message));
    assert!(!matches!(last, Some(FromTiming::Drained)), "the lane was not full");
    thread.join().unwrap();
    from_timing.drain(|message| last = Some(message));
    assert!(matches!(last, Some(FromTiming::Drained)), "{last:?}");
}

#[test]
fn a_busy_turn_reads_every_socket_without_asking_where_all_had_datagrams() {
    in_a_network("a_busy_turn_reads_every_socket_without_asking_where_all_had_datagrams", || {
        let mut bench = Bench::new();
        bench.hear(1, 3);
        bench.hear(2, 3);
        bench.turn();
        assert!(bench.timing.engine.all_busy);
        // One of them is quiet in the next turn: then they are asked again.
        bench.hear(2, 1);
        bench.turn();
        assert!(bench.timing.engine.busy && !bench.timing.engine.all_busy);
        bench.hear(1, 1);
        bench.turn();
        assert_eq!(bench.left(2), [0, 0]);
    });
}
