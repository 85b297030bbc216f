//! What the kernel alone costs: loops that send, or receive, the same packets with one system call a batch and do nothing
//! else.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use steadfast_kernel::datagram::{
    Endpoint, Packet, ReceiveBatch, ReceiveSocket, SendBatch, SendSocket, SocketIndex,
};
use steadfast_lab::Host;
use steadfast_wire::vrrp::{Carrier, HOP_LIMIT, IpProtocol};

use crate::speaker::advert;
use crate::switches::{interfaces, own_address, place};

const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
/// Masters that send at one moment.
const TOGETHER: usize = 64;
/// Moments of an interval at which a receiver reads what has gathered.
const READINGS: u32 = 20;
/// Datagrams of one call, and room for each.
const DATAGRAMS: usize = 64;
const DATAGRAM_BYTES: usize = 1_536;

/// Processor time of an advert that a thread sends which does nothing else, in microseconds.
pub(crate) fn of_sending(host: &Arc<Host>, number: u8, instances: u16, seconds: u64) -> Result<f64> {
    let host = Arc::clone(host);
    in_a_thread(move || {
        let mut sockets = Vec::new();
        for endpoint in endpoints(&host, instances)? {
            sockets.push(host.network().run(|| SendSocket::open(endpoint))??);
        }
        let indexes = endpoints(&host, instances)?.iter().map(Endpoint::interface).collect::<Vec<_>>();
        let adverts = (0..instances).map(|instance| {
            let (interface, _) = place(instance);
            let index = indexes.get(usize::from(interface)).copied().flatten();
            Ok((
                interface,
                index,
                own_address(interface, number),
                advert(instance, number, Duration::from_secs(1))?,
            ))
        });
        let adverts = adverts.collect::<Result<Vec<_>>>()?;
        let slots: Vec<_> = adverts.chunks(TOGETHER).collect();
        let gap = Duration::from_secs(1) / u32::try_from(slots.len())?.max(1);
        let mut batch = SendBatch::default();
        let (mut due, mut sent, before) = (Instant::now(), 0_u32, processor_time()?);
        for slot in slots.iter().cycle().take(slots.len() * usize::try_from(seconds)?) {
            for (interface, index, source, message) in *slot {
                let packet = Packet {
                    source: (*source).into(),
                    destination: GROUP,
                    hop_limit: HOP_LIMIT,
                    carrier: Carrier::Ip,
                    message,
                };
                batch.push(SocketIndex((*interface).into()), *index, &packet, 0);
            }
            let socket = |SocketIndex(index)| sockets.get(usize::try_from(index).ok()?).map(AsFd::as_fd);
            sent += u32::try_from(batch.flush(socket))?;
            due += gap;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok((processor_time()? - before).as_secs_f64() * 1e6 / f64::from(sent.max(1)))
    })
}

/// The same of an advert that it receives.
pub(crate) fn of_receiving(
    host: &Arc<Host>,
    instances: u16,
    interval: Duration,
    seconds: u64,
) -> Result<f64> {
    let host = Arc::clone(host);
    in_a_thread(move || {
        let mut sockets = Vec::new();
        for endpoint in endpoints(&host, instances)? {
            sockets.push(host.network().run(|| ReceiveSocket::open(endpoint, IpProtocol::Vrrp))??);
        }
        let mut batch = ReceiveBatch::new(DATAGRAMS, DATAGRAM_BYTES);
        let (mut due, mut heard, before) = (Instant::now(), 0_u32, processor_time()?);
        let end = due + Duration::from_secs(seconds);
        while due < end {
            due += interval / READINGS;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            for socket in &mut sockets {
                while batch.receive(socket, DATAGRAMS).is_ok_and(|more| {
                    heard += u32::try_from(batch.iter().count()).unwrap_or(0);
                    more
                }) {}
            }
        }
        Ok((processor_time()? - before).as_secs_f64() * 1e6 / f64::from(heard.max(1)))
    })
}

/// A group socket for each interface.
fn endpoints(host: &Host, instances: u16) -> Result<Vec<Endpoint>> {
    let endpoint = |interface: u8| {
        let interface = host.wiring().index(&format!("eth{interface}"))?;
        Ok(Endpoint::Group { interface, group: GROUP })
    };
    (0..interfaces(instances)).map(endpoint).collect()
}

fn in_a_thread(work: impl FnOnce() -> Result<f64> + Send + 'static) -> Result<f64> {
    std::thread::spawn(work).join().map_err(|_| anyhow::anyhow!("the loop panicked"))?
}

/// Of this thread, as the scheduler counts it.
fn processor_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.context("no processor time of the thread")?))
}
