//! A kernel with everything in it, where the machine's own lacks some: Debian's User-Mode Linux, which is a process.
//!
//! The command runs as root on the machine's own file tree, seen through a layer that takes what is written and
//! vanishes with the guest; so it needs no image and no rights on the machine, and leaves nothing behind.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::leftovers::Marker;
use crate::packages;

/// The kernel.
pub(crate) const PROGRAM: &str = "linux.uml";

/// How long the command may take, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(300);

/// How long the guest may take to start and to stop, beyond that.
const BOOT: Duration = Duration::from_secs(15);

const TICK: Duration = Duration::from_millis(20);

const MEMORY: &str = "mem=768M";

/// What integration tests are called that run in the guest.
pub(crate) const TESTS: &str = "vm";

const INIT: &str = include_str!("init.sh");

/// Lets the kernel run where the processor has more registers than it knows.
const REGISTERS: &str = include_str!("registers.c");

/// `[--limit SECONDS] [--] COMMAND [ARGUMENT...]`: the status of the command becomes that of this program.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode> {
    let (limit, command) = match arguments {
        ["--limit", seconds, rest @ ..] => {
            (Duration::from_secs(seconds.parse().context("--limit takes a number of seconds")?), rest)
        }
        rest => (LIMIT, rest),
    };
    let command = command.strip_prefix(&["--"]).unwrap_or(command);
    if command.is_empty() {
        bail!("`cargo xtask vm -- COMMAND` needs a command");
    }
    let guest = Guest::prepare(command)?;
    guest.run(limit)
}

/// The folder that the guest shares with the machine, removed on drop.
struct Guest {
    folder: PathBuf,
    marker: Marker,
}

impl Guest {
    fn prepare(command: &[&str]) -> Result<Self> {
        let target = crate::plan::target_folder()?;
        let marker = Marker::new();
        if let [missing, ..] = packages::provide_for_guest(&marker, &target.join("xtask"))?.as_slice() {
            bail!("{missing}");
        }
        let folder = target.join("xtask").join(format!("vm-{}", std::process::id()));
        let guest = Self { folder, marker };
        fs::create_dir_all(&guest.folder)?;
        fs::write(guest.folder.join("command"), script(command)?)?;
        let init = guest.folder.join("init");
        fs::write(&init, INIT)?;
        fs::set_permissions(&init, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(guest)
    }

    fn run(&self, limit: Duration) -> Result<ExitCode> {
        let log = self.folder.join("kernel.log");
        let mut kernel = self.command(&log)?.spawn().with_context(|| format!("starting {PROGRAM}"))?;
        let ended = wait(&mut kernel, limit + BOOT)?;
        if !ended {
            self.marker.kill_all()?;
            let _ = kernel.kill();
        }
        let _ = kernel.wait()?;
        // The guest's processes are processes of the machine, and can outlive the kernel that held them.
        self.marker.kill_all()?;
        let status = fs::read_to_string(self.folder.join("status")).unwrap_or_default();
        match status.trim().parse::<u8>() {
            Ok(status) => Ok(ExitCode::from(status)),
            Err(_) if !ended => bail!("the command took longer than {} s", limit.as_secs()),
            Err(_) => {
                let told = fs::read_to_string(&log).unwrap_or_default();
                bail!("the guest stopped before the command had ended:\n{told}")
            }
        }
    }

    fn command(&self, log: &Path) -> Result<Command> {
        let folder = self.folder.to_str().context("the path of the target folder is not text")?;
        if folder.contains([' ', '\t', '\n', '"']) {
            bail!("{folder}: the kernel's command line takes no path with a space in it");
        }
        let mut command = Command::new(PROGRAM);
        command.env("LD_PRELOAD", self.registers()?);
        command.args([MEMORY, "quiet", "loglevel=4", "rootfstype=hostfs", "rootflags=/", "rw", "panic=-1"]);
        command.arg(format!("init={folder}/init"));
        // The first console takes what the kernel says, the second is the command's.
        command.args(["con=null", "con0=null,fd:2", "con1=null,fd:1"]);
        command.arg(format!("uml_dir={folder}"));
        command.arg(format!("steadfast_result={folder}"));
        command.stdin(Stdio::null()).stderr(File::create(log)?);
        self.marker.put_on(&mut command);
        Ok(command)
    }
}

impl Guest {
    /// The library made of [`REGISTERS`].
    fn registers(&self) -> Result<PathBuf> {
        let (source, library) = (self.folder.join("registers.c"), self.folder.join("registers.so"));
        fs::write(&source, REGISTERS)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source]);
        let output = compiler.output().context("starting cc, which Rust needs too")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        Ok(library)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Nothing can be done about what cannot be removed; the folder is among what building makes.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether it ended in time.
fn wait(child: &mut Child, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(TICK);
    }
    Ok(false)
}

/// What the guest's shell runs: the caller's environment, folder and command.
fn script(command: &[&str]) -> Result<String> {
    let mut script = String::new();
    for (name, value) in env::vars() {
        if is_shell_name(&name) {
            writeln!(script, "export {name}={}", quoted(&value))?;
        }
    }
    let folder = env::current_dir()?;
    let folder = folder.to_str().context("the path of this folder is not text")?;
    writeln!(script, "cd {} || exit 126", quoted(folder))?;
    let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
    writeln!(script, "exec {}", words.join(" "))?;
    Ok(script)
}

fn is_shell_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The test programs that run in the guest, integration tests called [`TESTS`], as `cargo test --no-run` names them.
pub(crate) fn test_programs(output: &str) -> Vec<PathBuf> {
    let programs = output.lines().filter_map(|line| {
        let path = line.trim().strip_prefix("Executable tests/vm")?.split_once('(')?.1.strip_suffix(')')?;
        Some(PathBuf::from(path))
    });
    programs.filter(|path| path.file_name().and_then(OsStr::to_str).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_guest_as_they_are() {
        let script = script(&["printf", "%s", "it's $HOME \"`x`\""]).unwrap();
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's $HOME \"`x`\"");
    }

    #[test]
    fn test_programs_are_found_in_what_cargo_says() {
        let output = "    Finished `test` profile\n  Executable tests/vm/main.rs (target/debug/deps/vm-1a)\n  \
                      Executable tests/vm.rs (/x/vm-2)\n  Executable tests/wire.rs (target/debug/deps/wire-3)\n";
        assert_eq!(test_programs(output), ["target/debug/deps/vm-1a", "/x/vm-2"].map(PathBuf::from));
    }
}
