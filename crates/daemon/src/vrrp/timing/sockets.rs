//! The sockets of the timing thread.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use steadfast_bfd::{Hops, Path};
use steadfast_kernel::datagram::{
    BadDatagram, Datagram, ReceiveBatch, ReceiveSocket, SendSocket, SocketIndex,
};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_kernel::{Errno, Error};
use steadfast_vrrp::{InterfaceId, Moment};
use steadfast_wire::vrrp::IpProtocol;

use super::machines::Protocol;

/// Datagrams read with one system call.
const BATCH_DATAGRAMS: usize = 64;
/// Room for one: the IP header, the VRRP header, 255 IPv4 addresses and authentication data, or as
/// many IPv6 addresses as fit an Ethernet frame.
const DATAGRAM_BYTES: usize = 1_536;

/// Stands for no interface; digests give this number to none.
const ANY_INTERFACE: InterfaceId = InterfaceId(u32::MAX);

/// What a pair of sockets is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketKey {
    /// The instances' interface.
    pub(crate) interface: InterfaceId,
    /// Group or own address.
    pub(crate) place: Place,
    /// What brings the adverts; means nothing to sessions.
    pub(crate) ip_protocol: IpProtocol,
}

impl SocketKey {
    /// For sessions over such a path. Where it names no interface the routes choose.
    pub(crate) fn of_session(path: &Path) -> Self {
        let any = match path.remote {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let place = Place::Sessions { hops: path.hops, local: path.local.unwrap_or(any) };
        let interface = path.interface.map_or(ANY_INTERFACE, |interface| InterfaceId(interface.0));
        Self { interface, place, ip_protocol: IpProtocol::Vrrp }
    }

    /// For the echo packets of all sessions of a family.
    pub(crate) const fn of_echoes(ipv4: bool) -> Self {
        Self { interface: ANY_INTERFACE, place: Place::Echoes { ipv4 }, ip_protocol: IpProtocol::Vrrp }
    }

    /// The interface that it is bound to; sessions may do without.
    pub(crate) fn bound_to(&self) -> Option<InterfaceId> {
        Some(self.interface).filter(|interface| *interface != ANY_INTERFACE)
    }

    /// What is spoken there.
    pub(crate) const fn protocol(self) -> Protocol {
        match self.place {
            Place::Group(_) | Place::Source(_) => Protocol::Vrrp,
            Place::Sessions { .. } | Place::Echoes { .. } => Protocol::Bfd,
        }
    }
}

/// Group or own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A multicast group.
    Group(IpAddr),
    /// The own address, for unicast.
    Source(IpAddr),
    /// For sessions of BFD.
    Sessions {
        /// By which port.
        hops: Hops,
        /// The own address; unspecified for all of its family.
        local: IpAddr,
    },
    /// For echo packets of BFD.
    Echoes {
        /// Of IPv4, not of IPv6.
        ipv4: bool,
    },
}

/// Open sockets; a slot's number is its poller token.
pub(crate) struct Sockets {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    by_key: BTreeMap<SocketKey, usize>,
    batch: ReceiveBatch,
    unusable: u64,
    /// By sockets that are closed.
    lost_before: u64,
}

struct Slot {
    key: SocketKey,
    receive: ReceiveSocket,
    send: SendSocket,
}

impl Default for Sockets {
    fn default() -> Self {
        let batch = ReceiveBatch::new(BATCH_DATAGRAMS, DATAGRAM_BYTES);
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: BTreeMap::new(),
            batch,
            unusable: 0,
            lost_before: 0,
        }
    }
}

impl Sockets {
    /// Takes over a pair, in place of an earlier one for the same purpose. Its place in the table
    /// comes back.
    ///
    /// # Errors
    /// When the poller cannot watch it.
    pub(crate) fn open(
        &mut self,
        key: SocketKey,
        receive: ReceiveSocket,
        send: SendSocket,
        poller: &Poller,
    ) -> Result<SocketIndex, Error> {
        self.close(key, poller);
        let at = self.free.last().copied().unwrap_or(self.slots.len());
        let index = u32::try_from(at).map_err(|_| Error::new("count sockets", Errno::MFILE))?;
        poller.add(&receive, index.into(), Interest::Readable)?;
        let slot = Some(Slot { key, receive, send });
        match self.slots.get_mut(at) {
            Some(free) => {
                *free = slot;
                self.free.pop();
            }
            None => self.slots.push(slot),
        }
        self.by_key.insert(key, at);
        Ok(SocketIndex(index))
    }

    /// Closes a pair.
    pub(crate) fn close(&mut self, key: SocketKey, poller: &Poller) {
        let Some(at) = self.by_key.remove(&key) else { return };
        if let Some(slot) = self.slots.get_mut(at).and_then(Option::take) {
            self.lost_before += u64::from(slot.receive.lost());
            let _ = poller.remove(&slot.receive);
            self.free.push(at);
        }
    }

    /// How many pairs are open.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The poller tokens of all places, also of those that are free.
    pub(crate) fn tokens(&self) -> std::ops::Range<u64> {
        0..u64::try_from(self.slots.len()).unwrap_or(0)
    }

    /// Reads what waits at a socket, up to a bound. How many datagrams that were comes back: as many as the bound
    /// mean that there may be more.
    pub(crate) fn receive(
        &mut self,
        token: u64,
        at_most: usize,
        mut take: impl FnMut(Moment, SocketKey, &Datagram<'_>),
    ) -> usize {
        let at = usize::try_from(token).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { return 0 };
        let mut read = 0;
        while read < at_most {
            let Ok(more) = self.batch.receive(&mut slot.receive, at_most - read) else { break };
            for datagram in self.batch.iter() {
                read += 1;
                match datagram {
                    Ok(datagram) => take(Moment::from_nanos(datagram.arrival), slot.key, &datagram),
                    Err(BadDatagram::Truncated { .. } | BadDatagram::Header { .. }) => self.unusable += 1,
                }
            }
            if !more {
                break;
            }
        }
        read
    }

    /// The sending socket in a slot.
    pub(crate) fn sending(&self, index: SocketIndex) -> Option<BorrowedFd<'_>> {
        let slot = self.slots.get(index.0 as usize)?.as_ref()?;
        Some(slot.send.as_fd())
    }

    /// The interface whose adverts leave by a slot.
    pub(crate) fn interface(&self, index: SocketIndex) -> Option<InterfaceId> {
        let key = self.slots.get(index.0 as usize)?.as_ref()?.key;
        (key.protocol() == Protocol::Vrrp).then_some(key.interface)
    }

    /// Datagrams that the kernel dropped because a socket was full.
    pub(crate) fn lost(&self) -> u64 {
        let open = self.slots.iter().flatten().map(|slot| u64::from(slot.receive.lost()));
        self.lost_before + open.sum::<u64>()
    }

    /// Datagrams cut off or with a wrong IP header.
    pub(crate) fn unusable(&self) -> u64 {
        self.unusable
    }
}
