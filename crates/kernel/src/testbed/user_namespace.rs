//! The right to make namespaces without being root.

use std::fs;

use crate::error::{Attempt, Capability, Result};
use crate::namespace::unshare;

/// Makes the calling process root of a user namespace of its own, where it may create networks
/// and containers without being root outside.
///
/// # Errors
/// When the process has more than one thread, or the system does not allow it.
pub fn become_root_of_user_namespace() -> Result<()> {
    // SAFETY: both calls only read credentials.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let attempt = "create a user namespace";
    unshare(libc::CLONE_NEWUSER, attempt)?;
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text).attempt_with(Capability::SysAdmin, attempt)
    };
    // user_namespaces(7): an unprivileged writer of gid_map must have given up setgroups first.
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {user} 1"))?;
    write("gid_map", format!("0 {group} 1"))
}
