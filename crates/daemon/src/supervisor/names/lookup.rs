//! Looking names up: addresses by the machine's own name service, services (SRV, RFC 2782) at its name servers. It runs in a
//! process of its own, in which everything may be waited for.

use std::io::{PipeWriter, Write as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Mutex;

use steadfast_probe::dns::ServiceRecord;
use steadfast_wire::vrrp::Family;

use super::name_server::ask;
use super::{ADDRESSES_MAX, Answer};
use crate::served::{Endpoint, Query};

/// Names that are looked up at the same time.
const BESIDE: usize = 8;
/// Name servers that are asked in turn.
const SERVERS: usize = 3;
/// The port of name servers.
const PORT: u16 = 53;

/// Looks all of them up, and tells each answer as it comes: its length in four octets, then the answer.
pub(super) fn look_up(queries: Vec<Query>, report: PipeWriter) {
    let (waiting, report) = (Mutex::new(queries.into_iter()), Mutex::new(report));
    let next = || waiting.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some(query) = next() {
                    let found = endpoints(&query);
                    let answer: Answer = (query, found);
                    let octets = postcard::to_stdvec(&answer).unwrap_or_default();
                    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes();
                    let Ok(mut report) = report.lock() else { return };
                    let _ = report.write_all(&[&length[..], &octets].concat());
                }
            });
        }
    });
}

/// The answers that came whole.
pub(super) fn read(mut octets: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((answer, behind)) = rest.split_at_checked(length) else { break };
        answers.extend(postcard::from_bytes(answer).ok());
        octets = behind;
    }
    answers
}

/// The servers that a name stands for, each once and in order.
fn endpoints(query: &Query) -> Result<Vec<Endpoint>, String> {
    let mut found = if query.name.starts_with('_') {
        let mut found = Vec::new();
        for record in first_choice(services(&query.name)?) {
            let addresses = addresses(&record.target, query.family)?;
            let port_and_weight = Some((record.port, record.weight));
            found.extend(addresses.into_iter().map(|address| Endpoint { address, port_and_weight }));
        }
        found
    } else {
        let addresses = addresses(&query.name, query.family)?.into_iter();
        addresses.map(|address| Endpoint { address, port_and_weight: None }).collect()
    };
    found.sort_unstable();
    found.dedup();
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() {
        Err("it has no address of the family of the service".to_owned())
    } else {
        Ok(found)
    }
}

fn addresses(name: &str, family: Family) -> Result<Vec<IpAddr>, String> {
    // Files of hosts have no dot at the end of a name.
    let name = name.strip_suffix('.').unwrap_or(name);
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found.map(|socket| socket.ip()).filter(|address| Family::of(*address) == family).collect())
}

/// Those of the lowest priority: the others stand in for them, which quorum and sorry server do here.
fn first_choice(records: Vec<ServiceRecord>) -> Vec<ServiceRecord> {
    let lowest = records.iter().map(|record| record.priority).min();
    records.into_iter().filter(|record| Some(record.priority) == lowest).collect()
}

/// Asks the name servers of the machine, one after the other.
fn services(name: &str) -> Result<Vec<ServiceRecord>, String> {
    let text =
        std::fs::read_to_string("/etc/resolv.conf").map_err(|error| format!("/etc/resolv.conf: {error}"))?;
    let mut failure = "/etc/resolv.conf names no name server".to_owned();
    for server in name_servers(&text).into_iter().take(SERVERS) {
        match ask(SocketAddr::new(server, PORT), name) {
            Ok(records) => return Ok(records),
            Err(reason) => failure = format!("{server}: {reason}"),
        }
    }
    Err(failure)
}

fn name_servers(text: &str) -> Vec<IpAddr> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_of_the_machine() {
        let text = "# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver 2001:db8::1 \n";
        assert_eq!(
            name_servers(text),
            ["192.0.2.1", "2001:db8::1"].map(|server| server.parse::<IpAddr>().unwrap())
        );
    }

    #[test]
    fn answers_cut_short_are_left_out() {
        let query = |name: &str| Query { name: name.into(), family: Family::V4 };
        let answers: Vec<Answer> = vec![
            (
                query("a.example"),
                Ok(vec![Endpoint { address: [192, 0, 2, 1].into(), port_and_weight: Some((80, 5)) }]),
            ),
            (query("b.example"), Err("no answer".to_owned())),
        ];
        let octets: Vec<u8> = answers
            .iter()
            .flat_map(|answer| {
                let octets = postcard::to_stdvec(answer).unwrap();
                [&u32::try_from(octets.len()).unwrap().to_be_bytes()[..], &octets].concat()
            })
            .collect();
        assert_eq!(read(&octets), answers);
        assert_eq!(read(&octets[..octets.len() - 1]), answers[..1]);
    }

    #[test]
    fn only_the_first_choice_of_a_service_serves() {
        let record = |priority, port| ServiceRecord { priority, weight: 0, port, target: "a.".to_owned() };
        assert_eq!(
            first_choice(vec![record(20, 1), record(10, 2), record(10, 3)]),
            [record(10, 2), record(10, 3)]
        );
    }
}
