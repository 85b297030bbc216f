//! Which adverts of unicast peers are believed, and how far they reach, as with keepalived.

use std::time::{Duration, Instant};

use steadfast_lab::capture::Advert;
use steadfast_lab::wait;
use steadfast_wire::vrrp::{Family, Vrid};

use crate::pair::{LIMIT, Pair, programs};
use crate::rarer::{global, instance};

/// Long enough for any advert that would be sent.
const SILENCE: Duration = Duration::from_millis(1_500);

/// The lines of the router with the higher priority and of the other, and whether the other believes it.
const ROUTERS: [(&str, &str, bool); 6] = [
    (
        " unicast_ttl 250\n unicast_peer {\n 10.0.0.2\n }\n",
        " unicast_peer {\n 10.0.0.1 min_ttl 249\n }\n",
        true,
    ),
    (
        " unicast_ttl 250\n unicast_peer {\n 10.0.0.2\n }\n",
        " check_unicast_src\n unicast_peer {\n 10.0.0.1 min_ttl 251\n }\n",
        false,
    ),
    (
        " unicast_peer {\n 10.0.0.2\n }\n",
        " check_unicast_src\n unicast_peer {\n 10.0.0.1 max_ttl 254\n }\n",
        false,
    ),
    (" unicast_peer {\n 10.0.0.2\n }\n", " unicast_peer {\n 10.0.0.1 max_ttl 255\n }\n", true),
    (" unicast_peer {\n 10.0.0.2\n }\n", " unicast_peer {\n 10.0.0.77\n }\n", true),
    (" unicast_peer {\n 10.0.0.2\n }\n", " check_unicast_src\n unicast_peer {\n 10.0.0.77\n }\n", false),
];

fn file(side: usize, globals: &str) -> String {
    let mut text = global(globals);
    for (place, row) in ROUTERS.iter().enumerate() {
        let vrid = u8::try_from(place + 1).unwrap();
        let lines = if side == 0 { row.0 } else { row.1 };
        let router = instance(vrid, &format!("10.0.9.{vrid}/32"), lines);
        text += &if side == 0 { router.replace("priority 100", "priority 200") } else { router };
    }
    text
}

fn believed(pair: &Pair, place: usize) -> bool {
    let address = [10, 0, 9, u8::try_from(place + 1).unwrap()];
    !pair.hosts[1].has(address.into())
}

#[test]
fn adverts_of_peers_are_believed_as_configured() {
    let test = "adverts_of_peers_are_believed_as_configured";
    for programs in programs(test).into_iter().flatten() {
        let mut pair = Pair::new(programs);
        let since = Instant::now();
        pair.start(0, &file(0, ""));
        let reigns = || (1..=6).all(|last: u8| pair.hosts[0].has([10, 0, 9, last].into()));
        assert!(wait::until(LIMIT, reigns), "{} is not master", pair.programs[0].name());
        for globals in ["", " vrrp_check_unicast_src\n"] {
            pair.start(1, &file(1, globals));
            let name = format!("{} hears{globals}", pair.programs[1].name());
            let expected = |place: usize| ROUTERS[place].2 && (globals.is_empty() || place != 4);
            let settled = || (0..ROUTERS.len()).all(|place| believed(&pair, place) == expected(place));
            assert!(
                wait::until(LIMIT, settled),
                "{name}: {:?}",
                [0, 1, 2, 3, 4, 5].map(|place| believed(&pair, place))
            );
            assert!(!wait::until(SILENCE, || !settled()), "{name}: it does not last");
            let _ = pair.terminate(1);
            pair.ended(1);
        }
        let limits = [(1, 250), (3, 255)];
        for (vrid, limit) in limits {
            let adverts = pair.capture(0).adverts(Vrid::new(vrid).unwrap(), since);
            let own = |advert: &Advert| {
                Family::of(advert.source) == Family::V4 && advert.source.to_string() == "10.0.0.1"
            };
            let hop_limit = adverts.iter().find(|(_, advert)| own(advert)).unwrap().1.hop_limit;
            assert_eq!(hop_limit, limit, "{}", pair.programs[0].name());
        }
    }
}
