//! Readers of the global keywords whose grammar is their own.

use std::net::IpAddr;

use crate::diagnostic::code::{Class, Code};
use crate::language::instance::extensions::{fast_detection, words_of_detection};
use crate::model::{ExtraAnnounce, Fifo, FlightRecorder, Global, IpTables, LvsFlushOnStop, LvsSyncDaemon};
use crate::table::notation::{quote, quote_account, quote_script, quote_words};
use crate::table::{Argument, Line, Statement, Unit, Value, account};
use crate::value::{Interval, Text};

pub(crate) fn show_nothing(_: &Global) -> Vec<String> {
    Vec::new()
}

pub(crate) fn read_smtp_server(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    let Some(server) = line.word(0) else { return line.missing("HOST [PORT]") };
    global.mail.server = Some(server.into());
    if line.word(1).is_some()
        && let Some(port) = line.unsigned(1, 1, 65_535)
    {
        global.mail.port = u16::try_from(port).unwrap_or(25);
    }
    line.no_more(2);
}

pub(crate) fn show_smtp_server(global: &Global) -> Vec<String> {
    let port = |server: &Text| format!("{} {}", quote(server), global.mail.port);
    global.mail.server.iter().map(port).collect()
}

pub(crate) fn read_mail_timeout(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    let Some(Value::Interval(timeout)) = line.value(Argument::seconds(0, 4_294), 0) else { return };
    if timeout.is_zero() {
        line.report(Code::ValueReplaced, 0, format!("{} must be at least 1; 1 is used", line.keyword));
    }
    global.mail.timeout = timeout.max(Interval::from_secs(1));
}

pub(crate) fn show_mail_timeout(global: &Global) -> Vec<String> {
    vec![global.mail.timeout.to_string()]
}

pub(crate) fn read_notification_email(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    line.warn_of_emptiness();
    for child in line.node.children().into_iter().flatten() {
        global.mail.to.extend(child.words().filter_map(|word| word.as_str()).map(Text::from));
    }
}

pub(crate) fn show_notification_email(global: &Global) -> Vec<String> {
    if global.mail.to.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["{".to_owned()];
    lines.extend(global.mail.to.iter().map(|word| format!("    {}", quote(word))));
    lines.push("}".to_owned());
    vec![lines.join("\n")]
}

pub(crate) fn read_max_auto_priority(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        global.max_auto_priority = None;
    } else if let Some(number) = line.integer(0, -1, 99) {
        global.max_auto_priority = i32::try_from(number).ok();
    }
}

pub(crate) fn show_max_auto_priority(global: &Global) -> Vec<String> {
    vec![global.max_auto_priority.map(|priority| priority.to_string()).unwrap_or_default()]
}

pub(crate) fn read_dynamic_interfaces(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    global.dynamic_interfaces = true;
    match line.word(0) {
        None => {}
        Some("allow_if_changes") => global.allow_interface_changes = true,
        Some(word) => {
            let message = format!("dynamic_interfaces does not know '{word}'");
            line.report(Code::UnknownOption, 0, message);
        }
    }
}

pub(crate) fn show_dynamic_interfaces(global: &Global) -> Vec<String> {
    match (global.dynamic_interfaces, global.allow_interface_changes) {
        (false, _) => Vec::new(),
        (true, false) => vec![String::new()],
        (true, true) => vec!["allow_if_changes".to_owned()],
    }
}

const TIMEOUTS: [&str; 3] = ["tcp", "tcpfin", "udp"];

pub(crate) fn read_lvs_timeouts(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("tcp N, tcpfin N or udp N");
    }
    let mut place = 0;
    while let Some(word) = line.word(place) {
        match TIMEOUTS.iter().position(|name| *name == word) {
            Some(index) => {
                let seconds = line.unsigned(place + 1, 0, 2_678_400).and_then(|n| u32::try_from(n).ok());
                if let (Some(seconds), Some(slot)) = (seconds, global.lvs_timeouts.get_mut(index)) {
                    *slot = Some(seconds);
                }
                place += 2;
            }
            None => {
                line.report(Code::UnknownOption, place, format!("lvs_timeouts does not know '{word}'"));
                place += 1;
            }
        }
    }
}

pub(crate) fn show_lvs_timeouts(global: &Global) -> Vec<String> {
    let pairs = TIMEOUTS.iter().zip(global.lvs_timeouts);
    let words: Vec<_> =
        pairs.filter_map(|(name, seconds)| seconds.map(|seconds| format!("{name} {seconds}"))).collect();
    if words.is_empty() { Vec::new() } else { vec![words.join(" ")] }
}

pub(crate) fn read_flush_on_stop(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    match line.word(0) {
        None => global.lvs_flush_on_stop = LvsFlushOnStop::All,
        Some("VS") => global.lvs_flush_on_stop = LvsFlushOnStop::VirtualServers,
        Some(word) => {
            let message = format!("{} does not know '{word}'", line.keyword);
            line.report(Code::UnknownOption, 0, message);
        }
    }
}

pub(crate) fn show_flush_on_stop(global: &Global) -> Vec<String> {
    match global.lvs_flush_on_stop {
        LvsFlushOnStop::No => Vec::new(),
        LvsFlushOnStop::All => vec![String::new()],
        LvsFlushOnStop::VirtualServers => vec!["VS".to_owned()],
    }
}

pub(crate) fn read_sync_daemon(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("INTERFACE [options]");
    }
    let Some(Value::Text(interface)) = line.value(Argument::Interface, 0) else { return };
    // keepalived stops reading where the value of an option is missing.
    line.stops_without = true;
    let mut daemon = LvsSyncDaemon {
        interface: interface.into(),
        instance: None,
        id: None,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut place = 1;
    while let Some(word) = line.word(place) {
        let number = |line: &mut Line<'_, '_, '_>, min, max| line.unsigned(place + 1, min, max);
        match word {
            "inst" => match line.word(place + 1) {
                Some(name) => daemon.instance = Some(name.into()),
                None => line.missing("INTERFACE inst NAME"),
            },
            "id" => daemon.id = number(line, 0, 255).and_then(|n| u8::try_from(n).ok()),
            "maxlen" => daemon.max_length = number(line, 1, 65_507).and_then(|n| u16::try_from(n).ok()),
            "port" => daemon.port = number(line, 1, 65_535).and_then(|n| u16::try_from(n).ok()),
            "ttl" => daemon.ttl = number(line, 1, 255).and_then(|n| u8::try_from(n).ok()),
            "group" => {
                if let Some(Value::Address(address)) = line.value(Argument::Address, place + 1) {
                    daemon.group = Some(address);
                }
            }
            // The old positional form: INTERFACE INSTANCE SYNCID.
            _ if place == 1 => {
                daemon.instance = Some(word.into());
                place = 0;
            }
            _ if place == 2 => {
                let span = line.span(2);
                let message = "lvs_sync_daemon: a number without 'id' before it is deprecated";
                line.push(
                    crate::diagnostic::Diagnostic::new(Code::DeprecatedKeyword, span, message)
                        .class(Class::Deprecated)
                        .fix(span, format!("id {word}"), format!("write 'id {word}'")),
                );
                daemon.id = line.unsigned(2, 0, 255).and_then(|n| u8::try_from(n).ok());
                place = 1;
            }
            _ => line.report(Code::UnknownOption, place, format!("lvs_sync_daemon does not know '{word}'")),
        }
        place += 2;
    }
    global.lvs_sync_daemon = Some(Box::new(daemon));
}

pub(crate) fn show_sync_daemon(global: &Global) -> Vec<String> {
    let Some(daemon) = &global.lvs_sync_daemon else { return Vec::new() };
    let mut words = vec![quote(&daemon.interface)];
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{name} {value}")));
    };
    option("inst", daemon.instance.as_deref().map(quote));
    option("id", daemon.id.map(|id| id.to_string()));
    option("maxlen", daemon.max_length.map(|length| length.to_string()));
    option("port", daemon.port.map(|port| port.to_string()));
    option("ttl", daemon.ttl.map(|ttl| ttl.to_string()));
    option("group", daemon.group.map(|group: IpAddr| group.to_string()));
    vec![words.join(" ")]
}

/// Counts of which 0 is taken for 1.
pub(crate) fn at_least_one(line: &mut Line<'_, '_, '_>) -> Option<u32> {
    let number = line.unsigned(0, 0, 4_294_967_295)?;
    if number == 0 {
        line.report(Code::ValueReplaced, 0, format!("{} must be at least 1; 1 is used", line.keyword));
    }
    u32::try_from(number.max(1)).ok()
}

pub(crate) fn read_master_repeat(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if let Some(count) = at_least_one(line) {
        global.announce.master_repeat = count;
    }
}

pub(crate) fn show_master_repeat(global: &Global) -> Vec<String> {
    vec![global.announce.master_repeat.to_string()]
}

pub(crate) fn read_refresh_repeat(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if let Some(count) = at_least_one(line) {
        global.announce.refresh_repeat = count;
    }
}

pub(crate) fn show_refresh_repeat(global: &Global) -> Vec<String> {
    vec![global.announce.refresh_repeat.to_string()]
}

/// `[all] SECONDS`.
pub(crate) fn extra_announce(line: &mut Line<'_, '_, '_>, min_seconds: u64) -> Option<ExtraAnnounce> {
    let all = line.word(0) == Some("all");
    let argument = Argument::Time {
        min: min_seconds.saturating_mul(1_000_000),
        max: 86_400_000_000,
        unit: Unit::WholeSeconds,
    };
    match line.value(argument, usize::from(all))? {
        Value::Interval(interval) => Some(ExtraAnnounce { interval, all }),
        _ => None,
    }
}

pub(crate) fn words_of_extra_announce(extra: Option<ExtraAnnounce>) -> Vec<String> {
    let words = |extra: ExtraAnnounce| format!("{}{}", if extra.all { "all " } else { "" }, extra.interval);
    extra.into_iter().map(words).collect()
}

pub(crate) fn read_extra_announce(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    global.extra_announce = extra_announce(line, 1).or(global.extra_announce);
}

pub(crate) fn show_extra_announce(global: &Global) -> Vec<String> {
    words_of_extra_announce(global.extra_announce)
}

pub(crate) fn read_iptables(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    let span = line.node.span();
    line.push(
        crate::diagnostic::Diagnostic::new(
            Code::NotInThisBuild,
            span,
            "keepalived built without iptables uses nftables instead",
        )
        .hint("write 'nftables' in place of 'vrrp_iptables' and 'vrrp_ipsets'"),
    );
    global.firewall.iptables = Some(match (line.word(0), line.word(1)) {
        (None, _) => IpTables { input_chain: "INPUT".into(), output_chain: Some("OUTPUT".into()) },
        (Some(input), output) => IpTables { input_chain: input.into(), output_chain: output.map(Into::into) },
    });
    line.no_more(2);
}

pub(crate) fn show_iptables(global: &Global) -> Vec<String> {
    let words = |chains: &IpTables| {
        quote_words(std::iter::once(&*chains.input_chain).chain(chains.output_chain.as_deref()))
    };
    global.firewall.iptables.iter().map(words).collect()
}

pub(crate) fn read_ipsets(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    global.firewall.ipsets = Some(line.words().into_iter().map(Text::from).collect());
}

pub(crate) fn show_ipsets(global: &Global) -> Vec<String> {
    global.firewall.ipsets.iter().map(|sets| quote_words(sets.iter().map(|set| &**set))).collect()
}

pub(crate) fn read_nftables(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if global.firewall.iptables.is_some() {
        line.report(Code::GivenTwice, 0, "vrrp_iptables has chosen a filter already; nftables is ignored");
        return;
    }
    global.firewall.nftables_table = Some(line.word(0).unwrap_or("keepalived").into());
}

pub(crate) fn show_nftables(global: &Global) -> Vec<String> {
    global.firewall.nftables_table.iter().map(|table| quote(table)).collect()
}

pub(crate) fn read_nftables_ipvs(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    global.firewall.ipvs_table = Some(line.word(0).unwrap_or("keepalived_ipvs").into());
}

pub(crate) fn show_nftables_ipvs(global: &Global) -> Vec<String> {
    global.firewall.ipvs_table.iter().map(|table| quote(table)).collect()
}

macro_rules! fifo {
    ($field:ident: $read:ident $show:ident $read_script:ident $show_script:ident) => {
        pub(crate) fn $read(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
            let Some(path) = line.word(0) else { return line.missing("PATH [USER [GROUP]]") };
            let fifo = global.$field.get_or_insert_with(Fifo::default);
            fifo.path = path.into();
            fifo.account = line.word(1).map(|user| account(user, line.word(2)));
            line.no_more(3);
        }

        pub(crate) fn $show(global: &Global) -> Vec<String> {
            words_of_fifo(global.$field.as_ref())
        }

        pub(crate) fn $read_script(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
            if let Some(script) = line.script() {
                global.$field.get_or_insert_with(Fifo::default).script = Some(script);
            }
        }

        pub(crate) fn $show_script(global: &Global) -> Vec<String> {
            let script = global.$field.as_ref().and_then(|fifo| fifo.script.as_ref());
            script.into_iter().map(quote_script).collect()
        }
    };
}

fifo!(notify_fifo: read_notify_fifo show_notify_fifo read_notify_fifo_script show_notify_fifo_script);
fifo!(vrrp_notify_fifo: read_vrrp_fifo show_vrrp_fifo read_vrrp_fifo_script show_vrrp_fifo_script);
fifo!(lvs_notify_fifo: read_lvs_fifo show_lvs_fifo read_lvs_fifo_script show_lvs_fifo_script);

fn words_of_fifo(fifo: Option<&Fifo>) -> Vec<String> {
    let Some(fifo) = fifo.filter(|fifo| !fifo.path.is_empty()) else { return Vec::new() };
    let mut words = vec![&*fifo.path];
    if let Some(account) = &fifo.account {
        words.push(&account.user);
        words.extend(account.group.as_deref());
    }
    vec![quote_words(words)]
}

pub(crate) fn read_snmp_rfc(global: &mut Global, _: Statement<'_, '_, '_, '_>) {
    global.snmp.rfc2787 = true;
    global.snmp.rfc6527 = true;
}

pub(crate) fn read_script_user(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    let Some(user) = line.word(0) else { return line.missing("USER [GROUP]") };
    let account = account(user, line.word(1));
    let is_unknown = line.report_unknown(&account, "scripts without an account of their own are dropped");
    line.context.known.script_user_lacks = is_unknown;
    if is_unknown {
        return;
    }
    global.script_user = Some(account);
    line.no_more(2);
}

pub(crate) fn show_script_user(global: &Global) -> Vec<String> {
    global.script_user.iter().map(quote_account).collect()
}

pub(crate) fn read_rx_policy(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("MTU, ADVERT or BYTES");
    }
    for (place, word) in line.words().into_iter().enumerate() {
        match word.to_ascii_uppercase().as_str() {
            "MTU" => global.receive_buffer_by_mtu = true,
            "ADVERT" => global.receive_buffer_by_advert = true,
            _ => {
                let bytes = line.unsigned(place, 1, 4_294_967_295).and_then(|n| u32::try_from(n).ok());
                global.receive_buffer_bytes = bytes.or(global.receive_buffer_bytes);
            }
        }
    }
}

pub(crate) fn show_rx_policy(global: &Global) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(global.receive_buffer_by_mtu.then(|| "MTU".to_owned()));
    words.extend(global.receive_buffer_by_advert.then(|| "ADVERT".to_owned()));
    words.extend(global.receive_buffer_bytes.map(|bytes| bytes.to_string()));
    if words.is_empty() { words } else { vec![words.join(" ")] }
}

pub(crate) fn read_reload_check(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    global.reload.check_config = Some(line.word(0).unwrap_or("/dev/null").into());
}

pub(crate) fn show_reload_check(global: &Global) -> Vec<String> {
    global.reload.check_config.iter().map(|path| quote(path)).collect()
}

/// The reader of files acts on it; here its words are checked.
pub(crate) fn read_include_check(_: &mut Global, line: Statement<'_, '_, '_, '_>) {
    for (place, word) in line.words().into_iter().enumerate() {
        let kind = word.trim_start_matches(['+', '-']);
        if !["read", "match", "wildcard_match", "brace_match"].contains(&kind) {
            line.report(Code::UnknownOption, place, format!("include_check does not know '{word}'"));
        }
    }
}

pub(crate) fn read_fast_detection(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if let Some(detection) = fast_detection(line) {
        global.fast_detection = Some(detection);
    }
}

pub(crate) fn show_fast_detection(global: &Global) -> Vec<String> {
    global.fast_detection.map(words_of_detection).into_iter().collect()
}

pub(crate) fn read_flight_recorder(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    let recorder = match line.word(0) {
        None => return line.missing("KIBIBYTES or off"),
        Some("off") => Some(FlightRecorder::Off),
        Some(_) => {
            let size = line.unsigned(0, FLIGHT_RECORDER_KIB.0, FLIGHT_RECORDER_KIB.1);
            size.and_then(|size| u32::try_from(size).ok()).map(FlightRecorder::Kibibytes)
        }
    };
    if let Some(recorder) = recorder {
        global.flight_recorder = recorder;
    }
    line.no_more(1);
}

/// Least and most.
const FLIGHT_RECORDER_KIB: (u64, u64) = (64, 16_384);

pub(crate) fn show_flight_recorder(global: &Global) -> Vec<String> {
    match global.flight_recorder {
        FlightRecorder::Proportional => Vec::new(),
        FlightRecorder::Off => vec!["off".to_owned()],
        FlightRecorder::Kibibytes(size) => vec![size.to_string()],
    }
}
