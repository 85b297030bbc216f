//! The files that signals ask for, in keepalived's text and JSON: other programs read them.

mod data;
mod json;
mod sessions;
mod settings;
mod statistics;
mod wording;

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use steadfast_config::model::{Global, Model, TrackProcess, VrrpInstance, VrrpSyncGroup};
use steadfast_control::event::Fault;
use steadfast_control::status::{Script, Status};
use steadfast_vrrp::status::{InstanceStatus, TrackerKind, TrackerShare};
use steadfast_vrrp::{InstanceId, Moment, State};

use crate::supervisor::scripts::programs::{Check, Notifies, Programs};
use crate::supervisor::watches::processes::Counted;
use crate::supervisor::{Supervisor, moment};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dump {
    /// SIGUSR1: `keepalived.data` and `keepalived_parent.data`, and `keepalived_bfd.data` with sessions.
    Data,
    /// SIGUSR2: `keepalived.stats`.
    Statistics,
    /// SIGRTMIN+2: `keepalived.json`.
    Json,
}

/// Everything that a dump shows, at one moment.
struct Picture<'a> {
    model: &'a Model,
    /// In the order of the file.
    instances: Vec<Shown<'a>>,
    /// By name.
    groups: BTreeMap<&'a str, &'a Notifies>,
    /// By name: programs that can be run.
    checks: BTreeMap<&'a str, &'a Check>,
    /// Sets of processes that are followed, in the order of the file.
    processes: Vec<(&'a TrackProcess, Counted)>,
    /// By name: what became of their runs.
    runs: BTreeMap<Arc<str>, Script>,
    now: (Moment, Timestamp),
}

/// One instance.
struct Shown<'a> {
    config: &'a VrrpInstance,
    /// What the worker said; nothing if it did not answer.
    told: Option<&'a InstanceStatus>,
    state: State,
    since: Moment,
    group: Option<&'a VrrpSyncGroup>,
    notifies: Option<&'a Notifies>,
    /// The interface that is made for it.
    made: Option<&'a str>,
}

impl Shown<'_> {
    /// Keepalived shows an instance that waits for the first result of a script as FAULT.
    fn waits_for_scripts(&self) -> usize {
        let trackers = self.told.map(|told| told.trackers.as_slice()).unwrap_or_default();
        let waiting = |tracker: &&TrackerShare| {
            tracker.kind == TrackerKind::Script && tracker.good.is_none() && tracker.fault
        };
        trackers.iter().filter(waiting).count()
    }

    /// As keepalived's files have it.
    fn state(&self) -> FileState {
        match self.state {
            State::Master => FileState::Master,
            State::Backup => FileState::Backup,
            State::Fault => FileState::Fault,
            State::Init if self.waits_for_scripts() > 0 => FileState::Fault,
            State::Init | State::Stop => FileState::Init,
        }
    }

    /// What it would be if it were up to itself.
    fn wanted_state(&self) -> FileState {
        match self.state {
            State::Init | State::Stop if self.config.initial_master => FileState::Master,
            State::Init | State::Stop => FileState::Backup,
            _ => self.state(),
        }
    }

    fn addresses_are_set(&self) -> bool {
        matches!(self.state, State::Master | State::Stop)
    }
}

/// States with keepalived's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileState {
    Init = 0,
    Backup = 1,
    Master = 2,
    Fault = 3,
}

impl FileState {
    const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        }
    }
}

impl Picture<'_> {
    /// A moment on everybody's clock.
    fn time(&self, moment: Moment) -> Timestamp {
        let (now, timestamp) = self.now;
        let nanoseconds = |later: Moment, earlier: Moment| {
            SignedDuration::try_from(later.since(earlier)).unwrap_or(SignedDuration::ZERO)
        };
        let shifted = if moment > now {
            timestamp.checked_add(nanoseconds(moment, now))
        } else {
            timestamp.checked_sub(nanoseconds(now, moment))
        };
        shifted.unwrap_or(timestamp)
    }
}

impl Supervisor {
    /// Writes what was asked for.
    pub(crate) fn dump(&mut self, dump: Dump, status: &Status, told: &[InstanceStatus]) {
        let global = &self.loaded.global;
        let model = self.loaded.model();
        let files = match dump {
            Dump::Statistics => vec![(folder().join("keepalived.stats"), statistics::text(status))],
            Dump::Json => {
                let text = json::text(&self.picture(&model, told));
                text.map(|text| (folder().join("keepalived.json"), text)).into_iter().collect()
            }
            Dump::Data => {
                let namespace = self.options.namespace.as_deref();
                let settings = settings::text(global);
                let picture = self.picture(&model, told);
                let all = settings.clone() + &data::text(&picture);
                let mut files = vec![(data_file(global, namespace, ""), all)];
                if self.options.run_bfd && !model.bfd_instances.is_empty() {
                    let text = settings.clone() + &sessions::text(&picture, &status.sessions);
                    files.push((data_file(global, namespace, "_bfd"), text));
                }
                files.push((data_file(global, namespace, "_parent"), settings));
                files
            }
        };
        for (path, text) in files {
            if let Err(error) = replace(&path, &text, self.desk.dumps) {
                self.fault(Fault::NotWritten {
                    keyword: None,
                    path: path.display().to_string(),
                    reason: error.to_string(),
                });
            }
            self.desk.dumps += 1;
        }
    }

    /// Name of the interface that is made for an instance itself.
    fn made_for(&self, config: &VrrpInstance, id: InstanceId) -> Option<&str> {
        if config.vmac.is_none() && config.ipvlan.is_none() {
            return None;
        }
        let work = &self.routers.work;
        let instances = &work.machine.instances;
        let at = instances.binary_search_by_key(&id, |instance| instance.id).ok()?;
        let instance = instances.get(at)?;
        let mut links = work.links.iter().filter(|link| link.lower == instance.interface);
        let link = links.find(|link| link.vrid == instance.vrid && link.family == instance.family)?;
        Some(work.interface_name(link.interface))
    }

    fn picture<'a>(&'a self, model: &'a Model, told: &'a [InstanceStatus]) -> Picture<'a> {
        let ids: BTreeMap<&str, InstanceId> = self
            .routers
            .work
            .machine
            .instances
            .iter()
            .map(|instance| (&*instance.name, instance.id))
            .collect();
        let told: BTreeMap<InstanceId, &InstanceStatus> =
            told.iter().map(|told| (told.instance, told)).collect();
        let groups: BTreeMap<&str, &VrrpSyncGroup> = model
            .groups
            .iter()
            .flat_map(|group| group.members.iter().map(move |member| (&**member, group)))
            .collect();
        let shown = |config: &'a VrrpInstance| {
            let id = ids.get(&*config.name)?;
            let told = told.get(id).copied();
            let last = self.routers.known.last(*id);
            let known = last.map_or((State::Init, self.started_at), |last| (last.state, last.since));
            let (state, since) = told.map_or(known, |told| (told.state, told.since));
            let group = groups.get(&*config.name).copied();
            Some(Shown {
                config,
                told,
                state,
                since,
                group,
                notifies: self.scripts.programs.instances.get(id),
                made: self.made_for(config, *id),
            })
        };
        let Programs { checks, groups: programs_of_groups, .. } = &self.scripts.programs;
        Picture {
            model,
            instances: model.instances.iter().filter_map(shown).collect(),
            groups: programs_of_groups.values().map(|programs| (&*programs.name, programs)).collect(),
            processes: model
                .track_processes
                .iter()
                .filter_map(|process| Some((process, self.watches.processes.counted(&process.name)?)))
                .collect(),
            checks: checks.values().map(|check| (&*check.name, check)).collect(),
            runs: self.scripts.checks.report().into_iter().map(|run| (Arc::clone(&run.name), run)).collect(),
            now: (moment(), Timestamp::now()),
        }
    }
}

/// Keepalived's folder for dumps: TMPDIR if it is an absolute path of a folder, else /tmp.
fn folder() -> PathBuf {
    let told =
        std::env::var_os("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
    told.unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// The file of a process's data: `state_dump_file` if it is absolute, its last component in the
/// folder for dumps if it is not, with the process and, by `data_use_instance`, namespace and
/// instance before the extension.
fn data_file(global: &Global, namespace: Option<&str>, process: &str) -> PathBuf {
    const NAME: &str = "keepalived.data";
    let told = global.state_dump_file.as_deref().unwrap_or(NAME);
    let path = match told.rsplit_once('/') {
        Some((parent, "")) if told.starts_with('/') => Path::new(&format!("{parent}/")).join(NAME),
        _ if told.starts_with('/') => PathBuf::from(told),
        Some((_, last)) if !last.is_empty() => folder().join(last),
        Some(_) => folder().join(NAME),
        None => folder().join(told),
    };
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(process);
    let namespace = namespace.or(global.net_namespace.as_deref());
    let instance: Vec<&str> = [namespace, global.instance.as_deref()].into_iter().flatten().collect();
    if global.data_use_instance && !instance.is_empty() {
        name.push(format!(".{}", instance.join("_")));
    }
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Writes a dump in one piece: into another file first, which then takes the name, so that nobody
/// reads half of it and no planted link is written through.
fn replace(path: &Path, text: &str, sequence: u64) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{sequence}", std::process::id()));
    let beside = PathBuf::from(name);
    let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o666).open(&beside);
    let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    let renamed = written.and_then(|()| std::fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(told: Option<&str>, use_instance: bool, process: &str) -> String {
        let global = Global {
            state_dump_file: told.map(Into::into),
            data_use_instance: use_instance,
            instance: Some("inst".into()),
            ..Global::default()
        };
        let file = data_file(&global, Some("ns"), process);
        file.strip_prefix(folder()).unwrap_or(&file).display().to_string()
    }

    #[test]
    fn data_files_are_named_as_keepalived_names_them() {
        assert_eq!(file(None, false, ""), "keepalived.data");
        assert_eq!(file(None, false, "_parent"), "keepalived_parent.data");
        assert_eq!(file(None, true, "_parent"), "keepalived_parent.ns_inst.data");
        assert_eq!(file(Some("/var/lib/k.state"), false, "_parent"), "/var/lib/k_parent.state");
        assert_eq!(file(Some("/var/lib/"), false, ""), "/var/lib/keepalived.data");
        assert_eq!(file(Some("../elsewhere/k"), true, "_parent"), "k_parent.ns_inst");
        assert_eq!(file(Some("elsewhere/"), false, ""), "keepalived.data");
    }

    #[test]
    fn a_planted_link_is_replaced() {
        let folder = std::env::temp_dir().join(format!("steadfast-dump-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let (target, link) = (folder.join("target"), folder.join("link"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, "dump", 0).unwrap();
        let left = (std::fs::read_to_string(&target).unwrap(), std::fs::read_to_string(&link).unwrap());
        let count = std::fs::read_dir(&folder).unwrap().count();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((left.0.as_str(), left.1.as_str(), count), ("precious", "dump", 2));
    }
}
