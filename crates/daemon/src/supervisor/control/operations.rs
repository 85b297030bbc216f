//! What operators do with servers: the supervisor finds out which are meant, the check worker does it and answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::operation::{Asked, Operated, Operation};
use steadfast_control::request::Answer;
use steadfast_control::status::is_service_meant;
use steadfast_health::Override;
use steadfast_vrrp::Moment;

use super::ClientId;
use crate::digest::check::server_addresses;
use crate::link::check::{Handled, Order};
use crate::served::Served;
use crate::supervisor::{CLIENTS, Supervisor, moment};

/// Names of a message that says what there is; more would hide it.
const NAMES_SHOWN_MAX: usize = 20;

/// How long the worker may take to confirm an operation: it may be in the middle of a reload of tens of thousands of servers, and
/// who asked should not have to find out by himself.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(5);

/// Operations that the worker has not confirmed: at most one of each client.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    number: u32,
    waiting: BTreeMap<u32, (ClientId, Moment)>,
}

impl Operations {
    /// When the worker takes too long.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.waiting.values().map(|(_, until)| *until).min()
    }
}

impl Supervisor {
    /// A client wants something done with servers.
    pub(crate) fn operate(
        &mut self,
        client: ClientId,
        server: &str,
        service: Option<&str>,
        operation: Operation,
    ) {
        match self.ordered(client, server, service, operation) {
            Ok(()) => {}
            Err(reason) => self.answer_operation(client, Answer::Error(reason)),
        }
    }

    fn ordered(
        &mut self,
        client: ClientId,
        server: &str,
        service: Option<&str>,
        operation: Operation,
    ) -> Result<(), String> {
        let trusted = self.desk.control.as_ref().is_some_and(|control| control.is_trusted(client));
        if !trusted {
            return Err("only root, or the daemon's own user, may change how servers are used".to_owned());
        }
        if self.stopping.is_some() {
            return Err("the daemon is stopping".to_owned());
        }
        if self.desk.operations.waiting.values().any(|(waiting, _)| *waiting == client) {
            return Err("the operation before has not been confirmed".to_owned());
        }
        let handled = self.balancing.handled(self.served(), server, service, operation)?;
        let operations = &mut self.desk.operations;
        operations.number = operations.number.wrapping_add(1);
        let request = operations.number;
        if !self.workers.check.order(Order::Handle { request, handled }, &self.poller) {
            return Err("no check worker runs: ask again when it does".to_owned());
        }
        self.desk.operations.waiting.insert(request, (client, moment() + CONFIRMED_WITHIN));
        Ok(())
    }

    /// The worker did it.
    pub(crate) fn operated(&mut self, request: u32, servers: Vec<Operated>) {
        if let Some((client, _)) = self.desk.operations.waiting.remove(&request) {
            self.answer_operation(client, Answer::Operated(servers));
        }
    }

    /// A worker that takes too long is not waited for.
    pub(crate) fn operations_late(&mut self, now: Moment) {
        let waiting = std::mem::take(&mut self.desk.operations.waiting);
        let (late, rest): (BTreeMap<_, _>, _) =
            waiting.into_iter().partition(|(_, (_, until))| *until <= now);
        self.desk.operations.waiting = rest;
        for (client, _) in late.into_values() {
            let reason = "the check worker has not confirmed it in time; it does it when it can";
            self.answer_operation(client, Answer::Error(reason.to_owned()));
        }
    }

    /// The worker is gone.
    pub(crate) fn abandon_operations(&mut self) {
        for (client, _) in std::mem::take(&mut self.desk.operations.waiting).into_values() {
            let reason = "the check worker ended before it confirmed that: ask again";
            self.answer_operation(client, Answer::Error(reason.to_owned()));
        }
    }

    fn answer_operation(&mut self, client: ClientId, answer: Answer) {
        let Some(control) = &mut self.desk.control else { return };
        control.answer(client, &answer, &self.poller, CLIENTS);
        control.finish(client, &self.poller, CLIENTS);
    }
}

impl crate::supervisor::workers::check::BalancingKept {
    /// Which servers are meant, and how each is to be used.
    fn handled(
        &self,
        served: Served<'_>,
        server: &str,
        service: Option<&str>,
        operation: Operation,
    ) -> Result<Vec<Handled>, String> {
        let asked = Asked::read(server)?;
        let services: BTreeMap<_, _> =
            served.services().into_iter().map(|placed| (placed.outline.key, placed.place)).collect();
        let mut unpacking = served.unpacking();
        let meant: Vec<_> = services
            .iter()
            .filter(|(name, _)| service.is_none_or(|service| is_service_meant(name, service)))
            .filter_map(|(name, place)| Some((name, served.server(&mut unpacking, *place)?)))
            .collect();
        if let (true, Some(service)) = (meant.is_empty(), service) {
            let there = shown(services.keys());
            return Err(format!("there is no virtual server '{service}'; {there}"));
        }
        let mut found: Vec<(&Arc<str>, SocketAddr)> = Vec::new();
        for (name, balanced) in &meant {
            let addresses = server_addresses(balanced);
            found.extend(addresses.filter(|address| asked.means(*address)).map(|address| (*name, address)));
        }
        if found.is_empty() {
            let servers = meant.iter().flat_map(|(_, balanced)| server_addresses(balanced));
            let there: std::collections::BTreeSet<_> = servers.collect();
            let of = service.map_or_else(
                || "no virtual server has".to_owned(),
                |service| format!("virtual server '{service}' has no"),
            );
            return Err(format!("{of} server '{server}'; {}", shown(there)));
        }
        let mut handled = Vec::new();
        let mut refused = None;
        for (service, address) in found {
            match operation.onto(self.used(service, address)) {
                Ok(by) => handled.push(Handled { service: Arc::clone(service), server: address, by }),
                Err(reason) => refused = Some(format!("server {address} of {service} {reason}")),
            }
        }
        // Where an address means several, those that nothing was done with stay as they are.
        match refused {
            Some(reason) if handled.is_empty() => Err(reason),
            _ => Ok(handled),
        }
    }

    fn used(&self, service: &str, server: SocketAddr) -> Override {
        let servers = self.last_of(service).map(|kept| &kept.servers);
        let known = servers.and_then(|servers| servers.iter().find(|known| known.address == server));
        known.map(|known| known.by).unwrap_or_default()
    }
}

fn shown<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() {
        return "none is configured".to_owned();
    }
    let rest = names.len().saturating_sub(NAMES_SHOWN_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect();
    format!("there are: {}{more}", shown.join(", "))
}
