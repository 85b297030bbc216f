//! What keepalived refuses we refuse, with the same counter.

use std::collections::BTreeMap;

use steadfast_lab::{Program, wait};

use crate::pair::{KINDS, Kind, LIMIT, Pair, global, programs};

/// Two instances that should be one virtual router but disagree.
struct Quarrel {
    kind: Kind,
    /// What both count.
    counter: Option<&'static str>,
    /// What only we count.
    ours: Option<&'static str>,
    /// On the second side only: text of the configuration and what stands there instead.
    difference: (&'static str, &'static str),
}

const PASSWORD: &str = "auth_pass secret";
const V2: Kind = KINDS[0];
const AH: Kind = KINDS[8];

const QUARRELS: [Quarrel; 7] = [
    Quarrel {
        kind: Kind { vrid: 61, ..V2 },
        counter: Some("Authentication Errors: Failure"),
        ours: None,
        difference: (PASSWORD, "auth_pass wrong"),
    },
    Quarrel {
        kind: Kind { vrid: 62, ..V2 },
        counter: Some("Authentication Errors: Type Mismatch"),
        ours: None,
        difference: ("authentication {\n        auth_type PASS\n        auth_pass secret\n    }\n", ""),
    },
    Quarrel {
        kind: Kind { vrid: 66, ..AH },
        counter: Some("Authentication Errors: Failure"),
        ours: None,
        difference: ("auth_pass sesame12", "auth_pass wrong"),
    },
    Quarrel {
        kind: Kind { vrid: 67, ..AH },
        counter: None,
        // keepalived drops it in silence.
        ours: Some("Authentication Errors: Type Mismatch"),
        difference: ("auth_type AH", "auth_type PASS"),
    },
    Quarrel {
        kind: Kind { vrid: 63, ..V2 },
        counter: None,
        // keepalived has the counter in its files but does not use it.
        ours: Some("Packet Errors: Advertisement Interval"),
        difference: ("advert_int 1\n", "advert_int 2\n"),
    },
    Quarrel {
        kind: Kind { vrid: 64, ..KINDS[4] },
        counter: None,
        ours: None,
        difference: ("version 3", "version 2"),
    },
    Quarrel {
        kind: Kind { vrid: 65, ..KINDS[6] },
        counter: None,
        ours: None,
        difference: ("version 3", "version 2"),
    },
];

#[test]
fn both_refuse_adverts_that_disagree_and_count_them_alike() {
    for programs in programs("both_refuse_adverts_that_disagree_and_count_them_alike").into_iter().flatten() {
        let mut pair = Pair::new(programs);
        for side in [0, 1] {
            pair.start(side, &disagreeing(side));
        }
        // Each thinks itself alone.
        let owned = |side: usize| QUARRELS.iter().all(|quarrel| pair.hosts[side].has(quarrel.kind.address()));
        let both = wait::until(LIMIT, || owned(0) && owned(1));
        assert!(both, "{:?} {:?}", pair.hosts[0].addresses(), pair.hosts[1].addresses());
        for side in [0, 1] {
            let own = matches!(pair.programs[side], Program::Steadfast(_));
            let counter = |quarrel: &Quarrel| quarrel.counter.or(quarrel.ours.filter(|_| own));
            let expected: BTreeMap<u8, Vec<String>> = QUARRELS
                .iter()
                .filter_map(|quarrel| Some((quarrel.kind.vrid, vec![counter(quarrel)?.to_owned()])))
                .collect();
            let mut counted = BTreeMap::new();
            let all = wait::until(LIMIT, || {
                counted = names(&pair, side);
                counted == expected
            });
            assert!(all, "{}: {counted:?}", pair.programs[side].name());
        }
    }
}

fn names(pair: &Pair, side: usize) -> BTreeMap<u8, Vec<String>> {
    let errors = pair.errors(side).into_iter();
    errors.map(|(name, counters)| (name.parse().unwrap(), counters.into_keys().collect())).collect()
}

/// Instances are called by their VRID.
fn disagreeing(side: usize) -> String {
    let priority = [200, 100][side];
    let instances = QUARRELS.iter().map(|quarrel| {
        let text = quarrel.kind.instance(side, priority, "");
        let text = text.replacen(&quarrel.kind.name(), &quarrel.kind.vrid.to_string(), 1);
        let (from, to) = quarrel.difference;
        assert!(text.contains(from), "{text}");
        if side == 1 { text.replace(from, to) } else { text }
    });
    global("") + &instances.collect::<String>()
}
