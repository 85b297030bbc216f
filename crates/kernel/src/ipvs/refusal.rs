//! Why the kernel refuses a change. Its numbers mean different things for different commands.

use std::fmt;

use super::Command;
use crate::error::Errno;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Refused.
    Refused(Refusal),
    /// The answer was lost; only reading the table can tell.
    Unknown,
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// What was to be added is there.
    AlreadyThere,
    /// There is no such service.
    ServiceMissing,
    /// The service has no such server.
    ServerMissing,
    /// The kernel has no such scheduler or persistence engine, nor a module of that name.
    SchedulerMissing,
    /// A weight or threshold is out of range.
    OutOfRange,
    /// The kernel finds it contradictory: see the reasons in ipvsadm(8).
    Invalid,
    /// The kernel balances no packets of that family.
    FamilyMissing,
    /// The module is being unloaded.
    Unloading,
    /// Another change is under way.
    Busy,
    /// There is no memory for it (ENOMEM), or none for the answer (ENOBUFS).
    NoMemory(Errno),
    /// There is no room for one more.
    Full(Errno),
    /// Permission.
    NotPermitted(Errno),
    /// Anything else.
    Other(Errno),
}

impl Refusal {
    pub(crate) fn of(command: &Command, errno: Errno) -> Self {
        match (command, errno) {
            (_, Errno::EXIST) => Self::AlreadyThere,
            (_, Errno::SRCH) => Self::ServiceMissing,
            (Command::AddService(..) | Command::SetService(..), Errno::NOENT) => Self::SchedulerMissing,
            (Command::DeleteService(_), Errno::NOENT) => Self::ServiceMissing,
            (_, Errno::NOENT) => Self::ServerMissing,
            (_, Errno::RANGE) => Self::OutOfRange,
            (_, Errno::INVAL) => Self::Invalid,
            (_, Errno::AFNOSUPPORT) => Self::FamilyMissing,
            (_, Errno::NOPROTOOPT) => Self::Unloading,
            (_, Errno::BUSY | Errno::AGAIN) => Self::Busy,
            (_, Errno::NOMEM | Errno::NOBUFS) => Self::NoMemory(errno),
            (_, Errno::NOSPC | Errno::TOOBIG | Errno::NFILE) => Self::Full(errno),
            (_, Errno::PERM | Errno::ACCESS) => Self::NotPermitted(errno),
            _ => Self::Other(errno),
        }
    }

    /// The kernel's number.
    pub const fn errno(self) -> Errno {
        match self {
            Self::AlreadyThere => Errno::EXIST,
            Self::ServiceMissing => Errno::SRCH,
            Self::ServerMissing | Self::SchedulerMissing => Errno::NOENT,
            Self::OutOfRange => Errno::RANGE,
            Self::Invalid => Errno::INVAL,
            Self::FamilyMissing => Errno::AFNOSUPPORT,
            Self::Unloading => Errno::NOPROTOOPT,
            Self::Busy => Errno::BUSY,
            Self::NotPermitted(errno) | Self::NoMemory(errno) | Self::Full(errno) | Self::Other(errno) => {
                errno
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyThere => "it is there already",
            Self::ServiceMissing => "there is no such service",
            Self::ServerMissing => "the service has no such server",
            Self::SchedulerMissing => {
                "the kernel has no such scheduler or persistence engine, and no module that brings it"
            }
            Self::OutOfRange => "a weight or threshold is out of range",
            Self::Invalid => "the kernel finds it contradictory",
            Self::FamilyMissing => "the kernel balances no packets of that family",
            Self::Unloading => "the module is being unloaded",
            Self::Busy => "the kernel is busy with another change",
            Self::NoMemory(_) => "the kernel has no memory for it",
            Self::Full(_) => "the kernel's table has no room for one more",
            Self::NotPermitted(errno) => return write!(f, "{errno}; this needs CAP_NET_ADMIN: run as root"),
            Self::Other(errno) => return errno.fmt(f),
        })
    }
}
