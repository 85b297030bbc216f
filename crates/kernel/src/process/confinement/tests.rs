//! Giving up for real, in a process that is there for nothing else, and trying what is given up.

use std::os::fd::AsFd;

use rustix::net::{AddressFamily, SocketType};

use super::*;
use crate::process::alone::alone;
use crate::process::{Exit, fork_child};

const NEEDS: Needs =
    Needs { capabilities: &[Capability::NetRaw], families: &[Family::Inet, Family::Netlink], calls: &[] };

/// A signal that tells of a call that is not allowed.
const BAD_CALL: i32 = libc::SIGSYS;

/// How a confined child ends that does this.
fn confined(work: impl FnOnce() -> i32) -> Exit {
    let confined_work = || match confine(&NEEDS) {
        Ok(()) => work(),
        Err(error) => {
            eprintln!("{error}");
            99
        }
    };
    fork_child("confined", confined_work).unwrap().wait().unwrap()
}

fn refused(exit: Exit) -> bool {
    matches!(exit, Exit::Signal(signal) if signal.number() == BAD_CALL)
}

#[test]
fn what_is_needed_goes_on() {
    alone(module_path!(), "what_is_needed_goes_on", || {
        let exit = confined(|| {
            let inet = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
            let netlink = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None);
            let thread = std::thread::Builder::new().spawn(|| std::fs::read("/proc/self/status").is_ok());
            let file = thread.is_ok_and(|thread| thread.join().is_ok_and(|read| read));
            let told = inet.is_ok_and(|socket| {
                rustix::net::sockopt::set_socket_recv_buffer_size(socket.as_fd(), 65_536).is_ok()
            });
            i32::from(!(told && netlink.is_ok() && file))
        });
        assert_eq!(exit, Exit::Status(0));
    });
}

#[test]
fn rights_and_the_way_to_new_ones_are_gone() {
    alone(module_path!(), "rights_and_the_way_to_new_ones_are_gone", || {
        let exit = confined(|| {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let held = field("CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok());
            // CAP_NET_RAW, where the test has it.
            let rights = held.is_some_and(|held| held & !(1 << 13) == 0);
            let raw = field("CapPrm:") == field("CapEff:") && field("CapInh:") == Some("0000000000000000");
            let closed = field("NoNewPrivs:") == Some("1") && field("Seccomp:") == Some("2");
            i32::from(!(rights && raw && closed))
        });
        assert_eq!(exit, Exit::Status(0));
    });
}

#[test]
fn no_program_can_be_run() {
    alone(module_path!(), "no_program_can_be_run", || {
        let exit = confined(|| {
            let arguments: [*const libc::c_char; 2] = [c"/bin/true".as_ptr(), std::ptr::null()];
            // SAFETY: path and arguments end with a NUL and live across the call.
            unsafe { libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr()) }
        });
        assert!(refused(exit), "{exit:?}");
    });
}

#[test]
fn nothing_of_others_can_be_touched() {
    alone(module_path!(), "nothing_of_others_can_be_touched", || {
        // Arguments that would be refused for themselves if the call were made.
        let attempts = [
            ("kill", libc::SYS_kill),
            ("ptrace", libc::SYS_ptrace),
            ("mount", libc::SYS_mount),
            ("setuid", libc::SYS_setuid),
            ("init_module", libc::SYS_init_module),
            ("process_vm_readv", libc::SYS_process_vm_readv),
            ("unshare", libc::SYS_unshare),
            ("setns", libc::SYS_setns),
            ("reboot", libc::SYS_reboot),
            ("bpf", libc::SYS_bpf),
            ("connect", libc::SYS_connect),
        ];
        for (name, call) in attempts {
            // SAFETY: numbers that are no addresses; the kernel refuses them.
            let exit = confined(|| i32::from(unsafe { libc::syscall(call, -1, -1, -1, -1, -1, -1) } >= 0));
            assert!(refused(exit), "{name}: {exit:?}");
        }
    });
}

#[test]
fn sockets_of_other_kinds_cannot_be_opened() {
    alone(module_path!(), "sockets_of_other_kinds_cannot_be_opened", || {
        for family in [AddressFamily::UNIX, AddressFamily::PACKET, AddressFamily::INET6] {
            let exit = confined(|| i32::from(rustix::net::socket(family, SocketType::DGRAM, None).is_err()));
            assert!(refused(exit), "{family:?}: {exit:?}");
        }
    });
}

#[test]
fn memory_is_yielded_before_the_parent() {
    alone(module_path!(), "memory_is_yielded_before_the_parent", || {
        let before = crate::process::limits::out_of_memory_score().unwrap();
        let exit = fork_child("yields", || {
            let yielded = yield_memory_first(300).is_ok() && yield_memory_first(i32::MAX).is_ok();
            i32::from(!(yielded && crate::process::limits::out_of_memory_score() == Some(1_000)))
        });
        assert_eq!(exit.unwrap().wait().unwrap(), Exit::Status(0));
        assert_eq!(crate::process::limits::out_of_memory_score(), Some(before));
    });
}
