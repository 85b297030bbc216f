//! The rules, one by one, and what holds for any history.

mod checks;
mod load;
mod properties;
mod reloading;
mod servers;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::Moment;

use crate::*;

/// A machine, and everything that it has asked for.
struct Bench {
    machine: Machine,
    now: Moment,
    record: Record,
}

#[derive(Default)]
struct Record {
    /// Probes that run.
    running: BTreeMap<CheckId, u16>,
    /// When each probe was asked for.
    asked: Vec<(Moment, CheckId, u16)>,
    now: Moment,
    /// The table as it was asked for.
    table: BTreeMap<(Arc<str>, Target), u32>,
    /// Changes of it since the last look.
    wants: Vec<(Target, Option<u32>)>,
    dropped: BTreeSet<Arc<str>>,
    events: Vec<Happening>,
}

impl Sink for Record {
    fn probe(&mut self, check: CheckId, step: u16) {
        assert_eq!(self.running.insert(check, step), None, "a probe that runs is asked for again");
        self.asked.push((self.now, check, step));
    }

    fn forget(&mut self, check: CheckId) {
        self.running.remove(&check);
    }

    fn want(&mut self, service: &Arc<str>, target: Target, weight: Option<u32>) {
        let before = match weight {
            Some(weight) => self.table.insert((service.clone(), target), weight),
            None => self.table.remove(&(service.clone(), target)),
        };
        assert_ne!(before, weight, "what is there is asked for again: {target:?}");
        self.wants.push((target, weight));
    }

    fn drop_service(&mut self, service: &Arc<str>) {
        self.table.retain(|(own, _), _| own != service);
        self.dropped.insert(service.clone());
    }

    fn event(&mut self, event: Event) {
        assert_eq!(event.at, self.now);
        self.events.push(event.happening);
    }
}

const SERVICE: ServiceId = ServiceId(0);
const MARGIN: Duration = Duration::from_nanos(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 80))
}

fn check(last: u8, rhythm: Rhythm) -> CheckConfig {
    let key = CheckKey { target: address(last), settings: format!("{rhythm:?}").into() };
    CheckConfig { key, question: "hello".into(), rhythm, alpha: false, log_all_failures: false }
}

/// Asked every 10 s, one retry after 1 s, no random delay.
fn rhythm() -> Rhythm {
    Rhythm { delay_loop: seconds(10), warmup: Duration::ZERO, ..Rhythm::default() }
}

fn server(last: u8, checks: Vec<CheckConfig>) -> ServerConfig {
    ServerConfig {
        address: address(last),
        weight: 1,
        inhibit: false,
        proven_first: false,
        slow_start: Duration::ZERO,
        checks: checks.into(),
    }
}

/// Servers 1 to `count`, each with one check.
fn service(count: u8) -> ServiceConfig {
    ServiceConfig {
        key: "tcp 10.0.0.1:80".into(),
        quorum: 1,
        hysteresis: 0,
        omega: false,
        ha_suspend: false,
        sorry: None,
        servers: (1..=count).map(|last| server(last, vec![check(last, rhythm())])).collect(),
    }
}

fn sorry(inhibit: bool) -> Option<SorryConfig> {
    Some(SorryConfig { address: SocketAddr::from(([192, 0, 2, 99], 80)), inhibit })
}

fn config(services: Vec<ServiceConfig>) -> Config {
    Config { services, seed: 1, tell_initial: false }
}

fn good() -> Verdict {
    Verdict::Good { contribution: Contribution::None }
}

fn bad() -> Verdict {
    Verdict::Bad { reason: "refused".into() }
}

impl Bench {
    fn of(service: ServiceConfig) -> Self {
        Self::with(config(vec![service]), Resume::default())
    }

    fn with(config: Config, resume: Resume) -> Self {
        let now = Moment::ZERO + seconds(1_000);
        let mut bench = Self { machine: Machine::new(now, config, resume), now, record: Record::default() };
        bench.record.now = now;
        bench.machine.advance(now, &mut bench.record);
        bench
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(self.now, input, &mut self.record);
    }

    fn reload(&mut self, services: Vec<ServiceConfig>) {
        self.machine.reload(self.now, config(services), &mut self.record);
    }

    /// Lets time pass until the next probe is asked for, and answers it, and every other that runs.
    fn round(&mut self, verdict: Verdict) -> Vec<CheckId> {
        while self.record.running.is_empty() {
            self.now = self.machine.next_wakeup().expect("something is due");
            self.advance();
        }
        let running: Vec<_> = std::mem::take(&mut self.record.running).into_keys().collect();
        for check in &running {
            self.handle(Input::Verdict { check: *check, verdict: verdict.clone() });
        }
        running
    }

    fn advance(&mut self) {
        self.record.now = self.now;
        self.machine.advance(self.now, &mut self.record);
    }

    /// Lets time pass with everything as `verdicts` says by target, good otherwise.
    fn run(&mut self, span: Duration, verdicts: &[(u8, Verdict)]) {
        let end = self.now + span;
        while let Some(at) = self.machine.next_wakeup().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.advance();
            for check in std::mem::take(&mut self.record.running).into_keys() {
                let target = self.machine.check_key(check).expect("a check that is asked").target;
                let verdict = verdicts.iter().find(|(last, _)| address(*last) == target);
                let verdict = verdict.map_or_else(good, |(_, verdict)| verdict.clone());
                self.handle(Input::Verdict { check, verdict });
            }
        }
        self.now = end;
        self.record.now = end;
    }

    fn find(&self, last: u8) -> ServerId {
        self.machine.find_server(SERVICE, address(last)).expect("a server")
    }

    /// The table of the service: last octet (0 for the sorry server) and weight.
    fn table(&self) -> Vec<(u8, u32)> {
        let mut table: Vec<_> =
            self.record.table.iter().map(|((_, target), weight)| (octet(*target), *weight)).collect();
        table.sort_unstable();
        table
    }

    /// What was asked for since the last look, in its order.
    fn wants(&mut self) -> Vec<(u8, Option<u32>)> {
        let wants = std::mem::take(&mut self.record.wants);
        wants.into_iter().map(|(target, weight)| (octet(target), weight)).collect()
    }

    /// What was told of servers and quorum since the last look, in short.
    fn told(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.record.events);
        let words = events.into_iter().map(|happening| {
            let way = |up| if up { "up" } else { "down" };
            match happening {
                Happening::Check { server, up, .. } => {
                    format!("check {} {}", octet(Target::Server(server)), way(up))
                }
                Happening::Server { server, up, notify, .. } => {
                    let quietly = if notify { "" } else { " quietly" };
                    format!("server {} {}{quietly}", octet(Target::Server(server)), way(up))
                }
                Happening::Quorum { up, starting, sum, notify, .. } => {
                    let starting = if starting { " at start" } else { "" };
                    let quietly = if notify { "" } else { " quietly" };
                    format!("quorum {} {sum}{starting}{quietly}", way(up))
                }
                Happening::Weight { server, from, to, .. } => {
                    format!("weight {} {from} to {to}", octet(Target::Server(server)))
                }
                Happening::Failure { attempt, retries, .. } => format!("failure {attempt} of {retries}"),
                Happening::Trouble { .. } => "trouble".to_owned(),
                Happening::Suspended { suspended, .. } => format!("suspended {suspended}"),
                Happening::Overridden { by, .. } => format!("{by:?}"),
            }
        });
        words.collect()
    }

    fn is_up(&self, check: CheckId) -> bool {
        self.machine.check(check).expect("a check").up
    }

    /// When the first check was asked since the last look, relative to the start.
    fn asked(&mut self) -> Vec<Duration> {
        let start = Moment::ZERO + seconds(1_000);
        std::mem::take(&mut self.record.asked).into_iter().map(|(at, ..)| at.since(start)).collect()
    }
}

/// Last octet of an entry's address, 0 for the sorry server.
fn octet(target: Target) -> u8 {
    match target {
        Target::Sorry => 0,
        Target::Server(address) => match address.ip() {
            std::net::IpAddr::V4(address) => address.octets()[3],
            std::net::IpAddr::V6(_) => 255,
        },
    }
}

fn reason() -> Option<Arc<str>> {
    Some("refused".into())
}
