//! Where a daemon's own files lie, for those who look for it.
//!
//! As keepalived has them: below /run, in /run/keepalived with `use_pid_dir` or an instance name, and in
//! /run/keepalived/NAMESPACE when it runs in a network namespace, so that several daemons do not meet.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Default pid file of the supervisor.
pub const PID_FILE: &str = "/run/keepalived.pid";
/// Default pid file of the vrrp worker.
pub const VRRP_PID_FILE: &str = "/run/vrrp.pid";
/// Default pid file of the check worker.
pub const CHECKERS_PID_FILE: &str = "/run/checkers.pid";
/// Default control socket.
pub const CONTROL_SOCKET: &str = "/run/steadfast.sock";
/// Folder of the pid files that do not lie in /run itself.
pub const FOLDER: &str = "/run/keepalived";

/// The supervisor's pid file when a network namespace is all that was told.
pub fn pid_file_in_namespace(namespace: &str) -> PathBuf {
    default_pid_file(Path::new(PID_FILE), Some(namespace), None, false)
}

/// Where the control socket of a daemon lies: as told, else beside a pid file that was told, else the default.
pub fn control_socket(told: Option<&Path>, pid_file: Option<&Path>) -> PathBuf {
    match (told, pid_file) {
        (Some(path), _) => path.to_owned(),
        (None, Some(pid_file)) if pid_file != Path::new(PID_FILE) => pid_file.with_extension("sock"),
        (None, _) => PathBuf::from(CONTROL_SOCKET),
    }
}

/// The control sockets at the usual places that somebody listens at, the default first, others in order of their names.
/// What a dead daemon left behind is no socket of a daemon.
pub fn living_control_sockets() -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from(CONTROL_SOCKET)];
    sockets.extend(sockets_below(Path::new(FOLDER)));
    sockets.retain(|socket| is_listening(socket));
    sockets
}

/// Whether a daemon listens there, also one that this user may not ask.
pub fn is_listening(socket: &Path) -> bool {
    match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::PermissionDenied && socket.exists(),
    }
}

fn sockets_below(folder: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let (folders, files): (Vec<_>, Vec<_>) = inside(folder).into_iter().partition(|path| path.is_dir());
    let files = files.into_iter().chain(folders.iter().flat_map(|folder| inside(folder)));
    let mut sockets: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "sock")).collect();
    sockets.sort();
    sockets
}

/// Where a pid file lies that nobody named: `path` is the default of a daemon without instance name and namespace.
pub fn default_pid_file(
    path: &Path,
    namespace: Option<&str>,
    instance: Option<&str>,
    in_folder: bool,
) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = instance.map_or_else(|| format!("{stem}.pid"), |instance| format!("{stem}_{instance}.pid"));
    match namespace {
        Some(namespace) => Path::new(FOLDER).join(namespace).join(name),
        None if in_folder || instance.is_some() => Path::new(FOLDER).join(name),
        None => path.with_file_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_with_and_without_a_namespace() {
        let folder = std::env::temp_dir().join(format!("steadfast-places-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("blue")).unwrap();
        for file in ["blue/keepalived.sock", "keepalived_one.sock", "keepalived_one.pid"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        let found = sockets_below(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [folder.join("blue/keepalived.sock"), folder.join("keepalived_one.sock")]);
        assert!(sockets_below(&folder).is_empty());
    }
}
