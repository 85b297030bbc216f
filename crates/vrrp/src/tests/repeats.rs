//! Adverts that say again what was said before do what the first of them did.

use proptest::collection::vec;
use proptest::prelude::*;
use steadfast_wire::vrrp::Carrier;

use super::properties::{Reader, act, any_instance, step, whole};
use super::router::*;
use crate::config::Authentication;
use crate::{Datagram, InstanceConfig, Machine, Piece};

/// Whether the next advert of this master is known.
fn knows(router: &Router, priority: u8) -> bool {
    let config = &router.config.instances[0];
    let message = message(config, LOWER, GROUP_V4, priority);
    let datagram = Datagram {
        interface: LAN,
        source: LOWER,
        destination: GROUP_V4,
        hop_limit: Some(255),
        carrier: Carrier::Ip,
        message: &message,
    };
    router.machine.recognise(router.now, &datagram).is_some()
}

/// Follows a master.
fn backup(instance: InstanceConfig) -> Router {
    let mut router = Router::one(instance);
    for _ in 0..3 {
        router.wait(ms(400));
        router.hear(LOWER, 200);
    }
    router
}

/// The whole of it, as octets.
fn state(machine: &mut Machine) -> Vec<Vec<u8>> {
    let mut octets = Vec::new();
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Base(piece) | Piece::Instance(piece) => octets.push(piece.to_vec()),
    };
    machine.begin_snapshot(&mut take);
    assert!(machine.continue_snapshot(usize::MAX, &mut take));
    octets
}

#[test]
fn a_master_that_is_followed_is_known_by_its_advert() {
    let router = backup(instance(0));
    assert!(knows(&router, 200));
    assert!(!knows(&router, 201), "another priority");
}

#[test]
fn whatever_changes_the_instance_has_the_next_advert_checked() {
    let mut router = backup(tracking_script(0, 10, false));
    router.script(&[false, false, false]);
    assert!(!knows(&router, 200));
    router.hear(LOWER, 200);
    assert!(knows(&router, 200));
    router.hear(LOWER, 0);
    assert!(!knows(&router, 200) && !knows(&router, 0));
}

#[test]
fn the_timer_moves_with_each_advert() {
    let mut router = backup(instance(0));
    for _ in 0..20 {
        router.wait(ms(1_000));
        assert!(knows(&router, 200));
        router.hear(LOWER, 200);
        assert_eq!(router.deadline(), ms(3_000) + ms(1_000) * 156 / 256);
    }
    assert_eq!(router.counters().adverts_received, 23);
}

#[test]
fn a_password_is_compared_each_time() {
    let router =
        backup(InstanceConfig { authentication: Authentication::Password(*b"password"), ..version_2(0) });
    assert_eq!(router.counters().adverts_received, 3);
    assert!(!knows(&router, 200));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_machine_that_forgets_what_it_knows_of_adverts_does_the_same(
        instances in vec(any_instance(), 1..4),
        group: bool,
        steps in vec(step(), 1..60),
    ) {
        let start = || (Router::start(whole(instances.clone(), group)), Reader::default());
        let ((mut one, mut of_one), (mut other, mut of_other)) = (start(), start());
        of_one.read(&mut one)?;
        of_other.read(&mut other)?;
        for step in steps {
            other.sink.forgetful = true;
            act(&mut one, step.clone(), &mut of_one)?;
            act(&mut other, step, &mut of_other)?;
            prop_assert_eq!(&one.sink.history, &other.sink.history);
            prop_assert_eq!(state(&mut one.machine), state(&mut other.machine));
        }
    }
}
