//! Servers in the place of names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_config::model::{ServerAddress, VirtualServer};
use steadfast_wire::vrrp::Family;

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Query {
    pub(crate) name: Arc<str>,
    pub(crate) family: Family,
}

/// A server that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) address: IpAddr,
    /// Of a service (SRV), which has its port and its share.
    pub(crate) port_and_weight: Option<(u16, u16)>,
}

/// What is known of names.
pub(crate) type Known = BTreeMap<Query, Vec<Endpoint>>;

/// Puts the servers that names stand for in the place of the names.
pub(crate) fn expand(known: &Known, service: &mut VirtualServer) {
    if service.real_servers.iter().all(|server| server.name.is_none()) {
        return;
    }
    let addressed = service.real_servers.iter().filter(|server| server.name.is_none());
    let mut taken: BTreeSet<ServerAddress> = addressed.map(|server| server.address).collect();
    let mut servers = Vec::new();
    for server in std::mem::take(&mut service.real_servers) {
        let Some(name) = server.name.as_deref() else {
            servers.push(server);
            continue;
        };
        let query = Query { name: Arc::from(&**name), family: service.family };
        for endpoint in known.get(&query).into_iter().flatten() {
            let mut found = server.clone();
            found.name = None;
            found.address.address = endpoint.address;
            if let Some((port, weight)) = endpoint.port_and_weight {
                found.address.port = port;
                found.weight = i32::from(weight.max(1));
            }
            if taken.insert(found.address) {
                servers.push(found);
            }
        }
    }
    service.real_servers = servers;
}
