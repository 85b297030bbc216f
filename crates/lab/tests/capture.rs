//! What a capture promises.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};
use steadfast_lab::capture::{Capture, Content};
use steadfast_lab::{Segment, permission};

/// A test looks at addresses or logs, and then at the frames that led to them.
#[test]
fn a_frame_is_found_as_soon_as_it_is_sent() {
    const VRRP: i32 = 112;
    const FRAMES: usize = 500;
    let test = "a_frame_is_found_as_soon_as_it_is_sent";
    if !permission::lab_possible(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let host = segment.host("h1").unwrap();
    let capture = Capture::start(&host).unwrap();
    let raw = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP)));
    let socket = host.network().run(raw).unwrap().unwrap();
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into();
    for number in 1..=FRAMES {
        socket.send_to(b"no advertisement", &to).unwrap();
        let kept = capture.frames();
        let malformed = kept.iter().filter(|frame| matches!(frame.content, Content::Malformed(_)));
        assert!(malformed.count() >= number, "frame {number} is not there yet");
    }
}
