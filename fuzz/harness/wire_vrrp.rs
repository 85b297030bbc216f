//! Any octets as an advertisement, under any expectation; what is believed must be what a router
//! would have written. Also run over the committed corpus by the ordinary tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use steadfast_wire::vrrp::{
    Advert, AdvertInterval, Advertisement, Authentication, Carrier, Centiseconds, Expect, Family, Form,
    HeaderProof, Key, Proof, Proven, Received, TrailerKey, TrailerProof, Vrid, pseudo_header, set_priority,
    vrid_of,
};

/// The first octet chooses the expectation, the rest is the message.
pub(crate) fn run(octets: &[u8]) {
    let Some((choice, message)) = octets.split_first() else { return };
    let has = |bit: u8| choice & (1 << bit) != 0;
    let family = if has(0) { Family::V6 } else { Family::V4 };
    let (source, destination): (IpAddr, IpAddr) = match family {
        Family::V4 => (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(224, 0, 0, 18).into()),
        Family::V6 => (
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 18).into(),
        ),
    };
    // The interval of version 2 has to be equal: believe the message so that more of it is reached.
    let interval = if has(1) {
        AdvertInterval::Centiseconds(Centiseconds::MIN)
    } else {
        let seconds = message.get(5).copied().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MIN);
        AdvertInterval::Seconds(seconds)
    };
    let password = message.get(message.len().saturating_sub(8)..).and_then(|tail| tail.first_chunk::<8>());
    let keys = [TrailerKey { id: 1, key: Key::new(Box::new([7; 32])) }];
    let carrier =
        if has(4) { Carrier::AuthenticationHeader { identification: 1 } } else { Carrier::default() };
    let authentication = match (has(4), has(2)) {
        (true, _) => Authentication::Header,
        (false, true) => Authentication::Password(password.copied().unwrap_or_default()),
        (false, false) => Authentication::None,
    };
    let proof = if has(4) {
        Proof::Header(HeaderProof { key: &keys[0].key, last: 0 })
    } else if has(5) {
        let window = has(7).then_some(Duration::from_secs(5));
        Proof::Trailer(TrailerProof { keys: &keys, required: has(6), window, clocks: [None; 2], last: None })
    } else {
        Proof::None
    };
    let expect = Expect {
        vrid: carrier.message(message).and_then(vrid_of).or(Vrid::new(1)).unwrap(),
        family,
        interval,
        authentication,
        proof,
        on_link: true,
        ignore_v3_checksum: has(3),
    };
    let received = Received { source, destination, hop_limit: Some(255), carrier, message };
    match expect.check(&received) {
        // Nobody guesses a digest.
        Ok(advert) => assert_eq!(advert.proven, Proven::Nothing),
        Err(reject) => assert!(!reject.to_string().is_empty()),
    }
    let plain = Expect { proof: Proof::None, ..expect };
    match plain.check(&received) {
        Ok(advert) if carrier == Carrier::Ip => {
            rewrite(&advert, family, &received, expect.ignore_v3_checksum)
        }
        _ => {}
    }
    if let Ok(advert) = Advert::parse(family, message) {
        assert_eq!(advert.addresses.iter().len(), advert.addresses.len());
    }
    set_priority(&mut message.to_vec(), steadfast_wire::vrrp::Priority::RELEASE);
}

fn rewrite(advert: &Advert<'_>, family: Family, received: &Received<'_>, ignored_checksum: bool) {
    let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
    assert!(advert.addresses.matches(&addresses));
    let advertisement = Advertisement {
        vrid: advert.vrid,
        priority: advert.priority,
        form: advert.form,
        family,
        addresses: &addresses,
    };
    let pseudo = pseudo_header(advert.version(), received.source, received.destination, false).unwrap();
    let mut written = Vec::new();
    advertisement.write(pseudo, &mut written).unwrap();
    let mut message = received.message[..received.message.len() - advert.trailing.len()].to_vec();
    // Free to the sender: reserved bits of version 3, data without authentication in version 2.
    let sender_s_choice = match advert.form {
        Form::V3 { .. } => ignored_checksum || message[4] >> 4 != 0,
        Form::V2 { authentication: Authentication::None, .. } => {
            family == Family::V4 && message[message.len() - 8..] != [0; 8]
        }
        Form::V2 { authentication: Authentication::Header, .. } => true,
        Form::V2 { .. } => false,
    };
    // Zero and all ones are one checksum to the sum.
    if message[6..8] == [0xff, 0xff] {
        message[6..8].fill(0);
    }
    if !sender_s_choice {
        assert_eq!(written, message);
    }
}
