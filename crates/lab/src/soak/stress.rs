//! What surrounds a router.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Wiring;

use super::configuration::{Configuration, FIFO, Many, last_of_many};
use super::{Pair, configuration, disk};
use crate::host::Host;
use crate::wait;

/// Between two reloads.
const RELOAD_INTERVAL: Duration = Duration::from_millis(700);
/// The instance with many addresses comes, or goes, with every so many reloads: it has time to become master.
const RELOADS_OF_ONE_FILE: u32 = 4;
/// Packets that are sent at once, and from one such burst to the next: 100,000 a second, if the kernel takes as many.
const FLOOD_BURST: usize = 250;
const FLOOD_INTERVAL: Duration = Duration::from_micros(2_500);
/// What is sent later than this is not sent at all.
const FLOOD_LAG: Duration = Duration::from_millis(50);
/// Between two stalls of the disk.
const DISK_INTERVAL: Duration = Duration::from_millis(600);
/// The least that the kernel gives a FIFO room for.
const FIFO_BYTES: usize = 4_096;
const FIFO_LIMIT: Duration = Duration::from_secs(5);
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
    /// Times that the instance with many addresses came, to its last one.
    pub many_addresses: u64,
    /// Times that the disk stalled.
    pub disk_stalls: u64,
}

/// Goes on until [`Stress::end`] or until it is dropped.
pub(super) struct Stress {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    burners: Vec<Child>,
    _stranger: Arc<Host>,
    _fifo: File,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    packets: AtomicU64,
    links: AtomicU64,
    many_addresses: AtomicU64,
    disk_stalls: AtomicU64,
}

impl Stress {
    /// Burns every processor, floods the segment, and makes links come and go, the log's disk stall, a FIFO be full and the daemon
    /// reload on the master.
    pub(super) fn start(pair: &Pair) -> Result<Self> {
        let Pair { segment, master, .. } = pair;
        let stranger = segment.host("stranger")?;
        let mut stress = Self {
            shared: Arc::default(),
            threads: Vec::new(),
            burners: Vec::new(),
            _stranger: Arc::clone(&stranger),
            _fifo: occupy(&master.outside(FIFO))?,
        };
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..processors {
            let mut burner = Command::new("sh");
            // None outlives this program, however that ends.
            burner.args(["-c", "while kill -0 $PPID; do :; done"]).stdin(Stdio::null()).stderr(Stdio::null());
            stress.burners.push(burner.spawn().context("starting a burner")?);
        }
        let socket = stranger
            .network()
            .run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP))))?
            .context("opening a raw socket to flood with")?;
        socket.set_multicast_ttl_v4(255)?;
        socket.set_multicast_loop_v4(false)?;
        let own = stranger.addresses()?.into_iter().find_map(|address| match address {
            IpAddr::V4(address) if !address.is_loopback() => Some(address),
            _ => None,
        });
        socket.set_multicast_if_v4(&own.context("the stranger has no address")?)?;
        let wiring = Wiring::open(master.network())?;
        let other = Network::anonymous()?;
        let reloads = Reloads::of(pair)?;
        stress.spawn("flood", move |shared| flood(shared, &socket))?;
        stress.spawn("links", move |shared| links(shared, wiring, &other))?;
        stress.spawn("reloads", move |shared| reloads.go_on(shared))?;
        if pair.configuration.disk {
            let place = master.outside(disk::PLACE);
            stress.spawn("disk", move |shared| stall_disk(shared, &place))?;
        }
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
            many_addresses: shared.many_addresses.load(Ordering::Relaxed),
            disk_stalls: shared.disk_stalls.load(Ordering::Relaxed),
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
    let mut next = Instant::now();
    while shared.goes_on() {
        for _ in 0..FLOOD_BURST {
            number = number.wrapping_add(1);
            let packet = [number, number.wrapping_mul(31), 0xff, number, 0, 10, 0xba, 0xad, 10, 0, 9, number];
            let length = usize::from(number) % (packet.len() + 1);
            if socket.send_to(packet.get(..length).unwrap_or_default(), &group).is_ok() {
                shared.packets.fetch_add(1, Ordering::Relaxed);
            }
        }
        next += FLOOD_INTERVAL;
        let now = Instant::now();
        std::thread::sleep(next.saturating_duration_since(now));
        next = next.max(now.checked_sub(FLOOD_LAG).unwrap_or(now));
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

/// Of the master's daemon.
struct Reloads {
    host: Arc<Host>,
    file: String,
    configuration: Configuration,
    pid: Pid,
}

impl Reloads {
    fn of(pair: &Pair) -> Result<Self> {
        let [daemon, _] = &pair.daemons;
        let pid = i32::try_from(daemon.pid()).ok().and_then(Pid::from_raw);
        Ok(Self {
            host: Arc::clone(&pair.master),
            file: format!("{}/conf", daemon.folder()),
            configuration: pair.configuration.clone(),
            pid: pid.context("the daemon has no number")?,
        })
    }

    fn write(&self, many: Many) -> Result<()> {
        configuration::write_servers(&self.host, many)?;
        configuration::replace(&self.host, &self.file, &self.configuration.text(many))
    }

    fn go_on(&self, shared: &Shared) {
        for many in [Many::Present, Many::Absent].into_iter().cycle() {
            if !shared.goes_on() || self.write(many).is_err() {
                return;
            }
            for _ in 0..RELOADS_OF_ONE_FILE {
                std::thread::sleep(RELOAD_INTERVAL);
                let _ = kill_process(self.pid, Signal::HUP);
            }
            if many == Many::Present && self.host.has(last_of_many()) {
                shared.many_addresses.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Keeps a FIFO open, fills it and reads nothing.
fn occupy(path: &Path) -> Result<File> {
    let never_waits = OFlags::NONBLOCK.bits().cast_signed();
    let open = || OpenOptions::new().read(true).write(true).custom_flags(never_waits).open(path).ok();
    let mut fifo = wait::value(FIFO_LIMIT, open).with_context(|| format!("opening {}", path.display()))?;
    rustix::pipe::fcntl_setpipe_size(&fifo, FIFO_BYTES)?;
    let full = loop {
        if let Err(error) = fifo.write(b"\n") {
            break error;
        }
    };
    anyhow::ensure!(full.kind() == ErrorKind::WouldBlock, "filling {}: {full}", path.display());
    Ok(fifo)
}

fn stall_disk(shared: &Shared, place: &Path) {
    while shared.goes_on() {
        if disk::stall(place) {
            shared.disk_stalls.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(DISK_INTERVAL);
    }
}
