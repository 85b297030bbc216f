//! Bytes to packets and back: VRRP, BFD, ARP, NDP, ICMP, IP and UDP headers and checksums.
//!
//! No I/O, no clock, and no allocation per packet. Everything parsed here came from the network and
//! is hostile until its type says otherwise: parsing never panics, never indexes out of bounds, and
//! names the reason when it refuses.
#![forbid(unsafe_code)]

pub mod arp;
pub mod bfd;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub mod udp;
pub mod vrrp;

mod cursor;
