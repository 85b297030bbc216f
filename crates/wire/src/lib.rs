//! Bytes to packets and back: VRRP, ARP, NDP, ICMP, IP headers and checksums.
//!
//! No I/O, no clock, and no allocation per packet. Everything parsed here came from the network and
//! is hostile until its type says otherwise: parsing never panics, never indexes out of bounds, and
//! names the reason when it refuses.
#![forbid(unsafe_code)]

pub mod vrrp;
