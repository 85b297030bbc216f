//! The VRRP part of `keepalived.data`.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use steadfast_config::model::{AuthType, Tracks, VirtualAddress, VrrpScript, VrrpSyncGroup, Weight};
use steadfast_config::value::Interval;
use steadfast_vrrp::status::{TrackerKind, TrackerShare};
use steadfast_wire::vrrp::{Family, Version};

use super::{FileState, Picture, Shown, wording};
use crate::supervisor::scripts::programs::{Command, Notifies};

/// Instances, sync groups and scripts.
pub(super) fn text(picture: &Picture<'_>) -> String {
    let mut out = Lines::default();
    out.line(0, "------< VRRP Topology >------");
    for shown in &picture.instances {
        instance(&mut out, picture, shown);
    }
    let by_name: BTreeMap<&str, &Shown<'_>> =
        picture.instances.iter().map(|shown| (&*shown.config.name, shown)).collect();
    if !picture.model.groups.is_empty() {
        out.line(0, "------< VRRP Sync groups >------");
    }
    for config in &picture.model.groups {
        group(&mut out, picture, config, &by_name);
    }
    let trackers = trackers(picture);
    if !trackers.is_empty() {
        out.line(0, "------< VRRP Scripts >------");
    }
    for config in &picture.model.scripts {
        // keepalived forgets scripts that nothing tracks.
        if let Some(trackers) = trackers.get(&*config.name) {
            script(&mut out, picture, config, trackers);
        }
    }
    out.text
}

/// An instance that tracks a script, by itself or with its group.
struct ScriptTracker<'a> {
    shown: &'a Shown<'a>,
    weight: Weight,
}

/// By script.
fn trackers<'a>(picture: &'a Picture<'a>) -> BTreeMap<&'a str, Vec<ScriptTracker<'a>>> {
    let mut trackers: BTreeMap<&str, Vec<ScriptTracker<'_>>> = BTreeMap::new();
    for shown in &picture.instances {
        let own = &shown.config.tracks.scripts;
        let group = shown.group.map(|group| group.tracks.scripts.as_slice()).unwrap_or_default();
        let further = group.iter().filter(|tracked| !own.iter().any(|own| own.name == tracked.name));
        for tracked in own.iter().chain(further) {
            let tracker = ScriptTracker { shown, weight: tracked.weight };
            trackers.entry(&tracked.name).or_default().push(tracker);
        }
    }
    trackers
}

/// Lines with keepalived's indentation.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: String,
}

impl Lines {
    pub(super) fn line(&mut self, indentation: usize, what: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:indentation$}{what}", "");
    }

    pub(super) fn field(&mut self, name: &str, value: impl Display) {
        self.line(3, format_args!("{name} = {value}"));
    }
}

fn instance(out: &mut Lines, picture: &Picture<'_>, shown: &Shown<'_>) {
    let config = shown.config;
    out.line(1, format_args!("VRRP Instance = {}", config.name));
    out.field("VRRP Version", config.version.number());
    if config.family == Family::V6 {
        out.line(3, "Using Native IPv6");
    }
    if let Some(group) = shown.group {
        out.field("Sync group", &group.name);
    }
    standing(out, picture, shown);
    transport(out, shown);
    protocol(out, shown);
    let set = shown.addresses_are_set();
    let interface = config.interface.as_deref();
    if !config.addresses.is_empty() {
        out.line(3, format_args!("Virtual IP ({}):", config.addresses.len()));
        addresses(out, &config.addresses, interface, set);
    }
    if !config.excluded_addresses.is_empty() {
        out.line(3, "Virtual IP Excluded :");
        addresses(out, &config.excluded_addresses, interface, set);
    }
    peers(out, shown);
    tracks(out, &config.tracks);
    out.field("Using smtp notification", yes(config.smtp_alert));
    out.field("Notify deleted", if config.notify_deleted { "Deleted" } else { "Fault" });
    if let Some(told) = shown.notifies {
        notifies(out, told);
    }
    out.field("Notify priority changes", config.notify_priority_changes);
}

/// Where it stands and since when.
fn standing(out: &mut Lines, picture: &Picture<'_>, shown: &Shown<'_>) {
    let (config, told, state) = (shown.config, shown.told, shown.state());
    out.field("State", state.name());
    if state == FileState::Backup
        && let Some((told, master)) = told.and_then(|told| Some((told, told.master?)))
    {
        out.field("Master router", master.address);
        out.field("Master priority", master.priority.get());
        if config.version == Version::V3 {
            let seconds = told.master_interval.as_secs_f64();
            out.line(3, format_args!("Master advert int = {seconds:.2} sec"));
        }
    }
    if config.is_unicast() {
        out.line(3, "Flags:");
        out.line(5, "Using unicast");
    } else {
        out.line(3, "Flags: none");
    }
    out.field("Wantstate", shown.wanted_state().name());
    out.field("Number of config faults", u8::from(config.broken.is_some()));
    let waiting = shown.waits_for_scripts();
    let faults = told.map_or(0, |told| told.faults.len()).saturating_sub(waiting);
    out.field("Number of interface and track script faults", faults);
    out.field("Number of track scripts init", waiting);
    out.field("Last transition", time(picture.time(shown.since)));
    let running = matches!(state, FileState::Master | FileState::Backup);
    match told.and_then(|told| told.deadline).filter(|_| running) {
        Some(deadline) => out.field("Read timeout", time(picture.time(deadline))),
        None => out.field("Read timeout", "DISABLED"),
    }
    let down = told.map_or(Duration::ZERO, |told| told.master_down_interval);
    out.field("Master down timer", format_args!("{} usecs", down.as_micros()));
}

/// How adverts travel.
fn transport(out: &mut Lines, shown: &Shown<'_>) {
    let config = shown.config;
    match (shown.made, config.interface.as_deref()) {
        (Some(made), Some(below)) if config.vmac.is_some() => {
            let (up, base) = (shown.state() != FileState::Fault, config.vmac_transmit_on_parent);
            out.line(3, format_args!("Use VMAC, i/f name {made}, is_up = {up}, xmit_base = {base}"));
            out.field("Interface", format_args!("{made}, vmac on {below}"));
        }
        (made, below) => {
            if let Some(interface) = made.or(below) {
                out.field("Interface", interface);
            }
        }
    }
    if config.dont_track_interface {
        out.line(3, "VRRP interface tracking disabled");
    }
    if config.skip_check_addresses {
        out.line(3, "Skip checking advert IP addresses");
    }
    if config.strict {
        out.line(3, "Enforcing strict VRRP compliance");
    }
    match (config.source_address, shown.told.and_then(|told| told.source)) {
        (Some(source), _) => out.field("Using src_ip", format_args!("{source} (from configuration)")),
        (None, Some(source)) => out.field("Using src_ip", source),
        (None, None) => out.field("Using src_ip", "(none)"),
    }
    if !config.is_unicast() {
        out.line(3, format_args!("Multicast address {}", config.multicast_group));
    }
}

fn protocol(out: &mut Lines, shown: &Shown<'_>) {
    let (config, announce) = (shown.config, &shown.config.announce);
    out.field("Gratuitous ARP delay", announce.master_delay);
    out.field("Gratuitous ARP repeat", announce.master_repeat);
    out.field("Gratuitous ARP refresh", announce.refresh);
    out.field("Gratuitous ARP refresh repeat", announce.refresh_repeat);
    out.field("Gratuitous ARP lower priority delay", announce.lower_priority_delay);
    out.field("Gratuitous ARP lower priority repeat", announce.lower_priority_repeat);
    out.field("Down timer adverts", config.down_timer_adverts);
    out.field("Send advert after receive lower priority advert", !config.lower_priority_no_advert);
    out.field("Send advert after receive higher priority advert", config.higher_priority_send_advert);
    out.field("Virtual Router ID", config.virtual_router_id.get());
    out.field("Priority", config.priority.get());
    let effective = shown.told.map_or(config.priority, |told| told.effective_priority);
    out.field("Effective priority", effective.get());
    out.field("Total priority", effective.get());
    let own = config.advert_interval_on_wire().duration();
    match config.version {
        Version::V2 => out.field("Advert interval", format_args!("{} sec", own.as_secs())),
        Version::V3 => out.field("Advert interval", format_args!("{} milli-sec", own.as_millis())),
    }
    if config.version == Version::V3
        && let Some(told) = shown.told.filter(|told| told.master_interval != own)
        && shown.state() == FileState::Backup
    {
        out.field("Master advert interval", format_args!("{} milli-sec", told.master_interval.as_millis()));
    }
    out.field("Accept", enabled(config.accept));
    out.field("Preempt", enabled(!config.nopreempt));
    if !config.preempt_delay.is_zero() {
        out.field("Preempt delay", format_args!("{} secs", config.preempt_delay));
    }
    out.field("Promote_secondaries", enabled(config.promote_secondaries));
    if config.debug > 0 {
        out.field("Debug level", config.debug);
    }
    match config.authentication.as_ref().map(|authentication| authentication.kind) {
        None if config.version == Version::V2 => out.field("Authentication type", "none"),
        None => {}
        Some(AuthType::Header) => out.field("Authentication type", "IPSEC_AH"),
        Some(AuthType::Password) => {
            out.field("Authentication type", "SIMPLE_PASSWORD");
            out.field("Password", "********");
        }
    }
}

fn addresses(out: &mut Lines, lines: &[VirtualAddress], interface: Option<&str>, set: bool) {
    for line in lines {
        out.line(5, wording::address(line, interface, set));
    }
}

fn peers(out: &mut Lines, shown: &Shown<'_>) {
    let config = shown.config;
    if !config.is_unicast() {
        return;
    }
    out.field("Unicast TTL", config.unicast_ttl.unwrap_or(255));
    out.line(3, format_args!("Check unicast src : {}", yes(config.check_unicast_source)));
    out.line(3, "Unicast Peer :");
    for peer in &config.unicast_peers {
        let (min, max) = (peer.min_ttl, peer.max_ttl);
        out.line(5, format_args!("{} min_ttl {min} max_ttl {max}", peer.address));
    }
    let compatibility = match config.old_unicast_checksum {
        None => "no",
        Some(true) => "config",
        Some(false) => "never",
    };
    out.field("Unicast checksum compatibility", compatibility);
}

fn tracks(out: &mut Lines, tracks: &Tracks) {
    let lists = [
        ("interfaces", &tracks.interfaces, ""),
        ("scripts", &tracks.scripts, ""),
        ("files", &tracks.files, ","),
        ("processes", &tracks.processes, ","),
        ("BFDs", &tracks.bfds, ":"),
    ];
    for (what, list, separator) in lists {
        if !list.is_empty() {
            out.line(3, format_args!("Tracked {what} :"));
        }
        for tracked in list {
            out.line(5, wording::tracked(tracked, separator));
        }
    }
}

fn notifies(out: &mut Lines, told: &Notifies) {
    let scripts: [(&str, &Option<Command>); 7] = [
        ("Backup", &told.backup),
        ("Master", &told.master),
        ("Fault", &told.fault),
        ("Stop", &told.stop),
        ("Deleted", &told.deleted),
        ("Generic", &told.any),
        ("Master rx lower pri", &told.lower_priority),
    ];
    for (what, command) in scripts {
        if let Some(command) = command {
            let (words, account) = (wording::command(command), wording::account(command));
            out.field(&format!("{what} state transition script"), format_args!("{words}, uid:gid {account}"));
        }
    }
}

fn group(
    out: &mut Lines,
    picture: &Picture<'_>,
    config: &VrrpSyncGroup,
    by_name: &BTreeMap<&str, &Shown<'_>>,
) {
    let members = || config.members.iter().filter_map(|member| by_name.get(&**member));
    let state = members().next().map_or(FileState::Init, |shown| shown.state());
    let faults = members().filter(|shown| shown.state() == FileState::Fault).count();
    let init = members().filter(|shown| shown.waits_for_scripts() > 0).count();
    out.line(1, format_args!("VRRP Sync Group = {}, {}", config.name, state.name()));
    out.line(3, format_args!("Num member fault {faults}, num member init {init}"));
    out.line(3, "VRRP member instances :");
    for member in &config.members {
        out.line(5, member);
    }
    out.field("Using smtp notification", yes(config.smtp_alert));
    tracks(out, &config.tracks);
    if let Some(told) = picture.groups.get(&*config.name) {
        notifies(out, told);
    }
}

fn script(out: &mut Lines, picture: &Picture<'_>, config: &VrrpScript, trackers: &[ScriptTracker<'_>]) {
    let run = picture.runs.get(&config.name);
    let check = picture.checks.get(&*config.name);
    let good = goodness(trackers, config).or(run.and_then(|run| run.success)) == Some(true);
    out.line(1, format_args!("VRRP Script = {}", config.name));
    if let Some(check) = check {
        out.field("Command", wording::command(&check.command));
    }
    out.field("Interval", format_args!("{} sec", config.interval));
    // keepalived has 0 where none is given, which means the interval.
    let timeout = if config.timeout == config.interval { Interval::ZERO } else { config.timeout };
    out.field("Timeout", format_args!("{timeout} sec"));
    out.field("Weight", wording::weight(config.weight));
    out.field("Rise", config.rise);
    out.field("Fall", config.fall);
    // Where the count comes to rest; on the way there keepalived shows what it has counted.
    let most = config.rise.saturating_add(config.fall).saturating_sub(1);
    out.field("Result", if good { most } else { 0 });
    out.field("Insecure", yes(false));
    let init = run.is_none_or(|run| run.success.is_none());
    out.field("Init state", if init { "INIT" } else { "unknown" });
    out.field("Status", if good { "GOOD" } else { "BAD" });
    if let Some(check) = check {
        out.field("Script uid:gid", wording::account(&check.command));
    }
    out.line(3, "VRRP instances :");
    out.line(3, "Tracking instances :");
    for tracker in trackers {
        let (name, weight) = (&tracker.shown.config.name, wording::weight(tracker.weight));
        out.line(5, format_args!("{name}, weight {weight}"));
    }
    out.field("State", if run.is_some_and(|run| run.running) { "running" } else { "idle" });
}

/// What the worker makes of the results.
fn goodness(trackers: &[ScriptTracker<'_>], config: &VrrpScript) -> Option<bool> {
    let told = trackers.iter().find_map(|tracker| tracker.shown.told)?;
    let is_it = |share: &&TrackerShare| share.kind == TrackerKind::Script && share.name == config.name;
    told.trackers.iter().find(is_it)?.good
}

/// Seconds of the epoch, and the same in words (UTC).
fn time(timestamp: Timestamp) -> String {
    let words = timestamp.to_zoned(TimeZone::UTC).strftime("%a %b %e %H:%M:%S.%6f %Y").to_string();
    format!("{}.{:06} ({words})", timestamp.as_second(), timestamp.subsec_microsecond())
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

const fn enabled(value: bool) -> &'static str {
    if value { "enabled" } else { "disabled" }
}
