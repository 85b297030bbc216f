//! Any octets as a control packet or an echo packet, with and without keys; what is believed must be what a peer would have
//! written. Also run over the committed corpus by the ordinary tests.

use steadfast_wire::bfd::{Algorithm, Echo, Key, Received};
use steadfast_wire::udp::UdpHeader;

/// The first octet chooses the key, the rest is the packet.
pub(crate) fn run(octets: &[u8]) {
    let Some((choice, packet)) = octets.split_first() else { return };
    let algorithm = match choice % 6 {
        1 => Some(Algorithm::Password),
        2 => Some(Algorithm::Md5),
        3 => Some(Algorithm::MeticulousMd5),
        4 => Some(Algorithm::Sha1),
        5 => Some(Algorithm::MeticulousSha1),
        _ => None,
    };
    let key = algorithm.map(|algorithm| Key::new(algorithm, 1, b"secret").unwrap());
    for packet in [Some(packet), UdpHeader::parse(packet).map(|(_, payload)| payload)].into_iter().flatten() {
        if let Some(echo) = Echo::parse(packet) {
            assert_eq!(echo.bytes(), packet);
        }
    }
    let received = match Received::parse(packet) {
        Ok(received) => received,
        Err(reject) => return assert!(!reject.to_string().is_empty()),
    };
    match received.authenticate(key.as_ref()) {
        Ok(sequence) => {
            let mut written = Vec::new();
            let signature = key.as_ref().map(|key| (key, sequence.unwrap_or_default()));
            received.control.write(signature, &mut written);
            let mut believed = packet[..usize::from(packet[3])].to_vec();
            // Free to the sender: what follows the header unsigned or behind a password.
            believed.truncate(written.len());
            written[3] = believed[3];
            if sequence.is_none() {
                written.truncate(24);
                believed.truncate(24);
            }
            assert_eq!(written, believed);
        }
        Err(reject) => assert!(!reject.to_string().is_empty()),
    }
}
