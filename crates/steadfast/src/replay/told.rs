//! What a machine was told, in a sentence.

use std::net::IpAddr;

use steadfast_control::wording;
use steadfast_record::{Input, OwnedDatagram, Told};
use steadfast_vrrp::{InstanceId, Machine, Reading};
use steadfast_wire::vrrp::{Advert, Family, Priority};

use crate::terminal::harmless;

/// One input.
pub(super) fn input(input: &Input, machine: &Machine) -> String {
    match input {
        Input::Datagram(received) => datagram(received, machine),
        Input::Told(told) => self::told(told, machine),
        Input::Apply(_) => "reload".to_owned(),
        Input::Advance => "a timer was due".to_owned(),
    }
}

/// Whether an input is for one of these instances, or for nobody in particular.
pub(super) fn concerns(input: &Input, names: &[String], machine: &Machine) -> bool {
    names.is_empty()
        || addressees(input, machine).is_none_or(|instances| {
            let mut instances = instances.into_iter().filter_map(|instance| machine.instance_name(instance));
            instances.any(|instance| names.iter().any(|name| **name == *instance))
        })
}

/// Whom an input is for; `None` when everybody follows it who wants to.
fn addressees(input: &Input, machine: &Machine) -> Option<Vec<InstanceId>> {
    match input {
        Input::Datagram(datagram) => Some(machine.recipient(&datagram.borrowed()).into_iter().collect()),
        // Whose it was shows in what came of it.
        Input::Advance => Some(Vec::new()),
        Input::Told(
            Told::Channel(instances, _) | Told::Standing(instances, _) | Told::Dead(instances, ..),
        ) => Some(instances.to_vec()),
        Input::Told(
            Told::Refused(instance, ..)
            | Told::AddressRemoved(instance, _)
            | Told::Prepared(instance, ..)
            | Told::WhoServes(instance, ..),
        ) => Some(vec![*instance]),
        Input::Told(
            Told::Interface { .. }
            | Told::SourcePresent(..)
            | Told::ScriptResult(..)
            | Told::Watched(..)
            | Told::Clock(_)
            | Told::Stop
            | Told::ClearCounters,
        )
        | Input::Apply(_) => None,
    }
}

fn datagram(datagram: &OwnedDatagram, machine: &Machine) -> String {
    let OwnedDatagram { source, interface, carrier, message, .. } = datagram;
    let interface = harmless(&machine.interface_name(*interface));
    let said = carrier.message(message).and_then(|message| Advert::parse(Family::of(*source), message).ok());
    match said {
        Some(said) if said.priority == Priority::RELEASE => {
            format!("heard on {interface}: {source} gives up virtual router {} (priority 0)", said.vrid)
        }
        Some(said) => {
            format!(
                "heard on {interface}: {source} is master of virtual router {} with priority {}",
                said.vrid, said.priority
            )
        }
        None => format!("heard on {interface}: {} octets from {source} that are no advert", message.len()),
    }
}

fn told(told: &Told<'_>, machine: &Machine) -> String {
    let name = |instance: InstanceId| {
        machine.instance_name(instance).map_or_else(|| "?".to_owned(), |name| harmless(&name))
    };
    match told {
        Told::Interface { interface, up, source_v4, source_v6, .. } => {
            let state = if *up { "works" } else { "does not work" };
            let addresses = [source_v4.map(IpAddr::V4), source_v6.map(IpAddr::V6)];
            let addresses: Vec<String> = addresses.into_iter().flatten().map(|a| a.to_string()).collect();
            let addresses = if addresses.is_empty() { "none".to_owned() } else { addresses.join(", ") };
            let interface = harmless(&machine.interface_name(*interface));
            format!("interface {interface} {state}; its source addresses: {addresses}")
        }
        Told::SourcePresent(address, true) => format!("the source address {address} is there"),
        Told::SourcePresent(address, false) => format!("the source address {address} is gone"),
        Told::Channel(instances, obstacle) => {
            let names: Vec<String> = instances.iter().map(|instance| name(*instance)).collect();
            let names = names.join(", ");
            match obstacle {
                None => format!("sockets are open: {names}"),
                Some(why) => format!("no sockets, {}: {names}", harmless(why)),
            }
        }
        Told::Standing(instances, missing) => {
            let names: Vec<String> = instances.iter().map(|instance| name(*instance)).collect();
            let names = names.join(", ");
            match missing {
                None => format!("what the track_group follows is there: {names}"),
                Some(what) => format!("what the track_group follows is missing, {}: {names}", harmless(what)),
            }
        }
        Told::Refused(instance, datagrams, why) => {
            format!("{datagrams} adverts of {} did not leave: {}", name(*instance), harmless(why))
        }
        Told::ScriptResult(script, success) => {
            let script = machine.script_name(*script).map_or_else(|| "?".to_owned(), |name| harmless(&name));
            format!("script {script} {}", if *success { "succeeded" } else { "failed" })
        }
        Told::Watched(watch, reading) => {
            let watch = machine.watch_name(*watch).map_or_else(|| "?".to_owned(), |name| harmless(&name));
            match reading {
                Reading::Good(true) => format!("{watch} is good"),
                Reading::Good(false) => format!("{watch} is bad"),
                Reading::Value(value) => format!("{watch} reads {value}"),
            }
        }
        Told::Prepared(instance, _, success) => {
            let how = if *success { "succeeded" } else { "failed" };
            format!("the script that prepares {} {how}", name(*instance))
        }
        Told::WhoServes(instance, _, None) => format!("nobody else serves {}", name(*instance)),
        Told::WhoServes(instance, _, Some(served)) => {
            format!("split_brain_check of {}: {}", name(*instance), wording::served(*served))
        }
        Told::Dead(instances, master, silent_us) => {
            let names: Vec<String> = instances.iter().map(|instance| name(*instance)).collect();
            format!("the session to {master} has been silent for {silent_us} µs: {}", names.join(", "))
        }
        Told::AddressRemoved(instance, address) => {
            format!("somebody removed {address} of {}", name(*instance))
        }
        Told::Clock(_) => "the clock was told, or set".to_owned(),
        Told::Stop => "stop".to_owned(),
        Told::ClearCounters => "counters begin at zero".to_owned(),
    }
}
