//! Where the configuration comes from: the crate reads nothing itself but asks the [`Source`] it is handed.
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::limits::MAX_FILE_BYTES;

/// Why a file cannot be read as configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No such file.
    #[error("does not exist")]
    Missing,
    /// A directory.
    #[error("is a directory")]
    Directory,
    /// A device, socket or pipe.
    #[error("is not a regular file")]
    NotRegular,
    /// A regular file with an execute bit: keepalived refuses those, they are seldom configuration.
    #[error("is executable")]
    Executable,
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// The system refused.
    #[error("cannot be read: {0}")]
    Refused(String),
}

/// What reading a configuration needs from the world.
pub trait Source {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read as configuration.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable>;

    /// The names in a directory, in any order; none when it cannot be listed.
    fn list(&self, directory: &Path) -> Vec<Vec<u8>>;

    /// Whether anything of that name exists.
    fn exists(&self, path: &Path) -> bool;

    /// The value of an environment variable.
    fn environment(&self, name: &str) -> Option<Vec<u8>>;

    /// The configuration id: `-i`, else the host name up to the first dot.
    fn config_id(&self) -> Option<Vec<u8>>;

    /// The directory that relative names of the main file start from.
    fn current_directory(&self) -> PathBuf;

    /// Start of the `_RANDOM` series.
    fn random_seed(&self) -> u64;
}

/// The machine's files and environment.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The value of `-i`.
    pub config_id: Option<Vec<u8>>,
    /// Start of the `_RANDOM` series.
    pub random_seed: u64,
    /// What stands in the place of files, by their absolute paths: text that comes from elsewhere.
    pub texts: BTreeMap<PathBuf, Result<Vec<u8>, Unreadable>>,
}

impl Files {
    /// The text that comes out of a stream such as standard input.
    ///
    /// # Errors
    /// The system refused, or the text is longer than [`MAX_FILE_BYTES`].
    pub fn read_stream(stream: impl Read) -> Result<Vec<u8>, Unreadable> {
        let mut text = Vec::new();
        let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
        let read = stream.take(limit.saturating_add(1)).read_to_end(&mut text);
        match read {
            Ok(length) if length > MAX_FILE_BYTES => Err(Unreadable::TooLarge),
            Ok(_) => Ok(text),
            Err(error) => Err(Unreadable::Refused(error.to_string())),
        }
    }
}

impl Source for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        if let Some(text) = self.texts.get(path) {
            return text.clone();
        }
        let refused = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Unreadable::Missing,
            _ => Unreadable::Refused(error.to_string()),
        };
        // Asked before opening: opening a pipe without a writer would wait for ever.
        let metadata = std::fs::metadata(path).map_err(refused)?;
        if metadata.is_dir() {
            return Err(Unreadable::Directory);
        }
        if !metadata.is_file() {
            return Err(Unreadable::NotRegular);
        }
        if metadata.permissions().mode() & 0o111 != 0 {
            return Err(Unreadable::Executable);
        }
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if size > MAX_FILE_BYTES {
            return Err(Unreadable::TooLarge);
        }
        let mut text = Vec::with_capacity(size);
        let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
        std::fs::File::open(path).map_err(refused)?.take(limit).read_to_end(&mut text).map_err(refused)?;
        Ok(text)
    }

    fn list(&self, directory: &Path) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_vec()).collect()
    }

    fn exists(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok()
    }

    fn environment(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(OsStringExt::into_vec)
    }

    fn config_id(&self) -> Option<Vec<u8>> {
        self.config_id.clone().or_else(short_host_name)
    }

    fn current_directory(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn random_seed(&self) -> u64 {
        self.random_seed
    }
}

fn short_host_name() -> Option<Vec<u8>> {
    let name = std::fs::read("/proc/sys/kernel/hostname").ok()?;
    let short = name.split(|byte| matches!(byte, b'.' | b'\n')).next()?;
    (!short.is_empty()).then(|| short.to_vec())
}

/// Files in memory, for tests and for text that never was a file.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Result<Vec<u8>, Unreadable>>,
    environment: BTreeMap<String, Vec<u8>>,
    config_id: Option<Vec<u8>>,
    random_seed: u64,
}

impl Memory {
    /// No files at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; relative names stand under `/`.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(Path::new("/").join(path), Ok(text.into()));
        self
    }

    /// Adds a name that cannot be read.
    #[must_use]
    pub fn unreadable(mut self, path: impl AsRef<Path>, why: Unreadable) -> Self {
        self.files.insert(Path::new("/").join(path), Err(why));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the configuration id.
    #[must_use]
    pub fn id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.config_id = Some(id.into());
        self
    }

    /// Sets the start of the `_RANDOM` series.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random_seed = seed;
        self
    }
}

impl Source for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        match self.files.get(path) {
            Some(text) => text.clone(),
            None if self.exists(path) => Err(Unreadable::Directory),
            None => Err(Unreadable::Missing),
        }
    }

    fn list(&self, directory: &Path) -> Vec<Vec<u8>> {
        let below = self.files.keys().filter_map(|path| path.strip_prefix(directory).ok());
        let mut names: Vec<_> = below
            .filter_map(|rest| Some(rest.components().next()?.as_os_str().as_bytes().to_vec()))
            .collect();
        names.dedup();
        names
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.keys().any(|name| name.starts_with(path))
    }

    fn environment(&self, name: &str) -> Option<Vec<u8>> {
        self.environment.get(name).cloned()
    }

    fn config_id(&self) -> Option<Vec<u8>> {
        self.config_id.clone()
    }

    fn current_directory(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn random_seed(&self) -> u64 {
        self.random_seed
    }
}
