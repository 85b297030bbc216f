//! What holds after any history.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Pass(u16),
    Answer {
        which: prop::sample::Index,
        good: bool,
        contribution: i8,
    },
    Override {
        last: u8,
        by: Override,
    },
    Present(bool),
    Reload(Shape),
    /// A reload that changes nothing but when checks are made.
    Retime(u8),
    Replace,
}

/// A configuration.
#[derive(Debug, Clone)]
struct Shape {
    /// Which servers there are.
    mask: u8,
    quorum: u32,
    hysteresis: u32,
    sorry: Option<bool>,
    weight: u32,
    inhibit: bool,
    delay_loop: u8,
    /// The checks of the second service rest while its address is elsewhere.
    rests: bool,
}

fn any_override() -> impl Strategy<Value = Override> {
    prop_oneof![
        Just(Override::None),
        Just(Override::Drain),
        Just(Override::Disable),
        (0..9_u32).prop_map(Override::Weight),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..15_000_u16).prop_map(Step::Pass),
        6 => (any::<prop::sample::Index>(), any::<bool>(), any::<i8>())
            .prop_map(|(which, good, contribution)| Step::Answer { which, good, contribution }),
        1 => (1..=8_u8, any_override()).prop_map(|(last, by)| Step::Override { last, by }),
        1 => any::<bool>().prop_map(Step::Present),
        1 => any_shape().prop_map(Step::Reload),
        1 => any_delay_loop().prop_map(Step::Retime),
        1 => Just(Step::Replace),
    ]
}

fn any_delay_loop() -> impl Strategy<Value = u8> {
    prop_oneof![Just(4), Just(10), Just(25)]
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let numbers = (1..6_u32, 0..3_u32, 0..4_u32);
    (any::<u8>(), numbers, any::<Option<bool>>(), any::<[bool; 2]>(), any_delay_loop()).prop_map(
        |(mask, (quorum, hysteresis, weight), sorry, [inhibit, rests], delay_loop)| Shape {
            mask,
            quorum,
            hysteresis: hysteresis.min(quorum - 1),
            sorry,
            weight,
            inhibit,
            delay_loop,
            rests,
        },
    )
}

/// Two services with the same servers, each asked by its own check and some by one they share.
fn services(shape: &Shape) -> Vec<ServiceConfig> {
    let Shape { mask, quorum, hysteresis, sorry: with, weight, inhibit, delay_loop, rests } = *shape;
    let rhythm = Rhythm { delay_loop: seconds(delay_loop.into()), ..rhythm() };
    let servers = (0..8_u8).filter(|bit| mask >> bit & 1 == 1).map(|bit| {
        let last = bit + 1;
        let mut checks = vec![check(last, Rhythm { steps: 1 + u16::from(bit % 3), ..rhythm })];
        if bit % 2 == 0 {
            let shared = CheckKey { target: address(100), settings: format!("shared {delay_loop}").into() };
            checks.push(CheckConfig { key: shared, alpha: true, ..check(100, rhythm) });
        }
        let slow_start = seconds(u64::from(bit % 2) * 5);
        let weight = weight + u32::from(bit % 3);
        let proven_first = bit % 3 == 1;
        ServerConfig { weight, inhibit, proven_first, slow_start, ..server(last, checks) }
    });
    let servers: Vec<_> = servers.collect();
    let first = ServiceConfig { quorum, hysteresis, sorry: with.and_then(sorry), servers, ..service(0) };
    let second = ServiceConfig { key: "second".into(), ha_suspend: rests, sorry: None, ..first.clone() };
    if mask & 1 == 1 { vec![first, second] } else { vec![first] }
}

/// The table that the states of servers and services call for.
fn called_for(bench: &mut Bench) -> BTreeMap<(Arc<str>, Target), u32> {
    let mut table = BTreeMap::new();
    let now = bench.now;
    for id in bench.machine.service_ids() {
        let status = bench.machine.service(id).unwrap();
        let displaced = status.sorry.is_some() && !status.quorum;
        if let Some(sorry) = status.sorry {
            if displaced {
                table.insert((status.key.clone(), Target::Sorry), 1);
            } else if sorry.inhibit {
                table.insert((status.key.clone(), Target::Sorry), 0);
            }
        }
        let mut live = 0;
        for key in &status.servers {
            let key = *key;
            let server = bench.machine.servers.get(key).unwrap();
            let failing = server.checks().filter(|check| !bench.machine.checks.get(*check).unwrap().up);
            assert_eq!(server.failing as usize, failing.count());
            live += if server.alive() { u64::from(server.weight) } else { 0 };
            if let Some(weight) = server.entry(now, displaced) {
                table.insert((status.key.clone(), Target::Server(server.address())), weight);
            }
        }
        assert_eq!(live, status.live_weight);
        let service = bench.machine.services.get(id).unwrap();
        assert_eq!(service.has_quorum(), status.quorum, "the quorum is judged");
    }
    for (id, check) in bench.machine.checks.iter() {
        assert!(check.is_used());
        let active = check.users().filter(|user| {
            let service = bench.machine.servers.get(*user).unwrap().service;
            !bench.machine.services.get(service).unwrap().suspended
        });
        assert_eq!(check.active_users as usize, active.count(), "{id:?}");
    }
    table
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_what_the_states_call_for(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut current = Shape {
            mask: 0x3f,
            quorum: 2,
            hysteresis: 1,
            sorry: Some(false),
            weight: 1,
            inhibit: false,
            delay_loop: 10,
            rests: true,
        };
        let mut bench = Bench::with(config(services(&current)), Resume::default());
        for step in steps {
            match step {
                Step::Pass(milliseconds) => {
                    let end = bench.now + Duration::from_millis(u64::from(milliseconds));
                    while let Some(at) = bench.machine.next_wakeup().filter(|at| *at <= end) {
                        prop_assert!(at >= bench.now, "time goes back");
                        bench.now = at;
                        bench.advance();
                    }
                    bench.now = end;
                    bench.advance();
                }
                Step::Answer { which, good, contribution } => {
                    let running: Vec<_> = bench.record.running.keys().copied().collect();
                    if !running.is_empty() {
                        let check = running[which.index(running.len())];
                        bench.record.running.remove(&check);
                        let contribution = Contribution::Added(i64::from(contribution / 40));
                        let verdict = if good { Verdict::Good { contribution } } else { bad() };
                        bench.handle(Input::Verdict { check, verdict });
                    }
                }
                Step::Override { last, by } => {
                    if let Some(server) = bench.machine.find_server(SERVICE, address(last)) {
                        bench.handle(Input::Override { server, by });
                    }
                }
                Step::Present(present) => {
                    if let Some(service) = bench.machine.service_id("second") {
                        bench.handle(Input::Present { service, present });
                    }
                }
                Step::Reload(shape) => {
                    current = shape;
                    bench.reload(services(&current));
                }
                Step::Retime(delay_loop) => {
                    current.delay_loop = delay_loop;
                    bench.wants();
                    bench.record.events.clear();
                    bench.reload(services(&current));
                    prop_assert!(bench.wants().is_empty());
                    prop_assert!(bench.record.events.is_empty(), "{:?}", bench.record.events);
                }
                Step::Replace => {
                    let resume = bench.machine.resume();
                    bench.machine = Machine::new(bench.now, config(services(&current)), resume);
                    bench.record.running.clear();
                    bench.record.table.clear();
                    bench.record.events.clear();
                    bench.advance();
                    let said: Vec<_> = bench.record.events.iter().filter(|event| {
                        !matches!(event, Happening::Quorum { starting: false, .. })
                    }).collect();
                    prop_assert!(said.is_empty(), "{:?}", said);
                }
            }
            let table = called_for(&mut bench);
            prop_assert_eq!(&bench.record.table, &table);
        }
    }

    /// While one server is alive with some weight, its service is never empty on the way.
    #[test]
    fn no_moment_is_without_a_server(failures in proptest::collection::vec((1..=4_u8, any::<bool>()), 1..30)) {
        let mut bench = Bench::of(ServiceConfig { quorum: 3, sorry: sorry(false), ..service(4) });
        bench.wants();
        let mut serving: BTreeSet<u8> = (1..=4).collect();
        let mut down = BTreeSet::new();
        for (last, fails) in failures {
            if fails { down.insert(last); } else { down.remove(&last); }
            if down.len() == 4 {
                down.remove(&last);
            }
            let verdicts: Vec<_> = down.iter().map(|last| (*last, bad())).collect();
            bench.run(seconds(30) + MARGIN, &verdicts);
            for (octet, weight) in bench.wants() {
                match weight {
                    Some(_) => serving.insert(octet),
                    None => serving.remove(&octet),
                };
                prop_assert!(!serving.is_empty());
            }
        }
    }
}
