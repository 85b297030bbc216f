//! A switch and the cables to it.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Wiring;

use crate::host::Host;

const BRIDGE: &str = "lan";
/// The other part of a switch that is split.
const FAR_BRIDGE: &str = "lan-far";

/// Prefix lengths of the addresses that hosts get.
const PREFIX_V4: u8 = 16;
const PREFIX_V6: u8 = 64;

/// Which packets of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ways {
    /// All.
    Both,
    /// Those that it would hear.
    ToHost,
    /// Those that it sends.
    FromHost,
}

/// A switch that floods multicast, as one broadcast domain.
#[derive(Debug)]
pub struct Segment {
    wiring: Mutex<Wiring>,
    switch: Network,
    hosts: AtomicU8,
}

impl Segment {
    /// A switch without any cable.
    ///
    /// # Errors
    /// When namespaces are not allowed.
    pub fn new() -> Result<Self> {
        let switch = Network::anonymous()?;
        let mut wiring = Wiring::open(&switch)?;
        wiring.create_bridge(BRIDGE)?;
        Ok(Self { wiring: Mutex::new(wiring), switch, hosts: AtomicU8::new(0) })
    }

    /// A host whose `eth0` is plugged in here. The n-th has 10.0.0.n/16 and fd00::n/64, counted
    /// from one. The name, unique on the segment, has at most 15 characters.
    ///
    /// # Errors
    /// The kernel's.
    pub fn host(&self, name: &str) -> Result<Arc<Host>> {
        let host = Arc::new(Host::new(name)?);
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        self.plug(&host, "eth0")?;
        host.assign("eth0", address_v4(number).into(), PREFIX_V4)?;
        host.assign("eth0", address_v6(number).into(), PREFIX_V6)?;
        Ok(host)
    }

    /// A host without addresses, to listen.
    ///
    /// # Errors
    /// The kernel's.
    pub fn listener(&self, name: &str) -> Result<Arc<Host>> {
        let host = Arc::new(Host::new(name)?);
        self.plug(&host, "eth0")?;
        Ok(host)
    }

    /// Joins a further interface of a host to this segment, up and without addresses.
    ///
    /// # Errors
    /// The kernel's.
    pub fn plug(&self, host: &Host, interface: &str) -> Result<()> {
        let port = host.name();
        let mut wiring = self.wiring();
        wiring.create_veth(port, interface, host.network()).with_context(|| format!("plugging {port} in"))?;
        wiring.attach(port, BRIDGE)?;
        wiring.set_up(port)?;
        host.set_up(interface)
    }

    /// Pulls the host's plug: nothing passes, and the host sees its carrier go.
    ///
    /// # Errors
    /// The kernel's.
    pub fn cut(&self, host: &Host) -> Result<()> {
        Ok(self.wiring().set_down(host.name())?)
    }

    /// Plugs the host in again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn restore(&self, host: &Host) -> Result<()> {
        Ok(self.wiring().set_up(host.name())?)
    }

    /// Lets nothing pass to or from the host, which keeps its carrier: a fault inside the switch.
    ///
    /// # Errors
    /// The kernel's.
    pub fn isolate(&self, host: &Host) -> Result<()> {
        Ok(self.wiring().detach(host.name())?)
    }

    /// Ends [`Segment::isolate`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn rejoin(&self, host: &Host) -> Result<()> {
        Ok(self.wiring().attach(host.name(), BRIDGE)?)
    }

    /// Splits the switch: these hosts hear each other, and nobody else hears them or is heard by them. All keep their carrier: a
    /// fault between two switches.
    ///
    /// # Errors
    /// The kernel's. A switch that is split already has no third part.
    pub fn split(&self, hosts: &[Arc<Host>]) -> Result<()> {
        let mut wiring = self.wiring();
        wiring.create_bridge(FAR_BRIDGE)?;
        Ok(hosts.iter().try_for_each(|host| wiring.attach(host.name(), FAR_BRIDGE))?)
    }

    /// Ends [`Segment::split`] of these hosts.
    ///
    /// # Errors
    /// The kernel's.
    pub fn unite(&self, hosts: &[Arc<Host>]) -> Result<()> {
        let mut wiring = self.wiring();
        hosts.iter().try_for_each(|host| wiring.attach(host.name(), BRIDGE))?;
        Ok(wiring.delete(FAR_BRIDGE)?)
    }

    /// Lets nothing pass to the host that is meant for all or for a group; what it sends passes, and it keeps its
    /// carrier: a switch that forgot a group.
    ///
    /// # Errors
    /// Without the program `bridge` of iproute2, and the kernel's.
    pub fn deafen(&self, host: &Host) -> Result<()> {
        self.flood(host, "off")
    }

    /// Ends [`Segment::deafen`].
    ///
    /// # Errors
    /// As there.
    pub fn let_hear(&self, host: &Host) -> Result<()> {
        self.flood(host, "on")
    }

    fn flood(&self, host: &Host, how: &str) -> Result<()> {
        let program = crate::program::find("bridge").context("there is no program `bridge` (iproute2)")?;
        let mut command = Command::new(program);
        command.args(["link", "set", "dev", host.name()]);
        command.args(["flood", how, "mcast_flood", how, "bcast_flood", how]);
        let output = self.switch.run(|| command.output())??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "bridge link set dev {}: {said}", host.name());
        Ok(())
    }

    /// Whether [`Segment::lose`] can do its work here.
    ///
    /// # Errors
    /// Why not.
    pub fn can_lose(&self) -> Result<()> {
        self.filter(&loss_table("nobody", 1, Ways::Both))?;
        self.filter("delete table bridge loss_nobody\n")
    }

    /// Loses so many percent of the packets to or from the host, by chance and without a word to anybody.
    ///
    /// # Errors
    /// Without the program `nft`, and the kernel's.
    pub fn lose(&self, host: &Host, percent: u8, ways: Ways) -> Result<()> {
        self.filter(&loss_table(host.name(), percent, ways))
    }

    /// Ends [`Segment::lose`].
    ///
    /// # Errors
    /// As there.
    pub fn lose_nothing(&self, host: &Host) -> Result<()> {
        self.filter(&format!("delete table bridge loss_{}\n", host.name()))
    }

    fn filter(&self, rules: &str) -> Result<()> {
        let program = crate::program::find("nft").context("there is no program `nft` (nftables)")?;
        let mut command = Command::new(program);
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = self.switch.run(|| command.spawn())??;
        let mut input = child.stdin.take().context("nft takes no input")?;
        let written = input.write_all(rules.as_bytes());
        drop(input);
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "nft: {said}");
        Ok(written?)
    }

    fn wiring(&self) -> MutexGuard<'_, Wiring> {
        self.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes from the host is lost before the switch makes copies of it: nobody hears it.
fn loss_table(port: &str, percent: u8, ways: Ways) -> String {
    let chain = |hook: &str, direction: &str, wanted: bool| {
        let lost = format!("{direction} {port} numgen random mod 100 < {percent} drop");
        let rule = if wanted { lost } else { String::new() };
        format!("    chain {hook} {{\n        type filter hook {hook} priority 0\n        {rule}\n    }}\n")
    };
    let to = chain("forward", "oifname", ways != Ways::FromHost);
    let from = chain("prerouting", "iifname", ways != Ways::ToHost);
    format!("table bridge loss_{port} {{\n{to}{from}}}\n")
}

/// The IPv4 address of the n-th host of a segment.
pub fn address_v4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

/// The IPv6 address of the n-th host of a segment.
pub fn address_v6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into())
}
