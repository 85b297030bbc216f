//! Configurations of any size.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::switches::place;

/// The n-th virtual address of the n-th instance, both from zero.
pub(crate) fn address(instance: u16, position: u8) -> Ipv4Addr {
    let (interface, number) = place(instance);
    Ipv4Addr::new(10, interface.saturating_add(1), position, number)
}

/// Many virtual routers of one priority and interval, each with so many addresses.
pub(crate) fn routers(instances: u16, priority: u8, interval_seconds: f64, addresses: u8) -> String {
    let mut text = GLOBAL.to_owned();
    for instance in 0..instances {
        let (interface, number) = place(instance);
        let addresses = (0..addresses).map(|position| address(instance, position));
        text += &router_on(interface, u16::from(number) + 1, priority, interval_seconds, addresses, "");
    }
    text
}

/// One virtual router with one address.
pub(crate) fn single_router(priority: u8, interval_seconds: f64, address: Ipv4Addr) -> String {
    GLOBAL.to_owned() + &router(1, priority, interval_seconds, std::iter::once(address), "")
}

/// What stands before the virtual routers.
pub(crate) const GLOBAL: &str =
    "global_defs {\n    vrrp_version 3\n    vrrp_garp_master_repeat 1\n    vrrp_garp_master_delay 0\n}\n";

/// A virtual router on the first interface, with `more` lines in its block.
pub(crate) fn router(
    vrid: u16,
    priority: u8,
    interval_seconds: f64,
    addresses: impl Iterator<Item = Ipv4Addr>,
    more: &str,
) -> String {
    router_on(0, vrid, priority, interval_seconds, addresses, more)
}

fn router_on(
    interface: u8,
    vrid: u16,
    priority: u8,
    interval_seconds: f64,
    addresses: impl Iterator<Item = Ipv4Addr>,
    more: &str,
) -> String {
    let mut text = format!(
        "vrrp_instance V{interface}_{vrid} {{\n    state BACKUP\n    interface eth{interface}\n    \
         virtual_router_id {vrid}\n    priority {priority}\n    advert_int {interval_seconds}\n    virtual_ipaddress {{\n"
    );
    for address in addresses {
        let _ = writeln!(text, "        {address}/32");
    }
    let _ = writeln!(text, "    }}\n{more}}}");
    text
}

/// Virtual servers with so many real servers each, which are checked by TCP.
pub(crate) fn services(virtual_servers: u32, real_servers: u8) -> String {
    let mut text = String::new();
    for number in 0..virtual_servers {
        let service = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 10, 0, 0)) + number);
        let _ = write!(
            text,
            "virtual_server {service} 80 {{\n    delay_loop 10\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n"
        );
        for server in 1..=real_servers {
            let _ = write!(
                text,
                "    real_server 172.16.0.{server} 8080 {{\n        weight 1\n        TCP_CHECK {{\n            \
                 connect_timeout 3\n        }}\n    }}\n"
            );
        }
        text.push_str("}\n");
    }
    text
}
