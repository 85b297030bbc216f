//! The advert of an instance, kept ready to send (RFC 9568 and RFC 3768 section 7.2).

use std::net::IpAddr;
use std::sync::Arc;

use steadfast_time::Moment;
use steadfast_wire::vrrp::{
    Advertisement, Carrier, Envelope, Form, HOP_LIMIT, Key, Priority, Signature, TRAILER_LENGTH, WriteError,
    pseudo_header, seal,
};

use crate::action::{Destination, Sink, Transmit};
use crate::config::{Authentication, EarlyChecksum, InstanceConfig, Transport};
use crate::proof::{Proofs, kind};

/// Where the checksum stands in the message (RFC 9568 section 5.1).
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// Built once, and again only when priority, source or configuration change. Sending allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Advert {
    message: Vec<u8>,
    /// One for each peer where the checksum covers the destination; else empty.
    checksums: Vec<[u8; 2]>,
    /// What was sent last where each advert is proven anew.
    proven: Vec<u8>,
    /// A peer has the checksum of early versions.
    early_checksum: bool,
    built_for: Option<(IpAddr, Priority)>,
    #[cfg(test)]
    pub(crate) builds: u32,
}

impl Advert {
    /// The configuration changed: build anew before sending.
    pub(crate) fn invalidate(&mut self) {
        self.built_for = None;
    }

    /// A peer has the checksum of early versions: adverts have it from here on. False if they did already.
    pub(crate) fn speak_early_checksum(&mut self) -> bool {
        let first = !self.early_checksum;
        self.early_checksum = true;
        self.built_for = self.built_for.filter(|_| !first);
        first
    }

    /// Whether a peer was found that has the checksum of early versions.
    pub(crate) const fn early_checksum(&self) -> bool {
        self.early_checksum
    }

    /// Sends to the group, or to each peer; returns how many datagrams that are.
    pub(crate) fn send(
        &mut self,
        now: Moment,
        config: &InstanceConfig,
        (source, priority): (IpAddr, Priority),
        proofs: &mut Proofs,
        sink: &mut impl Sink,
    ) -> u64 {
        if let Some(trailer) = config.trailer().filter(|trailer| trailer.signs) {
            let Some(key) = trailer.keys.iter().find(|key| key.id == trailer.active) else { return 0 };
            let signature = Signature { key, stamp: proofs.next_stamp(now, trailer), source };
            return self.send_signed(config, priority, &signature, sink);
        }
        if self.built_for != Some((source, priority)) {
            if self.build(config, source, priority).is_err() {
                // `sound` has put such an instance into FAULT before it could send.
                return 0;
            }
            self.built_for = Some((source, priority));
        }
        match (&config.authentication, &config.transport) {
            (Authentication::Header(key), _) => {
                let sequence = proofs.next_sequence(now, config);
                self.send_behind_header(config, source, key, sequence, sink)
            }
            (_, Transport::Multicast { group }) => {
                let advert = self.transmit(config, source, Destination::Group(*group), HOP_LIMIT);
                sink.transmit(advert).into()
            }
            (_, Transport::Unicast { peers, ttl, .. }) => {
                let hop_limit = ttl.unwrap_or(HOP_LIMIT);
                if self.checksums.is_empty() {
                    let advert = self.transmit(config, source, Destination::Peers(peers), hop_limit);
                    let queued = sink.transmit(advert);
                    return if queued { u64::try_from(peers.len()).unwrap_or(u64::MAX) } else { 0 };
                }
                let mut sent = 0;
                for (peer, sum) in peers.iter().zip(&self.checksums) {
                    if let Some(field) = self.message.get_mut(CHECKSUM) {
                        field.copy_from_slice(sum);
                    }
                    let destination = Destination::Peers(std::slice::from_ref(peer));
                    sent += u64::from(sink.transmit(self.transmit(config, source, destination, hop_limit)));
                }
                sent
            }
        }
    }

    /// The digest covers the destination.
    fn send_behind_header(
        &mut self,
        config: &InstanceConfig,
        source: IpAddr,
        key: &Key,
        sequence: u32,
        sink: &mut impl Sink,
    ) -> u64 {
        let IpAddr::V4(own) = source else { return 0 };
        let mut sent = 0;
        for (destination, ttl) in destinations(config) {
            let IpAddr::V4(to) = destination.address() else { continue };
            let envelope = Envelope { source: own, destination: to, ttl };
            let identification = envelope.write(key, sequence, &self.message, &mut self.proven);
            let carrier = Carrier::AuthenticationHeader { identification: identification.get() };
            let plain = self.transmit(config, source, destination, ttl);
            sent += u64::from(sink.transmit(Transmit { carrier, message: &self.proven, ..plain }));
        }
        sent
    }

    /// One signature for all peers, since it does not cover the destination; the checksum may.
    fn send_signed(
        &mut self,
        config: &InstanceConfig,
        priority: Priority,
        signature: &Signature<'_>,
        sink: &mut impl Sink,
    ) -> u64 {
        let source = signature.source;
        let advertisement = advertisement(config, priority);
        let mut sent = 0;
        let mut written = false;
        for (destination, ttl) in destinations(config) {
            let to = destination.address();
            let pseudo = pseudo_header(config.interval.version(), source, to, config.v3_checksum_as_v2);
            let Some(pseudo) = pseudo else { continue };
            if !written {
                written = advertisement.write_signed(pseudo, signature, &mut self.proven).is_ok();
            } else {
                let length = self.proven.len().saturating_sub(TRAILER_LENGTH);
                seal(config.family, length, pseudo, &mut self.proven);
            }
            let plain = self.transmit(config, source, destination, ttl);
            sent += u64::from(written && sink.transmit(Transmit { message: &self.proven, ..plain }));
        }
        sent
    }

    /// Sends datagrams without a message where adverts would go; whether there is a socket for them comes back.
    pub(crate) fn send_empty(&self, config: &InstanceConfig, source: IpAddr, sink: &mut impl Sink) -> bool {
        let destination = match &config.transport {
            Transport::Multicast { group } => Destination::Group(*group),
            Transport::Unicast { peers, .. } => Destination::Peers(peers),
        };
        sink.transmit(Transmit { message: &[], ..self.transmit(config, source, destination, 0) })
    }

    fn transmit<'a>(
        &'a self,
        config: &InstanceConfig,
        source: IpAddr,
        destination: Destination<'a>,
        hop_limit: u8,
    ) -> Transmit<'a> {
        Transmit {
            instance: config.id,
            interface: config.adverts_on,
            source,
            destination,
            hop_limit,
            carrier: carrier(config),
            message: &self.message,
        }
    }

    fn build(
        &mut self,
        config: &InstanceConfig,
        source: IpAddr,
        priority: Priority,
    ) -> Result<(), WriteError> {
        #[cfg(test)]
        {
            self.builds += 1;
        }
        self.checksums.clear();
        match &config.transport {
            Transport::Multicast { group } => self.write(config, source, *group, priority),
            Transport::Unicast { peers, .. } => {
                let early = self.early_checksum || matches!(config.early_checksum, EarlyChecksum::Spoken(_));
                let group = config.early_checksum_group().filter(|_| early);
                for peer in peers {
                    self.write(config, source, group.unwrap_or(peer.address), priority)?;
                    if let Some(&[high, low]) = self.message.get(CHECKSUM) {
                        self.checksums.push([high, low]);
                    }
                }
                let first = self.checksums.first().copied();
                if self.checksums.iter().all(|sum| Some(*sum) == first) {
                    self.checksums.clear();
                }
                Ok(())
            }
        }
    }

    fn write(
        &mut self,
        config: &InstanceConfig,
        source: IpAddr,
        destination: IpAddr,
        priority: Priority,
    ) -> Result<(), WriteError> {
        let wrong_family = WriteError::AddressFamily { expected: config.family, found: destination };
        let pseudo = pseudo_header(config.interval.version(), source, destination, config.v3_checksum_as_v2)
            .ok_or(wrong_family)?;
        advertisement(config, priority).write(pseudo, &mut self.message)
    }
}

fn advertisement(config: &InstanceConfig, priority: Priority) -> Advertisement<'_> {
    Advertisement {
        vrid: config.vrid,
        priority,
        form: Form::of(config.interval, kind(config)),
        family: config.family,
        addresses: &config.addresses,
    }
}

/// What stands before a message that says nothing.
const fn carrier(config: &InstanceConfig) -> Carrier {
    match config.authentication {
        Authentication::Header(_) => Carrier::AuthenticationHeader { identification: 1 },
        _ => Carrier::Ip,
    }
}

/// The group, or each peer alone, with the hop limit to get there.
fn destinations(config: &InstanceConfig) -> impl Iterator<Item = (Destination<'_>, u8)> {
    let (group, peers, ttl) = match &config.transport {
        Transport::Multicast { group } => (Some(*group), [].as_slice(), None),
        Transport::Unicast { peers, ttl, .. } => (None, peers.as_slice(), *ttl),
    };
    let peers = peers.chunks(1).map(Destination::Peers);
    group.map(Destination::Group).into_iter().chain(peers).map(move |to| (to, ttl.unwrap_or(HOP_LIMIT)))
}

/// `config` itself, or, if no advert can be made from it, the same with a permanent fault that says so.
pub(crate) fn sound(config: Arc<InstanceConfig>) -> Arc<InstanceConfig> {
    if config.broken.is_some() {
        return config;
    }
    let stand_in: IpAddr = match config.family {
        steadfast_wire::vrrp::Family::V4 => std::net::Ipv4Addr::LOCALHOST.into(),
        steadfast_wire::vrrp::Family::V6 => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    let source = config.source.unwrap_or(stand_in);
    match Advert::default().build(&config, source, config.priority) {
        Ok(()) => config,
        Err(error) => {
            Arc::new(InstanceConfig { broken: Some(Arc::from(error.to_string())), ..(*config).clone() })
        }
    }
}
