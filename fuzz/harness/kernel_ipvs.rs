//! Any octets as what the kernel tells of IPVS. Also run over the committed corpus by the ordinary tests.

use steadfast_kernel::ipvs::{ListedServer, ListedService, SyncDaemon};
use steadfast_wire::vrrp::Family;

pub(crate) fn run(octets: &[u8]) {
    if let Some(listed) = ListedService::read(octets) {
        assert!(!listed.service.scheduler.as_str().is_empty());
        let _ = listed.key.to_string();
    }
    for family in [Family::V4, Family::V6] {
        if let Some(listed) = ListedServer::read(octets, family) {
            assert!(listed.server.satisfies(listed.server));
        }
    }
    if let Some(daemon) = SyncDaemon::read(octets) {
        assert!(daemon.satisfies(&daemon));
    }
}
