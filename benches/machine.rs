//! The VRRP machine under load: `cargo bench --package steadfast-benches --bench machine`.
//!
//! What is measured is one advert: its cost may not grow with the number of virtual routers by more
//! than caches and the depth of a tree explain.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use steadfast_time::Moment;
use steadfast_vrrp::{
    Action, Config, Datagram, Input, InstanceConfig, InstanceId, InterfaceConfig, InterfaceId, Machine, Sink,
    State, Transmit,
};
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Carrier, Centiseconds, Form, HOP_LIMIT, Priority, Vrid,
    pseudo_header,
};

const SIZES: [u32; 2] = [250, 4_000];
const INTERVAL: Duration = Duration::from_secs(1);
/// Longer than any first wait of a backup.
const UNTIL_MASTER: Duration = Duration::from_secs(10);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    receive(&mut criterion);
    tick(&mut criterion);
    reload(&mut criterion);
    criterion.final_summary();
}

/// Each backup hears its master once an interval.
fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive an advert");
    for size in SIZES {
        let (mut machine, mut now) = started(size);
        let messages: Vec<(InterfaceId, Vec<u8>)> = (0..size).map(instance).map(heard).collect();
        let mut count = Count::default();
        group.throughput(Throughput::Elements(size.into()));
        group.bench_function(format!("{size} backups"), |bencher| {
            bencher.iter(|| {
                now = now + INTERVAL;
                for (interface, message) in &messages {
                    let datagram = Datagram {
                        interface: *interface,
                        source: PEER,
                        destination: GROUP,
                        hop_limit: Some(HOP_LIMIT),
                        carrier: Carrier::Ip,
                        message,
                    };
                    machine.handle(now, Input::Datagram(black_box(datagram)), &mut count);
                }
                machine.advance(now, &mut count);
            });
        });
        assert_eq!(in_state(&machine, State::Backup), size, "the adverts must be believed");
    }
    group.finish();
}

/// One moment of the grid: an eighth of the masters sends.
fn tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send an advert");
    for size in SIZES {
        let (mut machine, now) = started(size);
        let mut count = Count::default();
        run_until(&mut machine, now + UNTIL_MASTER, &mut count);
        assert_eq!(in_state(&machine, State::Master), size);
        group.throughput(Throughput::Elements(u64::from(size) / 8));
        group.bench_function(format!("{size} masters"), |bencher| {
            bencher.iter(|| {
                if let Some(at) = machine.next_wakeup() {
                    machine.advance(at, &mut count);
                }
            });
        });
    }
    group.finish();
}

/// A reload that changes one of many instances; working the plan out is not the timing thread's.
fn reload(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reload one instance");
    for size in SIZES {
        let (mut machine, now) = started(size);
        let before = config(size);
        let mut after = config(size);
        let changed = InstanceConfig { priority: Priority::new(150), ..instance(0) };
        if let Some(first) = after.instances.first_mut() {
            *first = Arc::new(changed);
        }
        let plans =
            [steadfast_vrrp::Plan::between(&before, &after), steadfast_vrrp::Plan::between(&after, &before)];
        let mut turn = plans.iter().cycle();
        let mut count = Count::default();
        group.bench_function(format!("apply, of {size}"), |bencher| {
            bencher.iter_batched(
                || turn.next().cloned().unwrap_or_default(),
                |plan| machine.apply(now, plan, &mut count),
                BatchSize::SmallInput,
            );
        });
        group.throughput(Throughput::Elements(size.into()));
        group.bench_function(format!("plan, of {size}"), |bencher| {
            bencher.iter(|| steadfast_vrrp::Plan::between(black_box(&before), black_box(&after)));
        });
    }
    group.finish();
}

/// Takes what the machine puts out and does nothing with it.
#[derive(Default)]
struct Count {
    adverts: u64,
    actions: u64,
}

impl Sink for Count {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        black_box(advert.message);
        self.adverts += 1;
        true
    }

    fn act(&mut self, action: Action) {
        black_box(action);
        self.actions += 1;
    }

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}

    fn follow(&mut self, _: InstanceId) {}
}

fn started(size: u32) -> (Machine, Moment) {
    let config = config(size);
    let interfaces: Vec<InterfaceId> = config.interfaces.iter().map(|interface| interface.id).collect();
    let mut machine = Machine::new(Moment::ZERO, config, Vec::new());
    let mut count = Count::default();
    for interface in interfaces {
        let described =
            Input::Interface { interface, up: true, source_v4: Some(OWN), source_v6: None, mtu: 1_500 };
        machine.handle(Moment::ZERO, described, &mut count);
    }
    machine.advance(Moment::ZERO, &mut count);
    (machine, Moment::ZERO)
}

fn run_until(machine: &mut Machine, end: Moment, count: &mut Count) {
    while let Some(at) = machine.next_wakeup().filter(|at| *at < end) {
        machine.advance(at, count);
    }
}

fn in_state(machine: &Machine, wanted: State) -> u32 {
    let states = machine.instances().filter_map(|id| machine.status(id)).map(|status| status.state);
    u32::try_from(states.filter(|state| *state == wanted).count()).unwrap_or(u32::MAX)
}

fn config(size: u32) -> Config {
    let instances: Vec<_> = (0..size).map(instance).map(Arc::new).collect();
    let last = instances.last().map_or(0, |instance| instance.interface.0);
    let named = |id| InterfaceConfig { id: InterfaceId(id), name: format!("eth{id}").into() };
    Config { instances, interfaces: (0..=last).map(named).collect(), ..Config::default() }
}

/// 255 virtual routers on each interface.
fn instance(id: u32) -> InstanceConfig {
    let (interface, place) = (id / 255, u8::try_from(id % 255).unwrap_or_default());
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap_or(Centiseconds::MIN));
    let vrid = Vrid::new(place + 1).unwrap_or(Vrid::MIN);
    InstanceConfig {
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 1, u8::try_from(interface).unwrap_or(u8::MAX), place))],
        ..InstanceConfig::plain(InstanceId(id), vrid, InterfaceId(interface), GROUP, interval)
    }
}

/// What the master of this virtual router sends.
fn heard(instance: InstanceConfig) -> (InterfaceId, Vec<u8>) {
    let mut message = Vec::new();
    let advertisement = Advertisement {
        vrid: instance.vrid,
        priority: Priority::new(200),
        form: Form::of(instance.interval, Authentication::None),
        family: instance.family,
        addresses: &instance.addresses,
    };
    let written = pseudo_header(instance.version, PEER, GROUP, false)
        .is_some_and(|pseudo| advertisement.write(pseudo, &mut message).is_ok());
    assert!(written, "an advert of one address can be written");
    (instance.interface, message)
}
