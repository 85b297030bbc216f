//! Files and processes that instances and checks follow: their numbers, and how they are to be watched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::model::{CheckKind, Model, ParameterMatch, TrackFile, TrackProcess, Tracks};
use steadfast_vrrp::{Reading, WatchConfig, WatchId, WatchKind};

use crate::link::vrrp::work::Work;

/// How everything is watched that is followed by anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) files: BTreeMap<WatchId, FileOrder>,
    pub(crate) processes: BTreeMap<WatchId, ProcessOrder>,
}

/// A file that holds a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileOrder {
    pub(crate) name: Arc<str>,
    pub(crate) path: PathBuf,
    /// It is made with this number where it does not exist.
    pub(crate) initial: Option<i32>,
    /// At the start of the daemon even where it exists.
    pub(crate) overwrite: bool,
}

/// Processes that are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessOrder {
    pub(crate) name: Arc<str>,
    pub(crate) wanted: Wanted,
    /// Fewest that are enough.
    pub(crate) least: u32,
    /// Most that are not too many.
    pub(crate) most: Option<u32>,
    /// Wait before acting on a loss.
    pub(crate) loss_delay: Duration,
    /// Wait before acting on a gain.
    pub(crate) gain_delay: Duration,
}

/// Which processes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those with this name in process lists, which holds fifteen bytes.
    Name(Vec<u8>),
    /// Those started with these words.
    Words {
        /// The first word.
        program: Vec<u8>,
        arguments: Vec<Vec<u8>>,
        compared: ParameterMatch,
    },
}

/// TASK_COMM_LEN without the zero at its end.
const NAME_BYTES: usize = 15;

/// The key under which the number of something watched is kept: kinds have names of their own.
pub(super) fn key(kind: WatchKind, name: &str) -> String {
    let kind = match kind {
        WatchKind::File => "file",
        WatchKind::Process => "process",
        WatchKind::Session => "session",
    };
    format!("{kind} {name}")
}

/// What instances, groups and checks follow and the file defines, ordered by number.
pub(super) fn configs(model: &Model, mut number: impl FnMut(&str) -> u32) -> Vec<Arc<WatchConfig>> {
    let tracks = || model.instances.iter().map(|i| &i.tracks).chain(model.groups.iter().map(|g| &g.tracks));
    let followed = |list: fn(&Tracks) -> &Vec<steadfast_config::model::Tracked>| -> BTreeSet<&str> {
        tracks().flat_map(list).map(|tracked| &*tracked.name).collect()
    };
    let mut files = followed(|tracks| &tracks.files);
    let servers = model.virtual_servers.iter().flat_map(|service| &service.real_servers);
    files.extend(servers.flat_map(|server| server.checkers.iter()).filter_map(
        |checker| match &checker.kind {
            CheckKind::File(file) => Some(&*file.track_file),
            _ => None,
        },
    ));
    let processes = followed(|tracks| &tracks.processes);
    let sessions = followed(|tracks| &tracks.bfds);
    let mut watches = BTreeMap::new();
    let mut add = |kind, name: &Arc<str>| {
        let id = WatchId(number(&key(kind, name)));
        // Down until it is told to be up, as keepalived has it.
        let reading = (kind == WatchKind::Session).then_some(Reading::Good(false));
        watches.insert(id, Arc::new(WatchConfig { id, kind, name: Arc::clone(name), reading }));
    };
    for file in model.track_files.iter().filter(|file| files.contains(&*file.name)) {
        add(WatchKind::File, &file.name);
    }
    for process in model.track_processes.iter().filter(|process| processes.contains(&*process.name)) {
        add(WatchKind::Process, &process.name);
    }
    for session in model.bfd_instances.iter().filter(|session| sessions.contains(&*session.name)) {
        add(WatchKind::Session, &session.name);
    }
    watches.into_values().collect()
}

impl Orders {
    /// How what `work` follows is to be watched.
    pub(crate) fn of(model: &Model, work: &Work) -> Self {
        let files: BTreeMap<&str, &TrackFile> = model.track_files.iter().map(|f| (&*f.name, f)).collect();
        let processes: BTreeMap<&str, &TrackProcess> =
            model.track_processes.iter().map(|p| (&*p.name, p)).collect();
        let mut orders = Self::default();
        for watch in &work.machine.watches {
            match watch.kind {
                WatchKind::File => {
                    let order = files.get(&*watch.name).map(|file| FileOrder::of(file));
                    orders.files.extend(order.map(|order| (watch.id, order)));
                }
                WatchKind::Process => {
                    let order = processes.get(&*watch.name).map(|process| ProcessOrder::of(process));
                    orders.processes.extend(order.map(|order| (watch.id, order)));
                }
                WatchKind::Session => {}
            }
        }
        orders
    }
}

impl FileOrder {
    fn of(file: &TrackFile) -> Self {
        Self {
            name: Arc::clone(&file.name),
            path: PathBuf::from(&*file.path),
            initial: file.init_value,
            overwrite: file.init_overwrite,
        }
    }
}

impl ProcessOrder {
    fn of(process: &TrackProcess) -> Self {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let wanted = if process.full_command {
            Wanted::Words {
                program: bytes(&process.process),
                arguments: process.arguments.iter().map(|argument| bytes(argument)).collect(),
                compared: process.parameter_match,
            }
        } else {
            let mut name = bytes(&process.process);
            name.truncate(NAME_BYTES);
            Wanted::Name(name)
        };
        Self {
            name: Arc::clone(&process.name),
            wanted,
            // quorum_max 0: none may run, whatever quorum is.
            least: if process.quorum_max == Some(0) { 0 } else { process.quorum },
            most: process.quorum_max,
            loss_delay: process.terminate_delay.duration(),
            gain_delay: process.fork_delay.duration(),
        }
    }

    /// Whether so many are as they should be.
    pub(crate) fn is_satisfied(&self, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

impl Wanted {
    /// Whether a command line, its words each ended by a zero byte, is meant.
    pub(crate) fn are(&self, command_line: &[u8]) -> bool {
        let Self::Words { program, arguments, compared } = self else { return false };
        let line = command_line.strip_suffix(&[0]).unwrap_or(command_line);
        let mut words = line.split(|byte| *byte == 0);
        if words.next() != Some(program) {
            return false;
        }
        let found: Vec<&[u8]> = words.collect();
        match compared {
            ParameterMatch::None => true,
            ParameterMatch::Exact => found.iter().eq(arguments.iter()),
            ParameterMatch::Partial => {
                found.len() >= arguments.len()
                    && found.iter().zip(arguments).all(|(found, wanted)| found == wanted)
            }
            ParameterMatch::Initial => {
                let last = arguments.len().saturating_sub(1);
                found.len() >= arguments.len()
                    && found.iter().zip(arguments).enumerate().all(|(place, (found, wanted))| {
                        if place == last { found.starts_with(wanted) } else { found == wanted }
                    })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str], compared: ParameterMatch) -> Wanted {
        let arguments = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        Wanted::Words { program: b"prog".to_vec(), arguments, compared }
    }

    #[test]
    fn arguments_are_compared_as_configured() {
        use ParameterMatch::{Exact, Initial, None, Partial};
        let cases: [(&[&str], ParameterMatch, &str, bool); 12] = [
            (&[], None, "prog\0a\0", true),
            (&[], None, "prig\0", false),
            (&[], Exact, "prog\0", true),
            (&[], Exact, "prog\0a\0", false),
            (&["a", "b"], Exact, "prog\0a\0b\0", true),
            (&["a", "b"], Exact, "prog\0a\0b\0c\0", false),
            (&["a", "b"], Partial, "prog\0a\0b\0c\0", true),
            (&["a", "b"], Partial, "prog\0a\0bc\0", false),
            (&["a", "b"], Partial, "prog\0a\0", false),
            (&["a", "b"], Initial, "prog\0a\0bc\0d\0", true),
            (&["a", "b"], Initial, "prog\0ax\0b\0", false),
            (&["a"], Initial, "", false),
        ];
        for (arguments, compared, line, meant) in cases {
            assert_eq!(words(arguments, compared).are(line.as_bytes()), meant, "{arguments:?} {line:?}");
        }
    }

    #[test]
    fn as_many_as_they_should_be() {
        let mut order = ProcessOrder {
            name: "p".into(),
            wanted: Wanted::Name(Vec::new()),
            least: 1,
            most: None,
            loss_delay: Duration::ZERO,
            gain_delay: Duration::ZERO,
        };
        assert!(!order.is_satisfied(0) && order.is_satisfied(1) && order.is_satisfied(1_000));
        (order.least, order.most) = (0, Some(0));
        assert!(order.is_satisfied(0) && !order.is_satisfied(1));
    }
}
