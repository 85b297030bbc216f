//! `keepalived.json`: one line with a fixed order of keys.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use steadfast_config::model::{AuthType, ParameterMatch, TrackProcess, VirtualAddress};
use steadfast_vrrp::Counters;

use super::{Picture, Shown, wording};
use crate::supervisor::scripts::programs::Command;
use crate::supervisor::watches::processes::Counted;

/// The whole file; nothing is written without instances.
pub(super) fn text(picture: &Picture<'_>) -> Option<String> {
    if picture.instances.is_empty() {
        return None;
    }
    let mut out = Object::default();
    let instances = picture.instances.iter().map(|shown| {
        let mut instance = Object::default();
        instance.raw("data", data(picture, shown));
        instance.raw("stats", statistics(shown.told.map(|told| told.counters).unwrap_or_default()));
        instance.finish()
    });
    let instances = array(instances);
    if picture.model.global.json_version < 2 {
        return Some(instances + "\n");
    }
    out.raw("vrrp", instances);
    if !picture.processes.is_empty() {
        out.raw(
            "track_process",
            array(picture.processes.iter().map(|(set, counted)| process(set, *counted))),
        );
    }
    Some(out.finish() + "\n")
}

/// A set of processes. Its name is in the instances that follow it.
fn process(config: &TrackProcess, counted: Counted) -> String {
    let mut out = Object::default();
    out.string("process", &config.process);
    if !config.arguments.is_empty() {
        let parameters: Vec<&str> = config.arguments.iter().map(|argument| &**argument).collect();
        out.string("parameters", &parameters.join(" "));
    }
    let compared = match config.parameter_match {
        ParameterMatch::None => "none",
        ParameterMatch::Exact => "exact",
        ParameterMatch::Partial => "partial",
        ParameterMatch::Initial => "initial",
    };
    out.string("param_match", compared);
    out.raw("min_processes", config.quorum);
    if let Some(most) = config.quorum_max {
        out.raw("max_processes", most);
    }
    out.raw("current_processes", counted.processes);
    out.raw("have_quorum", counted.good);
    let weight = i32::from(config.weight.value);
    out.raw("weight", if config.weight.reverse { -weight } else { weight });
    out.raw("terminate_delay", seconds(config.terminate_delay.duration()));
    out.raw("fork_delay", seconds(config.fork_delay.duration()));
    out.raw("fork_delay_timer_running", counted.changes && !counted.good);
    out.raw("terminate_delay_timer_running", counted.changes && counted.good);
    out.raw("full_command", config.full_command);
    out.finish()
}

fn data(picture: &Picture<'_>, shown: &Shown<'_>) -> String {
    let (config, told) = (shown.config, shown.told);
    let announce = &config.announce;
    let master_priority = match shown.state() {
        super::FileState::Master => 0,
        _ => told.and_then(|told| told.master).map_or(0, |master| master.priority.get()),
    };
    let own_interval = config.advert_interval_on_wire().duration();
    let effective = told.map_or(config.priority, |told| told.effective_priority);
    let since = picture.time(shown.since);
    let mut out = Object::default();
    out.string("iname", &config.name);
    out.flag("dont_track_primary", config.dont_track_interface);
    out.flag("skip_check_adv_addr", config.skip_check_addresses);
    out.flag("strict_mode", config.strict);
    out.string("vmac_ifname", shown.made.unwrap_or_default());
    if let Some(interface) = shown.made.or(config.interface.as_deref()) {
        out.string("ifp_ifname", interface);
    }
    out.raw("master_priority", master_priority);
    out.raw("last_transition", format_args!("{}.{:06}", since.as_second(), since.subsec_microsecond()));
    out.raw("garp_delay", announce.master_delay);
    out.raw("garp_refresh", announce.refresh.duration().as_secs());
    out.raw("garp_rep", announce.master_repeat);
    out.raw("garp_refresh_rep", announce.refresh_repeat);
    out.raw("garp_lower_prio_delay", announce.lower_priority_delay);
    out.raw("garp_lower_prio_rep", announce.lower_priority_repeat);
    out.flag("lower_prio_no_advert", config.lower_priority_no_advert);
    out.flag("higher_prio_send_advert", config.higher_priority_send_advert);
    out.raw("vrid", config.virtual_router_id.get());
    out.raw("base_priority", config.priority.get());
    out.raw("effective_priority", effective.get());
    out.raw("vipset", shown.addresses_are_set() && !config.addresses.is_empty());
    out.raw("promote_secondaries", config.promote_secondaries);
    out.raw("adver_int", seconds(own_interval));
    out.raw("master_adver_int", seconds(told.map_or(own_interval, |told| told.master_interval)));
    out.flag("accept", config.accept);
    out.raw("nopreempt", config.nopreempt);
    out.raw("preempt_delay", config.preempt_delay.duration().as_secs());
    out.raw("state", shown.state() as u8);
    out.raw("wantstate", shown.wanted_state() as u8);
    out.raw("version", config.version.number());
    out.raw("smtp_alert", config.smtp_alert);
    out.raw("notify_deleted", config.notify_deleted);
    add_scripts(&mut out, shown);
    add_lists(&mut out, picture, shown);
    let kind = match config.authentication.as_ref().map(|authentication| authentication.kind) {
        None => 0,
        Some(AuthType::Password) => 1,
        Some(AuthType::Header) => 2,
    };
    out.raw("auth_type", kind);
    if kind != 0 {
        out.string("auth_data", "********");
    }
    out.finish()
}

fn add_scripts(out: &mut Object, shown: &Shown<'_>) {
    let Some(told) = shown.notifies else { return };
    let scripts: [(&str, &Option<Command>); 7] = [
        ("script_backup", &told.backup),
        ("script_master", &told.master),
        ("script_fault", &told.fault),
        ("script_stop", &told.stop),
        ("script_deleted", &told.deleted),
        ("script", &told.any),
        ("script_master_rx_lower_pri", &told.lower_priority),
    ];
    for (key, command) in scripts {
        if let Some(command) = command {
            out.string(key, &wording::command(command));
        }
    }
}

fn add_lists(out: &mut Object, picture: &Picture<'_>, shown: &Shown<'_>) {
    let config = shown.config;
    let addresses = |lines: &[VirtualAddress]| -> Vec<String> {
        let interface = config.interface.as_deref();
        lines.iter().map(|line| wording::address(line, interface, shown.addresses_are_set())).collect()
    };
    let command = |name: &str| picture.checks.get(name).map(|check| wording::command(&check.command));
    let tracks = &config.tracks;
    let lists: [(&str, Vec<String>); 5] = [
        ("vips", addresses(&config.addresses)),
        ("evips", addresses(&config.excluded_addresses)),
        ("track_ifp", tracks.interfaces.iter().map(|tracked| tracked.name.to_string()).collect()),
        ("track_script", tracks.scripts.iter().filter_map(|tracked| command(&tracked.name)).collect()),
        ("track_process", tracks.processes.iter().map(|tracked| tracked.name.to_string()).collect()),
    ];
    for (key, items) in lists {
        if !items.is_empty() {
            out.raw(key, array(items.iter().map(|item| quoted(item))));
        }
    }
}

fn statistics(counters: Counters) -> String {
    let mut out = Object::default();
    let named = [
        ("advert_rcvd", counters.adverts_received),
        ("advert_sent", counters.adverts_sent),
        ("become_master", counters.became_master),
        ("release_master", counters.released_master),
        ("packet_len_err", counters.length_errors),
        ("advert_interval_err", counters.interval_errors),
        ("ip_ttl_err", counters.ttl_errors),
        ("invalid_type_rcvd", counters.type_errors),
        ("addr_list_err", counters.address_list_errors),
        ("invalid_authtype", counters.auth_type_invalid),
        ("authtype_mismatch", counters.auth_type_mismatches),
        ("auth_failure", counters.auth_failures),
        ("auth_ext_missing", counters.trailer_missing),
        ("auth_ext_malformed", counters.trailer_malformed),
        ("auth_ext_unknown_key", counters.trailer_unknown_key),
        ("auth_ext_invalid_hmac", counters.trailer_invalid),
        ("auth_ext_stale", counters.trailer_stale),
        ("auth_ext_replay", counters.trailer_replayed),
        ("pri_zero_rcvd", counters.priority_zero_received),
        ("pri_zero_sent", counters.priority_zero_sent),
    ];
    for (key, value) in named {
        out.raw(key, value);
    }
    out.finish()
}

/// Seconds with up to six significant digits.
fn seconds(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An object under way.
#[derive(Debug, Default)]
struct Object {
    text: String,
}

impl Object {
    fn raw(&mut self, key: &str, value: impl Display) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        // Writing to a String cannot fail.
        let _ = write!(self.text, "\"{key}\":{value}");
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, u8::from(value));
    }

    fn string(&mut self, key: &str, value: &str) {
        self.raw(key, quoted(value));
    }

    fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

fn array(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    format!("[{}]", items.join(","))
}

/// RFC 8259 section 7, with the slash escaped too, as keepalived does.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use steadfast_config::model::Weight;
    use steadfast_config::value::Interval;

    use super::*;

    #[test]
    fn any_text_can_be_read_back() {
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        assert_eq!(serde_json::from_str::<String>(&quoted(&all)).unwrap(), all);
        assert_eq!(quoted("a/b"), "\"a\\/b\"");
    }

    #[test]
    fn a_set_of_processes_has_the_keys_of_version_2() {
        let config = TrackProcess {
            process: "/usr/sbin/named".into(),
            arguments: vec!["-u".into(), "bind".into()],
            parameter_match: ParameterMatch::Partial,
            weight: Weight { value: 10, reverse: true },
            quorum: 2,
            terminate_delay: Interval::from_millis(1_500),
            ..TrackProcess::default()
        };
        let counted = Counted { processes: 1, good: true, changes: true };
        let expected = r#"{"process":"\/usr\/sbin\/named","parameters":"-u bind","param_match":"partial","min_processes":2,"current_processes":1,"have_quorum":true,"weight":-10,"terminate_delay":1.5,"fork_delay":0,"fork_delay_timer_running":false,"terminate_delay_timer_running":true,"full_command":false}"#;
        assert_eq!(process(&config, counted), expected);
        let plain = process(
            &TrackProcess { quorum_max: Some(3), ..TrackProcess::default() },
            Counted { processes: 0, good: false, changes: true },
        );
        assert!(!plain.contains("parameters") && plain.contains(r#""max_processes":3"#), "{plain}");
        assert!(plain.contains(r#""fork_delay_timer_running":true"#), "{plain}");
    }

    #[test]
    fn intervals_have_no_trailing_zeros() {
        let of = |milliseconds| seconds(Duration::from_millis(milliseconds));
        assert_eq!(
            [of(1_000), of(250), of(100), of(10), of(40_950), of(0)],
            ["1", "0.25", "0.1", "0.01", "40.95", "0"]
        );
    }
}
