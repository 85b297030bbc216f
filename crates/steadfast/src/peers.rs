//! `steadfast peers`: which routers were heard for each virtual router, and why adverts were dropped.

use std::fmt::Write as _;

use steadfast_control::status::{Instance, Peer};
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
    let instances = status::only(ask::one(&arguments.daemon)?, &arguments.instances)?.instances;
    let text = if arguments.json {
        json(&instances)? + "\n"
    } else {
        render(&instances, !arguments.instances.is_empty(), Stream::Output.palette(), terminal::width())
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

fn json(instances: &[Instance]) -> Result<String, serde_json::Error> {
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
        .collect();
    serde_json::to_string_pretty(&told)
}

fn render(instances: &[Instance], named: bool, palette: Palette, width: Option<usize>) -> String {
    let mut text = String::new();
    if instances.iter().all(|instance| instance.peers.is_empty()) {
        text.push_str(wording::NOBODY_HEARD);
        text.push('\n');
        return text;
    }
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
    table.write(&mut text, palette, width);
    if named {
        for instance in instances {
            for peer in &instance.peers {
                reasons(&mut text, instance, peer);
            }
        }
    }
    text
}

fn row(instance: &Instance, peer: &Peer) -> Vec<Cell> {
    let said = peer.said.as_ref();
    let told = |value: Option<String>| Cell::plain(value.unwrap_or_else(|| "?".to_owned()));
    let differs = |differs: bool, text: String| {
        if differs { Cell::painted(Paint::Warn, text) } else { Cell::plain(text) }
    };
    let interval = said.map(|said| said.interval_milliseconds);
    let dropped: u64 = peer.drops.iter().map(|drops| drops.count).sum();
    let why = match (&peer.dropped, dropped) {
        (_, 0) => Cell::plain("-"),
        (None, count) => Cell::painted(Paint::Warn, format!("{count}, not the last one")),
        (Some(reason), count) => Cell::painted(Paint::Bad, format!("{count}: {reason}")),
    };
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
        why,
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
        insta::assert_snapshot!(render(&peers(), false, Palette::Plain, Some(120)));
    }

    #[test]
    fn peers_of_one_instance() {
        insta::assert_snapshot!(render(&peers(), true, Palette::Plain, Some(80)));
    }

    #[test]
    fn nobody_heard_names_the_usual_reasons() {
        assert!(render(&[master()], false, Palette::Plain, None).contains("firewall"));
    }
}
