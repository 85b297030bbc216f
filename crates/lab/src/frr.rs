//! FRR's vrrpd and bfdd, with the zebra that they need.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::daemon::Daemon;
use crate::host::Host;
use crate::permission::left_out;
use crate::program::find;
use crate::wait;

const FOLDER: &str = "/run/frr";
const DAEMONS: &str = "/usr/lib/frr";
const START_LIMIT: Duration = Duration::from_secs(10);

/// One virtual router for vrrpd.
#[derive(Debug, Clone)]
pub struct VirtualRouter {
    /// Interface of the host.
    pub interface: String,
    /// 1 to 255.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// 1 to 254.
    pub priority: u8,
    /// In whole centiseconds for version 3, in whole seconds for version 2.
    pub advert_interval: Duration,
    /// All of one family.
    pub addresses: Vec<IpAddr>,
}

/// FRR on a host.
#[derive(Debug)]
pub struct Router {
    // vrrpd ends first.
    vrrpd: Daemon,
    _zebra: Daemon,
}

impl Router {
    /// Whether FRR is installed. Says that `test` is left out otherwise.
    pub fn installed(test: &str) -> bool {
        let installed = Path::new(DAEMONS).join("vrrpd").is_file() && find("vtysh").is_some();
        if !installed {
            left_out(test, "FRR is not installed (Debian: apt-get install frr)");
        }
        installed
    }

    /// Starts zebra and vrrpd. They drop their rights to the user frr, so that it takes root.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(host: &Arc<Host>, virtual_routers: &[VirtualRouter]) -> Result<Self> {
        for router in virtual_routers {
            prepare_interface(host, router)?;
        }
        let zebra = start_zebra(host, &configuration_text(virtual_routers))?;
        let vrrpd = start(host, "vrrpd")?;
        let router = Self { vrrpd, _zebra: zebra };
        if !wait::until(START_LIMIT, || router.show().is_ok_and(|shown| shown.contains("vrid"))) {
            bail!("vrrpd knows no virtual router:\n{}", router.vrrpd.log_tail());
        }
        Ok(router)
    }

    /// `show vrrp json`.
    ///
    /// # Errors
    /// When vtysh cannot be run.
    pub fn show(&self) -> Result<String> {
        let shown = self.vrrpd.host().run(&["vtysh", "--vty_socket", FOLDER, "-c", "show vrrp json"])?;
        Ok(shown.output)
    }

    /// The daemon, to signal it and read its log.
    pub fn vrrpd(&self) -> &Daemon {
        &self.vrrpd
    }
}

/// FRR's bfdd on a host.
#[derive(Debug)]
pub struct Bfd {
    // bfdd ends first.
    bfdd: Daemon,
    _zebra: Daemon,
}

impl Bfd {
    /// Starts zebra and bfdd with the lines of a `bfd` block.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn start(host: &Arc<Host>, peers: &str) -> Result<Self> {
        let zebra = start_zebra(host, &format!("bfd\n{peers}!\n"))?;
        let bfdd = start(host, "bfdd")?;
        let bfd = Self { bfdd, _zebra: zebra };
        if !wait::until(START_LIMIT, || bfd.show().is_ok_and(|shown| shown.contains("peer"))) {
            bail!("bfdd knows no peer:\n{}", bfd.bfdd.log_tail());
        }
        Ok(bfd)
    }

    /// `show bfd peers json`.
    ///
    /// # Errors
    /// When vtysh cannot be run.
    pub fn show(&self) -> Result<String> {
        let words = ["vtysh", "--vty_socket", FOLDER, "-c", "show bfd peers json"];
        Ok(self.bfdd.host().run(&words)?.output)
    }

    /// The daemon, to signal it and read its log.
    pub fn bfdd(&self) -> &Daemon {
        &self.bfdd
    }
}

/// vrrpd takes the addresses of a virtual router from a macvlan with its link-layer address
/// (RFC 9568 section 7.3).
fn prepare_interface(host: &Host, router: &VirtualRouter) -> Result<()> {
    let family = match router.addresses.first() {
        Some(IpAddr::V4(_)) => 1,
        Some(IpAddr::V6(_)) => 2,
        None => bail!("a virtual router without addresses"),
    };
    let name = format!("vr{family}-{}", router.vrid);
    let hardware_address = [0, 0, 0x5e, 0, family, router.vrid];
    let mut wiring = host.wiring();
    wiring.create_macvlan(&name, &router.interface, hardware_address)?;
    for address in &router.addresses {
        let prefix_length = if address.is_ipv4() { 16 } else { 64 };
        wiring.assign(&name, *address, prefix_length)?;
    }
    Ok(())
}

fn configuration_text(virtual_routers: &[VirtualRouter]) -> String {
    let mut text = String::new();
    for router in virtual_routers {
        let VirtualRouter { interface, vrid, version, priority, advert_interval, addresses } = router;
        let interval_ms = advert_interval.as_millis();
        text += &format!(
            "interface {interface}\n vrrp {vrid} version {version}\n vrrp {vrid} priority {priority}\n \
             vrrp {vrid} advertisement-interval {interval_ms}\n"
        );
        for address in addresses {
            let family = if address.is_ipv4() { "ip" } else { "ipv6" };
            text += &format!(" vrrp {vrid} {family} {address}\n");
        }
    }
    text
}

/// Writes the configuration of all daemons, and starts the one that the others need.
fn start_zebra(host: &Arc<Host>, text: &str) -> Result<Daemon> {
    let (user, group) = frr_user()?;
    let configuration = host.outside(&format!("{FOLDER}/frr.conf"));
    host.write(&format!("{FOLDER}/frr.conf"), text)?;
    host.write(&format!("{FOLDER}/vtysh.conf"), "")?;
    for path in [host.outside(FOLDER), configuration] {
        chown(&path, Some(user), Some(group))?;
    }
    let zebra = start(host, "zebra")?;
    if !wait::until(START_LIMIT, || host.outside(&format!("{FOLDER}/z.sock")).exists()) {
        bail!("zebra did not open its socket:\n{}", zebra.log_tail());
    }
    Ok(zebra)
}

fn start(host: &Arc<Host>, name: &str) -> Result<Daemon> {
    let file = |suffix: &str| format!("{FOLDER}/{suffix}");
    let (configuration, pid_file, socket) = (file("frr.conf"), file(&format!("{name}.pid")), file("z.sock"));
    let mut command = Command::new(Path::new(DAEMONS).join(name));
    command.args(["-f", &configuration, "-i", &pid_file, "-z", &socket, "--vty_socket", FOLDER]);
    command.args(["-P", "0", "-A", "127.0.0.1", "--log", "stdout"]);
    Daemon::spawn(host, name, command)
}

/// passwd(5): name, password, user, group.
fn frr_user() -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let entry = passwd.lines().find_map(|line| line.strip_prefix("frr:")).context("there is no user frr")?;
    let mut numbers = entry.split(':').skip(1).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok((user, group)),
        _ => bail!("/etc/passwd has no user and group number for frr: {entry}"),
    }
}
