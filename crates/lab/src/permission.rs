//! The right to make namespaces.

use anyhow::{Result, anyhow};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed;

/// Whose rights the lab works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The caller's own.
    Own,
    /// Those of root in a user namespace made for it.
    UserNamespace,
}

/// Gets the right to make namespaces: as it is for root, and by a user namespace of its own for
/// others, where the kernel allows that.
///
/// # Errors
/// One sentence on what to do, where the kernel allows neither. A process with more than one
/// thread cannot enter a user namespace.
pub fn obtain() -> Result<Rights> {
    if Network::anonymous().is_ok() {
        return Ok(Rights::Own);
    }
    let network = testbed::become_root_of_user_namespace().and_then(|()| Network::anonymous());
    // The error's own advice, for daemons, would contradict this one.
    network.map(|_| Rights::UserNamespace).map_err(|error| {
        anyhow!(
            "the lab is made of network namespaces, which this system refuses here ({}): run it as root, or allow \
             users to make them (sysctl user.max_user_namespaces above 0, \
             kernel.apparmor_restrict_unprivileged_userns=0)",
            error.errno
        )
    })
}

/// Whether a test that needs a lab can run here. Says on standard output that it is left out
/// otherwise.
pub fn lab_possible(test: &str) -> bool {
    let possible = Network::anonymous();
    if let Err(error) = &possible {
        left_out(test, &error.to_string());
    }
    possible.is_ok()
}

/// Says that a test does not run here, in the form that `cargo xtask test` collects.
pub fn left_out(test: &str, why: &str) {
    println!("left out: {test}: {why}");
}
