//! The files of another process as it sees them.

use std::path::{Path, PathBuf};

use steadfast_config::source::{Files, Source, Unreadable};
use steadfast_kernel::process::Process;

/// Reads what a process would read: from its root and its folder, should they be others than ours.
pub(super) struct FilesOf<'p> {
    process: &'p Process,
    shared: bool,
    files: Files,
}

impl<'p> FilesOf<'p> {
    pub(super) fn new(process: &'p Process, config_id: Option<Vec<u8>>) -> Self {
        Self { process, shared: process.shares_files(), files: Files { config_id, ..Files::default() } }
    }

    fn path(&self, path: &Path) -> PathBuf {
        if self.shared && path.is_absolute() { path.to_owned() } else { self.process.path(path) }
    }
}

impl Source for FilesOf<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        self.files.read(&self.path(path))
    }

    fn list(&self, directory: &Path) -> Vec<Vec<u8>> {
        self.files.list(&self.path(directory))
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.exists(&self.path(path))
    }

    fn environment(&self, name: &str) -> Option<Vec<u8>> {
        self.files.environment(name)
    }

    fn config_id(&self) -> Option<Vec<u8>> {
        self.files.config_id()
    }

    fn current_directory(&self) -> PathBuf {
        std::fs::read_link(Path::new("/proc").join(self.process.pid.to_string()).join("cwd"))
            .unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn random_seed(&self) -> u64 {
        self.files.random_seed()
    }
}
