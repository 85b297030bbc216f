//! What happens to interfaces, addresses, routes and sockets.

use steadfast_kernel::Error;
use steadfast_kernel::error::Errno;

use super::neighbour;
use crate::event::{Network, Placed, Sent, Suspect};

/// In a sentence.
pub fn network(network: &Network) -> String {
    match network {
        Network::InterfaceMissing { interface } => {
            format!("{interface}: does not exist; instances that need it wait in FAULT")
        }
        Network::SocketRefused { interface, error } => format!("{interface}: {}", no_socket(error)),
        Network::SendRefused { interface, sent: Sent::Adverts, errno } => {
            format!("{interface}: adverts cannot be sent: {}", send_refused(*errno))
        }
        Network::SendRefused { interface, sent: Sent::Announcements, errno } => {
            format!("{interface}: gratuitous ARP and neighbour advertisements cannot be sent: {errno}")
        }
        Network::SendRefused { interface, sent: Sent::Questions, errno } => {
            format!("{interface}: split_brain_check cannot ask who else serves: {errno}")
        }
        Network::AddressRestored { interface, address, suspect } => {
            format!("{interface}: somebody removed {address}; put back{}", suspected(suspect))
        }
        Network::AddressLost { interface, address, suspect } => {
            format!("{interface}: somebody removed {address}; given up{}", suspected(suspect))
        }
        Network::AddressRefused { interface, address, error } => format!("{interface}: {address}: {error}"),
        Network::LeftoversRemoved { addresses, count } => {
            format!("removed {}, which an earlier run left behind", listed(addresses, *count))
        }
        Network::AddressesNotOurs { addresses, count } => format!(
            "{}: virtual, but there already, and not put there by this program; left there. Only the owner of an address \
             (priority 255) and the master may have it: remove it where it should not be",
            listed(addresses, *count)
        ),
        Network::AddressesOfAnother { addresses, count, holder } => format!(
            "{}: there already, and left there because {} may hold it",
            listed(addresses, *count),
            neighbour(holder)
        ),
        Network::SourceIsVirtual { interface, address } => format!(
            "{interface}: {address} is its only address and a virtual one too: adverts come from it. It stays there when \
             mastership goes; give the interface another address"
        ),
        Network::LinkUntold { interface, error } => {
            let reason =
                error.as_ref().map_or_else(|| "its driver does not know".to_owned(), ToString::to_string);
            format!("{interface}: its link cannot be polled: {reason}. What the kernel says of it counts")
        }
        Network::AddressSeen { interface, address, added } => {
            format!("{interface}: address {address} {}", if *added { "added" } else { "removed" })
        }
        Network::EntryRestored { entry } => format!("somebody removed the {entry}; put back"),
        Network::EntryRefused { error } => error.to_string(),
        Network::UnknownVrid { interface, source, vrid } => {
            format!("{interface}: {source} adverts virtual router {vrid}, which is not configured")
        }
    }
}

/// Why there is no socket for adverts.
pub fn no_socket(error: &Error) -> String {
    match error.errno {
        Errno::MFILE | Errno::NFILE => format!("no descriptor is left for its sockets: {}", error.errno),
        _ => error.to_string(),
    }
}

/// What the kernel's refusal of an advert means.
pub fn send_refused(errno: Errno) -> String {
    match errno {
        Errno::PERM => format!("{errno}: a packet filter of this machine drops IP protocol 112"),
        _ => errno.to_string(),
    }
}

fn suspected(suspect: &Suspect) -> String {
    match suspect {
        Suspect::Process { pid, name } => format!(" (suspected: {name}, process {pid})"),
        Suspect::Ended { pid } => {
            format!(" (suspected: process {pid}, which has ended; a command such as ip does)")
        }
        Suspect::Running { names } => {
            format!(" (the kernel does not tell who; {} may do so and runs here)", names.join(", "))
        }
        Suspect::Unknown => " (the kernel does not tell who)".to_owned(),
    }
}

fn listed(addresses: &[Placed], count: usize) -> String {
    let named = addresses.iter().map(|Placed { interface, address }| match interface {
        Some(interface) => format!("{address} on {interface}"),
        None => address.to_string(),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match count.saturating_sub(addresses.len()) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
