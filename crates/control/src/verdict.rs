//! What is wrong with a daemon, as far as its status tells: for the top of `steadfast status`, and for monitoring.

use steadfast_vrrp::State;

use crate::status::{Problem, Status};
use crate::wording;

/// How bad it is, in the words of monitoring plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Somebody should look in the morning.
    Warning,
    /// An address is in danger, or gone.
    Critical,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub gravity: Gravity,
    /// What, in a sentence.
    pub text: String,
    /// It lies between the routers, so no single state shows it.
    pub between_routers: bool,
}

/// Everything that is wrong, the worst first, else in the order of the configuration.
pub fn findings(status: &Status) -> Vec<Finding> {
    let mut found = Vec::new();
    for instance in &status.instances {
        found.extend(instance.problems.iter().map(|problem| Finding {
            gravity: gravity(problem),
            text: format!("{}: {}", instance.name, wording::problem(problem)),
            between_routers: true,
        }));
    }
    let mut tell = |gravity, text| found.push(Finding { gravity, text, between_routers: false });
    for instance in status.instances.iter().filter(|instance| instance.state == State::Fault) {
        tell(Gravity::Critical, format!("{} is in FAULT: {}", instance.name, instance.why));
    }
    match &status.worker {
        None if !status.instances.is_empty() => {
            tell(Gravity::Critical, "no vrrp worker runs".to_owned());
        }
        Some(worker) if !worker.responsive => {
            tell(Gravity::Critical, format!("the vrrp worker (pid {}) does not answer", worker.pid));
        }
        _ => {}
    }
    match &status.check_worker {
        None if !status.services.is_empty() => {
            tell(Gravity::Critical, "no check worker runs".to_owned());
        }
        Some(worker) if !worker.responsive => {
            tell(Gravity::Critical, format!("the check worker (pid {}) does not answer", worker.pid));
        }
        _ => {}
    }
    for service in status.services.iter().filter(|service| service.up == Some(false)) {
        let text = match service.live_weight {
            Some(weight) => {
                format!("{} has no quorum: live weight {weight} of {}", service.name, service.quorum)
            }
            None => format!("{} has no quorum", service.name),
        };
        tell(Gravity::Critical, text);
    }
    for service in &status.services {
        if let Some(reason) = &service.refused {
            tell(Gravity::Critical, format!("{}: the kernel refuses it: {reason}", service.name));
        }
    }
    for fault in &status.faults {
        tell(Gravity::Warning, wording::fault(fault));
    }
    if let Some(reason) = &status.refused_reload {
        tell(Gravity::Warning, format!("the last reload was refused: {reason}"));
    }
    if let Some(count) = status.worker.as_ref().and_then(|worker| worker.figures.as_ref()?.refused()) {
        tell(Gravity::Warning, format!("the kernel refuses {count} addresses"));
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
    found
}

const fn gravity(problem: &Problem) -> Gravity {
    match problem {
        Problem::TwoMasters { .. } | Problem::ServedElsewhere { .. } => Gravity::Critical,
        Problem::Dropping { .. } => Gravity::Warning,
    }
}
