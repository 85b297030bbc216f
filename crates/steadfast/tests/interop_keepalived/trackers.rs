//! What is tracked does to the priority on the wire what it does with keepalived.

use std::time::Instant;

use steadfast_lab::wait;
use steadfast_wire::vrrp::Family;

use crate::pair::{Kind, LIMIT, Pair, global, programs};

/// Weights of the instances that follow the file, with what each makes of a priority of 100: nothing for FAULT.
const WEIGHTS: [&str; 5] = ["1", "2 reverse", "-3", "0", "0 reverse"];
type Expected = [Option<u8>; WEIGHTS.len()];

/// The router that follows it.
const SIDE: usize = 0;

/// What is written to the file in turn; nothing takes it away.
const VALUES: [(Option<&str>, Expected); 7] = [
    (Some("20"), [Some(120), Some(60), Some(40), None, Some(100)]),
    (Some("-300"), [None, Some(254), Some(254), None, Some(100)]),
    (Some("0x10 and more"), [Some(116), Some(68), Some(52), None, Some(100)]),
    (Some("300"), [Some(254), None, None, None, Some(100)]),
    (Some("010"), [Some(108), Some(84), Some(76), None, Some(100)]),
    (Some("7000000000"), [Some(108), Some(84), Some(76), None, Some(100)]),
    (None, [Some(100), Some(100), Some(100), Some(100), None]),
];

/// An instance named after its VRID.
fn named(kind: &Kind, further: &str) -> String {
    let text = kind.instance(SIDE, 100, further);
    text.replace(&format!("vrrp_instance {}", kind.name()), &format!("vrrp_instance V{}", kind.vrid))
}

#[test]
fn a_file_moves_the_priority_as_it_does_with_keepalived() {
    let kinds = [41, 42, 43, 44, 45].map(|vrid| Kind {
        vrid,
        version: 3,
        family: Family::V4,
        unicast: false,
        authentication: None,
    });
    for programs in programs("a_file_moves_the_priority_as_it_does_with_keepalived").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        let host = std::sync::Arc::clone(&pair.hosts[SIDE]);
        let mut text = global("") + "track_file load {\n    file /run/load\n    init_file 20\n}\n";
        for (kind, weight) in kinds.iter().zip(WEIGHTS) {
            let track = format!("    track_file {{\n        load weight {weight}\n    }}\n");
            text += &named(kind, &track);
        }
        pair.start(SIDE, &text);
        for (place, (value, expected)) in VALUES.into_iter().enumerate() {
            match value {
                // The first is what init_file makes.
                _ if place == 0 => {}
                Some(value) => host.write("/run/load", value).unwrap(),
                None => std::fs::remove_file(host.outside("/run/load")).unwrap(),
            }
            let written = Instant::now();
            for (kind, expected) in kinds.into_iter().zip(expected) {
                let told = || pair.sent(kind, SIDE, written).last().map(|(_, advert)| advert.priority.get());
                let reached = wait::until(LIMIT, || match expected {
                    Some(priority) => told() == Some(priority),
                    None => written.elapsed() > kind.interval() * 5 && matches!(told(), None | Some(0)),
                });
                let program = pair.programs[SIDE].name();
                assert!(
                    reached,
                    "{program}: VRID {}, {value:?}: {expected:?}, found {:?}",
                    kind.vrid,
                    told()
                );
            }
        }
    }
}

/// A sync group follows a file for all its members, and weights count only where the group allows them, by either word.
#[test]
fn a_group_follows_a_file_as_it_does_with_keepalived() {
    let kinds = [51, 52, 53, 54].map(|vrid| Kind {
        vrid,
        version: 3,
        family: Family::V4,
        unicast: false,
        authentication: None,
    });
    for programs in programs("a_group_follows_a_file_as_it_does_with_keepalived").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        let host = std::sync::Arc::clone(&pair.hosts[SIDE]);
        host.write("/run/load", "0\n").unwrap();
        let group = |name: &str, members: &[Kind], allows: &str| {
            let names: String = members.iter().map(|kind| format!("        V{}\n", kind.vrid)).collect();
            format!(
                "vrrp_sync_group {name} {{\n    group {{\n{names}    }}\n    {allows}\n    track_file {{\n        load \
                 weight 10\n    }}\n}}\n"
            )
        };
        let mut text = global("")
            + "track_file load {\n    file /run/load\n    weight 5\n}\n"
            + &group("G", &kinds[..2], "sync_group_tracking_weight")
            + &group("H", &kinds[2..], "global_tracking");
        for (place, kind) in kinds.iter().enumerate() {
            let own = if place % 2 == 0 { "    track_file {\n        load\n    }\n" } else { "" };
            text += &named(kind, own);
        }
        pair.start(SIDE, &text);
        for (value, expected) in [("0", 100), ("3", 130), ("-2", 80)] {
            host.write("/run/load", value).unwrap();
            let written = Instant::now();
            for kind in kinds {
                let told = || pair.sent(kind, SIDE, written).last().map(|(_, advert)| advert.priority.get());
                let program = pair.programs[SIDE].name();
                let reached = wait::until(LIMIT, || told() == Some(expected));
                assert!(reached, "{program}: VRID {}, {value}: found {:?}", kind.vrid, told());
            }
        }
        host.write("/run/load", "-100").unwrap();
        for kind in kinds {
            assert!(wait::until(LIMIT, || !host.has(kind.address())), "VRID {}", kind.vrid);
        }
    }
}
