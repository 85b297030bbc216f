//! Which files a daemon has: told by its options, else as the configuration has it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use steadfast_config::model::Global;
use steadfast_control::places::{
    CHECKERS_PID_FILE, FOLDER, PID_FILE, VRRP_PID_FILE, control_socket, default_pid_file,
};

use crate::options::Options;

/// The files of one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Pid file of the supervisor.
    pub(crate) pid_file: PathBuf,
    /// Pid file of the vrrp worker.
    pub(crate) vrrp_pid_file: PathBuf,
    /// Pid file of the check worker.
    pub(crate) checkers_pid_file: PathBuf,
    /// Control socket.
    pub(crate) control_socket: PathBuf,
}

impl Places {
    /// As told by options, else as the configuration has it.
    pub(crate) fn of(options: &Options, global: &Global) -> Self {
        let namespace = namespace(options, global);
        let instance = global.instance.as_deref();
        let by_default =
            |file: &str| default_pid_file(Path::new(file), namespace, instance, global.use_pid_dir);
        let pid_file = options.pid_file.clone().unwrap_or_else(|| by_default(PID_FILE));
        // Who asks for the status of the only daemon of a machine need not know of `use_pid_dir`.
        let alone = options.pid_file.is_none() && namespace.is_none() && instance.is_none();
        Self {
            control_socket: control_socket(
                options.control_socket.as_deref(),
                (!alone).then_some(pid_file.as_path()),
            ),
            vrrp_pid_file: options.vrrp_pid_file.clone().unwrap_or_else(|| by_default(VRRP_PID_FILE)),
            checkers_pid_file: options
                .checkers_pid_file
                .clone()
                .unwrap_or_else(|| by_default(CHECKERS_PID_FILE)),
            pid_file,
        }
    }
}

/// The network namespace to run in.
pub(crate) fn namespace<'a>(options: &'a Options, global: &'a Global) -> Option<&'a str> {
    options.namespace.as_deref().or(global.net_namespace.as_deref())
}

/// Makes the folder of a pid file, open for everyone to look into whatever the umask is.
///
/// # Errors
/// Those of the file system.
pub(crate) fn make_folder(pid_file: &Path) -> std::io::Result<()> {
    let own: Vec<&Path> = folders(pid_file).collect();
    own.into_iter().rev().try_for_each(|folder| make_one(folder, 0o755))
}

/// Makes a folder, and those above it that are missing, for the daemon alone whatever the umask is.
///
/// # Errors
/// Those of the file system.
pub(crate) fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|folder| *folder != Path::new("") && !folder.is_dir()).collect();
    missing.into_iter().rev().try_for_each(|folder| make_one(folder, 0o700))
}

/// Several daemons start at the same moment, and whoever comes second finds it made.
fn make_one(folder: &Path, mode: u32) -> std::io::Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(mode)),
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the folder away again, unless others have files in it.
pub(crate) fn remove_folder(pid_file: &Path) {
    for folder in folders(pid_file) {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// The folders of a pid file that are ours to make, innermost first.
fn folders(pid_file: &Path) -> impl Iterator<Item = &Path> {
    pid_file.ancestors().skip(1).take_while(|folder| folder.starts_with(FOLDER))
}

#[cfg(test)]
mod tests {
    use steadfast_control::places::pid_file_in_namespace;

    use super::*;

    #[test]
    fn of_daemons_that_start_at_the_same_moment_each_has_its_folder() {
        let root = std::env::temp_dir().join(format!("steadfast-places-{}", std::process::id()));
        std::fs::create_dir(&root).unwrap();
        let together = std::sync::Barrier::new(4);
        for round in 0..100 {
            let folder = root.join(round.to_string());
            let make = || {
                together.wait();
                make_one(&folder, 0o755)
            };
            let made = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(made.iter().all(Result::is_ok), "{made:?}");
        }
        assert!(make_one(&root.join("none/inner"), 0o755).is_err());
        std::fs::remove_dir_all(&root).unwrap();
    }

    /// Pid files and control socket, one after the other.
    fn places(options: &Options, global: &Global) -> String {
        let Places { pid_file, vrrp_pid_file, control_socket, .. } = Places::of(options, global);
        format!("{} {} {}", pid_file.display(), vrrp_pid_file.display(), control_socket.display())
    }

    #[test]
    fn daemons_of_different_namespaces_and_instances_do_not_meet() {
        let plain = Global::default();
        let folder = Global { use_pid_dir: true, ..Global::default() };
        let instance = Global { instance: Some("one".into()), ..Global::default() };
        let namespace = Global { net_namespace: Some("blue".into()), ..Global::default() };
        let both =
            Global { net_namespace: Some("blue".into()), instance: Some("one".into()), ..Global::default() };
        let none = Options::default();
        let told = Options { namespace: Some("red".to_owned()), ..Options::default() };
        let cases = [
            (&none, &plain, "/run/keepalived.pid /run/vrrp.pid /run/steadfast.sock"),
            (&none, &folder, "/run/keepalived/keepalived.pid /run/keepalived/vrrp.pid /run/steadfast.sock"),
            (
                &none,
                &instance,
                "/run/keepalived/keepalived_one.pid /run/keepalived/vrrp_one.pid /run/keepalived/keepalived_one.sock",
            ),
            (
                &none,
                &namespace,
                "/run/keepalived/blue/keepalived.pid /run/keepalived/blue/vrrp.pid /run/keepalived/blue/keepalived.sock",
            ),
            (
                &none,
                &both,
                "/run/keepalived/blue/keepalived_one.pid /run/keepalived/blue/vrrp_one.pid \
                 /run/keepalived/blue/keepalived_one.sock",
            ),
            (
                &told,
                &namespace,
                "/run/keepalived/red/keepalived.pid /run/keepalived/red/vrrp.pid /run/keepalived/red/keepalived.sock",
            ),
        ];
        for (options, global, expected) in cases {
            assert_eq!(places(options, global), expected);
        }
        assert_eq!(pid_file_in_namespace("red"), Places::of(&told, &plain).pid_file);
    }

    #[test]
    fn options_beat_the_configuration() {
        let global = Global { net_namespace: Some("blue".into()), ..Global::default() };
        let mut options = Options {
            pid_file: Some("/run/a.pid".into()),
            vrrp_pid_file: Some("/run/b.pid".into()),
            ..Options::default()
        };
        assert_eq!(places(&options, &global), "/run/a.pid /run/b.pid /run/a.sock");
        options.control_socket = Some("/run/c.sock".into());
        assert_eq!(places(&options, &global), "/run/a.pid /run/b.pid /run/c.sock");
    }
}
