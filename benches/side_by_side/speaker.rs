//! A master of many virtual routers that is nothing but its adverts.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use steadfast_lab::Host;
use steadfast_wire::ipv4::PROTOCOL_VRRP;
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Centiseconds, Family, Form, HOP_LIMIT, Priority, Version,
    Vrid, pseudo_header,
};

use crate::configuration::address;
use crate::switches::{interfaces, own_address, place};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Above what the daemons are configured with.
const PRIORITY: Priority = Priority::new(200);

/// Speaks until it is dropped.
#[derive(Debug)]
pub(crate) struct Speaker {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    /// Adverts of `instances` virtual routers from the `number`-th host, spread evenly over the interval.
    pub(crate) fn start(host: &Host, number: u8, instances: u16, interval: Duration) -> Result<Self> {
        let open = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(PROTOCOL_VRRP))));
        let mut spoken = Vec::new();
        for interface in 0..interfaces(instances) {
            let source = own_address(interface, number);
            let socket = host.network().run(open)??;
            socket.set_multicast_if_v4(&source)?;
            socket.set_multicast_ttl_v4(u32::from(HOP_LIMIT))?;
            socket.set_multicast_loop_v4(false)?;
            let here = (0..instances).filter(|instance| place(*instance).0 == interface);
            let adverts = here.map(|instance| advert(instance, number, interval));
            spoken.push((socket, adverts.collect::<Result<Vec<_>>>()?));
        }
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let speak = move || speak(&spoken, interval, &end);
        let thread = std::thread::Builder::new().name("speaker".to_owned()).spawn(speak)?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The advert of an instance by the n-th host.
pub(crate) fn advert(instance: u16, number: u8, interval: Duration) -> Result<Vec<u8>> {
    let (interface, router) = place(instance);
    let source = own_address(interface, number);
    let centiseconds = u16::try_from(interval.as_millis() / 10).ok().and_then(Centiseconds::new);
    let centiseconds =
        centiseconds.with_context(|| format!("{interval:?} is no advert interval of version 3"))?;
    let vrid = Vrid::new(router.saturating_add(1)).context("virtual routers are numbered from 1 to 255")?;
    let addresses = [IpAddr::V4(address(instance, 0))];
    let advertisement = Advertisement {
        vrid,
        priority: PRIORITY,
        form: Form::of(AdvertInterval::Centiseconds(centiseconds), Authentication::None),
        family: Family::V4,
        addresses: &addresses,
    };
    let pseudo = pseudo_header(Version::V3, source.into(), GROUP.into(), false)
        .context("source and group are of one family")?;
    let mut octets = Vec::new();
    advertisement.write(pseudo, &mut octets)?;
    Ok(octets)
}

fn speak(spoken: &[(Socket, Vec<Vec<u8>>)], interval: Duration, over: &AtomicBool) {
    let count = spoken.iter().map(|(_, adverts)| adverts.len()).sum::<usize>();
    let gap = interval / u32::try_from(count).unwrap_or(1).max(1);
    let mut due = Instant::now();
    let adverts =
        spoken.iter().flat_map(|(socket, adverts)| adverts.iter().map(move |advert| (socket, advert)));
    for (socket, advert) in adverts.cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        // What does not fit is sent later, as a real master would.
        let _ = socket.send_to(advert, &SocketAddrV4::new(GROUP, 0).into());
        due += gap;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
