//! FIFOs that tell of changes of state, a line each, and the programs that read them.
//!
//! A line goes out at once. What a FIFO has no room for waits in its order, up to [`WAITING_MAX`] lines; then older news
//! of an instance or group of which there is later news are left out, so that the last state of each arrives.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steadfast_control::event::{Bound, Fault, Happening, Matter};
use steadfast_control::wording;
use steadfast_kernel::file::fifo::Fifo;
use steadfast_kernel::process::Script;
use steadfast_kernel::process::handover::Kept;
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::{Cause, Event, InstanceId, State};

use super::scripts::Owner;
use crate::supervisor::scripts::programs::{Command, Identity, Programs};
use crate::supervisor::scripts::runner::Purpose;
use crate::supervisor::workers::known::Known;
use crate::supervisor::{FIFOS, RUNS, Supervisor, moment};

/// Lines that wait for a reader. It grows with the number of instances and groups, each of which keeps one.
pub(crate) const WAITING_MAX: usize = 1_024;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// `notify_fifo`
    General,
    /// `vrrp_notify_fifo`
    Vrrp,
    /// `lvs_notify_fifo`
    Balancing,
}

impl Kind {
    const ALL: [Self; 3] = [Self::General, Self::Vrrp, Self::Balancing];

    pub(crate) const fn keyword(self) -> &'static str {
        match self {
            Self::General => "notify_fifo",
            Self::Vrrp => "vrrp_notify_fifo",
            Self::Balancing => "lvs_notify_fifo",
        }
    }

    pub(crate) const fn script_keyword(self) -> &'static str {
        match self {
            Self::General => "notify_fifo_script",
            Self::Vrrp => "vrrp_notify_fifo_script",
            Self::Balancing => "lvs_notify_fifo_script",
        }
    }

    const fn token(self) -> u64 {
        match self {
            Self::General => FIFOS,
            Self::Vrrp => FIFOS + 1,
            Self::Balancing => FIFOS + 2,
        }
    }

    /// Whether it tells of that owner.
    const fn tells_of(self, owner: &Owner) -> bool {
        match (self, owner) {
            (Self::General, _) => true,
            (Self::Vrrp, owner) => !matches!(owner, Owner::Service(_)),
            (Self::Balancing, owner) => matches!(owner, Owner::Service(_)),
        }
    }
}

/// A FIFO as configured, with everything looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) path: PathBuf,
    pub(crate) owner: Option<Identity>,
    /// The program that reads it, its path the last argument.
    pub(crate) reader: Option<Command>,
}

/// Those that are open.
#[derive(Debug, Default)]
pub(crate) struct Fifos {
    open: BTreeMap<Kind, Pipe>,
}

#[derive(Debug)]
struct Pipe {
    fifo: Fifo,
    setting: Setting,
    waiting: VecDeque<(Owner, String)>,
    /// How many lines of each owner wait.
    owners: BTreeMap<Owner, usize>,
    left_out: bool,
}

/// A FIFO as it is left to another program, with its reader.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FifoLeft {
    kind: Kind,
    fifo: Kept,
    made: bool,
    waiting: Vec<(Owner, String)>,
    reader: Option<u32>,
}

impl FifoLeft {
    /// The one that has to live on.
    pub(crate) const fn descriptor(&self) -> Kept {
        self.fifo
    }
}

impl Fifos {
    /// Writes what waited for room.
    fn flush(&mut self, kind: Kind, poller: &Poller) {
        let Some(pipe) = self.open.get_mut(&kind) else { return };
        if pipe.flush() {
            let _ = poller.remove(&pipe.fifo);
        }
    }

    /// Writes a line, or has it wait; whether something older had to be left out for the first time.
    fn write(&mut self, owner: &Owner, line: &str, poller: &Poller) -> Option<Kind> {
        let mut left_out = None;
        for (kind, pipe) in self.open.iter_mut().filter(|(kind, _)| kind.tells_of(owner)) {
            let idle = pipe.waiting.is_empty();
            pipe.push(owner.clone(), line.to_owned());
            if !pipe.flush() && idle {
                let _ = poller.add(&pipe.fifo, kind.token(), Interest::Writable);
            }
            if pipe.bound() && !std::mem::replace(&mut pipe.left_out, true) {
                left_out = Some(*kind);
            }
        }
        left_out
    }
}

impl Pipe {
    fn push(&mut self, owner: Owner, line: String) {
        *self.owners.entry(owner.clone()).or_default() += 1;
        self.waiting.push_back((owner, line));
    }

    /// Leaves out the oldest line of which there is later news, where too many wait.
    fn bound(&mut self) -> bool {
        if self.waiting.len() <= WAITING_MAX {
            return false;
        }
        let has_later = |(owner, _): &(Owner, String)| self.owners.get(owner).is_some_and(|count| *count > 1);
        let Some(oldest) = self.waiting.iter().position(has_later) else { return false };
        if let Some((owner, _)) = self.waiting.remove(oldest) {
            self.gone(&owner);
        }
        true
    }

    /// True when nothing waits any more.
    fn flush(&mut self) -> bool {
        while let Some((owner, line)) = self.waiting.front() {
            if !self.fifo.write_line(line.as_bytes()).unwrap_or(true) {
                return false;
            }
            let owner = owner.clone();
            self.waiting.pop_front();
            self.gone(&owner);
        }
        true
    }

    fn gone(&mut self, owner: &Owner) {
        if let Some(count) = self.owners.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(owner);
            }
        }
    }
}

impl Supervisor {
    /// Opens and closes FIFOs as configured, and starts their readers. One that stays as it is goes on, and so does its
    /// reader.
    pub(crate) fn configure_fifos(&mut self) {
        let wanted = self.scripts.programs.fifos.clone();
        for kind in Kind::ALL {
            let setting = wanted.get(&kind);
            let before = self.fifos.open.get(&kind).map(|pipe| &pipe.setting);
            if before == setting {
                continue;
            }
            if before.is_some() {
                self.close_fifo(kind);
            }
            if setting.is_none() {
                self.forget_faults(|matter| *matter == Matter::Fifo(kind.keyword().into()));
            }
            if let Some(setting) = setting {
                self.open_fifo(kind, setting);
            }
        }
    }

    /// FIFOs for the program that comes. Whoever reads them sees no end.
    pub(crate) fn fifos_left(&self) -> Vec<FifoLeft> {
        let left = |(kind, pipe): (&Kind, &Pipe)| {
            let (fifo, made) = pipe.fifo.kept();
            let reader = self.scripts.runner.process_of(&Purpose::Reader(*kind));
            FifoLeft { kind: *kind, fifo, made, waiting: pipe.waiting.iter().cloned().collect(), reader }
        };
        self.fifos.open.iter().map(left).collect()
    }

    /// Goes on with those that another program left, where the configuration has them.
    pub(crate) fn adopt_fifos(&mut self, left: Vec<FifoLeft>) {
        for FifoLeft { kind, fifo, made, waiting, reader } in left {
            let setting = self.scripts.programs.fifos.get(&kind).cloned();
            let Some(setting) = setting else { continue };
            let Ok(fifo) = Fifo::adopt(fifo, &setting.path, made) else { continue };
            let command = setting.reader.clone();
            let mut pipe =
                Pipe { fifo, setting, waiting: VecDeque::new(), owners: BTreeMap::new(), left_out: false };
            waiting.into_iter().for_each(|(owner, line)| pipe.push(owner, line));
            if !pipe.flush() {
                let _ = self.poller.add(&pipe.fifo, kind.token(), Interest::Writable);
            }
            self.fifos.open.insert(kind, pipe);
            if let Some((script, command)) = reader.and_then(|pid| Script::adopt(pid).ok()).zip(command) {
                let purpose = Purpose::Reader(kind);
                self.scripts.runner.adopt(moment(), script, &command, purpose, &self.poller, RUNS);
            }
        }
    }

    fn open_fifo(&mut self, kind: Kind, setting: &Setting) {
        let owner = setting.owner.as_ref().map(|owner| (owner.uid, owner.gid));
        let fifo = match Fifo::open(&setting.path, owner) {
            Ok(fifo) => fifo,
            Err(error) => {
                return self.fault(Fault::Fifo {
                    keyword: kind.keyword().into(),
                    path: setting.path.display().to_string(),
                    reason: error.to_string(),
                });
            }
        };
        let (waiting, owners) = (VecDeque::new(), BTreeMap::new());
        let pipe = Pipe { fifo, setting: setting.clone(), waiting, owners, left_out: false };
        self.fifos.open.insert(kind, pipe);
        self.fault_over(&Matter::Fifo(kind.keyword().into()));
        let Some(reader) = &setting.reader else { return };
        let started =
            self.scripts.runner.start(moment(), reader, Purpose::Reader(kind), None, &self.poller, RUNS);
        if let Err(ending) = started {
            self.fault(Fault::FifoReader { keyword: kind.script_keyword().into(), ending });
        }
    }

    fn close_fifo(&mut self, kind: Kind) {
        self.forget_faults(|matter| *matter == Matter::FifoReader(kind.script_keyword().into()));
        if let Some(mut pipe) = self.fifos.open.remove(&kind) {
            if !pipe.flush() {
                let _ = self.poller.remove(&pipe.fifo);
            }
            self.scripts.runner.terminate(moment(), |purpose| *purpose == Purpose::Reader(kind));
        }
    }

    /// At the end: readers see the end of their input, and are told to end.
    pub(crate) fn close_fifos(&mut self) {
        Kind::ALL.into_iter().for_each(|kind| self.close_fifo(kind));
    }

    /// There is room in a FIFO.
    pub(crate) fn flush_fifo(&mut self, token: u64) {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.token() == token) {
            self.fifos.flush(kind, &self.poller);
        }
    }

    /// Writes what an event is to the readers of FIFOs.
    pub(crate) fn tell_fifos(&mut self, event: &Event) {
        if self.fifos.open.is_empty() {
            return;
        }
        if let Some((owner, line)) = line(&self.scripts.programs, &self.routers.known, event) {
            self.write_to_fifos(&owner, &line);
        }
    }

    /// `fifo_write_vrrp_states_on_reload`: where every instance and group stands.
    pub(crate) fn tell_fifos_everything(&mut self) {
        let mut lines = Vec::new();
        for instance in &self.routers.work.machine.instances {
            let Some((state, priority)) = self.routers.known.standing(instance.id) else { continue };
            let owner = Owner::Instance(instance.name.clone());
            lines.extend(of_state(&owner, state, priority).map(|line| (owner, line)));
        }
        for group in &self.routers.work.machine.groups {
            let owner = Owner::Group(group.name.clone());
            let state = self.routers.known.group_state(group.id);
            lines.extend(of_state(&owner, state, 0).map(|line| (owner, line)));
        }
        for (owner, line) in lines {
            self.write_to_fifos(&owner, &line);
        }
    }

    pub(crate) fn write_to_fifos(&mut self, owner: &Owner, line: &str) {
        if let Some(kind) = self.fifos.write(owner, line, &self.poller) {
            let bound = Bound::FifoLines { keyword: kind.keyword().into(), waiting: WAITING_MAX };
            self.tell(Happening::Bound { bound });
        }
    }
}

/// The line of an event, in keepalived's words, and whose it is.
fn line(programs: &Programs, known: &Known, event: &Event) -> Option<(Owner, String)> {
    let instance = |id: &InstanceId| Owner::Instance(known.instance(*id));
    match event {
        // A resumed instance is where it was.
        Event::InstanceState { from, to, .. } if from == to => None,
        Event::InstanceState { instance: id, from, to, priority, causes, .. } => {
            let owner = instance(id);
            let removed = causes.contains(&Cause::Reload) && *to == State::Stop;
            let line = match (removed, programs.tells_deleted.contains(id)) {
                (true, true) => written(&owner, "DELETED", priority.get()),
                (true, false) if *from == State::Fault => return None,
                (true, false) => written(&owner, "FAULT", priority.get()),
                (false, _) => of_state(&owner, *to, priority.get())?,
            };
            Some((owner, line))
        }
        Event::GroupState { group, to, .. } => {
            let owner = Owner::Group(known.group(*group)?);
            of_state(&owner, *to, 0).map(|line| (owner, line))
        }
        Event::LowerPriorityHeard { instance: id, .. } => {
            let owner = instance(id);
            let priority = known.standing(*id).map_or(0, |(_, priority)| priority);
            let line = written(&owner, "MASTER_RX_LOWER_PRI", priority);
            Some((owner, line))
        }
        Event::PriorityChanged { instance: id, to, .. } if programs.tells_priority.contains(id) => {
            let owner = instance(id);
            let is_master = known.standing(*id).is_some_and(|(state, _)| state == State::Master);
            let word = if is_master { "MASTER_PRIORITY" } else { "BACKUP_PRIORITY" };
            let line = written(&owner, word, to.get());
            Some((owner, line))
        }
        _ => None,
    }
}

fn of_state(owner: &Owner, state: State, priority: u8) -> Option<String> {
    (state != State::Init).then(|| written(owner, wording::state(state), priority))
}

/// Names are not escaped: readers of keepalived's lines expect them as they are.
fn written(owner: &Owner, word: &str, priority: u8) -> String {
    let kind = if matches!(owner, Owner::Group(_)) { "GROUP" } else { "INSTANCE" };
    format!("{kind} \"{}\" {word} {priority}\n", owner.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_keeps_the_last_line_of_everybody() {
        let path = std::env::temp_dir().join(format!("steadfast-notify-fifo-{}", std::process::id()));
        let fifo = Fifo::open(&path, None).unwrap();
        while fifo.write_line(b"filling\n").unwrap() {}
        let setting = Setting { path, owner: None, reader: None };
        let (waiting, owners) = (VecDeque::new(), BTreeMap::new());
        let mut pipe = Pipe { fifo, setting, waiting, owners, left_out: false };
        let owner = |name: &str| Owner::Instance(name.into());
        pipe.push(owner("quiet"), "quiet\n".to_owned());
        for number in 0..3 * WAITING_MAX {
            pipe.push(owner("busy"), format!("{number}\n"));
            pipe.bound();
        }
        assert!(!pipe.flush() && pipe.waiting.len() == WAITING_MAX);
        assert_eq!(pipe.waiting.front().unwrap().1, "quiet\n");
        assert_eq!(pipe.waiting.back().unwrap().1, format!("{}\n", 3 * WAITING_MAX - 1));
    }
}
