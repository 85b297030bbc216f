//! Giving up for real, in a process that is there for nothing else, and trying what is given up.

use std::os::fd::AsFd;

use rustix::net::{AddressFamily, SocketType};

use super::*;
use crate::process::{Exit, fork_child};
use crate::testbed::{alone, granted};

const NEEDS: Needs = Needs {
    capabilities: &[Capability::NetRaw],
    families: &[Family::Inet, Family::Netlink],
    calls: &[],
    files: &[
        Files { below: "/proc/self", access: Access::Read },
        Files { below: "/proc/sys/net", access: Access::Write },
        Files { below: "/no/such/folder", access: Access::Write },
    ],
};

/// How a confined child ends that does this.
fn confined(work: impl FnOnce() -> i32) -> Exit {
    let confined_work = || match confine(&NEEDS, Cores::None) {
        Ok(()) => work(),
        Err(error) => {
            eprintln!("{error}");
            99
        }
    };
    fork_child("confined", confined_work).unwrap().wait().unwrap()
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
fn what_is_not_needed_is_refused() {
    alone(module_path!(), "what_is_not_needed_is_refused", || {
        assert_eq!(granted(&NEEDS).unwrap(), [""; 0]);
    });
}

/// So that the attempts are known to succeed where nothing is in their way.
#[test]
fn what_is_needed_is_granted() {
    alone(module_path!(), "what_is_needed_is_granted", || {
        let needs = Needs { files: &[Files { below: "/", access: Access::Write }], ..NEEDS };
        let granted = granted(&needs).unwrap();
        assert!(granted.contains(&"writes to a file".to_owned()), "{granted:?}");
        assert!(granted.contains(&"reads a file".to_owned()), "{granted:?}");
        assert!(!granted.contains(&"makes a file".to_owned()), "{granted:?}");
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

/// What became of it, as the kernel says.
fn answer<T>(outcome: std::io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

#[test]
fn files_that_are_needed_are_within_reach() {
    alone(module_path!(), "files_that_are_needed_are_within_reach", || {
        let exit = confined(|| {
            let setting = "/proc/sys/net/ipv4/conf/lo/arp_ignore";
            let own =
                std::fs::read("/proc/self/status").is_ok() && std::fs::read_dir("/proc/self/task").is_ok();
            let read = std::fs::read(setting);
            let written = read.and_then(|value| std::fs::write(setting, value));
            // Where /proc is mounted for reading the kernel has another reason.
            let allowed = written.is_ok() || matches!(answer(written), Some(libc::EROFS));
            i32::from(!(own && allowed))
        });
        assert_eq!(exit, Exit::Status(0));
    });
}

#[test]
fn who_leaves_a_core_keeps_the_files_and_nothing_else() {
    alone(module_path!(), "who_leaves_a_core_keeps_the_files_and_nothing_else", || {
        let work = || {
            let confined = confine(&NEEDS, Cores::Written).is_ok();
            i32::from(!(confined && std::fs::read("/proc/sys/kernel/core_pattern").is_ok()))
        };
        assert_eq!(fork_child("core", work).unwrap().wait().unwrap(), Exit::Status(0));
    });
}

#[test]
fn who_gives_up_rights_reads_and_connects() {
    alone(module_path!(), "who_gives_up_rights_reads_and_connects", || {
        let work = || {
            let given_up = give_up_rights(&[Files { below: "/", access: Access::Read }]).is_ok();
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let none = status.lines().any(|line| line == "CapEff:\t0000000000000000");
            let socket =
                std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.connect("127.0.0.1:9"));
            let file = std::env::temp_dir().join(format!("given-up-{}", std::process::id()));
            let program = std::process::Command::new("/bin/true").status();
            let refused = [answer(std::fs::write(&file, "x")), answer(program)] == [Some(libc::EACCES); 2];
            i32::from(!(given_up && none && socket.is_ok() && refused))
        };
        assert_eq!(fork_child("gives up", work).unwrap().wait().unwrap(), Exit::Status(0));
    });
}
