//! What can go wrong between this program and Linux.

use std::borrow::Cow;
use std::fmt;

pub use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refused or failed request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What was asked for, worded to stand behind "cannot".
    pub attempted: Cow<'static, str>,
    /// The kernel's answer.
    #[serde(with = "number")]
    pub errno: Errno,
    /// What would have been needed, where the answer is a lack of permission.
    pub capability: Option<Capability>,
    /// The kernel's own words (netlink extended acknowledgement).
    pub kernel_message: Option<String>,
}

/// A right that requests of this crate need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Raw and packet sockets.
    NetRaw,
    /// Changing addresses, links and routes; forced socket buffer sizes; binding to foreign addresses.
    NetAdmin,
    /// Binding to ports below 1024.
    NetBindService,
    /// Real-time scheduling and negative nice values.
    SysNice,
    /// Locking memory beyond RLIMIT_MEMLOCK.
    IpcLock,
    /// Changing user or group of a process.
    SetUid,
    /// Namespaces and mounts.
    SysAdmin,
    /// Limits beyond the hard ones.
    SysResource,
}

impl Capability {
    /// As written in capabilities(7).
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetRaw => "CAP_NET_RAW",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::SysNice => "CAP_SYS_NICE",
            Self::IpcLock => "CAP_IPC_LOCK",
            Self::SetUid => "CAP_SETUID and CAP_SETGID",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysResource => "CAP_SYS_RESOURCE",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.attempted, self.errno)?;
        if let Some(message) = &self.kernel_message {
            write!(f, " (the kernel says: {message})")?;
        }
        if let Some(capability) = self.capability {
            write!(
                f,
                "; this needs {0}: run as root, or grant it (AmbientCapabilities={0} in the systemd unit, \
                 --cap-add in a container)",
                capability.name()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl Error {
    /// An answer to something attempted, without a hint.
    pub fn new(attempted: impl Into<Cow<'static, str>>, errno: Errno) -> Self {
        Self { attempted: attempted.into(), errno, capability: None, kernel_message: None }
    }

    /// Names the missing capability if the answer is a lack of permission.
    #[must_use]
    pub fn needing(mut self, capability: Capability) -> Self {
        if self.is_permission() {
            self.capability = Some(capability);
        }
        self
    }

    /// Whether the answer is a lack of permission. Where the kernel gives a reason in its own words, it is another:
    /// EACCES for an IPv6 address where IPv6 is switched off.
    pub fn is_permission(&self) -> bool {
        matches!(self.errno, Errno::PERM | Errno::ACCESS) && self.kernel_message.is_none()
    }
}

/// An [`Errno`] as its number, for messages and JSON.
pub mod number {
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::Serializer;

    use super::Errno;

    /// Numbers that the kernel answers with (MAX_ERRNO of include/linux/err.h).
    const ANSWERS: std::ops::RangeInclusive<i32> = 1..=4095;

    /// Writes the number.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(errno: &Errno, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(errno.raw_os_error())
    }

    /// Reads the number.
    ///
    /// # Errors
    /// The deserializer's, and a number that the kernel never answers with.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Errno, D::Error> {
        let number = i32::deserialize(deserializer)?;
        if ANSWERS.contains(&number) {
            Ok(Errno::from_raw_os_error(number))
        } else {
            Err(D::Error::custom(format!("{number} is no error number")))
        }
    }
}

/// Turns a system call's result into an [`Error`] that says what was attempted.
pub trait Attempt<T> {
    /// `what` stands behind "cannot".
    fn attempt(self, what: impl Into<Cow<'static, str>>) -> Result<T>;

    /// The same, naming the capability that is missing if permission is refused.
    fn attempt_with(self, capability: Capability, what: impl Into<Cow<'static, str>>) -> Result<T>
    where
        Self: Sized,
    {
        self.attempt(what).map_err(|error| error.needing(capability))
    }
}

impl<T> Attempt<T> for std::result::Result<T, Errno> {
    fn attempt(self, what: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|errno| Error::new(what, errno))
    }
}

impl<T> Attempt<T> for std::io::Result<T> {
    fn attempt(self, what: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|error| Error::new(what, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }
}

/// A libc return value: negative means that `errno` tells why.
pub(crate) fn check(returned: libc::c_int) -> std::result::Result<libc::c_int, Errno> {
    if returned < 0 { Err(last_errno()) } else { Ok(returned) }
}

/// The calling thread's `errno`.
pub(crate) fn last_errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_permission_names_the_capability() {
        let error = Err::<(), _>(Errno::PERM)
            .attempt_with(Capability::NetAdmin, "add 192.0.2.1/32 to eth0")
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cannot add 192.0.2.1/32 to eth0: "), "{text}");
        assert!(text.contains("CAP_NET_ADMIN"), "{text}");
    }

    #[test]
    fn a_reason_in_the_words_of_the_kernel_is_no_lack_of_a_capability() {
        let error = Error {
            kernel_message: Some("ipv6: IPv6 is disabled on this device".to_owned()),
            ..Error::new("add 2001:db8::1/128 to eth0", Errno::ACCESS)
        };
        let error = error.needing(Capability::NetAdmin);
        assert!(!error.is_permission() && !error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    }

    #[test]
    fn another_failure_names_none() {
        let error = Err::<(), _>(Errno::NODEV).attempt_with(Capability::NetAdmin, "find eth0").unwrap_err();
        assert_eq!(error.capability, None);
    }
}
