//! `keepalived_bfd.data`.

use steadfast_config::model::{BfdInstance, BfdReports};
use steadfast_control::status::Session;

use super::Picture;
use super::data::Lines;

/// Every session: as configured, and how it is.
pub(super) fn text(picture: &Picture<'_>, sessions: &[Session]) -> String {
    let mut out = Lines { text: "------< BFD Topology >------\n".to_owned() };
    for config in &picture.model.bfd_instances {
        out.line(1, format_args!("BFD Instance = {}", config.name));
        configured(&mut out, config);
        if let Some(told) = sessions.iter().find(|session| session.name == config.name) {
            standing(&mut out, told);
        }
    }
    out.text
}

fn interval(out: &mut Lines, name: &str, microseconds: u64) {
    out.field(name, format_args!("{microseconds} us"));
}

fn configured(out: &mut Lines, config: &BfdInstance) {
    out.field("Neighbor IP", config.neighbor);
    if let Some(source) = config.source {
        out.field("Source IP", source);
    }
    interval(out, "Required min RX interval", config.min_rx.as_micros());
    interval(out, "Desired min TX interval", config.min_tx.as_micros());
    interval(out, "Desired idle TX interval", config.idle_tx.as_micros());
    out.field("Detection multiplier", config.multiplier);
    out.field(if config.neighbor.is_ipv4() { "TTL" } else { "hoplimit" }, config.ttl);
    out.field("max_hops", config.max_hops);
    out.field("passive", config.passive);
    let yes = |value: bool| if value { "Yes" } else { "No" };
    out.field("send event to VRRP process", yes(config.reports != BfdReports::Checker));
    out.field("send event to checker process", yes(config.reports != BfdReports::Vrrp));
}

/// What keepalived has in words of its own (its descriptors and threads) is left out.
fn standing(out: &mut Lines, told: &Session) {
    let number = |discriminator: Option<u32>| format!("{:#x}", discriminator.unwrap_or(0));
    out.field("local state", &told.state);
    out.field("remote state", told.remote_state.as_deref().unwrap_or("Down"));
    out.field("local discriminator", number(told.local_discriminator));
    out.field("remote discriminator", number(told.remote_discriminator));
    out.field("local diag", diagnostic(Some(&told.diagnostic)));
    out.field("remote diag", diagnostic(told.remote_diagnostic.as_deref()));
    out.field("local demand", 0);
    out.field("remote detect multiplier", told.remote_multiplier.unwrap_or(0));
    interval(out, "local tx intv", told.transmit_microseconds.unwrap_or(0));
    interval(out, "remote tx intv", told.receive_microseconds.filter(|_| heard(told)).unwrap_or(0));
    interval(out, "local detection time", told.detection_microseconds.unwrap_or(0));
    out.field("authentication", &told.authentication);
    if let Some(echo) = &told.echo {
        interval(out, "echo tx intv", echo.interval_microseconds);
        interval(out, "echo detection time", echo.detection_microseconds);
        out.field("echo packets come back", if echo.returned { "Yes" } else { "No" });
        if let Some(ago) = echo.returned_milliseconds_ago {
            out.field("last echo packet came back", format_args!("{ago} ms ago"));
        }
    }
    if let Some(reason) = &told.dropped {
        out.field("last packet dropped", reason);
    }
    if let Some(obstacle) = &told.obstacle {
        out.field("no socket", obstacle);
    }
}

fn heard(told: &Session) -> bool {
    told.remote_discriminator.is_some()
}

/// keepalived begins each word with a capital.
fn diagnostic(told: Option<&str>) -> String {
    let words = told.unwrap_or("no diagnostic").split(' ').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use steadfast_control::status::SessionEcho;

    use super::*;

    fn session(echo: Option<SessionEcho>) -> Session {
        Session {
            name: "uplink".into(),
            peer: [10, 0, 0, 2].into(),
            local: None,
            multihop: false,
            state: "Up".to_owned(),
            since: None,
            milliseconds_in_state: None,
            good: Some(true),
            diagnostic: "no diagnostic".to_owned(),
            remote_state: None,
            remote_diagnostic: None,
            local_discriminator: None,
            remote_discriminator: None,
            transmit_microseconds: None,
            receive_microseconds: None,
            detection_microseconds: None,
            echo,
            obstacle: None,
            authentication: "none".to_owned(),
            dropped: None,
            remote_multiplier: None,
            counters: BTreeMap::new(),
        }
    }

    fn lines_of_echoes(echo: Option<SessionEcho>) -> Vec<String> {
        let mut out = Lines { text: String::new() };
        standing(&mut out, &session(echo));
        let lines = out.text.lines().map(str::trim).filter(|line| line.contains("echo"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn echo_packets_are_told_of_while_they_are_sent() {
        let sent = SessionEcho {
            returned: false,
            interval_microseconds: 50_000,
            detection_microseconds: 150_000,
            returned_milliseconds_ago: None,
        };
        let none =
            ["echo tx intv = 50000 us", "echo detection time = 150000 us", "echo packets come back = No"];
        assert_eq!(lines_of_echoes(Some(sent)), none);
        let back = SessionEcho { returned: true, returned_milliseconds_ago: Some(37), ..sent };
        let expected =
            [none[0], none[1], "echo packets come back = Yes", "last echo packet came back = 37 ms ago"];
        assert_eq!(lines_of_echoes(Some(back)), expected);
        assert!(lines_of_echoes(None).is_empty());
    }
}
