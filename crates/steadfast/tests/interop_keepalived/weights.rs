//! What scripts and interfaces that are tracked add to priorities, told by instances, scripts and groups.

use std::time::{Duration, Instant};

use steadfast_lab::{Segment, wait};

use crate::pair::LIMIT;
use crate::rarer::{Alone, alone, global, instance};

const SCRIPTS: &str = "vrrp_script plain {
 script \"/run/check\"
 interval 1
 fall 1
 rise 1
}
vrrp_script weighted {
 script \"/run/check\"
 interval 1
 fall 1
 rise 1
 weight 7
}
vrrp_script turned {
 script \"/run/check\"
 interval 1
 fall 1
 rise 1
 weight 7 reverse
}
vrrp_script slow {
 script \"/run/slow\"
 interval 1
 timeout 1
 fall 1
 rise 1
 weight 9
}
vrrp_script looks {
 script \"/run/looks\"
 interval 1
 user nobody
}
";

/// What each instance tracks, and its priority on the wire while all is well and while it is not; none in FAULT.
const TRACKING: [(&str, Option<u8>, Option<u8>); 10] = [
    (" track_script {\n plain weight 10\n }\n", Some(110), Some(100)),
    (" track_script {\n plain weight -10\n }\n", Some(100), Some(90)),
    (" track_script {\n plain weight 10 reverse\n }\n", Some(90), Some(100)),
    (" track_script {\n weighted\n }\n", Some(107), Some(100)),
    (" track_script {\n turned\n }\n", Some(93), Some(100)),
    (" track_script {\n turned weight 5 noreverse\n }\n", Some(105), Some(100)),
    (" track_script {\n slow\n }\n", Some(109), Some(100)),
    (" track_script {\n plain\n }\n", Some(100), None),
    (" track_interface {\n eth1 weight 10 reverse\n }\n", Some(90), Some(100)),
    (" track_script {\n looks weight 1\n }\n", Some(101), Some(101)),
];

/// Those that are in sync groups, which track for them.
const GROUPS: &str = "vrrp_sync_group follows_a_script {
 group {
 V11
 }
 track_script {
 plain
 }
}
vrrp_sync_group follows_an_interface {
 group {
 V12
 }
 track_interface {
 eth1
 }
}
";

/// Waits until the adverts of these virtual routers have these priorities.
fn settles(alone: &Alone, when: &str, expected: impl Fn(usize) -> Option<u8>, count: usize) {
    for place in 0..count {
        let vrid = u8::try_from(place + 1).unwrap();
        let since = Instant::now();
        let told = || alone.adverts(vrid, since).last().map(|(_, advert)| advert.priority.get());
        let wanted = expected(place);
        let reached = wait::until(LIMIT, || match wanted {
            Some(_) => told() == wanted,
            None => since.elapsed() > Duration::from_secs(1) && matches!(told(), None | Some(0)),
        });
        let name = alone.program.name();
        assert!(reached, "{name}, {when}: VRID {vrid}: {wanted:?} is expected, found {:?}", told());
    }
}

#[test]
fn scripts_and_interfaces_move_priorities_as_they_do_with_keepalived() {
    for alone in alone("scripts_and_interfaces_move_priorities_as_they_do_with_keepalived") {
        let host = &alone.host;
        let other = Segment::new().unwrap();
        other.plug(host, "eth1").unwrap();
        for (path, text) in [
            ("/run/check", "test -e /run/well"),
            ("/run/slow", "test -e /run/well || sleep 20"),
            ("/run/looks", "id -un > /run/seen"),
        ] {
            host.write_script(path, text).unwrap();
        }
        host.write("/run/well", "").unwrap();
        host.write("/run/seen", "").unwrap();
        host.run(&["chmod", "666", "/run/seen"]).unwrap();
        let mut text = global(" script_user root\n") + SCRIPTS + GROUPS;
        for (place, (tracking, ..)) in TRACKING.iter().enumerate() {
            let vrid = u8::try_from(place + 1).unwrap();
            text += &instance(vrid, &format!("10.0.9.{vrid}/32"), tracking);
        }
        text += &instance(11, "10.0.9.11/32", "");
        text += &instance(12, "10.0.9.12/32", "");
        let count = TRACKING.len() + 2;
        let _daemon = alone.start(&text);
        let well = |place: usize| TRACKING.get(place).map_or(Some(100), |row| row.1);
        let ill = |place: usize| TRACKING.get(place).and_then(|row| row.2);
        settles(&alone, "while all is well", well, count);
        std::fs::remove_file(host.outside("/run/well")).unwrap();
        host.set_down("eth1").unwrap();
        settles(&alone, "while it is not", ill, count);
        assert_eq!(host.read("/run/seen").unwrap(), "nobody\n");
        host.write("/run/well", "").unwrap();
        host.set_up("eth1").unwrap();
        settles(&alone, "again", well, count);
    }
}
