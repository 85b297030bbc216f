use steadfast_kernel::{Errno, Error};
use steadfast_wire::vrrp::Reject;

use super::*;

fn json(happening: Happening) -> serde_json::Value {
    let record = Record {
        sequence: 1,
        time: "2026-01-02T03:04:05.000006Z".to_owned(),
        severity: happening.severity(),
        message: happening.message(),
        happening,
    };
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_worker_is_named_by_its_role_and_its_end_by_its_kind() {
    let ending = Ending::Signalled { signal: 9 };
    let died = json(Happening::WorkerDied { worker: Worker::Vrrp, pid: 7, ending, successor: true });
    assert_eq!(died["event"], "worker_died");
    assert_eq!((&died["worker"], &died["pid"]), (&"vrrp".into(), &7.into()));
    assert_eq!(died["ending"]["signalled"]["signal"], 9);
    assert_eq!(
        died["message"],
        "vrrp worker 7 was ended by signal 9; starting another that goes on where it ended"
    );
}

#[test]
fn the_refusal_of_the_kernel_is_its_number_and_what_was_asked_for() {
    let error = Box::new(Error::new("add 192.0.2.1/32 to eth0", Errno::NODEV));
    let (interface, address) = ("eth0".into(), [192, 0, 2, 1].into());
    let refused = json(Happening::Network(Network::AddressRefused { interface, address, error }));
    assert_eq!((&refused["event"], &refused["what"]), (&"network".into(), &"address_refused".into()));
    assert_eq!(refused["error"]["errno"], Errno::NODEV.raw_os_error());
    assert_eq!(refused["error"]["attempted"], "add 192.0.2.1/32 to eth0");
}

#[test]
fn the_reason_of_a_drop_is_a_value_with_its_numbers() {
    let (instance, source) = ("V1".into(), [10, 0, 0, 2].into());
    let reason = Reject::HopLimit { expected: 255, found: 3 };
    let dropped = json(Happening::Dropped { instance, source, reason });
    assert_eq!(dropped["reason"]["hop_limit"]["found"], 3);
}

#[test]
fn an_error_number_that_the_kernel_never_gives_is_refused() {
    let text = r#"{"attempted":"x","errno":0,"capability":null,"kernel_message":null}"#;
    assert!(serde_json::from_str::<Error>(text).is_err());
}

#[test]
fn an_event_is_found_by_every_interface_that_it_names() {
    let at = |interface: &str| Placed { interface: Some(interface.into()), address: [10, 0, 0, 1].into() };
    let addresses = vec![at("eth0"), at("eth1")];
    let removed = Happening::Network(Network::LeftoversRemoved { addresses, count: 2 });
    assert_eq!(removed.names().collect::<Vec<_>>(), ["eth0", "eth1"]);
}
