//! Files that hold a number.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::event::Fault;
use steadfast_kernel::file;
use steadfast_kernel::file::watch::{Folders, Told};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::{Moment, Reading, WatchId};

use super::Findings;
use crate::digest::watches::FileOrder;
use crate::supervisor::WATCHED_FILES;

/// As much of a file as is looked at.
const FILE_BYTES_MAX: u32 = 128;
/// A folder that cannot be watched is tried again after this long, and its files are read meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Links of a path that are followed to find the folders to watch.
const LINKS_MAX: usize = 8;

/// All files that are followed.
#[derive(Debug, Default)]
pub(crate) struct Files {
    folders: Option<Folders>,
    entries: BTreeMap<WatchId, Entry>,
    /// Some folder cannot be watched: when to try again.
    retry_at: Option<Moment>,
}

#[derive(Debug)]
struct Entry {
    order: FileOrder,
    value: i32,
    /// The file as named, and what it leads to where links are on the way.
    paths: Vec<PathBuf>,
    /// It was told why the folder cannot be watched, or the file not be read.
    told: Option<String>,
}

impl Files {
    /// The last number of a file.
    /// Whether a file of that name is followed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.values().any(|entry| *entry.order.name == *name)
    }

    pub(crate) fn reading(&self, id: WatchId) -> Option<Reading> {
        self.entries.get(&id).map(|entry| Reading::Value(entry.value))
    }

    /// What a file is called.
    pub(super) fn name(&self, id: WatchId) -> Option<Arc<str>> {
        self.entries.get(&id).map(|entry| Arc::clone(&entry.order.name))
    }

    /// The last number of the file that is called so.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.entries.values().find(|entry| &*entry.order.name == name).map(|entry| entry.value)
    }

    pub(super) fn wakeup(&self) -> Option<Moment> {
        self.retry_at
    }

    /// Takes a configuration over. Files that it brings are made where they are to be made, and read.
    pub(super) fn configure(
        &mut self,
        orders: BTreeMap<WatchId, FileOrder>,
        at_start: bool,
        now: Moment,
        poller: &Poller,
        findings: &mut Findings,
    ) {
        self.entries.retain(|id, entry| {
            let same = orders.get(id).is_some_and(|order| order.path == entry.order.path);
            if same && let Some(order) = orders.get(id) {
                entry.order = order.clone();
            }
            same
        });
        for (id, order) in orders {
            if self.entries.contains_key(&id) {
                continue;
            }
            initialise(&order, at_start, findings);
            self.entries.insert(id, Entry { order, value: 0, paths: Vec::new(), told: None });
        }
        if self.folders.is_none() && !self.entries.is_empty() {
            self.folders = Folders::open()
                .and_then(|folders| poller.add(&folders, WATCHED_FILES, Interest::Readable).map(|()| folders))
                .map_err(|error| findings.faults.push(Fault::FilesPolled { reason: error.to_string() }))
                .ok();
        }
        self.look(now, findings);
        // Nobody has to be told: a worker gets them with its configuration.
        findings.readings.clear();
    }

    /// Something happened in a folder.
    pub(super) fn ready(&mut self, now: Moment, findings: &mut Findings) {
        let mut touched = false;
        let paths: BTreeSet<&Path> =
            self.entries.values().flat_map(|entry| &entry.paths).map(PathBuf::as_path).collect();
        if let Some(folders) = &mut self.folders {
            folders.take(|told| {
                touched |= match told {
                    Told::Name(folder, name) => paths.contains(&*folder.join(name)),
                    Told::Gone(_) | Told::Everything => true,
                };
            });
        }
        if touched {
            self.look(now, findings);
        }
    }

    pub(super) fn due(&mut self, now: Moment, findings: &mut Findings) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.look(now, findings);
        }
    }

    /// Watches every folder that matters, and then reads every file: what changes in between is told.
    fn look(&mut self, now: Moment, findings: &mut Findings) {
        let mut unwatched = false;
        for (id, entry) in &mut self.entries {
            entry.paths = ways_to(&entry.order.path);
            let mut problem = None;
            for path in &entry.paths {
                let Some(folders) = &mut self.folders else {
                    unwatched = true;
                    break;
                };
                let folder = folder_of(path);
                if !folders.has(folder)
                    && let Err(error) = folders.add(folder)
                {
                    unwatched = true;
                    problem = Some(error.to_string());
                }
            }
            match read(&entry.order.path) {
                Ok(Some(value)) if value != entry.value => {
                    entry.value = value;
                    findings.readings.push((*id, Reading::Value(value)));
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    problem = Some("the number in it does not fit 32 bits: the last one stands".to_owned());
                }
                Err(error) => problem = Some(error.to_string()),
            }
            if entry.told != problem {
                let name = Arc::clone(&entry.order.name);
                match &problem {
                    Some(reason) => {
                        let (path, reason) = (entry.order.path.display().to_string(), reason.clone());
                        findings.faults.push(Fault::TrackFile { name, path, reason });
                    }
                    None => findings.mended.push(name),
                }
                entry.told = problem;
            }
        }
        let wanted: BTreeSet<&Path> =
            self.entries.values().flat_map(|entry| &entry.paths).map(|path| folder_of(path)).collect();
        if let Some(folders) = &mut self.folders {
            folders.retain(|folder| wanted.contains(folder));
        }
        self.retry_at = unwatched.then(|| now + RETRY_AFTER);
    }
}

/// Makes a file as `init_file` has it.
fn initialise(order: &FileOrder, at_start: bool, findings: &mut Findings) {
    let Some(value) = order.initial else { return };
    let replace = order.overwrite && at_start;
    if std::fs::metadata(&order.path).is_ok() && !replace {
        return;
    }
    let written = file::put(&order.path, format!("{value}\n").as_bytes(), replace);
    if let Err(error) = written {
        findings.faults.push(Fault::TrackFileNotMade {
            name: Arc::clone(&order.name),
            path: order.path.display().to_string(),
            reason: error.to_string(),
        });
    }
}

/// The number in a file: 0 without a file, `None` where it does not fit.
fn read(path: &Path) -> io::Result<Option<i32>> {
    match file::beginning(path, FILE_BYTES_MAX) {
        Ok(contents) => Ok(number(&contents)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// The number at the beginning of a text as C reads it (strtol with base 0), 0 where there is none; `None` where it does
/// not fit.
fn number(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii_start();
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, text),
    };
    let mut value = 0_i64;
    for digit in digits.iter().map_while(|byte| char::from(*byte).to_digit(radix)) {
        value = value.checked_mul(i64::from(radix))?.checked_add(i64::from(digit))?;
    }
    i32::try_from(if negative { -value } else { value }).ok()
}

/// Every name whose change gives the file another content: its own, and where it is a link, what that names.
fn ways_to(path: &Path) -> Vec<PathBuf> {
    let mut ways = vec![path.to_owned()];
    while ways.len() <= LINKS_MAX
        && let Some(last) = ways.last()
        && let Ok(target) = std::fs::read_link(last)
    {
        let target = folder_of(last).join(target);
        ways.push(target);
    }
    ways
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let cases: [(&str, Option<i32>); 16] = [
            ("", Some(0)),
            ("7\n", Some(7)),
            (" \t-12 rest", Some(-12)),
            ("+5", Some(5)),
            ("0x1F", Some(31)),
            ("-0x10", Some(-16)),
            ("017", Some(15)),
            ("08", Some(0)),
            ("0x", Some(0)),
            ("text", Some(0)),
            ("12abc", Some(12)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("-2147483648", Some(i32::MIN)),
            ("-2147483649", None),
            ("99999999999999999999999", None),
        ];
        for (text, value) in cases {
            assert_eq!(number(text.as_bytes()), value, "{text:?}");
        }
    }

    fn order(path: &Path) -> FileOrder {
        FileOrder { name: "f".into(), path: path.to_owned(), initial: None, overwrite: false }
    }

    #[test]
    fn files_are_made_once_and_followed_through_links_and_missing_folders() {
        let folder = std::env::temp_dir().join(format!("steadfast-files-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (made, real, link) = (folder.join("made"), folder.join("real"), folder.join("link"));
        let late = folder.join("late/file");
        std::fs::write(&real, "3").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let (first, second, third) = (WatchId(0), WatchId(1), WatchId(2));
        let initial = FileOrder { initial: Some(9), overwrite: true, ..order(&made) };
        let orders = BTreeMap::from([(first, initial), (second, order(&link)), (third, order(&late))]);
        let poller = Poller::open().unwrap();
        let (mut files, now) = (Files::default(), Moment::ZERO);
        let mut findings = Findings::default();
        files.configure(orders.clone(), true, now, &poller, &mut findings);
        let value = |files: &Files, id| files.reading(id);
        assert_eq!(value(&files, first), Some(Reading::Value(9)));
        assert_eq!(value(&files, second), Some(Reading::Value(3)));
        assert_eq!((value(&files, third), findings.faults.len()), (Some(Reading::Value(0)), 1));
        std::fs::write(&real, "4").unwrap();
        std::fs::write(&made, "10").unwrap();
        let mut findings = Findings::default();
        files.ready(now, &mut findings);
        assert_eq!(findings.readings, [(first, Reading::Value(10)), (second, Reading::Value(4))]);
        // A reload overwrites nothing, and the folder is found when it is there.
        let mut findings = Findings::default();
        files.configure(orders, false, now, &poller, &mut findings);
        assert_eq!(value(&files, first), Some(Reading::Value(10)));
        std::fs::create_dir(folder.join("late")).unwrap();
        std::fs::write(&late, "-1").unwrap();
        files.due(files.wakeup().unwrap(), &mut findings);
        assert_eq!((files.wakeup(), &*findings.readings), (None, &[(third, Reading::Value(-1))][..]));
        std::fs::remove_dir_all(&folder).unwrap();
        let mut findings = Findings::default();
        files.ready(now, &mut findings);
        assert_eq!(findings.readings.len(), 3);
        assert!(findings.readings.iter().all(|(_, reading)| *reading == Reading::Value(0)));
    }
}
