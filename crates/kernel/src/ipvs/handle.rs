//! The way to IPVS: one socket.

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};

use super::number::{FAMILY, command};
use super::{
    Command, ListedServer, ListedService, Outcome, Refusal, ServiceKey, SyncDaemon, SyncRole, encode,
};
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{self, Batch, Protocol, Requests, generic};

/// Asks and changes the table of one network namespace.
#[derive(Debug)]
pub struct Ipvs {
    requests: Requests,
    family: u16,
}

/// What the kernel says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Information {
    /// Version, one octet for each part: 0x010201 is 1.2.1.
    pub version: u32,
    /// Buckets of its connection table.
    pub connection_table_size: u32,
}

/// How long connections are remembered, in seconds. Setting 0 leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP.
    pub tcp_seconds: u32,
    /// TCP after a FIN.
    pub tcp_fin_seconds: u32,
    /// UDP.
    pub udp_seconds: u32,
}

impl Ipvs {
    /// Opens the way to the table of the network namespace of the calling thread. The kernel loads its module if it can.
    ///
    /// # Errors
    /// ENOENT when the kernel has no IPVS.
    pub fn open() -> Result<Self> {
        Self::over(Self::socket()?).map_err(|failed| failed.1)
    }

    /// A socket that leads to the table of the network namespace of the calling thread, whether the kernel has one or not.
    ///
    /// # Errors
    /// The kernel's, should it have no descriptor left.
    pub fn socket() -> Result<Requests> {
        Requests::open_for(Protocol::Generic)
    }

    /// Goes over a socket that is there already. The kernel loads its module if it can.
    ///
    /// # Errors
    /// ENOENT when the kernel has no IPVS; with the socket, for another attempt.
    pub fn over(mut socket: Requests) -> Result<Self, Box<(Requests, Error)>> {
        match generic::family(&mut socket, FAMILY) {
            Ok(family) => Ok(Self { requests: socket, family }),
            Err(error) => Err(Box::new((socket, error))),
        }
    }

    /// The number that the kernel gave the family.
    pub(crate) fn family(&self) -> u16 {
        self.family
    }

    /// The socket, for another attempt.
    pub fn into_socket(self) -> Requests {
        self.requests
    }

    /// What the kernel says of itself.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn information(&mut self) -> Result<Information> {
        let mut information = Information::default();
        let request = encode::message(command::GET_INFO);
        self.ask(NLM_F_ACK, &request, "ask for the version of IPVS", |answer| {
            information = Information::read(answer);
        })?;
        Ok(information)
    }

    /// Every service, without its servers.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn services(&mut self) -> Result<Vec<ListedService>> {
        let mut services = Vec::new();
        let request = encode::message(command::GET_SERVICE);
        self.ask(NLM_F_DUMP, &request, "list the services of IPVS", |answer| {
            services.extend(ListedService::read(answer));
        })?;
        Ok(services)
    }

    /// One service, if there is such.
    ///
    /// # Errors
    /// Another refusal.
    pub fn service(&mut self, key: ServiceKey) -> Result<Option<ListedService>> {
        let mut service = None;
        let request = encode::about_service(command::GET_SERVICE, key);
        let asked = self.ask(NLM_F_ACK, &request, "read a service of IPVS", |answer| {
            service = ListedService::read(answer);
        });
        match asked {
            Ok(()) => Ok(service),
            Err(error) if error.errno == Errno::SRCH => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The servers of a service; none if there is no such service.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn servers(&mut self, key: ServiceKey) -> Result<Vec<ListedServer>> {
        let mut servers = Vec::new();
        let request = encode::about_service(command::GET_DEST, key);
        self.ask(NLM_F_DUMP, &request, "list the servers of a service", |answer| {
            servers.extend(ListedServer::read(answer, key.family()));
        })?;
        Ok(servers)
    }

    /// Carries out commands in their order, in few large batches. The outcomes have the same order.
    ///
    /// # Errors
    /// Only when the socket itself fails; refusals are outcomes.
    pub fn send(&mut self, commands: &[Command]) -> Result<Vec<Outcome>> {
        let mut batch = Batch::default();
        for command in commands {
            batch.push_payload(self.family, 0, &encode::change(command));
        }
        let outcomes = self.requests.send(&mut batch)?;
        let outcomes = commands.iter().zip(outcomes).map(|(command, outcome)| match outcome {
            netlink::Outcome::Done => Outcome::Done,
            netlink::Outcome::Refused { errno, .. } => Outcome::Refused(Refusal::of(command, errno)),
            netlink::Outcome::Unknown => Outcome::Unknown,
        });
        Ok(outcomes.collect())
    }

    /// Removes every service of the namespace, whoever made it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn flush(&mut self) -> Result<()> {
        self.order(&encode::message(command::FLUSH), "remove all services of IPVS")
    }

    /// Sets the counters of a service and its servers to zero; of all services and the sums without a key.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn zero(&mut self, key: Option<ServiceKey>) -> Result<()> {
        let request = match key {
            Some(key) => encode::about_service(command::ZERO, key),
            None => encode::message(command::ZERO),
        };
        self.order(&request, "set the counters of IPVS to zero")
    }

    /// How long connections are remembered.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn timeouts(&mut self) -> Result<Timeouts> {
        let mut timeouts = Timeouts::default();
        let request = encode::message(command::GET_CONFIG);
        self.ask(NLM_F_ACK, &request, "read the timeouts of IPVS", |answer| {
            timeouts = Timeouts::read(answer)
        })?;
        Ok(timeouts)
    }

    /// Sets how long connections are remembered.
    ///
    /// # Errors
    /// EINVAL for what is too long.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<()> {
        self.order(&encode::set_timeouts(timeouts), "set the timeouts of IPVS")
    }

    /// The synchronisation daemons that run: at most one of each role.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>> {
        let mut daemons = Vec::new();
        let request = encode::message(command::GET_DAEMON);
        self.ask(NLM_F_DUMP, &request, "list the synchronisation daemons of IPVS", |answer| {
            daemons.extend(SyncDaemon::read(answer));
        })?;
        Ok(daemons)
    }

    /// Starts a synchronisation daemon.
    ///
    /// # Errors
    /// EEXIST when one of that role runs; ENODEV when the interface is missing.
    pub fn start_sync_daemon(&mut self, daemon: &SyncDaemon) -> Result<()> {
        self.order(&encode::start_daemon(daemon), "start a synchronisation daemon of IPVS")
    }

    /// Stops a synchronisation daemon.
    ///
    /// # Errors
    /// ESRCH when none runs.
    pub fn stop_sync_daemon(&mut self, role: SyncRole) -> Result<()> {
        self.order(&encode::stop_daemon(role), "stop a synchronisation daemon of IPVS")
    }

    fn ask(&mut self, flags: u16, request: &[u8], attempted: &str, take: impl FnMut(&[u8])) -> Result<()> {
        self.requests.query(self.family, flags, request, attempted, take)
    }

    fn order(&mut self, request: &[u8], attempted: &'static str) -> Result<()> {
        let mut batch = Batch::default();
        batch.push_payload(self.family, 0, request);
        match self.requests.send(&mut batch)?.pop() {
            Some(netlink::Outcome::Done) => Ok(()),
            Some(netlink::Outcome::Refused { errno, kernel_message }) => {
                let error = Error { kernel_message, ..Error::new(attempted, errno) };
                Err(error.needing(Capability::NetAdmin))
            }
            Some(netlink::Outcome::Unknown) | None => Err(Error::new(attempted, Errno::NOBUFS)),
        }
    }
}
