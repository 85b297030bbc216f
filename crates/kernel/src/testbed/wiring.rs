//! The links of test networks: switches, cables and the interfaces at their ends.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoMacVlan, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    MacVlanMode,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::{Attempt, Errno, Error, Result};
use crate::namespace::Network;
use crate::netlink::Requests;

/// Makes and changes links and addresses in one network, whichever thread calls.
#[derive(Debug)]
pub struct Wiring {
    requests: Requests,
}

/// An address that an interface has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    /// Index of the interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Leading bits shared by the neighbours on the link.
    pub prefix_length: u8,
}

impl Wiring {
    /// Works in `network` from here on.
    ///
    /// # Errors
    /// When the namespace cannot be entered or has no netlink.
    pub fn open(network: &Network) -> Result<Self> {
        Ok(Self { requests: network.run(Requests::open)?? })
    }

    /// Makes a bridge that floods multicast to every port, and takes it up. A snooping bridge without a querier
    /// loses adverts.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create_bridge(&mut self, name: &str) -> Result<()> {
        let data = InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)]);
        self.create(named(name), InfoKind::Bridge, Some(data), &format!("create the bridge {name}"))?;
        self.set_up(name)
    }

    /// Makes a cable: the interface `name` here and `peer` in `other`. Both ends are down.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create_veth(&mut self, name: &str, peer: &str, other: &Network) -> Result<()> {
        let mut far_end = named(peer);
        far_end.attributes.push(LinkAttribute::NetNsFd(other.as_fd().as_raw_fd()));
        let data = InfoData::Veth(InfoVeth::Peer(far_end));
        self.create(named(name), InfoKind::Veth, Some(data), &format!("create the cable {name} to {peer}"))
    }

    /// Makes an interface with its own link-layer address on top of `lower`, in bridge mode, and takes it up.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create_macvlan(&mut self, name: &str, lower: &str, hardware_address: [u8; 6]) -> Result<()> {
        let mut message = named(name);
        message.attributes.push(LinkAttribute::Link(self.index(lower)?));
        message.attributes.push(LinkAttribute::Address(hardware_address.to_vec()));
        let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Bridge)]);
        self.create(message, InfoKind::MacVlan, Some(data), &format!("create {name} on {lower}"))?;
        self.set_up(name)
    }

    /// Makes `port` a port of `bridge`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn attach(&mut self, port: &str, bridge: &str) -> Result<()> {
        let controller = self.index(bridge)?;
        self.set_controller(port, controller, &format!("attach {port} to {bridge}"))
    }

    /// Takes `port` out of its bridge: its frames are lost while the carrier stays.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn detach(&mut self, port: &str) -> Result<()> {
        self.set_controller(port, 0, &format!("detach {port}"))
    }

    /// Takes an interface up.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_up(&mut self, name: &str) -> Result<()> {
        self.set_flags(name, LinkFlags::Up, &format!("set {name} up"))
    }

    /// Takes an interface down; the other end of a cable loses its carrier.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_down(&mut self, name: &str) -> Result<()> {
        self.set_flags(name, LinkFlags::empty(), &format!("set {name} down"))
    }

    /// Gives an interface, which must be down on kernels before 6.2, another name.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn rename(&mut self, name: &str, new_name: &str) -> Result<()> {
        let mut message = named(new_name);
        message.header.index = self.index(name)?;
        self.requests.execute(
            RouteNetlinkMessage::SetLink(message),
            0,
            &format!("rename {name} to {new_name}"),
        )
    }

    /// Removes an interface, and with it the other end of its cable.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn delete(&mut self, name: &str) -> Result<()> {
        self.requests.execute(RouteNetlinkMessage::DelLink(named(name)), 0, &format!("delete {name}"))
    }

    /// Gives an interface an address, usable at once: without duplicate address detection.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn assign(&mut self, interface: &str, address: IpAddr, prefix_length: u8) -> Result<()> {
        let message = self.address_message(interface, address, prefix_length)?;
        let attempted = format!("add {address}/{prefix_length} to {interface}");
        self.requests.execute(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL, &attempted)
    }

    /// Takes an address from an interface.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn withdraw(&mut self, interface: &str, address: IpAddr, prefix_length: u8) -> Result<()> {
        let message = self.address_message(interface, address, prefix_length)?;
        let attempted = format!("remove {address}/{prefix_length} from {interface}");
        self.requests.execute(RouteNetlinkMessage::DelAddress(message), 0, &attempted)
    }

    /// Every address of every interface, in the kernel's order.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn addresses(&mut self) -> Result<Vec<Assigned>> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.requests.dump(&request, "list the addresses", Vec::new, |found, message| {
            if let RouteNetlinkMessage::NewAddress(message) = message {
                found.extend(assigned(&message));
            }
        })
    }

    /// The index of an interface.
    ///
    /// # Errors
    /// ENODEV if there is none of this name.
    pub fn index(&mut self, name: &str) -> Result<u32> {
        let attempted = format!("find the interface {name}");
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let wanted = LinkAttribute::IfName(name.to_owned());
        let index = self.requests.dump(
            &request,
            &attempted,
            || None,
            |index, message| match message {
                RouteNetlinkMessage::NewLink(link) if link.attributes.contains(&wanted) => {
                    *index = Some(link.header.index);
                }
                _ => {}
            },
        )?;
        index.ok_or_else(|| Error::new(attempted, Errno::NODEV))
    }

    fn create(
        &mut self,
        mut message: LinkMessage,
        kind: InfoKind,
        data: Option<InfoData>,
        attempted: &str,
    ) -> Result<()> {
        let information = [LinkInfo::Kind(kind)].into_iter().chain(data.map(LinkInfo::Data)).collect();
        message.attributes.push(LinkAttribute::LinkInfo(information));
        self.requests.execute(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL, attempted)
    }

    fn set_controller(&mut self, port: &str, controller: u32, attempted: &str) -> Result<()> {
        let mut message = named(port);
        message.attributes.push(LinkAttribute::Controller(controller));
        self.requests.execute(RouteNetlinkMessage::SetLink(message), 0, attempted)
    }

    fn set_flags(&mut self, name: &str, flags: LinkFlags, attempted: &str) -> Result<()> {
        let mut message = named(name);
        message.header.flags = flags;
        message.header.change_mask = LinkFlags::Up;
        self.requests.execute(RouteNetlinkMessage::SetLink(message), 0, attempted)
    }

    fn address_message(&mut self, interface: &str, address: IpAddr, prefix: u8) -> Result<AddressMessage> {
        let mut message = AddressMessage::default();
        message.header.index = self.index(interface)?;
        message.header.prefix_len = prefix;
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        message.header.family = match address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        Ok(message)
    }
}

/// Lets link-local and other IPv6 addresses of interfaces made later in `network` work at once, without duplicate
/// address detection (RFC 4862 section 5.4), which takes a second.
///
/// # Errors
/// When the namespace cannot be entered, or its settings cannot be written.
pub fn switch_off_duplicate_address_detection(network: &Network) -> Result<()> {
    network.run(|| {
        for setting in ["accept_dad", "dad_transmits"] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/default/{setting}"), "0")
                .attempt(format!("write the sysctl net.ipv6.conf.default.{setting}"))?;
        }
        Ok(())
    })?
}

/// rtnetlink(7): a link message without an index means the interface it names.
fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

/// A point-to-point interface tells its peer in IFA_ADDRESS and its own address in IFA_LOCAL; IPv6 has only the former.
fn assigned(message: &AddressMessage) -> Option<Assigned> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some(Assigned {
        interface: message.header.index,
        address: local.or(address)?,
        prefix_length: message.header.prefix_len,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn networks() -> Option<(Network, Network)> {
        let pair = Network::anonymous().and_then(|one| Ok((one, Network::anonymous()?)));
        if let Err(error) = &pair {
            println!("left out: {}: {error}", module_path!());
        }
        pair.ok()
    }

    fn link(network: &Network, interface: &str) -> LinkMessage {
        let requests = &mut Wiring::open(network).unwrap().requests;
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let wanted = LinkAttribute::IfName(interface.to_owned());
        let found = requests.dump(
            &request,
            "list the links",
            || None,
            |found, message| match message {
                RouteNetlinkMessage::NewLink(link) if link.attributes.contains(&wanted) => {
                    *found = Some(link)
                }
                _ => {}
            },
        );
        found.unwrap().unwrap()
    }

    fn carrier(network: &Network, interface: &str) -> bool {
        link(network, interface).header.flags.contains(LinkFlags::LowerUp)
    }

    #[test]
    fn a_cable_joins_two_networks_and_can_be_cut() {
        let Some((switch, host)) = networks() else { return };
        let (mut at_switch, mut at_host) = (Wiring::open(&switch).unwrap(), Wiring::open(&host).unwrap());
        at_switch.create_bridge("lan").unwrap();
        at_switch.create_veth("p1", "eth0", &host).unwrap();
        at_switch.attach("p1", "lan").unwrap();
        at_switch.set_up("p1").unwrap();
        at_host.set_up("eth0").unwrap();
        assert!(carrier(&host, "eth0"));

        at_switch.set_down("p1").unwrap();
        assert!(!carrier(&host, "eth0"));
        at_switch.set_up("p1").unwrap();
        assert!(carrier(&host, "eth0"));

        at_switch.detach("p1").unwrap();
        assert!(carrier(&host, "eth0"));

        at_host.delete("eth0").unwrap();
        assert_eq!(at_switch.index("p1").unwrap_err().errno, Errno::NODEV);
    }

    #[test]
    fn addresses_come_and_go() {
        let Some((switch, host)) = networks() else { return };
        switch_off_duplicate_address_detection(&host).unwrap();
        let (mut at_switch, mut at_host) = (Wiring::open(&switch).unwrap(), Wiring::open(&host).unwrap());
        at_switch.create_veth("p1", "eth0", &host).unwrap();
        at_switch.set_up("p1").unwrap();
        at_host.set_up("eth0").unwrap();
        let index = at_host.index("eth0").unwrap();

        let wanted = ["10.0.0.1", "fd00::1"].map(|address| address.parse::<IpAddr>().unwrap());
        for address in wanted {
            at_host.assign("eth0", address, 16).unwrap();
        }
        let found = at_host.addresses().unwrap();
        for address in wanted {
            assert!(found.contains(&Assigned { interface: index, address, prefix_length: 16 }), "{found:?}");
        }
        let listed = host.run(|| fs::read_to_string("/proc/thread-self/net/if_inet6")).unwrap().unwrap();
        // The flags, the fifth column: 40 is tentative, 80 permanent.
        let flags: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().nth(4)).collect();
        assert!(flags.len() >= 2 && flags.iter().all(|flags| !flags.starts_with('4')), "{listed}");

        at_host.withdraw("eth0", wanted[0], 16).unwrap();
        assert!(at_host.addresses().unwrap().iter().all(|found| found.address != wanted[0]));
    }

    #[test]
    fn a_macvlan_has_the_hardware_address_it_was_given() {
        let Some((switch, host)) = networks() else { return };
        let mut at_host = Wiring::open(&host).unwrap();
        at_host.create_veth("eth0", "p1", &switch).unwrap();
        at_host.create_macvlan("vr51", "eth0", [0, 0, 0x5e, 0, 1, 51]).unwrap();
        at_host.set_up("eth0").unwrap();
        at_host.rename("vr51", "vr52").unwrap();
        assert!(at_host.index("vr51").is_err());
        let address = LinkAttribute::Address(vec![0, 0, 0x5e, 0, 1, 51]);
        assert!(link(&host, "vr52").attributes.contains(&address));
    }
}
