//! What surrounds a router.

use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Wiring;

use crate::daemon::Daemon;
use crate::host::Host;
use crate::segment::Segment;

/// Between two reloads.
const RELOAD_INTERVAL: Duration = Duration::from_millis(700);
/// Packets that are sent at once, and the pause after them.
const FLOOD_BURST: usize = 64;
const FLOOD_PAUSE: Duration = Duration::from_millis(2);
/// IP protocol of VRRP (RFC 9568 section 5.1.1.4), and its group.
const VRRP: i32 = 112;
const GROUP: [u8; 4] = [224, 0, 0, 18];

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    /// Malformed packets sent.
    pub packets: u64,
    /// Interfaces made and deleted.
    pub links: u64,
    /// Reloads asked for.
    pub reloads: u64,
}

/// Goes on until [`Stress::end`] or until it is dropped.
pub(super) struct Stress {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    burners: Vec<Child>,
    _stranger: Arc<Host>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    packets: AtomicU64,
    links: AtomicU64,
    reloads: AtomicU64,
}

impl Stress {
    /// Burns every processor, floods the segment, makes links come and go on `master`, and reloads its daemon.
    pub(super) fn start(segment: &Segment, master: &Arc<Host>, daemon: &Daemon) -> Result<Self> {
        let stranger = segment.host("stranger")?;
        let mut stress = Self {
            shared: Arc::default(),
            threads: Vec::new(),
            burners: Vec::new(),
            _stranger: Arc::clone(&stranger),
        };
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..processors {
            let mut burner = Command::new("sh");
            burner.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            stress.burners.push(burner.spawn().context("starting a burner")?);
        }
        let socket = stranger
            .network()
            .run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP))))?
            .context("opening a raw socket to flood with")?;
        socket.set_multicast_ttl_v4(255)?;
        let own = stranger.addresses()?.into_iter().find_map(|address| match address {
            IpAddr::V4(address) if !address.is_loopback() => Some(address),
            _ => None,
        });
        socket.set_multicast_if_v4(&own.context("the stranger has no address")?)?;
        let wiring = Wiring::open(master.network())?;
        let other = Network::anonymous()?;
        let pid = daemon.pid();
        stress.spawn("flood", move |shared| flood(shared, &socket))?;
        stress.spawn("links", move |shared| links(shared, wiring, &other))?;
        stress.spawn("reloads", move |shared| reload(shared, pid))?;
        Ok(stress)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&Shared) + Send + 'static) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends it; what was done comes back.
    pub(super) fn end(self) -> Done {
        let shared = Arc::clone(&self.shared);
        drop(self);
        Done {
            packets: shared.packets.load(Ordering::Relaxed),
            links: shared.links.load(Ordering::Relaxed),
            reloads: shared.reloads.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Stress {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for burner in &mut self.burners {
            let _ = burner.kill();
            let _ = burner.wait();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Versions, types, lengths and checksums that none of them are.
fn flood(shared: &Shared, socket: &Socket) {
    let group = SockAddr::from(std::net::SocketAddr::from((GROUP, 0)));
    let mut number = 0_u8;
    while shared.goes_on() {
        for _ in 0..FLOOD_BURST {
            number = number.wrapping_add(1);
            let packet = [number, number.wrapping_mul(31), 0xff, number, 0, 10, 0xba, 0xad, 10, 0, 9, number];
            let length = usize::from(number) % (packet.len() + 1);
            if socket.send_to(packet.get(..length).unwrap_or_default(), &group).is_ok() {
                shared.packets.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::sleep(FLOOD_PAUSE);
    }
}

fn links(shared: &Shared, mut wiring: Wiring, other: &Network) {
    while shared.goes_on() {
        if wiring.create_veth("comes", "goes", other).is_ok() {
            shared.links.fetch_add(1, Ordering::Relaxed);
        }
        let _ = wiring.delete("comes");
    }
}

fn reload(shared: &Shared, pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    while shared.goes_on() {
        std::thread::sleep(RELOAD_INTERVAL);
        if kill_process(pid, Signal::HUP).is_ok() {
            shared.reloads.fetch_add(1, Ordering::Relaxed);
        }
    }
}
