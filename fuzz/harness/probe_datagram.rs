//! Any octets as the answer to a question of DNS, to an echo request, and to a datagram. Also run over the committed
//! corpus by the ordinary tests.

use steadfast_probe::dns::Question;
use steadfast_probe::ping::Ping;
use steadfast_probe::udp::Expectation;
use steadfast_wire::vrrp::Family;

pub(crate) fn run(octets: &[u8]) {
    let question = Question::new(0x1234, "SOA", "example.org").unwrap();
    if let Some(Ok(_)) = question.judge(octets) {
        assert_eq!(octets[..2], question.bytes()[..2]);
        assert_eq!((octets[2] & 0x80, octets[3] & 0x0f), (0x80, 0));
    }
    for family in [Family::V4, Family::V6] {
        let ping = Ping::new(family, 0x0102);
        if ping.judge(octets).is_some() {
            assert_eq!(octets[6..8], ping.bytes()[6..8]);
        }
    }
    let expectation = Expectation {
        require_reply: true,
        min_length: 2,
        max_length: 9,
        octets: vec![(0x12, 0xff), (0x30, 0xf0)],
    };
    if expectation.judge(octets).is_ok() {
        assert!((2..=9).contains(&octets.len()) && octets[0] == 0x12);
    }
}
