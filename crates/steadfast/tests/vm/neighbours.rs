//! Hosts that know where each other's addresses are.

use std::net::IpAddr;
use std::sync::Arc;

use steadfast_lab::Host;

/// Tells hosts of one segment for ever who has which address on it: nobody has to ask, by ARP (RFC 826) or by neighbour
/// discovery (RFC 4861 section 7.2), and nobody is waited for who is late on a busy machine or told of somebody else who
/// has the same address as well.
pub(crate) fn acquaint(hosts: &[&Arc<Host>], addresses: &[(IpAddr, &Arc<Host>)]) {
    for (address, owner) in addresses {
        let hardware = hardware_address(owner);
        for host in hosts.iter().filter(|host| host.name() != owner.name()) {
            let address = address.to_string();
            let words = ["ip", "neighbour", "replace", &address, "lladdr", &hardware, "dev", "eth0", "nud"];
            let done = host.run(&[&words[..], &["permanent"]].concat()).unwrap();
            assert!(done.status.success(), "{words:?}: {}", done.output);
        }
    }
}

fn hardware_address(host: &Host) -> String {
    let shown = host.run(&["ip", "-o", "link", "show", "eth0"]).unwrap().output;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).unwrap_or_else(|| panic!("eth0 has no address: {shown}")).to_owned()
}
