//! For tests: a closure in a network namespace of its own, gone with it.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkFlags, LinkMessage};

use crate::namespace::Network;
use crate::netlink::Requests;

/// Runs `test` in a thread inside a fresh network namespace whose loopback is up. Returns without running it, and
/// says so, where namespaces are not allowed.
pub(crate) fn in_fresh_namespace(test_name: &str, test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let outcome = std::thread::Builder::new()
            .name(test_name.to_owned())
            .spawn_scoped(scope, || {
                // SAFETY: CLONE_NEWNET changes only the network namespace of this thread and touches no memory.
                let returned = unsafe { libc::unshare(libc::CLONE_NEWNET) };
                if returned != 0 {
                    let reason = std::io::Error::last_os_error();
                    left_out(test_name, &format!("no network namespace allowed here: {reason}"));
                    return;
                }
                set_up(1);
                test();
            })
            .unwrap()
            .join();
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Whether namespaces can be made: they need rights that a developer's machine may not give.
pub(crate) fn permitted(test_name: &str) -> bool {
    let made = Network::anonymous();
    if let Err(reason) = &made {
        left_out(test_name, &format!("no network namespace allowed here: {reason}"));
    }
    made.is_ok()
}

/// Sets IFF_UP.
pub(crate) fn set_up(index: u32) {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    Requests::open().unwrap().execute(RouteNetlinkMessage::SetLink(message), 0, "set a link up").unwrap();
}

/// Says on standard error, past the test harness that keeps the output of passing tests, what was not tested.
pub(crate) fn left_out(test_name: &str, reason: &str) {
    use std::io::Write as _;
    // In one piece: other tests write beside.
    std::io::stderr().write_all(format!("left out: {test_name}: {reason}\n").as_bytes()).unwrap();
}
