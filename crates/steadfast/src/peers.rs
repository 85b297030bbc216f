//! `steadfast peers`: which routers were heard for each virtual router and each BFD session, and why packets were dropped.

use std::fmt::Write as _;

use steadfast_control::status::{Instance, Peer, Session, SessionEcho};
use steadfast_control::wording::{self, duration};

use crate::ask;
use crate::command_line::PeersArguments;
use crate::exit;
use crate::failure::Failure;
use crate::status;
use crate::table::{Cell, Table};
use crate::terminal::{self, Paint, Palette, Stream, harmless};

/// Prints the peers, and gives the exit status.
pub(crate) fn run(arguments: &PeersArguments) -> Result<u8, Failure> {
    let status = status::only(ask::one(&arguments.daemon)?, &arguments.instances)?;
    let named = !arguments.instances.is_empty();
    let sessions = if named { &[] } else { status.sessions.as_slice() };
    let text = if arguments.json {
        json(&status.instances, sessions)? + "\n"
    } else {
        render(&status.instances, sessions, named, Stream::Output.palette(), terminal::width())
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

fn json(instances: &[Instance], sessions: &[Session]) -> Result<String, serde_json::Error> {
    let sessions = sessions.iter().map(|session| serde_json::json!({ "name": session.name, "bfd": session }));
    let told: Vec<serde_json::Value> = instances
        .iter()
        .map(|instance| {
            serde_json::json!({
                "name": instance.name,
                "vrid": instance.vrid,
                "interface": instance.interface,
                "problems": instance.problems,
                "peers": instance.peers,
            })
        })
        .chain(sessions)
        .collect();
    serde_json::to_string_pretty(&told)
}

fn render(
    instances: &[Instance],
    sessions: &[Session],
    named: bool,
    palette: Palette,
    width: Option<usize>,
) -> String {
    let mut text = String::new();
    if instances.iter().any(|instance| !instance.peers.is_empty()) {
        routers(&mut text, instances, palette, width);
    } else if !instances.is_empty() || sessions.is_empty() {
        text.push_str(wording::NOBODY_HEARD);
        text.push('\n');
    }
    if named {
        for instance in instances {
            for peer in &instance.peers {
                reasons(&mut text, instance, peer);
            }
        }
    }
    if !sessions.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        ends(&mut text, sessions, palette, width);
    }
    text
}

/// Who speaks for virtual routers.
fn routers(text: &mut String, instances: &[Instance], palette: Palette, width: Option<usize>) {
    let mut table = Table::new([
        "INSTANCE",
        "PEER",
        "VERSION",
        "PRIORITY",
        "INTERVAL",
        "AUTH",
        "ADDRESSES",
        "HEARD",
        "TAKEN",
        "DROPPED",
    ]);
    for instance in instances {
        if instance.peers.is_empty() {
            let mut row: Vec<Cell> =
                vec![Cell::plain(&instance.name), Cell::painted(Paint::Warn, "none heard")];
            row.resize_with(10, || Cell::plain(""));
            table.push(row);
        }
        for peer in &instance.peers {
            table.push(row(instance, peer));
        }
    }
    table.write(text, palette, width);
}

/// The other ends of BFD sessions.
fn ends(text: &mut String, sessions: &[Session], palette: Palette, width: Option<usize>) {
    let mut table = Table::new([
        "BFD SESSION",
        "PEER",
        "STATE",
        "PEER SAYS",
        "MULTIPLIER",
        "AUTH",
        "ECHO",
        "RECEIVED",
        "DROPPED",
    ]);
    for session in sessions {
        table.push(end(session));
    }
    table.write(text, palette, width);
}

fn end(session: &Session) -> Vec<Cell> {
    let says = match (&session.remote_state, &session.remote_diagnostic) {
        (None, _) => Cell::painted(Paint::Warn, "nothing"),
        (Some(state), Some(diagnostic)) if state != "Up" => Cell::plain(format!("{state}, {diagnostic}")),
        (Some(state), _) => Cell::plain(state.clone()),
    };
    let count = |name: &str| session.counters.get(name).copied().unwrap_or_default();
    let drops = session.counters.iter().filter(|(name, _)| name.starts_with("dropped_"));
    let multiplier = session.remote_multiplier.map_or_else(|| "?".to_owned(), |count| count.to_string());
    vec![
        Cell::plain(&session.name),
        Cell::plain(session.peer.to_string()),
        Cell::plain(&session.state),
        says,
        Cell::plain(multiplier),
        Cell::plain(&session.authentication),
        echo(session.echo.as_ref()),
        Cell::plain(count("received").to_string()),
        dropped(session.dropped.as_deref(), drops.map(|(_, count)| *count).sum()),
    ]
}

/// How often echo packets are sent, and when one came back last.
fn echo(told: Option<&SessionEcho>) -> Cell {
    let Some(echo) = told else { return Cell::plain("-") };
    let every = format!("every {}", duration::microseconds(echo.interval_microseconds));
    let back = echo.returned_milliseconds_ago.map_or_else(
        || "none came back".to_owned(),
        |ago| format!("back {} ago", duration::milliseconds(ago)),
    );
    let text = format!("{every}, {back}");
    if echo.returned { Cell::plain(text) } else { Cell::painted(Paint::Warn, text) }
}

/// How many were dropped, and why the last packet was.
fn dropped(reason: Option<&str>, count: u64) -> Cell {
    match (reason, count) {
        (_, 0) => Cell::plain("-"),
        (None, count) => Cell::painted(Paint::Warn, format!("{count}, not the last one")),
        (Some(reason), count) => Cell::painted(Paint::Bad, format!("{count}: {reason}")),
    }
}

fn row(instance: &Instance, peer: &Peer) -> Vec<Cell> {
    let said = peer.said.as_ref();
    let told = |value: Option<String>| Cell::plain(value.unwrap_or_else(|| "?".to_owned()));
    let differs = |differs: bool, text: String| {
        if differs { Cell::painted(Paint::Warn, text) } else { Cell::plain(text) }
    };
    let interval = said.map(|said| said.interval_milliseconds);
    let drops = peer.drops.iter().map(|drops| drops.count).sum();
    vec![
        Cell::plain(&instance.name),
        Cell::plain(peer.address.to_string()),
        said.map_or_else(
            || Cell::plain("?"),
            |said| differs(said.version != instance.version, said.version.to_string()),
        ),
        told(said.map(|said| said.priority.to_string())),
        interval.map_or_else(
            || Cell::plain("?"),
            |interval| {
                differs(
                    interval != instance.advert_interval_milliseconds,
                    duration::exact_milliseconds(interval),
                )
            },
        ),
        told(said.map(|said| said.authentication.clone())),
        said.map_or_else(
            || Cell::plain("?"),
            |said| match said.addresses_match {
                true => Cell::plain("the same"),
                false => Cell::painted(Paint::Bad, format!("{}, others", said.addresses)),
            },
        ),
        Cell::plain(format!("{} ago", duration::milliseconds(peer.heard_milliseconds_ago))),
        Cell::plain(peer.accepted.to_string()),
        dropped(peer.dropped.as_deref(), drops),
    ]
}

/// Each reason for which adverts were dropped.
fn reasons(text: &mut String, instance: &Instance, peer: &Peer) {
    if peer.drops.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{}: adverts of {} that were dropped:", harmless(&instance.name), peer.address);
    for drops in &peer.drops {
        let ago = duration::milliseconds(drops.milliseconds_ago);
        let _ = writeln!(text, "  {}, the last {ago} ago: {}", drops.count, harmless(&drops.reason));
    }
}

#[cfg(test)]
mod tests {
    use steadfast_control::status::{Drops, Said};

    use super::*;
    use crate::status::tests::master;

    fn peers() -> Vec<Instance> {
        let said = Said {
            version: 2,
            priority: 100,
            interval_milliseconds: 1000,
            authentication: "password".to_owned(),
            addresses: 2,
            addresses_match: true,
        };
        let good = Peer {
            address: "10.0.0.2".parse().unwrap(),
            said: Some(said.clone()),
            accepted: 4711,
            heard_milliseconds_ago: 340,
            accepted_milliseconds_ago: Some(340),
            dropped: None,
            drops: Vec::new(),
        };
        let reason = "authentication: expected our password, found another".to_owned();
        let wrong = Peer {
            address: "10.0.0.3".parse().unwrap(),
            said: Some(Said { addresses: 1, addresses_match: false, interval_milliseconds: 2000, ..said }),
            accepted: 0,
            accepted_milliseconds_ago: None,
            dropped: Some(reason.clone()),
            drops: vec![Drops { reason, count: 312, milliseconds_ago: 340 }],
            ..good.clone()
        };
        let unreadable = Peer { address: "10.0.0.4".parse().unwrap(), said: None, ..wrong.clone() };
        vec![
            Instance { peers: vec![good, wrong, unreadable], ..master() },
            Instance { name: "VI_2".into(), ..master() },
        ]
    }

    #[test]
    fn peers_in_a_table() {
        insta::assert_snapshot!(render(&peers(), &[], false, Palette::Plain, Some(120)));
    }

    #[test]
    fn peers_of_one_instance() {
        insta::assert_snapshot!(render(&peers(), &[], true, Palette::Plain, Some(80)));
    }

    #[test]
    fn nobody_heard_names_the_usual_reasons() {
        assert!(render(&[master()], &[], false, Palette::Plain, None).contains("firewall"));
    }

    #[test]
    fn ends_of_sessions() {
        let counters = |received, dropped| {
            [("received".to_owned(), received), ("dropped_authentication".to_owned(), dropped)].into()
        };
        let up = Session {
            name: "uplink".into(),
            peer: "10.0.0.2".parse().unwrap(),
            local: None,
            multihop: false,
            state: "Up".to_owned(),
            since: None,
            milliseconds_in_state: None,
            good: Some(true),
            diagnostic: "no diagnostic".to_owned(),
            remote_state: Some("Up".to_owned()),
            remote_diagnostic: Some("no diagnostic".to_owned()),
            local_discriminator: Some(1),
            remote_discriminator: Some(2),
            transmit_microseconds: Some(50_000),
            receive_microseconds: Some(50_000),
            detection_microseconds: Some(150_000),
            echo: None,
            obstacle: None,
            authentication: "meticulous keyed SHA1".to_owned(),
            dropped: None,
            remote_multiplier: Some(3),
            counters: counters(4711, 0),
        };
        let wrong = Session {
            name: "other".into(),
            state: "Down".to_owned(),
            remote_state: None,
            remote_multiplier: None,
            dropped: Some(
                "authentication: the secret differs from ours: set the same secret on both ends".to_owned(),
            ),
            counters: counters(0, 12),
            ..up.clone()
        };
        let echoing = |returned, returned_milliseconds_ago| {
            Some(SessionEcho {
                returned,
                interval_microseconds: 50_000,
                detection_microseconds: 150_000,
                returned_milliseconds_ago,
            })
        };
        let back = Session { name: "fourth".into(), echo: echoing(true, Some(37)), ..up.clone() };
        let lost = Session { name: "fifth".into(), echo: echoing(false, None), ..up.clone() };
        let down = Session {
            name: "third".into(),
            state: "Down".to_owned(),
            remote_state: Some("AdminDown".to_owned()),
            remote_diagnostic: Some("administratively down".to_owned()),
            ..up.clone()
        };
        insta::assert_snapshot!(render(&[], &[up, wrong, down, back, lost], false, Palette::Plain, None));
    }
}
