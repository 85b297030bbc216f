//! One instance in full.

use std::fmt::Write as _;

use steadfast_control::status::{Instance, Tracker};
use steadfast_control::wording;
use steadfast_vrrp::State;

use super::View;
use super::overview;
use crate::table::{Cell, Facts};
use crate::terminal::{Paint, harmless};
use steadfast_control::wording::duration;

pub(super) fn instance(text: &mut String, instance: &Instance, view: &View) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", view.palette.paint(Paint::Strong, &harmless(&instance.name)));
    let mut facts = Facts::new(2);
    for (position, problem) in instance.problems.iter().enumerate() {
        let label = if position == 0 { "PROBLEM" } else { "" };
        facts.push(label, Cell::painted(Paint::Bad, wording::problem(problem)));
    }
    facts.push("state", overview::state(instance.state));
    if let (Some(since), Some(lasted)) = (&instance.since, instance.milliseconds_in_state) {
        facts.push(
            "since",
            Cell::plain(format!("{}, {}", view.zone.show_seconds(since), duration::milliseconds(lasted))),
        );
    }
    causes(&mut facts, instance);
    facts.push(
        "router",
        Cell::plain(format!(
            "virtual router {} on {}, VRRP version {}, {}",
            instance.vrid, instance.interface, instance.version, instance.family
        )),
    );
    facts.push("master", Cell::plain(master(instance)));
    if instance.state == State::Master && instance.peers.is_empty() {
        facts.push("peers", Cell::plain(wording::NOBODY_HEARD));
    }
    priority(&mut facts, instance);
    intervals(&mut facts, instance);
    if let Some(ago) = instance.last_advert_milliseconds_ago {
        let from = instance.last_advert_from.map_or_else(String::new, |source| format!(" from {source}"));
        facts.push("last advert", Cell::plain(format!("{} ago{from}", duration::milliseconds(ago))));
    }
    for (position, address) in instance.addresses.iter().enumerate() {
        facts.push(if position == 0 { "addresses" } else { "" }, Cell::plain(address));
    }
    let told = instance.counters.iter().filter(|(_, value)| **value > 0);
    for (position, (name, value)) in told.enumerate() {
        let label = if position == 0 { "counters" } else { "" };
        facts.push(label, Cell::plain(format!("{name} {value}")));
    }
    facts.write(text, view.palette, view.width);
}

/// The chain, a line for each link; the first is the oldest.
fn causes(facts: &mut Facts, instance: &Instance) {
    if instance.causes.is_empty() {
        facts.push("why", Cell::plain(if instance.why.is_empty() { "-" } else { &instance.why }));
    }
    for (position, link) in wording::links(&instance.causes).into_iter().enumerate() {
        let (label, arrow) = if position == 0 { ("why", "") } else { ("", "→ ") };
        facts.push(label, Cell::plain(format!("{arrow}{link}")));
    }
}

fn master(instance: &Instance) -> String {
    let priority =
        instance.master_priority.map_or_else(String::new, |priority| format!(", priority {priority}"));
    match (instance.state, instance.master) {
        (State::Master, Some(own)) => format!("this router, {own}{priority}"),
        (State::Master, None) => "this router".to_owned(),
        (_, Some(master)) => format!("{master}{priority}"),
        (_, None) => "none heard".to_owned(),
    }
}

fn priority(facts: &mut Facts, instance: &Instance) {
    let value = if instance.effective_priority == instance.base_priority {
        Cell::plain(format!("{}, as configured", instance.base_priority))
    } else {
        Cell::painted(
            Paint::Warn,
            format!("{} of {} configured", instance.effective_priority, instance.base_priority),
        )
    };
    facts.push("priority", value);
    for tracker in &instance.trackers {
        facts.push("", share(tracker));
    }
}

fn share(tracker: &Tracker) -> Cell {
    let (paint, result) = match (tracker.fault, tracker.good) {
        (true, _) => (Paint::Bad, "bad, keeps it in FAULT"),
        (false, None) => (Paint::Warn, "no result yet"),
        (false, Some(true)) => (Paint::Good, "good"),
        (false, Some(false)) => (Paint::Warn, "bad"),
    };
    Cell::painted(paint, format!("{:+} {} {}: {result}", tracker.share, tracker.kind, tracker.name))
}

fn intervals(facts: &mut Facts, instance: &Instance) {
    let own = duration::exact_milliseconds(instance.advert_interval_milliseconds);
    let mut line = format!("an advert every {own}");
    if instance.master_interval_milliseconds != instance.advert_interval_milliseconds {
        let master = duration::exact_milliseconds(instance.master_interval_milliseconds);
        let _ = write!(line, " configured, every {master} by the master");
    }
    let down = duration::exact_milliseconds(instance.master_down_milliseconds);
    let _ = write!(line, "; a master silent for {down} is replaced");
    facts.push("intervals", Cell::plain(line));
}
