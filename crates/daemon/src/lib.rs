//! The processes: supervisor, vrrp worker, notify, reload, control socket.
#![forbid(unsafe_code)]

mod beside;
mod check;
pub mod digest;
pub mod host;
pub mod link;
pub mod options;
mod places;
mod served;
mod supervisor;
mod vrrp;

use steadfast_control::event::Worker;
use steadfast_kernel::process::confinement::Needs;

pub use options::Options;
pub use supervisor::{CHECK_OPTION, check, inherited, run, succeed};

/// What a worker keeps of the rights and system calls that the daemon has.
pub const fn needs(worker: Worker) -> &'static Needs {
    match worker {
        Worker::Vrrp => &vrrp::NEEDS,
        Worker::Check => &check::NEEDS,
    }
}

#[cfg(test)]
mod tests {
    use steadfast_kernel::testbed::{alone, granted};

    use super::*;

    #[test]
    fn what_a_worker_does_not_need_is_refused() {
        alone(module_path!(), "what_a_worker_does_not_need_is_refused", || {
            for worker in [Worker::Vrrp, Worker::Check] {
                assert_eq!(granted(needs(worker)).unwrap(), [""; 0], "{worker:?}");
            }
        });
    }
}
