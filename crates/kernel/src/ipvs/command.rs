//! Changes of the table.

use std::fmt;

use super::{Server, ServerKey, Service, ServiceKey};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Makes a service, without servers.
    AddService(ServiceKey, Service),
    /// Changes all its settings. Changing the scheduler costs new connections of the moment between the two.
    SetService(ServiceKey, Service),
    /// Removes it with its servers.
    DeleteService(ServiceKey),
    /// Makes a server of a service.
    AddServer(ServiceKey, ServerKey, Server),
    /// Changes all its settings.
    SetServer(ServiceKey, ServerKey, Server),
    /// Removes it.
    DeleteServer(ServiceKey, ServerKey),
}

impl Command {
    /// The service it concerns.
    pub const fn service(&self) -> ServiceKey {
        match self {
            Self::AddService(key, _) | Self::SetService(key, _) | Self::DeleteService(key) => *key,
            Self::AddServer(key, ..) | Self::SetServer(key, ..) | Self::DeleteServer(key, _) => *key,
        }
    }

    /// The server it concerns, if it does not concern the service itself.
    pub const fn server(&self) -> Option<ServerKey> {
        match self {
            Self::AddService(..) | Self::SetService(..) | Self::DeleteService(_) => None,
            Self::AddServer(_, key, _) | Self::SetServer(_, key, _) | Self::DeleteServer(_, key) => {
                Some(*key)
            }
        }
    }
}

/// Worded to stand behind "cannot".
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service();
        match self {
            Self::AddService(..) => write!(f, "add the service {service}"),
            Self::SetService(..) => write!(f, "change the service {service}"),
            Self::DeleteService(_) => write!(f, "remove the service {service}"),
            Self::AddServer(_, server, _) => write!(f, "add the server {server} to the service {service}"),
            Self::SetServer(_, server, _) => write!(f, "change the server {server} of the service {service}"),
            Self::DeleteServer(_, server) => {
                write!(f, "remove the server {server} from the service {service}")
            }
        }
    }
}
