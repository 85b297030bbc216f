//! Configurations of any size.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The n-th virtual address of the n-th instance, both from zero.
pub(crate) fn address(instance: u8, position: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, position, instance)
}

/// Many virtual routers of one priority and interval, each with so many addresses.
pub(crate) fn routers(instances: u8, priority: u8, interval_seconds: f64, addresses: u8) -> String {
    let addresses_of = |instance| (0..addresses).map(move |position| address(instance, position));
    let routers = (0..instances)
        .map(|instance| router(u16::from(instance) + 1, priority, interval_seconds, addresses_of(instance)));
    routers.fold(GLOBAL.to_owned(), |text, router| text + &router)
}

/// One virtual router with one address.
pub(crate) fn single_router(priority: u8, interval_seconds: f64, address: Ipv4Addr) -> String {
    GLOBAL.to_owned() + &router(1, priority, interval_seconds, std::iter::once(address))
}

const GLOBAL: &str =
    "global_defs {\n    vrrp_version 3\n    vrrp_garp_master_repeat 1\n    vrrp_garp_master_delay 0\n}\n";

/// A virtual router without anything around it.
pub(crate) fn router(
    vrid: u16,
    priority: u8,
    interval_seconds: f64,
    addresses: impl Iterator<Item = Ipv4Addr>,
) -> String {
    router_with(vrid, priority, interval_seconds, addresses, "")
}

/// A virtual router with further lines, behind the global settings.
pub(crate) fn block(
    vrid: u16,
    priority: u8,
    interval_seconds: f64,
    addresses: impl Iterator<Item = Ipv4Addr>,
    more: &str,
) -> String {
    GLOBAL.to_owned() + &router_with(vrid, priority, interval_seconds, addresses, more)
}

fn router_with(
    vrid: u16,
    priority: u8,
    interval_seconds: f64,
    addresses: impl Iterator<Item = Ipv4Addr>,
    more: &str,
) -> String {
    let mut text = format!(
        "vrrp_instance V{vrid} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {vrid}\n    \
         priority {priority}\n    advert_int {interval_seconds}\n    virtual_ipaddress {{\n"
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
