//! Asking daemons for their status, with patience.

use std::path::Path;

use std::collections::BTreeSet;

use steadfast_control::client::{Client, ClientError};
use steadfast_control::daemons::{self, Daemon};
use steadfast_control::status::{Status, is_service_meant};

use crate::command_line::Where;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::status;

/// The status of one daemon.
pub(crate) fn one(daemon: &Where) -> Answer {
    let _progress = Progress::of("asking the daemon");
    Client::connect(&daemon.socket())?.status()
}

/// The status of one daemon with everything behind the virtual servers that are meant; behind all if nothing is named.
pub(crate) fn whole(daemon: &Where, asked: &[String]) -> Answer {
    let _progress = Progress::of("asking the daemon");
    whole_at(&daemon.socket(), asked)
}

/// What came of asking a daemon.
pub(crate) type Answer = Result<Status, ClientError>;

/// Every daemon of this machine, in order, with what it answers; where instances and virtual servers are named, by name or
/// address, those daemons that have any of them, or do not answer.
pub(crate) fn every(named: &[String]) -> Result<Vec<(Daemon, Answer)>, Failure> {
    let progress = Progress::of("looking for the daemons of this machine");
    let found = daemons::running();
    if found.is_empty() {
        return Err(Failure::NoDaemon);
    }
    let all = found.len();
    let asked = found.into_iter().enumerate().map(|(before, daemon)| {
        progress.at(format!("asking {}, {} of {all}", daemon.socket.display(), before + 1));
        let answer = whole_at(&daemon.reachable, named);
        (daemon, answer)
    });
    only_with(asked.collect(), named)
}

fn whole_at(socket: &Path, asked: &[String]) -> Answer {
    let mut status = Client::connect(socket)?.status()?;
    let meant = |name: &str| asked.is_empty() || asked.iter().any(|asked| is_service_meant(name, asked));
    let names: Vec<String> =
        status.services.iter().map(|service| service.name.to_string()).filter(|name| meant(name)).collect();
    if names.is_empty() {
        return Ok(status);
    }
    let named = if asked.is_empty() { &[] } else { names.as_slice() };
    let mut services = Client::connect(socket)?.services(named)?;
    services.retain(|service| meant(&service.name));
    // Only some are shown: the others stay as they are, to be left out or listed.
    status.services.retain(|service| !meant(&service.name));
    status.services.extend(services);
    status.services.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(status)
}

fn only_with<D>(mut asked: Vec<(D, Answer)>, named: &[String]) -> Result<Vec<(D, Answer)>, Failure> {
    if named.is_empty() {
        return Ok(asked);
    }
    let has = |answer: &Answer, name: &str| match answer {
        Ok(status) => status::has(status, name),
        // It may have it.
        Err(_) => true,
    };
    for name in named {
        if !asked.iter().any(|(_, answer)| has(answer, name)) {
            let statuses = asked.iter().filter_map(|(_, answer)| answer.as_ref().ok());
            // Two routers of a machine, in namespaces of their own, may have one name.
            let names: BTreeSet<String> = statuses.flat_map(status::names).collect();
            return Err(Failure::NoInstance { name: name.clone(), names: names.into_iter().collect() });
        }
    }
    asked.retain(|(_, answer)| named.iter().any(|name| has(answer, name)));
    for status in asked.iter_mut().filter_map(|(_, answer)| answer.as_mut().ok()) {
        status::keep(status, named);
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::status;

    #[test]
    fn of_every_daemon_those_are_shown_that_have_what_is_asked_for() {
        let with = |names: &[&str]| {
            let mut told = status();
            told.instances.retain(|instance| names.contains(&&*instance.name));
            Ok(told)
        };
        let silent = || Err(ClientError::HungUp);
        let asked = || vec![("a", with(&["VI_1"])), ("b", with(&["VI_内网", "VI_3"])), ("c", with(&[]))];
        let shown = |asked: Vec<(&'static str, Answer)>, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let shown = only_with(asked, &names)?;
            let line = |(daemon, answer): (&str, Answer)| {
                let instances = answer.map_or_else(|_| usize::MAX, |status| status.instances.len());
                (daemon.to_owned(), instances)
            };
            Ok::<_, Failure>(shown.into_iter().map(line).collect::<Vec<_>>())
        };
        let daemon = |name: &str, instances| (name.to_owned(), instances);
        assert_eq!(shown(asked(), &[]).unwrap().len(), 3);
        assert_eq!(shown(asked(), &["VI_内网"]).unwrap(), [daemon("b", 1)]);
        assert_eq!(shown(asked(), &["VI_1", "VI_3"]).unwrap(), [daemon("a", 1), daemon("b", 1)]);
        let failure = shown(asked(), &["VI_1", "VI_9"]).unwrap_err();
        assert!(failure.to_string().contains("'VI_9'; there are: VI_1, VI_3, VI_内网"), "{failure}");
        let mut one_is_silent = asked();
        one_is_silent.push(("d", silent()));
        assert_eq!(shown(one_is_silent, &["VI_9"]).unwrap(), [daemon("d", usize::MAX)]);
    }
}
