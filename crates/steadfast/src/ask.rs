//! Asking daemons for their status, with patience.

use steadfast_control::client::{Client, ClientError};
use steadfast_control::daemons::{self, Daemon};
use steadfast_control::status::Status;

use crate::command_line::Where;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::status::is_meant;

/// The status of one daemon.
pub(crate) fn one(daemon: &Where) -> Answer {
    let _progress = Progress::of("asking the daemon");
    Client::connect(&daemon.socket())?.status()
}

/// What came of asking a daemon.
pub(crate) type Answer = Result<Status, ClientError>;

/// Every daemon of this machine, in order, with what it answers; where instances are named, by name or address, those
/// daemons that have any of them, or do not answer.
pub(crate) fn every(instances: &[String]) -> Result<Vec<(Daemon, Answer)>, Failure> {
    let progress = Progress::of("looking for the daemons of this machine");
    let found = daemons::running();
    if found.is_empty() {
        return Err(Failure::NoDaemon);
    }
    let all = found.len();
    let asked = found.into_iter().enumerate().map(|(before, daemon)| {
        progress.at(format!("asking {}, {} of {all}", daemon.socket.display(), before + 1));
        let answer = Client::connect(&daemon.reachable).and_then(|mut client| client.status());
        (daemon, answer)
    });
    only_with(asked.collect(), instances)
}

fn only_with<D>(mut asked: Vec<(D, Answer)>, instances: &[String]) -> Result<Vec<(D, Answer)>, Failure> {
    if instances.is_empty() {
        return Ok(asked);
    }
    let has = |answer: &Answer, name: &str| match answer {
        Ok(status) => status.instances.iter().any(|instance| is_meant(instance, name)),
        // It may have it.
        Err(_) => true,
    };
    for name in instances {
        if !asked.iter().any(|(_, answer)| has(answer, name)) {
            let statuses = asked.iter().filter_map(|(_, answer)| answer.as_ref().ok());
            let known = statuses.flat_map(|status| &status.instances);
            return Err(Failure::NoInstance {
                name: name.clone(),
                names: known.map(|instance| instance.name.to_string()).collect(),
            });
        }
    }
    asked.retain(|(_, answer)| instances.iter().any(|name| has(answer, name)));
    for status in asked.iter_mut().filter_map(|(_, answer)| answer.as_mut().ok()) {
        status.instances.retain(|instance| instances.iter().any(|name| is_meant(instance, name)));
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
        assert!(failure.to_string().contains("'VI_9'; there are: VI_1, VI_内网, VI_3"), "{failure}");
        let mut one_is_silent = asked();
        one_is_silent.push(("d", silent()));
        assert_eq!(shown(one_is_silent, &["VI_9"]).unwrap(), [daemon("d", usize::MAX)]);
    }
}
