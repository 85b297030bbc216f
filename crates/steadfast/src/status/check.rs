//! `steadfast status --check`: one line, performance data, and the exit status of a monitoring plugin.

use std::fmt::Write as _;

use steadfast_control::client::ClientError;
use steadfast_control::status::Status;
use steadfast_control::verdict::{self, Gravity};
use steadfast_vrrp::State;

use super::only;
use crate::ask;
use crate::command_line::StatusArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, harmless};

/// What a monitoring plugin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Well,
    Warning,
    Critical,
    Unknown,
}

impl Verdict {
    /// Plugin API: 0 to 3, in this order.
    const fn exit_status(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => exit::PLUGIN_UNKNOWN,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Well => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

pub(super) fn run(arguments: &StatusArguments) -> Result<u8, Failure> {
    let (verdict, text) = match asked(arguments) {
        Ok(statuses) => judged(&statuses),
        Err(failure) => (verdict_of(&failure), failure.to_string()),
    };
    terminal::print(format!("STEADFAST {} - {}\n", verdict.word(), one_line(&text)))?;
    Ok(verdict.exit_status())
}

fn asked(arguments: &StatusArguments) -> Result<Vec<Status>, Failure> {
    if !arguments.all {
        return Ok(vec![only(ask::whole(&arguments.daemon, &arguments.instances)?, &arguments.instances)?]);
    }
    ask::every(&arguments.instances)?.into_iter().map(|(_, answer)| Ok(answer?)).collect()
}

/// A daemon that does not run is critical; one that cannot be asked may be well.
const fn verdict_of(failure: &Failure) -> Verdict {
    match failure {
        Failure::NoDaemon
        | Failure::Client(
            ClientError::Missing { .. }
            | ClientError::NobodyListens { .. }
            | ClientError::Silent(_)
            | ClientError::HungUp,
        ) => Verdict::Critical,
        _ => Verdict::Unknown,
    }
}

/// What is wrong, or how many there are, and the performance data.
fn judged(statuses: &[Status]) -> (Verdict, String) {
    /// More would be cut by the monitoring anyway.
    const SHOWN_MAX: usize = 5;
    let mut found: Vec<_> = statuses.iter().flat_map(verdict::findings).collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
    let verdict = match found.first().map(|finding| finding.gravity) {
        None => Verdict::Well,
        Some(Gravity::Warning) => Verdict::Warning,
        Some(Gravity::Critical) => Verdict::Critical,
    };
    let in_state = |state| {
        statuses
            .iter()
            .flat_map(|status| &status.instances)
            .filter(|instance| instance.state == state)
            .count()
    };
    let (masters, backups, faults) =
        (in_state(State::Master), in_state(State::Backup), in_state(State::Fault));
    let instances: usize = statuses.iter().map(|status| status.instances.len()).sum();
    let services: usize = statuses.iter().map(|status| status.services.len()).sum();
    let mut text = if found.is_empty() {
        let balanced = match services {
            0 => String::new(),
            _ => format!("; {services} virtual servers have their quorum"),
        };
        format!("{instances} instances: {masters} MASTER, {backups} BACKUP{balanced}")
    } else {
        let shown: Vec<&str> = found.iter().take(SHOWN_MAX).map(|finding| finding.text.as_str()).collect();
        shown.join("; ")
    };
    // Writing to a String cannot fail.
    if found.len() > SHOWN_MAX {
        let _ = write!(text, "; and {} more", found.len() - SHOWN_MAX);
    }
    // What comes behind a bar is performance data.
    text = text.replace('|', "/");
    let figures = statuses.iter().filter_map(|status| status.worker.as_ref()?.figures.as_ref());
    let late = figures.map(|figures| figures.lateness_max_microseconds).max().unwrap_or_default();
    let _ = write!(
        text,
        " | instances={instances} masters={masters} backups={backups} faults={faults} problems={} lateness_max={late}us",
        found.len()
    );
    if services > 0 {
        let all = statuses.iter().flat_map(|status| &status.services);
        let down = all.filter(|service| service.up == Some(false)).count();
        let _ = write!(text, " services={services} services_down={down}");
    }
    (verdict, text)
}

fn one_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use steadfast_control::status::Problem;

    use super::super::tests::{balancer, quiet, status};
    use super::*;

    #[test]
    fn all_is_well() {
        assert_eq!(
            judged(&[quiet()]),
            (
                Verdict::Well,
                "1 instances: 1 MASTER, 0 BACKUP | instances=1 masters=1 backups=0 faults=0 problems=0 lateness_max=0us"
                    .to_owned()
            )
        );
    }

    #[test]
    fn the_worst_comes_first_and_decides() {
        let (verdict, text) = judged(&[status()]);
        assert_eq!(verdict, Verdict::Critical);
        assert!(
            text.starts_with(
                "VI_3 is in FAULT: interface eth9 is down or missing; notify_fifo_script exited with status 3"
            ),
            "{text}"
        );
        assert!(text.contains(" | instances=3 masters=1 backups=1 faults=1 problems=3 "), "{text}");
    }

    #[test]
    fn two_masters_are_critical_and_dropped_adverts_a_warning() {
        let with = |problem| {
            let mut status = quiet();
            status.instances[0].problems = vec![problem];
            judged(&[status]).0
        };
        let (other, reason) = ("10.0.0.2".parse().unwrap(), "checksum".to_owned());
        assert_eq!(
            with(Problem::TwoMasters {
                other,
                priority: None,
                dropped: None,
                adverts: 3,
                milliseconds: 2000
            }),
            Verdict::Critical
        );
        assert_eq!(
            with(Problem::Dropping { peer: other, priority: None, reason, adverts: 3, milliseconds: 2000 }),
            Verdict::Warning
        );
    }

    #[test]
    fn a_service_without_quorum_is_critical() {
        let (verdict, text) = judged(&[balancer()]);
        assert_eq!(verdict, Verdict::Critical);
        assert!(text.starts_with("[web]:tcp has no quorum: live weight 0 of 1 | "), "{text}");
        assert!(text.ends_with(" services=2 services_down=1"), "{text}");
    }

    #[test]
    fn a_dead_worker_and_no_daemon_are_critical() {
        assert_eq!(judged(&[Status { worker: None, ..quiet() }]).0, Verdict::Critical);
        let path = PathBuf::from("/run/x.sock");
        assert_eq!(
            verdict_of(&Failure::Client(ClientError::Missing { path: path.clone() })),
            Verdict::Critical
        );
        assert_eq!(verdict_of(&Failure::Client(ClientError::NotAllowed { path })), Verdict::Unknown);
    }
}
