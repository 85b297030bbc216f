//! What the routers of a soak are told: everything that can hang does.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::Result;

use super::{ADVERT_INTERVAL, INSTANCES, VRID_FIRST, address, disk};
use crate::daemon::Daemon;
use crate::host::{Finished, Host};
use crate::instance::Instance;
use crate::program::Program;

/// Scripts that never end, of each router.
const SCRIPTS: u16 = 500;
/// Virtual servers that are read with each reload, and the real servers of each.
const VIRTUAL_SERVERS: u16 = 2_313;
const REAL_SERVERS: u8 = 16;
/// Addresses of the instance that comes and goes: one in its adverts, which hold 255, and the others beside.
const MANY_ADDRESSES: u16 = 1_000;
/// A FIFO that somebody has open and never reads.
pub(super) const FIFO: &str = "/run/nobody-reads";

/// Whether the instance with many addresses is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    Present,
    Absent,
}

/// How one router of a pair is configured.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) program: Program,
    pub(super) name: String,
    pub(super) priority: u8,
    /// It watches over its master by BFD.
    pub(super) watches: bool,
    /// Its log is on a disk that can stall.
    pub(super) disk: bool,
}

impl Configuration {
    /// Starts it on a host.
    pub(super) fn start(&self, host: &Arc<Host>) -> Result<Daemon> {
        host.write_script("/run/hangs", "exec sleep 1000")?;
        write_servers(host, Many::Absent)?;
        // Nobody has this address, so that nobody answers, and nobody says so.
        host.write("/run/resolv.conf", "nameserver 10.0.77.53\n")?;
        done(host.run(&["mount", "--bind", "/run/resolv.conf", "/etc/resolv.conf"])?)?;
        let mut command = Daemon::command(host, &self.program, &self.text(Many::Absent))?;
        match self.program {
            Program::Steadfast(_) if self.disk => {
                disk::make(host)?;
                command.arg(format!("-g{}/{}", disk::PLACE, disk::LOG));
            }
            Program::Steadfast(_) => {}
            // Debian's writes no file. Without IPVS in the kernel its checkers would end it.
            Program::Keepalived(_) => {
                command.arg("--vrrp");
            }
        }
        Daemon::spawn(host, self.program.name(), command)
    }

    /// Mail that nobody takes, a FIFO that nobody reads, scripts that never end, names that nobody knows, and instances that are
    /// asked for all that.
    pub(super) fn text(&self, many: Many) -> String {
        let Self { program, name, watches, .. } = self;
        let watch = if *watches { "    fast_detection\n    vrrp_rt_priority 1\n" } else { "" };
        let mut text = format!(
            "global_defs {{
    router_id {name}
    vrrp_version 3
    script_user root
    enable_script_security
    smtp_server 10.0.77.77
    notification_email_from soak@localhost
    notification_email {{
        nobody@localhost
    }}
    vrrp_notify_fifo {FIFO}
{watch}}}
"
        );
        if let Program::Steadfast(_) = program {
            text.push_str("include /run/servers\n");
        }
        let mut tracked = String::from("    track_script {\n");
        for number in 0..SCRIPTS {
            let _ = write!(
                text,
                "vrrp_script hangs{number} {{\n    script /run/hangs\n    interval 5\n    timeout 5\n    weight 1\n}}\n"
            );
            let _ = writeln!(tracked, "        hangs{number}");
        }
        tracked.push_str("    }\n");
        for number in 0..INSTANCES {
            let track = if number == 0 { &*tracked } else { "" };
            let addresses = [format!("{}/32", address(number))];
            text += &self.instance(
                number,
                &format!("    smtp_alert\n    notify /run/hangs\n{track}"),
                &addresses,
            );
        }
        if many == Many::Present {
            let mut more = String::from("    notify /run/hangs\n    virtual_ipaddress_excluded {\n");
            for number in 1..MANY_ADDRESSES {
                let _ = writeln!(more, "        {}/32", one_of_many(number));
            }
            more.push_str("    }\n");
            text += &self.instance(INSTANCES, &more, &[format!("{}/32", one_of_many(0))]);
        }
        text
    }

    fn instance(&self, number: u8, more: &str, addresses: &[String]) -> String {
        Instance {
            name: &format!("V{number}"),
            vrid: VRID_FIRST + number,
            priority: self.priority,
            advert_interval: ADVERT_INTERVAL,
            more,
            addresses,
        }
        .text()
    }
}

/// Of the instance that comes and goes.
fn one_of_many(number: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(number) + 0x0a01_0000)
}

/// The address that comes last where [`Many::Present`].
pub(super) fn last_of_many() -> IpAddr {
    one_of_many(MANY_ADDRESSES - 1).into()
}

/// Virtual servers of which one real server each has another weight whenever the many addresses come or go.
pub(super) fn write_servers(host: &Host, many: Many) -> Result<()> {
    let weight = match many {
        Many::Present => 2,
        Many::Absent => 1,
    };
    replace(host, "/run/servers", &servers(weight))
}

/// Writes a file that may be read at any moment: a reload that is late must not find half of it.
pub(super) fn replace(host: &Host, path: &str, text: &str) -> Result<()> {
    let other = format!("{path}.new");
    host.write(&other, text)?;
    Ok(std::fs::rename(host.outside(&other), host.outside(path))?)
}

/// One of the real servers has a name.
fn servers(weight: u8) -> String {
    let mut text = String::new();
    for service in 0..VIRTUAL_SERVERS {
        let [high, low] = service.to_be_bytes();
        let _ = write!(
            text,
            "virtual_server 10.50.{high}.{low} 80 {{\n  lb_algo rr\n  lb_kind NAT\n  protocol TCP\n"
        );
        for server in 1..=REAL_SERVERS {
            let weight = if server == 1 { weight } else { 1 };
            let _ = writeln!(
                text,
                "  real_server 10.{}.{high}.{low} 80 {{\n    weight {weight}\n  }}",
                60 + server
            );
        }
        if service == 0 {
            text.push_str("  real_server nobody.knows.invalid 80 {\n  }\n");
        }
        text.push_str("}\n");
    }
    text
}

fn done(finished: Finished) -> Result<()> {
    anyhow::ensure!(finished.status.success(), "{}", finished.output);
    Ok(())
}
