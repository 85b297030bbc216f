//! Giving up for real, in a process that is there for nothing else, and trying what is given up.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::net::{AddressFamily, SocketType};

use super::*;
use crate::process::alone::alone;
use crate::process::{Exit, fork_child};

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

/// A signal that tells of a call that is not allowed.
const BAD_CALL: i32 = libc::SIGSYS;

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

/// What became of it, as the kernel says.
fn answer<T>(outcome: std::io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

/// Does something with a file that is there, or one that is not; the kernel's answer.
type Attempt = fn(&Path, &Path) -> Option<i32>;

#[test]
fn files_beyond_those_that_are_needed_are_out_of_reach() {
    alone(module_path!(), "files_beyond_those_that_are_needed_are_out_of_reach", || {
        let folder = std::env::temp_dir().join(format!("confined-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let (there, new) = (folder.join("there"), folder.join("new"));
        std::fs::write(&there, "x").unwrap();
        let attempts: [(&str, Attempt); 9] = [
            ("reads a file", |there, _| answer(std::fs::read(there))),
            ("writes to a file", |there, _| answer(std::fs::OpenOptions::new().append(true).open(there))),
            ("looks into a folder", |there, _| answer(std::fs::read_dir(there.parent().unwrap()))),
            ("makes a file", |_, new| answer(std::fs::File::create(new))),
            ("removes a file", |there, _| answer(std::fs::remove_file(there))),
            ("looks into another process", |_, _| answer(std::fs::read("/proc/1/status"))),
            ("reads a setting of the kernel", |_, _| answer(std::fs::read("/proc/sys/kernel/core_pattern"))),
            ("writes a setting of the kernel", |_, _| {
                answer(std::fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern"))
            }),
            ("writes to itself", |_, _| {
                answer(std::fs::OpenOptions::new().write(true).open("/proc/self/oom_score_adj"))
            }),
        ];
        for (name, attempt) in attempts {
            let exit = confined(|| i32::from(attempt(&there, &new) != Some(libc::EACCES)));
            assert_eq!(exit, Exit::Status(0), "{name}");
        }
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
        std::fs::remove_dir_all(&folder).unwrap();
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
