//! System calls (seccomp(2)).

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::Needs;
use crate::error::{Attempt, Errno, Error, Result, check};

/// A kind of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Requests to the kernel.
    Netlink,
    /// Frames of a link.
    Packet,
}

/// A system call that not every program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To another host.
    Connect,
    /// Of who calls at a socket that listens already.
    Accept,
}

/// What every program makes whose memory, files, threads and sockets are its own. No program is run, no other process
/// signalled or looked into, and no right gained by any of these.
const ALWAYS: &[c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mlockall,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munlockall,
    libc::SYS_munmap,
    // Threads, time and the end.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_membarrier,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // A panic that aborts.
    libc::SYS_tgkill,
    libc::SYS_tkill,
    // How the process runs: priority, processors and limits may change at a reload.
    libc::SYS_getpriority,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_setpriority,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Files and descriptors: pid files, sysctls, /proc.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_fchmod,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getuid,
    libc::SYS_ioctl,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    // Sockets that are there.
    libc::SYS_bind,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// The older forms that newer architectures are without.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_setrlimit,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// A call that is not allowed ends a build that is for finding faults, so that every test that meets one fails. On a
/// network the program is told that there is no such call: libraries then take an older one, as on an older kernel.
const REFUSED: SeccompAction = if cfg!(debug_assertions) {
    SeccompAction::KillProcess
} else {
    SeccompAction::Errno(libc::ENOSYS.unsigned_abs())
};

/// Allows the calling thread what `needs` says, and nothing else.
pub(super) fn allow(needs: &Needs) -> Result<()> {
    let attempted = || "give up system calls".to_owned();
    // An architecture that is not known to seccompiler runs without.
    let Ok(architecture) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Err(Error::new(attempted(), Errno::NOSYS));
    };
    let program = program(needs, architecture).ok_or_else(|| Error::new(attempted(), Errno::INVAL))?;
    install(&program).attempt(attempted())
}

fn program(needs: &Needs, architecture: TargetArch) -> Option<BpfProgram> {
    let extra = needs.calls.iter().map(|call| match call {
        Call::Connect => libc::SYS_connect,
        Call::Accept => libc::SYS_accept4,
    });
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALWAYS.iter().chain(OLDER).copied().chain(extra).map(|call| (call, Vec::new())).collect();
    let families = needs.families.iter().map(|family| {
        let wanted = u64::from(family.number().unsigned_abs());
        let is = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, wanted).ok()?;
        SeccompRule::new(vec![is]).ok()
    });
    rules.insert(libc::SYS_socket, families.collect::<Option<_>>()?);
    let filter = SeccompFilter::new(rules, REFUSED, SeccompAction::Allow, architecture).ok()?;
    BpfProgram::try_from(filter).ok()
}

impl Family {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inet => "IPv4",
            Self::Inet6 => "IPv6",
            Self::Netlink => "netlink",
            Self::Packet => "packet",
        }
    }

    const fn number(self) -> libc::c_int {
        match self {
            Self::Inet => libc::AF_INET,
            Self::Inet6 => libc::AF_INET6,
            Self::Netlink => libc::AF_NETLINK,
            Self::Packet => libc::AF_PACKET,
        }
    }
}

/// Not by seccompiler, whose way leaves kernels before 5.16 with a mitigation for programs that run others' code: it
/// makes every memory access slower, and no code of others runs here.
fn install(program: &[sock_filter]) -> std::result::Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::TOOBIG)?;
    let program =
        libc::sock_fprog { len: length, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: the program lives across the call, which copies it and writes nothing. Both types of an instruction are
    // the kernel's `struct sock_filter`.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    check(libc::c_int::try_from(returned).unwrap_or(-1)).map(drop)
}
