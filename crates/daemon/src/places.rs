//! Where a daemon's own files lie, for the daemon and for those who look for it.
//!
//! As keepalived has them: below /run, in /run/keepalived with `use_pid_dir` or an instance name, and in
//! /run/keepalived/NAMESPACE when it runs in a network namespace, so that several daemons do not meet.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use steadfast_config::model::Global;

use crate::options::Options;

/// Default pid file of the supervisor.
pub const PID_FILE: &str = "/run/keepalived.pid";
/// Default pid file of the vrrp worker.
pub const VRRP_PID_FILE: &str = "/run/vrrp.pid";
/// Default control socket.
pub const CONTROL_SOCKET: &str = "/run/steadfast.sock";
/// Folder of the pid files that do not lie in /run itself.
const FOLDER: &str = "/run/keepalived";

/// The files of one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Pid file of the supervisor.
    pub(crate) pid_file: PathBuf,
    /// Pid file of the vrrp worker.
    pub(crate) vrrp_pid_file: PathBuf,
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
            pid_file,
        }
    }
}

/// The network namespace to run in.
pub(crate) fn namespace<'a>(options: &'a Options, global: &'a Global) -> Option<&'a str> {
    options.namespace.as_deref().or(global.net_namespace.as_deref())
}

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

/// The control sockets of daemons with an instance name or in a network namespace, in order of their names.
pub fn further_control_sockets() -> Vec<PathBuf> {
    sockets_below(Path::new(FOLDER))
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

/// Makes the folder of a pid file, open for everyone to look into whatever the umask is.
///
/// # Errors
/// Those of the file system.
pub(crate) fn make_folder(pid_file: &Path) -> std::io::Result<()> {
    let own: Vec<&Path> = folders(pid_file).collect();
    for folder in own.into_iter().rev().filter(|folder| !folder.is_dir()) {
        std::fs::create_dir(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(())
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

fn default_pid_file(
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

    /// Pid files and control socket, one after the other.
    fn places(options: &Options, global: &Global) -> String {
        let Places { pid_file, vrrp_pid_file, control_socket } = Places::of(options, global);
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
