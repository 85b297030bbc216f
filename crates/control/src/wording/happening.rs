//! Events as sentences: the log line, and the message of `steadfast events`.

use std::net::IpAddr;

use steadfast_vrrp::State;
use steadfast_wire::vrrp::Reject;

use super::{balancing, chain, duration, reload, state, worker_title};
use crate::event::{Bound, Ending, Happening, Trouble, Worker};

/// The event in a sentence.
pub fn happening(happening: &Happening) -> String {
    match happening {
        Happening::Balancing(told) => balancing(told),
        Happening::Started { version, configuration } => {
            format!("steadfast {version} started with {configuration}")
        }
        Happening::InstanceState { instance, to: State::Stop, causes, priority, .. } => {
            format!("({instance}) Stopping (priority {priority}): {}", chain(causes))
        }
        Happening::InstanceState { instance, to, causes, priority, .. } => {
            format!("({instance}) Entering {} STATE (priority {priority}): {}", state(*to), chain(causes))
        }
        Happening::Preparing { instance, causes, priority } => format!(
            "({instance}) Won the election (priority {priority}), runs notify_master_prepare before it serves: {}",
            chain(causes)
        ),
        Happening::GroupState { group, to, causes } => {
            format!("VRRP_Group({group}) Syncing instances to {} state: {}", state(*to), chain(causes))
        }
        Happening::PriorityChanged { instance, from, to, causes } => {
            format!("({instance}) Changing effective priority from {from} to {to}: {}", chain(causes))
        }
        Happening::MasterChanged { instance, master, priority } => {
            format!("({instance}) master is {master} with priority {priority}")
        }
        Happening::HandedOver { instance, to, priority, milliseconds } => {
            format!("({instance}) {}", handed_over(*to, *priority, *milliseconds))
        }
        Happening::LowerPriorityHeard { instance, master, priority } => {
            format!("({instance}) heard lower priority {priority} from {master}")
        }
        Happening::TwoMasters { instance, other, priority, dropped } => {
            format!("({instance}) {}", two_masters(*other, *priority, dropped.as_ref()))
        }
        Happening::OneMaster { instance, other, adverts, milliseconds } => format!(
            "({instance}) one master again: {other} claimed the addresses too for {} with {adverts} adverts",
            duration::milliseconds(*milliseconds)
        ),
        Happening::ServedElsewhere { instance, served, state, yields } => {
            let follows = match (state, yields) {
                (State::Master, true) => "gives way",
                (State::Master, false) => "stays MASTER",
                (_, true) => "stays BACKUP",
                (_, false) => "becomes MASTER all the same",
            };
            format!("({instance}) {}; {follows}", super::served(*served))
        }
        Happening::ServedHereAlone { instance, served, milliseconds } => format!(
            "({instance}) over after {}: {}",
            duration::milliseconds(*milliseconds),
            super::served(*served)
        ),
        Happening::NobodyHeard { instance, milliseconds } => format!(
            "({instance}) master for {}: {}",
            duration::milliseconds(*milliseconds),
            super::NOBODY_HEARD
        ),
        Happening::Dropped { instance, source, reason } => {
            format!("({instance}) dropped an advert from {source}: {reason}")
        }
        Happening::Disagreement { instance, source, difference } => {
            format!("({instance}) {source} is configured differently: {}", super::difference(difference))
        }
        Happening::SessionState { session, peer, to, diagnostic, cause, .. } => {
            super::session::state(session, *peer, *to, *diagnostic, cause)
        }
        Happening::SessionPath { session, peer, good, cause } => {
            let path = if *good { "works" } else { "is broken" };
            let why = super::session::cause(cause);
            format!("BFD_Instance({session}) tells its followers that the path to {peer} {path}: {why}")
        }
        Happening::SessionIntervals {
            session,
            peer,
            transmit_microseconds,
            receive_microseconds,
            detection_microseconds,
        } => super::session::intervals(
            session,
            *peer,
            (*transmit_microseconds, *receive_microseconds, *detection_microseconds),
        ),
        Happening::SessionEcho { session, peer, returned, interval_microseconds, detection_microseconds } => {
            super::session::echo(session, *peer, *returned, (*interval_microseconds, *detection_microseconds))
        }
        Happening::SessionDropped { session, source, reason } => {
            format!("BFD_Instance({session}) dropped a packet from {source}: {reason}")
        }
        Happening::Script { script, ending, output, .. } => {
            format!("Script `{script}` {}", ended(ending, output))
        }
        Happening::Notify { owner, command, ending, output } => {
            format!("({owner}) notify script {command} {}", ended(ending, output))
        }
        Happening::WorkerStarted { worker, pid } => {
            format!("{} runs as process {pid}", worker_title(*worker))
        }
        Happening::WorkerDied { worker, pid, ending, successor } => {
            let next = if *successor {
                "starting another that goes on where it ended"
            } else {
                "no other is started (-R)"
            };
            // That it ended at all is the failure.
            let how = match ending {
                Ending::Exited { status } => format!("exited with status {status}"),
                ending => super::ending(ending),
            };
            format!("{} {pid} {how}; {next}", worker_title(*worker))
        }
        Happening::WorkerHung { worker } => {
            format!("the {} does not answer: it is killed, and its successor goes on", worker_title(*worker))
        }
        Happening::Yielded { instances, deaths, milliseconds } => {
            let routers = if *instances == 1 { "virtual router" } else { "virtual routers" };
            let wait = super::duration::milliseconds(*milliseconds);
            format!(
                "no vrrp worker runs ({deaths} in a row died or did not start), and another is started in {wait}: {instances} {routers} given up, for others take over by now"
            )
        }
        Happening::Worker { worker, trouble } => self::trouble(*worker, trouble),
        Happening::Bound { bound: told @ (Bound::NotifiesForgotten { .. } | Bound::FlightRecorder) } => {
            self::bound(told)
        }
        Happening::Bound { bound } => told_once(&self::bound(bound)),
        Happening::Reloaded { changes } => format!("reload: {}", reload::changes(changes)),
        Happening::ReloadRefused { reason } => {
            format!("reload refused, the running configuration goes on: {}", reload::refusal(reason))
        }
        Happening::Upgraded { from, to, milliseconds } => {
            format!("upgraded from {from} to {to} in {milliseconds} ms, everything goes on as it was")
        }
        Happening::TookOver { milliseconds } => {
            format!(
                "the supervisor before this one died {milliseconds} ms ago: taken over, everything goes on as it was"
            )
        }
        Happening::UpgradeRefused { program, reason } => {
            format!("upgrade to {program} refused, the program that runs goes on: {reason}")
        }
        Happening::ReloadPlanned { at } => format!("the configuration is read again at {at}"),
        Happening::ReloadCancelled { at } => format!("the reload at {at} is cancelled"),
        Happening::ReloadDue => "reload_time_file: its time has come, reading the configuration".to_owned(),
        Happening::Fault(fault) => super::fault(fault),
        Happening::FaultOver(fault) => super::fault_over(fault),
        Happening::RecordSaved { path, reason } => {
            format!("the flight record is in {path}: {reason}")
        }
        Happening::Stopping => "stopping".to_owned(),
        Happening::Stopped => "stopped".to_owned(),
        Happening::Network(network) => super::network(network),
    }
}

fn handed_over(to: Option<IpAddr>, priority: Option<u8>, milliseconds: u64) -> String {
    let span = duration::milliseconds(milliseconds);
    match to {
        Some(master) => {
            let priority = priority.map(|priority| format!(" (priority {priority})")).unwrap_or_default();
            format!("handed over to {master}{priority} after {span}")
        }
        None => format!("handed over to nobody: no other router was heard for {span}"),
    }
}

fn two_masters(other: IpAddr, priority: Option<u8>, dropped: Option<&Reject>) -> String {
    let priority = priority.map(|priority| format!(" with priority {priority}")).unwrap_or_default();
    let why = match dropped {
        Some(reason) => format!("its adverts are dropped: {reason}"),
        None => "it does not hear us, or does not give way".to_owned(),
    };
    format!("two masters: {other}{priority} claims the addresses too; {why}")
}

fn ended(ending: &Ending, output: &str) -> String {
    let tail = if output.is_empty() { String::new() } else { format!("; it printed: {output}") };
    format!("{}{tail}", super::ending(ending))
}

fn trouble(worker: Worker, trouble: &Trouble) -> String {
    match trouble {
        Trouble::CannotWork { error } | Trouble::Scheduling { error } | Trouble::Netlink { error } => {
            error.to_string()
        }
        Trouble::Unconfined { error } => format!(
            "the {} works with rights that it does not need: {error} (--unconfined takes it as it is)",
            worker_title(worker)
        ),
        Trouble::Overrun => "the kernel dropped netlink messages; everything was read again".to_owned(),
        Trouble::MessagesLost { count } => {
            let worker = worker_title(worker);
            told_once(&format!("the supervisor did not read: the {worker} dropped {count} messages for it"))
        }
        Trouble::NotInherited { reason } => format!(
            "what the {} before left cannot be read, and everything starts as at a fresh start: {reason}",
            worker_title(worker)
        ),
        Trouble::Late { microseconds } => format!(
            "timers fired {} late: the machine is overloaded or was suspended",
            duration::microseconds(*microseconds)
        ),
    }
}

fn bound(bound: &Bound) -> String {
    match bound {
        Bound::SessionTurns { session, peer } => format!(
            "BFD_Instance({session}) with {peer} comes up and goes down again and again: most of that is left out from here on"
        ),
        Bound::AdvertsLost { count } => {
            format!("adverts came faster than they were read: the kernel dropped {count}")
        }
        Bound::NotifyScripts { running } => format!(
            "{running} notify scripts run: further ones wait until some end, and the last of each instance runs"
        ),
        Bound::NotifiesForgotten { owner, waiting } => {
            format!("({owner}) {waiting} transitions wait for their notify scripts: older ones are forgotten")
        }
        Bound::StopScripts { lost } => {
            format!("stop: {lost} notify scripts took too long, and are ended or never ran")
        }
        Bound::FifoLines { keyword, waiting } => format!(
            "{keyword}: nobody reads, {waiting} lines wait; older news are left out where there is later news"
        ),
        Bound::Clients { connected } => {
            format!("control socket: a client was refused, {connected} are connected")
        }
        Bound::Letters { waiting } => {
            format!("{waiting} letters wait for the mail server: older ones are left out")
        }
        Bound::FlightRecorder => {
            "flight recorder: the state of all instances does not fit, and nothing is kept until there are fewer of \
             them, or until a restart, with a larger `flight_recorder` where that is set"
                .to_owned()
        }
        Bound::SlowClient => "control socket: a client that does not read was hung up on".to_owned(),
    }
}

fn told_once(what: &str) -> String {
    format!("{what}; told once, `steadfast status` goes on counting")
}
