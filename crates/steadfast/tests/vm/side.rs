//! A daemon in a network of its own, and the servers behind it.

use steadfast_lab::{Daemon, Program};

use super::director::Director;
use super::servers::Servers;

pub(crate) struct Side {
    pub(crate) director: Director,
    pub(crate) servers: Servers,
}

impl Side {
    pub(crate) fn new(program: &Program) -> Self {
        let director = Director::with(program.clone());
        let servers = Servers::behind(&director);
        Self { director, servers }
    }

    /// Starts the daemon without VRRP: virtual routers would want interfaces that are not here.
    pub(crate) fn start(&self, configuration: &str) -> Daemon {
        let mut command =
            Daemon::command(&self.director.host, &self.director.program, configuration).unwrap();
        command.arg("-C");
        Daemon::spawn(&self.director.host, self.director.program.name(), command).unwrap()
    }
}
