//! The commands that turn what is present into what is desired.

use super::held::Held;
use super::{COMMANDS_MAX, Item, Services};
use crate::ipvs::{Command, ServiceKey};
use crate::reconcile::Fate;

impl Services {
    /// At most [`COMMANDS_MAX`] commands in an order that leaves no service without a server on the way: services, then
    /// servers that come or change, then what goes. What needs no command is dirty no more.
    pub(super) fn difference(&mut self) -> Vec<Command> {
        let mut coming = Vec::new();
        let mut servers = Vec::new();
        let mut going = Vec::new();
        let mut settled = Vec::new();
        let mut added: Option<ServiceKey> = None;
        for item in &self.dirty {
            if coming.len() + servers.len() + going.len() >= COMMANDS_MAX {
                break;
            }
            // A service that is being added gets all its servers anyway.
            if item.server.is_some() && added == Some(item.service) {
                settled.push(*item);
                continue;
            }
            let command = match item.server {
                None => self.service_command(item.service),
                Some(_) => self.server_command(*item),
            };
            match command {
                None => settled.push(*item),
                Some(command @ (Command::DeleteService(_) | Command::DeleteServer(..))) => {
                    going.push(command)
                }
                Some(command @ Command::SetService(..)) => coming.push(command),
                Some(command @ Command::AddService(..)) => {
                    added = Some(item.service);
                    coming.push(command);
                    servers.extend(self.every_server(item.service));
                }
                Some(command) => servers.push(command),
            }
        }
        for item in settled {
            self.dirty.remove(&item);
            self.came_right(item);
        }
        coming.append(&mut servers);
        coming.append(&mut going);
        coming
    }

    /// What needs no command is not refused any more, nor missing, though no command of ours was seen to succeed: its answer
    /// was lost, or another program made it so. Of a service that is missing nothing is known of its servers.
    fn came_right(&mut self, item: Item) {
        let is_there = self.held.get(&item.service).is_some_and(Held::is_present);
        if item.server.is_some() && !is_there {
            return;
        }
        self.taken_away.remove(&item);
        if self.refused.remove(&item).is_some_and(|refused| refused.error.is_some()) {
            self.reports.push(item.thing().came(Fate::Accepted));
        }
    }

    fn service_command(&self, key: ServiceKey) -> Option<Command> {
        let held = self.held.get(&key)?;
        match (held.wanted_service(), held.present_service()) {
            (Some(wanted), None) => Some(Command::AddService(key, wanted.clone())),
            (Some(wanted), Some(present)) if present != wanted => {
                Some(Command::SetService(key, wanted.clone()))
            }
            (None, Some(_)) => Some(Command::DeleteService(key)),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    fn every_server(&self, key: ServiceKey) -> impl Iterator<Item = Command> + '_ {
        let servers = self.held.get(&key).into_iter().flat_map(Held::wanted_servers);
        servers.map(move |(server_key, server)| Command::AddServer(key, server_key, server))
    }

    /// None while the service is missing: its servers come with it.
    fn server_command(&self, item: Item) -> Option<Command> {
        let (key, server_key) = (item.service, item.server?);
        let held = self.held.get(&key).filter(|held| held.is_wanted() && held.is_present())?;
        match (held.wanted_server(server_key), held.present_server(server_key)) {
            (Some(wanted), None) => Some(Command::AddServer(key, server_key, wanted)),
            (Some(wanted), Some(found)) if !found.satisfies(wanted) => {
                Some(Command::SetServer(key, server_key, wanted))
            }
            (None, Some(_)) => Some(Command::DeleteServer(key, server_key)),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}
