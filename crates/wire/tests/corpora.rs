//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/wire_arp_ndp.rs"]
mod wire_arp_ndp;
#[path = "../../../fuzz/harness/wire_bfd.rs"]
mod wire_bfd;
#[path = "../../../fuzz/harness/wire_ipv4.rs"]
mod wire_ipv4;
#[path = "../../../fuzz/harness/wire_vrrp.rs"]
mod wire_vrrp;

use corpus::replay;

#[test]
fn vrrp() {
    replay("wire_vrrp", wire_vrrp::run);
}

#[test]
fn bfd() {
    replay("wire_bfd", wire_bfd::run);
}

#[test]
fn ipv4() {
    replay("wire_ipv4", wire_ipv4::run);
}

#[test]
fn arp_and_ndp() {
    replay("wire_arp_ndp", wire_arp_ndp::run);
}
