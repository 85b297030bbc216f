//! What an operator does with servers.

use std::sync::Arc;

use steadfast_control::operation::Operated;
use steadfast_health::Input;

use super::report::{Figures, server};
use super::{Checker, Wishes, moment};
use crate::link::check::{Handled, News};

impl Checker {
    /// Uses servers as an operator wants it, writes that to the kernel, and tells how they are since.
    pub(super) fn handle_servers(&mut self, request: u32, handled: &[Handled]) {
        let now = moment();
        for Handled { service, server, by } in handled {
            let id = self.machine.service_id(service);
            // One that a reload took away meanwhile is not told of.
            let Some(server) = id.and_then(|id| self.machine.find_server(id, *server)) else { continue };
            let mut wishes = Wishes::default();
            self.machine.handle(now, Input::Override { server, by: *by }, &mut wishes);
            self.fulfil(now, wishes);
        }
        self.table.settle(now);
        let mut servers = Vec::new();
        for Handled { service, server: address, .. } in handled {
            let Some(placement) = self.table.services().get(service).cloned() else { continue };
            let id = self.machine.service_id(service);
            let id = id.and_then(|id| self.machine.find_server(id, *address));
            let Some(status) = id.and_then(|id| self.machine.server(id)) else { continue };
            let figures = Figures::of(&self.machine, &placement, &mut self.table);
            let server = server(now, &self.machine, &placement, &status, &figures);
            servers.push(Operated { service: Arc::clone(service), server });
        }
        self.report();
        self.news(News::Handled { request, servers });
    }
}
