//! The daemon as a whole: header, instances in a table, groups and scripts.

use std::fmt::Write as _;

use steadfast_control::status::{Instance, Script, Status, Worker};
use steadfast_control::verdict::{self, Gravity};
use steadfast_control::wording;
use steadfast_vrrp::State;

use super::View;
use crate::table::{Cell, Facts, Table};
use crate::terminal::{Paint, harmless};
use steadfast_control::wording::duration;

/// Columns from which on a whole chain of causes is shown beside the rest.
const WIDE: usize = 100;
/// Lateness from which on a reader should look: a tenth of the shortest advert interval.
const LATENESS_TO_MIND_MICROSECONDS: u64 = 1000;

pub(super) fn header(text: &mut String, status: &Status, view: &View) {
    let mut facts = Facts::new(0);
    problems(&mut facts, status);
    facts.push(
        "steadfast",
        Cell::plain(format!(
            "{}, pid {}, since {}",
            status.version,
            status.pid,
            view.zone.show_seconds(&status.since)
        )),
    );
    let generation = match status.generation {
        0 | 1 => String::new(),
        number => format!(", reloaded {}", times(u64::from(number - 1))),
    };
    facts.push("configuration", Cell::plain(format!("{}{generation}", status.configuration)));
    if status.configuration_errors > 0 {
        let errors = match status.configuration_errors {
            1 => "an error".to_owned(),
            number => format!("{number} errors"),
        };
        facts.push(
            "",
            Cell::painted(
                Paint::Warn,
                format!("runs with {errors}, which `steadfast -t` tells; a reload that adds none is taken"),
            ),
        );
    }
    if status.worker.is_some() || !status.instances.is_empty() || status.services.is_empty() {
        worker(&mut facts, status.worker.as_ref());
    }
    check_worker(&mut facts, status);
    if let Some(seconds) = status.flight_recorder_seconds {
        let reach = duration::milliseconds(seconds.saturating_mul(1000));
        facts.push("flight recorder", Cell::plain(format!("reaches back {reach}")));
    }
    for (position, fault) in status.faults.iter().enumerate() {
        let label = if position == 0 { "out of order" } else { "" };
        facts.push(label, Cell::painted(Paint::Warn, wording::fault(fault)));
    }
    if let Some(reason) = &status.refused_reload {
        facts.push("reload refused", Cell::painted(Paint::Bad, reason));
    }
    let turned_away = [
        (status.control.clients_refused, "a client was refused: too many were connected"),
        (status.control.clients_too_slow, "a client was hung up on: it did not read"),
    ];
    for (count, what) in turned_away.into_iter().filter(|(count, _)| *count > 0) {
        facts.push("control socket", Cell::painted(Paint::Warn, format!("{} {what}", times(count))));
    }
    for (position, block) in status.not_active.iter().enumerate() {
        facts.push(if position == 0 { "not active" } else { "" }, Cell::painted(Paint::Warn, block));
    }
    facts.write(text, view.palette, view.width);
}

/// What no state of an instance shows comes first: each of two masters looks well by itself.
fn problems(facts: &mut Facts, status: &Status) {
    /// More would hide the instances.
    const SHOWN_MAX: usize = 5;
    let found = verdict::findings(status);
    let mut found = found.into_iter().filter(|finding| finding.between_routers);
    for finding in found.by_ref().take(SHOWN_MAX) {
        let (label, paint) = match finding.gravity {
            Gravity::Critical => ("PROBLEM", Paint::Bad),
            Gravity::Warning => ("WARNING", Paint::Warn),
        };
        facts.push(label, Cell::painted(paint, finding.text));
    }
    let more = found.count();
    if more > 0 {
        facts.push("", Cell::painted(Paint::Bad, format!("and {more} more: `steadfast peers` has them all")));
    }
}

fn worker(facts: &mut Facts, worker: Option<&Worker>) {
    let Some(worker) = worker else {
        facts.push("vrrp worker", Cell::painted(Paint::Warn, "none runs"));
        return;
    };
    let mut line = format!("pid {}", worker.pid);
    if worker.restarts > 0 {
        // Writing to a String cannot fail.
        let _ = write!(line, ", died and was started again {}", times(u64::from(worker.restarts)));
    }
    if !worker.responsive {
        line.push_str(", does not answer: states are the last it told, counters are missing");
        facts.push("vrrp worker", Cell::painted(Paint::Bad, line));
        return;
    }
    let paint = (worker.restarts > 0).then_some(Paint::Warn);
    facts.push("vrrp worker", paint.map_or_else(|| Cell::plain(&line), |paint| Cell::painted(paint, &line)));
    let Some(figures) = &worker.figures else { return };
    let mean = figures.lateness_sum_microseconds.checked_div(figures.wakeups).unwrap_or_default();
    let mut timers = format!(
        "at most {} late, {} on average",
        duration::microseconds(figures.lateness_max_microseconds),
        duration::microseconds(mean)
    );
    let late = figures.late_over_millisecond;
    if late > 0 {
        let _ = write!(
            timers,
            "; over 1 ms {}, over 10 ms {}",
            times(late),
            times(figures.late_over_ten_milliseconds)
        );
    }
    let minded = figures.lateness_max_microseconds >= LATENESS_TO_MIND_MICROSECONDS;
    facts.push("timers", if minded { Cell::painted(Paint::Warn, timers) } else { Cell::plain(timers) });
    let troubles = [
        (figures.addresses_refused, "addresses that the kernel refuses: `steadfast events` has its reasons"),
        (figures.send_failures, "adverts the kernel refused to send"),
        (figures.addresses_restored, "addresses put back that somebody else removed"),
        (figures.datagrams_lost, "adverts the kernel dropped because they were not read in time"),
        (figures.messages_lost, "messages dropped because the supervisor did not read"),
        (figures.datagrams_truncated, "datagrams cut because they were too long"),
        (figures.datagrams_unclaimed, "datagrams for no instance of ours"),
    ];
    for (count, what) in troubles.into_iter().filter(|(count, _)| *count > 0) {
        facts.push("", Cell::painted(Paint::Warn, format!("{count} {what}")));
    }
}

fn check_worker(facts: &mut Facts, status: &Status) {
    let Some(worker) = &status.check_worker else {
        if !status.services.is_empty() {
            let line = "none runs: virtual servers are as it told last";
            facts.push("check worker", Cell::painted(Paint::Warn, line));
        }
        return;
    };
    let mut line = format!("pid {}", worker.pid);
    if worker.restarts > 0 {
        let _ = write!(line, ", died and was started again {}", times(u64::from(worker.restarts)));
    }
    if !worker.responsive {
        line.push_str(", does not answer: virtual servers are as it told last");
        facts.push("check worker", Cell::painted(Paint::Bad, line));
        return;
    }
    let paint = (worker.restarts > 0).then_some(Paint::Warn);
    facts.push("check worker", paint.map_or_else(|| Cell::plain(&line), |paint| Cell::painted(paint, &line)));
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

pub(super) fn instances(text: &mut String, status: &Status, view: &View) {
    text.push('\n');
    if status.instances.is_empty() && !status.services.is_empty() {
        text.pop();
        return;
    }
    if status.instances.is_empty() {
        text.push_str("No vrrp_instance is configured.\n");
        return;
    }
    let mut table = Table::new([
        "INSTANCE",
        "VRID",
        "INTERFACE",
        "ADDRESS",
        "STATE",
        "FOR",
        "PRIORITY",
        "MASTER",
        "LAST ADVERT",
        "WHY",
    ])
    .expendable(&["LAST ADVERT", "MASTER"]);
    let narrow = view.width.is_some_and(|width| width < WIDE);
    for instance in &status.instances {
        table.push([
            Cell::plain(&instance.name),
            Cell::plain(instance.vrid.to_string()),
            Cell::plain(&instance.interface),
            Cell::plain(address(instance)),
            state(instance.state),
            Cell::plain(instance.milliseconds_in_state.map_or_else(dash, duration::milliseconds)),
            priority(instance),
            Cell::plain(master(instance)),
            Cell::plain(last_advert(instance)),
            Cell::plain(if narrow { last_cause(instance) } else { instance.why.clone() }),
        ]);
    }
    table.write(text, view.palette, view.width);
}

/// The first address, and how many more there are.
fn address(instance: &Instance) -> String {
    let first = instance.addresses.first().map(|address| address.split('/').next().unwrap_or(address));
    match (first, instance.addresses.len()) {
        (None, _) => dash(),
        (Some(first), 1) => first.to_owned(),
        (Some(first), count) => format!("{first} +{}", count - 1),
    }
}

/// The newest link of the chain; `steadfast status NAME` has them all.
fn last_cause(instance: &Instance) -> String {
    match wording::links(&instance.causes).as_slice() {
        [] => instance.why.clone(),
        [only] => only.clone(),
        [.., last] => format!("… → {last}"),
    }
}

/// The state in its colour.
pub(super) fn state(state: State) -> Cell {
    let paint = match state {
        State::Master => Paint::Good,
        State::Backup => Paint::Calm,
        State::Init | State::Stop => Paint::Warn,
        State::Fault => Paint::Bad,
    };
    Cell::painted(paint, wording::state(state))
}

fn priority(instance: &Instance) -> Cell {
    if instance.effective_priority == instance.base_priority {
        Cell::plain(instance.base_priority.to_string())
    } else {
        Cell::painted(Paint::Warn, format!("{} of {}", instance.effective_priority, instance.base_priority))
    }
}

fn master(instance: &Instance) -> String {
    match (instance.state, instance.master, instance.master_priority) {
        (State::Master, _, _) => "this router".to_owned(),
        (_, Some(master), Some(priority)) => format!("{master} ({priority})"),
        (_, Some(master), None) => master.to_string(),
        (_, None, _) => dash(),
    }
}

fn last_advert(instance: &Instance) -> String {
    // Nothing arrives any longer when a backup would have given its master up.
    let silent =
        |ago: &u64| *ago > instance.master_down_milliseconds.max(instance.advert_interval_milliseconds);
    instance
        .last_advert_milliseconds_ago
        .filter(|ago| !silent(ago))
        .map_or_else(dash, |ago| format!("{} ago", duration::milliseconds(ago)))
}

fn dash() -> String {
    "-".to_owned()
}

pub(super) fn groups(text: &mut String, status: &Status, view: &View) {
    if status.groups.is_empty() {
        return;
    }
    text.push('\n');
    let mut table = Table::new(["GROUP", "STATE", "MEMBERS"]);
    for group in &status.groups {
        table.push([
            Cell::plain(&group.name),
            state(group.state),
            Cell::plain(group.members.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")),
        ]);
    }
    table.write(text, view.palette, view.width);
}

pub(super) fn scripts(text: &mut String, status: &Status, view: &View) {
    if status.scripts.is_empty() {
        return;
    }
    text.push('\n');
    let mut table = Table::new(["SCRIPT", "RESULT", "TOOK", "RUNS", "SKIPPED", "COMMAND"]);
    for script in &status.scripts {
        table.push([
            Cell::plain(&script.name),
            result(script),
            Cell::plain(script.duration_milliseconds.map_or_else(dash, duration::milliseconds)),
            Cell::plain(script.runs.to_string()),
            Cell::plain(script.skipped.to_string()),
            Cell::plain(&script.command),
        ]);
    }
    table.write(text, view.palette, view.width);
    for script in status.scripts.iter().filter(|script| script.success == Some(false)) {
        printed(text, script);
    }
}

pub(super) fn sessions(text: &mut String, status: &Status, view: &View) {
    if status.sessions.is_empty() {
        return;
    }
    text.push('\n');
    let mut table =
        Table::new(["BFD SESSION", "STATE", "FOR", "PEER", "SENDS", "EXPECTS", "GIVES UP", "WHY"]);
    for session in &status.sessions {
        let interval = |every: Option<u64>| Cell::plain(every.map_or_else(dash, duration::microseconds));
        // What a packet was dropped for says more than that none came.
        let why = session.obstacle.as_deref().or(session.dropped.as_deref()).unwrap_or(&session.diagnostic);
        table.push([
            Cell::plain(&session.name),
            Cell::plain(&session.state),
            Cell::plain(session.milliseconds_in_state.map_or_else(dash, duration::milliseconds)),
            Cell::plain(session.peer.to_string()),
            interval(session.transmit_microseconds),
            interval(session.receive_microseconds),
            interval(session.detection_microseconds),
            Cell::plain(if session.state == "Up" { "" } else { why }),
        ]);
    }
    table.write(text, view.palette, view.width);
}

fn result(script: &Script) -> Cell {
    let running = if script.running { ", running" } else { "" };
    match (script.success, &script.outcome) {
        (None, _) => Cell::painted(Paint::Warn, format!("no run ended yet{running}")),
        (Some(true), _) => Cell::painted(Paint::Good, format!("good{running}")),
        (Some(false), None) => Cell::painted(Paint::Bad, format!("failed{running}")),
        (Some(false), Some(outcome)) => Cell::painted(Paint::Bad, format!("{outcome}{running}")),
    }
}

/// What a failing script printed is half of its diagnosis.
fn printed(text: &mut String, script: &Script) {
    let output = harmless(script.output.trim_end());
    if output.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nscript {} printed:", harmless(&script.name));
    for line in output.lines() {
        let _ = writeln!(text, "    {line}");
    }
}
