//! Faults of the supervisor's own work as sentences.

use super::{ending, neighbour, worker_title};
use crate::event::Fault;

/// What is out of order.
pub fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Fifo { keyword, path, reason } => format!("{keyword}: {path} is not used: {reason}"),
        Fault::FifoReader { keyword, ending: how } => {
            format!("{keyword} {}: it is not started again", ending(how))
        }
        Fault::Mail { server, reason, waiting, again_seconds } => format!(
            "mail is not delivered by {server}: {reason}; letters that wait: {waiting}; it is tried again after \
             {again_seconds} s and later"
        ),
        Fault::CheckNotRun { script, ending: how } => {
            format!("Script `{script}` {}: its last result stands until it can be run again", ending(how))
        }
        Fault::ProgramNotRun { command, reason } => format!("script {command} is not run: {reason}"),
        Fault::StartupScript => "startup_script does not end: the start goes on without it".to_owned(),
        Fault::TrackFile { name, path, reason } => format!("track_file {name} ({path}): {reason}"),
        Fault::TrackFileNotMade { name, path, reason } => {
            format!("track_file {name}: cannot write {path}: {reason}")
        }
        Fault::FilesPolled { reason } => format!("track_file: {reason}: files are read every second"),
        Fault::ProcessesPolled { reason } => {
            format!("track_process: {reason}: processes are counted every second instead of at once")
        }
        Fault::WorkerNotStarted { worker, error } => {
            format!("the {} cannot be started: {error}", worker_title(*worker))
        }
        Fault::WorkerNotTold { worker } => format!(
            "the {} cannot be told of the reload: its successor begins with it",
            worker_title(*worker)
        ),
        Fault::NothingToRun { reason } => format!("nothing to run: {reason}"),
        Fault::NotWritten { keyword: None, path, reason } => format!("cannot write {path}: {reason}"),
        Fault::NotWritten { keyword: Some(keyword), path, reason } => {
            format!("{keyword}: cannot write {path}: {reason}")
        }
        Fault::Name { name, family, reason, known: 0 } => {
            format!("real_server {name} has no {family} address: {reason}; it is looked up again")
        }
        Fault::Name { name, family, reason, known } => format!(
            "real_server {name} cannot be looked up ({family}): {reason}; the addresses known last stand ({known}), and \
             it is looked up again"
        ),
        Fault::NamesLeftOut { count, bound } => format!(
            "too many names of real servers: {bound} are looked up, and {count} more have no servers; use addresses for \
             some"
        ),
        Fault::ReloadTime { reason } => reason.clone(),
        Fault::AddressesLeft => "addresses may be left: the kernel cannot be asked".to_owned(),
        Fault::NotWaitedFor { reason } => format!(
            "another daemon may be starting in this network namespace, and is not waited for: {reason}"
        ),
        Fault::Beside { neighbour: who, reason } => format!(
            "{} speaks VRRP in this network namespace too; which virtual routers it runs is not known: {reason}",
            neighbour(who)
        ),
    }
}

/// What is in order again.
pub fn fault_over(fault: &Fault) -> String {
    match fault {
        Fault::Fifo { keyword, path, .. } => format!("{keyword}: {path} is used"),
        Fault::FifoReader { keyword, .. } => format!("{keyword} runs again"),
        Fault::Mail { .. } => "mail is delivered again".to_owned(),
        Fault::CheckNotRun { script, .. } => format!("Script `{script}` is run again"),
        Fault::ProgramNotRun { command, .. } => format!("script {command} is run"),
        Fault::TrackFile { name, path, .. } => format!("track_file {name} ({path}) is read again"),
        Fault::WorkerNotStarted { worker, .. } => format!("the {} is started", worker_title(*worker)),
        Fault::Name { name, family, .. } => format!("real_server {name} can be looked up ({family})"),
        Fault::NamesLeftOut { .. } => "each name of real servers is looked up".to_owned(),
        Fault::ReloadTime { .. } => "reload_time_file is in order again".to_owned(),
        other => format!("no longer: {}", self::fault(other)),
    }
}
