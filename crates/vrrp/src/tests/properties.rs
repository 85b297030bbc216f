//! Whatever comes in, in whatever order: no panic, no late wake-up, no impossible priority, and what
//! was said of the addresses agrees with the state.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use steadfast_wire::vrrp::{Carrier, Priority};

use super::router::*;
use crate::config::{AnnounceConfig, Authentication, TrackInterface, TrackScript, Weight};
use crate::{Action, Config, Datagram, Event, Input, InstanceConfig, InstanceId, InterfaceId, Moment, State};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Wait(u32),
    Advert { instance: u32, source: u8, priority: u8, centiseconds: u16 },
    Master { instance: u32, priority: u8, adverts: u8 },
    Noise { message: Vec<u8>, multicast: bool, hop_limit: Option<u8> },
    Damaged { instance: u32, priority: u8, at: usize, bit: u8 },
    Interface { interface: u32, up: bool, source: bool },
    SourcePresent { present: bool },
    Script { success: bool },
    Reload(Vec<InstanceConfig>, bool),
    Resume,
    Stop,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u32..5_000_000).prop_map(Step::Wait),
        8 => (0_u32..4, any::<u8>(), any::<u8>(), 1_u16..300)
            .prop_map(|(instance, source, priority, centiseconds)| Step::Advert { instance, source, priority, centiseconds }),
        4 => (0_u32..4, any::<u8>(), 1_u8..6)
            .prop_map(|(instance, priority, adverts)| Step::Master { instance, priority, adverts }),
        2 => (vec(any::<u8>(), 0..60), any::<bool>(), any::<Option<u8>>())
            .prop_map(|(message, multicast, hop_limit)| Step::Noise { message, multicast, hop_limit }),
        2 => (0_u32..4, any::<u8>(), 0_usize..24, 0_u8..8)
            .prop_map(|(instance, priority, at, bit)| Step::Damaged { instance, priority, at, bit }),
        3 => (0_u32..2, any::<bool>(), any::<bool>())
            .prop_map(|(interface, up, source)| Step::Interface { interface, up, source }),
        1 => any::<bool>().prop_map(|present| Step::SourcePresent { present }),
        3 => any::<bool>().prop_map(|success| Step::Script { success }),
        1 => (vec(any_instance(), 0..4), any::<bool>()).prop_map(|(instances, group)| Step::Reload(instances, group)),
        1 => Just(Step::Resume),
        1 => Just(Step::Stop),
    ]
}

pub(super) fn any_instance() -> impl Strategy<Value = InstanceConfig> {
    let weight = || (-254_i16..255, any::<bool>()).prop_map(|(value, reverse)| Weight { value, reverse });
    let flags = (any::<[bool; 9]>(), 0_u8..8, 0_u32..4);
    (flags, any::<u8>(), 1_u16..400, 0_u64..10_000, vec(weight(), 0..3), vec(weight(), 0..3)).prop_map(
        |((flags, kind, missed), priority, interval, delay, interfaces, scripts)| {
            let base = match kind {
                0 => version_2(0),
                1 => ipv6(0),
                2 => InstanceConfig {
                    source: (missed % 2 == 0).then_some(OWN),
                    ..unicast(0, &[LOWER, HIGHER])
                },
                3 => {
                    InstanceConfig { authentication: Authentication::Password(*b"password"), ..version_2(0) }
                }
                _ => InstanceConfig { interval: centiseconds(interval), ..instance(0) },
            };
            let [
                initial_master,
                nopreempt,
                dont_track_interface,
                track_source,
                silent,
                last,
                ignore,
                skip,
                lax,
            ] = flags;
            let announce = AnnounceConfig {
                master_delay: ms(delay % 700),
                master_repeat: 2,
                refresh: ms(delay / 3),
                refresh_repeat: 1,
                lower_priority_delay: ms(delay / 7),
                lower_priority_repeat: u32::from(lax),
            };
            InstanceConfig {
                priority: Priority::new(priority.max(1)),
                down_timer_adverts: missed,
                preempt_delay: ms(if nopreempt { 0 } else { delay }),
                track_interfaces: interfaces
                    .into_iter()
                    .map(|weight| TrackInterface { interface: WAN, weight })
                    .collect(),
                track_scripts: scripts
                    .into_iter()
                    .map(|weight| TrackScript { script: CHECK, weight })
                    .collect(),
                initial_master,
                nopreempt,
                dont_track_interface,
                track_source,
                lower_priority_no_advert: silent,
                higher_priority_send_advert: last,
                owner_ignore_adverts: ignore,
                skip_check_addresses: skip,
                v3_checksum_as_v2: lax,
                announce,
                ..base
            }
        },
    )
}

/// Numbers the instances, all on one interface.
pub(super) fn whole(instances: Vec<InstanceConfig>, group: bool) -> Config {
    let numbered = instances.into_iter().zip(0_u32..).map(|(config, id)| {
        let stamp = instance(id);
        InstanceConfig { id: stamp.id, name: stamp.name, vrid: stamp.vrid, ..config }
    });
    let numbered = numbered.collect();
    if group { grouped(numbered) } else { config(numbered) }
}

/// What a reader of the output believes.
#[derive(Debug, Default)]
pub(super) struct Reader {
    wanted: [Option<bool>; 4],
    state: [Option<State>; 4],
}

impl Reader {
    /// A successor says nothing of what goes on; what was giving up starts afresh.
    fn meet_successor(&mut self, router: &Router) {
        let goes_on = |id: usize| {
            let configured = router.config.instances.iter().any(|config| config.id.index() == id);
            configured && self.state[id] != Some(State::Stop)
        };
        let state = [0, 1, 2, 3].map(|id| self.state[id].filter(|_| goes_on(id)));
        *self = Self { state, ..Self::default() };
    }

    pub(super) fn read(&mut self, router: &mut Router) -> Result<(), TestCaseError> {
        for action in router.actions() {
            match action {
                Action::Addresses { instance, wanted } => self.wanted[instance.index()] = Some(wanted),
                Action::Removed { instance } => {
                    prop_assert_ne!(self.wanted[instance.index()], Some(true), "removed with its addresses");
                    self.state[instance.index()] = None;
                }
                Action::Event(Event::InstanceState { instance, to, priority, causes, .. }) => {
                    prop_assert!(!causes.is_empty());
                    prop_assert_ne!(priority, Priority::RELEASE);
                    self.state[instance.index()] = Some(to);
                }
                _ => {}
            }
        }
        for advert in router.sink.adverts.drain(..) {
            prop_assert_eq!(advert.at, router.now);
        }
        for id in router.machine.instances() {
            let status = router.machine.status(id).unwrap();
            let told = self.state[id.index()];
            prop_assert!(
                told == Some(status.state) || (told.is_none() && status.state == State::Init),
                "{status:?}"
            );
            let wanted = self.wanted[id.index()].unwrap_or(false);
            match status.state {
                State::Master => prop_assert!(wanted),
                State::Stop => {}
                _ => prop_assert!(!wanted),
            }
            let (base, effective) = (status.base_priority.get(), status.effective_priority.get());
            prop_assert!((1..=254).contains(&effective) || base == 255);
            prop_assert!(
                status.faults.is_empty() || matches!(status.state, State::Fault | State::Stop),
                "{status:?}"
            );
            if let Some(deadline) = status.deadline {
                let next = router.machine.next_wakeup().expect("a deadline without a wake-up");
                prop_assert!(next <= deadline);
            }
        }
        Ok(())
    }
}

pub(super) fn act(router: &mut Router, step: Step, reader: &mut Reader) -> Result<(), TestCaseError> {
    let source = |octet: u8| IpAddr::from([10, 0, 0, octet]);
    match step {
        Step::Wait(microseconds) => {
            let end = router.now + Duration::from_micros(u64::from(microseconds));
            while let Some(at) = router.machine.next_wakeup().filter(|at| *at <= end) {
                router.now = router.now.max(at);
                router.advance();
                reader.read(router)?;
            }
            router.now = end;
        }
        Step::Advert { instance, source: octet, priority, centiseconds: interval } => {
            if let Some(config) = router.config.instances.get(instance as usize).cloned() {
                let mut peer = InstanceConfig::clone(&config);
                if matches!(peer.interval, steadfast_wire::vrrp::AdvertInterval::Centiseconds(_)) {
                    peer.interval = centiseconds(interval);
                }
                let source = match peer.family {
                    steadfast_wire::vrrp::Family::V4 => source(octet),
                    steadfast_wire::vrrp::Family::V6 => LOWER_V6.into(),
                };
                router.hear_from(&peer, source, priority);
            }
        }
        Step::Master { instance, priority, adverts } => {
            for _ in 0..adverts {
                if let Some(config) = router.config.instances.get(instance as usize).cloned() {
                    let source = match config.family {
                        steadfast_wire::vrrp::Family::V4 => LOWER,
                        steadfast_wire::vrrp::Family::V6 => LOWER_V6.into(),
                    };
                    router.hear_from(&config, source, priority);
                    router.advance();
                    reader.read(router)?;
                    act(router, Step::Wait(300_000), reader)?;
                }
            }
        }
        Step::Noise { message, multicast, hop_limit } => {
            let destination = if multicast { GROUP_V4 } else { OWN };
            let datagram = Datagram {
                interface: LAN,
                source: LOWER,
                destination,
                hop_limit,
                carrier: Carrier::Ip,
                message: &message,
            };
            router.input(Input::Datagram(datagram));
        }
        Step::Damaged { instance, priority, at, bit } => {
            if let Some(config) = router.config.instances.get(instance as usize).cloned() {
                let mut message = message(&config, source(3), GROUP_V4, priority);
                if let Some(octet) = message.get_mut(at) {
                    *octet ^= 1 << bit;
                }
                router.hear_message(LAN, source(3), GROUP_V4, Some(255), &message);
            }
        }
        Step::Interface { interface, up, source } => {
            let source_v4 = source.then_some([10, 0, 0, 10].into());
            let source_v6 = source.then_some(OWN_V6);
            router.input(Input::Interface {
                interface: InterfaceId(interface),
                up,
                source_v4,
                source_v6,
                mtu: 1500,
            });
        }
        Step::SourcePresent { present } => {
            router.input(Input::SourcePresent { address: OWN, present });
        }
        Step::Script { success } => router.script(&[success]),
        Step::Reload(instances, group) => router.reload(whole(instances, group)),
        Step::Resume if router.machine.is_drained() => {}
        Step::Resume => {
            let kept = router.machine.instances().filter_map(|id| router.machine.resume_state(id)).collect();
            let now = router.now;
            *router = Router::prepare(router.config.clone(), kept);
            router.now = now;
            reader.meet_successor(router);
        }
        Step::Stop => router.input(Input::Stop),
    }
    router.advance();
    reader.read(router)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_machine_sound(
        instances in vec(any_instance(), 1..4),
        group: bool,
        steps in vec(step(), 1..60),
    ) {
        let mut router = Router::start(whole(instances, group));
        let mut reader = Reader::default();
        reader.read(&mut router)?;
        for step in steps {
            act(&mut router, step, &mut reader)?;
        }
        act(&mut router, Step::Stop, &mut reader)?;
        act(&mut router, Step::Wait(5_000_000), &mut reader)?;
        prop_assert!(router.machine.is_drained());
        prop_assert!(reader.wanted.iter().all(|wanted| *wanted != Some(true)), "addresses left behind");
    }

    #[test]
    fn no_octets_make_it_panic(message in vec(any::<u8>(), 0..100), hop_limit: Option<u8>, six: bool, multicast: bool) {
        let configs = vec![
            instance(0),
            InstanceConfig { id: SECOND, ..ipv6(0) },
            InstanceConfig { id: InstanceId(2), vrid: crate::tests::router::instance(1).vrid, ..version_2(0) },
            InstanceConfig { id: InstanceId(3), vrid: crate::tests::router::instance(1).vrid, ..unicast(0, &[LOWER]) },
        ];
        let mut router = Router::start(config(configs));
        for vrid in [1, 2] {
            let mut message = message.clone();
            if let Some(octet) = message.get_mut(1) {
                *octet = vrid;
            }
            let (source, destination) = match (six, multicast) {
                (false, true) => (LOWER, GROUP_V4),
                (false, false) => (LOWER, OWN),
                (true, true) => (LOWER_V6.into(), GROUP_V6),
                (true, false) => (LOWER_V6.into(), OWN_V6.into()),
            };
            router.hear_message(LAN, source, destination, hop_limit, &message);
        }
        router.advance();
    }
}

#[test]
fn time_may_stand_still_or_jump() {
    let mut router = Router::one(instance(0));
    for step in [0, 0, 1, 1 << 40, 1 << 61, 0] {
        router.now = Moment::from_nanos(router.now.as_nanos().saturating_add(step));
        router.advance();
        router.hear(LOWER, 0);
        router.advance();
    }
    assert_eq!(Arc::strong_count(&router.config.instances[0]), 2);
}
