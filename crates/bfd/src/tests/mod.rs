//! Two machines with a wire between them, in virtual time.

mod authentication;
mod echo;
mod intervals;
mod properties;
mod receiving;
mod reloading;
mod states;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_wire::bfd::{Control, Received};

use crate::*;

const MS: Duration = Duration::from_millis(1);
const SESSION: SessionId = SessionId(0);

/// What a machine asked for.
#[derive(Default)]
struct Asked {
    /// To whom, and what.
    packets: Vec<(IpAddr, Vec<u8>)>,
    echoes: Vec<Vec<u8>>,
    events: Vec<Event>,
    remembered: usize,
}

impl Sink for Asked {
    fn transmit(&mut self, packet: Transmit<'_>) {
        self.packets.push((packet.session.path.remote, packet.message.to_vec()));
    }

    fn transmit_echo(&mut self, packet: Transmit<'_>) {
        self.echoes.push(packet.message.to_vec());
    }

    fn tell(&mut self, _: &SessionConfig, event: Event) {
        self.events.push(event);
    }

    fn remember(&mut self, _session: SessionId) {
        self.remembered += 1;
    }
}

fn address(end: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, if end == 0 { 1 } else { 2 }).into()
}

/// 10 ms both ways, three packets.
fn config(end: usize) -> SessionConfig {
    let multiplier = NonZeroU8::new(3).unwrap();
    SessionConfig { multiplier, ..SessionConfig::plain(SESSION, address(1 - end)) }
}

fn machine(now: Moment, config: SessionConfig, seed: u64) -> Machine {
    Machine::new(now, &Config { sessions: vec![Arc::new(config)] }, seed, Vec::new())
}

fn control(packet: &[u8]) -> Control {
    Received::parse(packet).unwrap().control
}

fn datagram(to: usize, message: &[u8], hop_limit: u8) -> Datagram<'_> {
    Datagram {
        interface: None,
        hops: Hops::Single,
        source: address(1 - to),
        destination: address(to),
        hop_limit: Some(hop_limit),
        message,
    }
}

/// Two ends; `cut[end]` loses what that end sends, and `forwards[end]` says whether it sends echo packets back.
struct Pair {
    now: Moment,
    ends: [Machine; 2],
    cut: [bool; 2],
    forwards: [bool; 2],
    wire: VecDeque<(usize, Vec<u8>)>,
    echoes: VecDeque<(usize, Vec<u8>)>,
    echoes_sent: [Vec<Moment>; 2],
    sent: [Vec<(Moment, Control)>; 2],
    events: [Vec<Event>; 2],
    /// What a successor of each end would know.
    known: [Option<Resume>; 2],
}

impl Pair {
    fn new(configs: [SessionConfig; 2]) -> Self {
        let now = Moment::from_nanos(1_000_000_000);
        let [first, second] = configs;
        let ends = [machine(now, first, 1), machine(now, second, 2)];
        Self {
            now,
            ends,
            cut: [false; 2],
            forwards: [true; 2],
            wire: VecDeque::new(),
            echoes: VecDeque::new(),
            echoes_sent: Default::default(),
            sent: Default::default(),
            events: Default::default(),
            known: Default::default(),
        }
    }

    fn plain() -> Self {
        Self::new([config(0), config(1)])
    }

    /// Lets an end do something, and carries its packets over, in order.
    fn drive(&mut self, end: usize, act: impl FnOnce(&mut Machine, Moment, &mut Asked)) {
        self.act(end, act);
        loop {
            if let Some((from, message)) = self.wire.pop_front() {
                let input = Input::Datagram(datagram(1 - from, &message, 255));
                self.act(1 - from, |machine, now, asked| machine.handle(now, input, asked));
            } else if let Some((end, message)) = self.echoes.pop_front() {
                let input = Input::Echo(Echo::parse(&message).unwrap());
                self.act(end, |machine, now, asked| machine.handle(now, input, asked));
            } else {
                return;
            }
        }
    }

    fn act(&mut self, end: usize, act: impl FnOnce(&mut Machine, Moment, &mut Asked)) {
        let mut asked = Asked::default();
        act(&mut self.ends[end], self.now, &mut asked);
        if asked.remembered > 0 {
            self.known[end] = self.ends[end].resume_state(SESSION);
        }
        self.events[end].append(&mut asked.events);
        for message in asked.echoes {
            self.echoes_sent[end].push(self.now);
            if self.forwards[1 - end] && self.cut == [false; 2] {
                self.echoes.push_back((end, message));
            }
        }
        for (remote, message) in asked.packets {
            self.sent[end].push((self.now, control(&message)));
            if !self.cut[end] && remote == address(1 - end) {
                self.wire.push_back((end, message));
            }
        }
    }

    fn deliver(&mut self, to: usize, message: &[u8], hop_limit: u8) {
        let datagram = datagram(to, message, hop_limit);
        self.drive(to, |machine, now, asked| machine.handle(now, Input::Datagram(datagram), asked));
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = |machine: &Machine| machine.next_wakeup().unwrap_or(Moment::NEVER);
            let (at, who) = (next(&self.ends[0]), 0).min((next(&self.ends[1]), 1));
            if at > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(at);
            self.drive(who, |machine, now, asked| machine.advance(now, asked));
            assert!(next(&self.ends[who]) > self.now, "it asks to be woken at once");
        }
    }

    fn up() -> Self {
        Self::plain().brought_up()
    }

    fn brought_up(mut self) -> Self {
        self.run(1500 * MS);
        assert_eq!(self.states(), [State::Up, State::Up]);
        self.sent = Default::default();
        self.events = Default::default();
        self
    }

    fn status(&self, end: usize) -> SessionStatus {
        self.ends[end].status().next().unwrap()
    }

    fn states(&self) -> [State; 2] {
        [self.status(0).state, self.status(1).state]
    }

    /// Gaps between the periodic packets of an end.
    fn gaps(&self, end: usize) -> Vec<Duration> {
        let periodic: Vec<_> = self.sent[end].iter().filter(|(_, packet)| !packet.answers_poll).collect();
        periodic.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect()
    }

    fn reload(&mut self, end: usize, from: SessionConfig, to: SessionConfig) {
        let list = |config| Config { sessions: vec![Arc::new(config)] };
        let plan = Plan::between(&list(from), &list(to));
        self.drive(end, |machine, now, asked| {
            machine.apply(now, &plan, asked);
            machine.advance(now, asked);
        });
    }
}
