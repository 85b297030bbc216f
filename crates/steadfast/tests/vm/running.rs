//! A program that runs on a host.

use std::process::{Child, Command};
use std::sync::Arc;

use steadfast_lab::Host;

/// A server that can die: it ends when this is dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(host: &Arc<Host>, words: &[&str]) -> Self {
        let (program, arguments) = words.split_first().unwrap();
        Self(host.spawn(Command::new(program).args(arguments)).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
