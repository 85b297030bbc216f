//! A machine on a segment.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Container;
use steadfast_kernel::testbed::{Wiring, switch_off_duplicate_address_detection};

use crate::wait;

/// How long [`Host::run`] lets a command take: also one that begins two programs in a guest of one processor, which a busy machine
/// shares with others.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// How long processes that were told to halt may take for it.
const HALT_LIMIT: Duration = Duration::from_secs(1);

/// A network, a process tree and a private /run.
#[derive(Debug)]
pub struct Host {
    name: String,
    wiring: Mutex<Wiring>,
    container: Container,
}

/// What a command left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output and standard error.
    pub output: String,
}

impl Host {
    /// A host without any interface but its loopback.
    ///
    /// # Errors
    /// When namespaces are not allowed.
    pub fn new(name: &str) -> Result<Self> {
        let container = Container::start(&format!("sf-{name}"))?;
        switch_off_duplicate_address_detection(container.network())?;
        let mut wiring = Wiring::open(container.network())?;
        wiring.set_up("lo")?;
        Ok(Self { name: name.to_owned(), wiring: Mutex::new(wiring), container })
    }

    /// As given when it was made.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network, for sockets and threads of the lab inside it.
    pub fn network(&self) -> &Network {
        self.container.network()
    }

    /// The host's first process: `nsenter -t PID -n -m -p` looks around in it.
    pub fn pid(&self) -> u32 {
        self.container.pid()
    }

    /// Every address on every interface.
    ///
    /// # Errors
    /// The kernel's.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        Ok(self.wiring().addresses()?.into_iter().map(|assigned| assigned.address).collect())
    }

    /// Whether some interface has the address. A host that cannot be asked has none.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses().is_ok_and(|addresses| addresses.contains(&address))
    }

    /// Takes an interface up.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_up(&self, interface: &str) -> Result<()> {
        Ok(self.wiring().set_up(interface)?)
    }

    /// Takes an interface down.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_down(&self, interface: &str) -> Result<()> {
        Ok(self.wiring().set_down(interface)?)
    }

    /// Gives an interface an address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn assign(&self, interface: &str, address: IpAddr, prefix_length: u8) -> Result<()> {
        Ok(self.wiring().assign(interface, address, prefix_length)?)
    }

    /// Takes an address from an interface.
    ///
    /// # Errors
    /// The kernel's.
    pub fn withdraw(&self, interface: &str, address: IpAddr, prefix_length: u8) -> Result<()> {
        Ok(self.wiring().withdraw(interface, address, prefix_length)?)
    }

    /// Sets the time to live of what the host sends by IPv4.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_hop_limit(&self, hop_limit: u8) -> Result<()> {
        let path = "/proc/sys/net/ipv4/ip_default_ttl";
        self.network()
            .run(|| fs::write(path, hop_limit.to_string()))?
            .with_context(|| format!("writing {path} on {}", self.name))
    }

    /// Everything else that can be done to the host's links.
    pub fn wiring(&self) -> MutexGuard<'_, Wiring> {
        self.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the lab finds what the host sees as `path`; only /run is the host's own.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.container.outside(path)
    }

    /// Writes a file below the host's /run, with its folders.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &str, contents: &str) -> Result<()> {
        let outside = self.outside(path);
        if let Some(folder) = outside.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&outside, contents).with_context(|| format!("writing {path} on {}", self.name))
    }

    /// Writes a shell script below the host's /run, for everyone to run.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_script(&self, path: &str, text: &str) -> Result<()> {
        self.write(path, &format!("#!/bin/sh\n{text}\n"))?;
        let everyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.outside(path), everyone)
            .with_context(|| format!("permitting {path} on {}", self.name))
    }

    /// Reads a file as the host sees it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&self, path: &str) -> Result<String> {
        let octets =
            fs::read(self.outside(path)).with_context(|| format!("reading {path} on {}", self.name))?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// Starts a program on the host, as leader of a process group so that signals of the terminal
    /// do not reach it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        command.stdin(Stdio::null()).process_group(0);
        self.container
            .run(|| command.spawn())?
            .with_context(|| format!("starting {} on {}", command.get_program().display(), self.name))
    }

    /// Runs a command on the host to its end.
    ///
    /// # Errors
    /// When it cannot be started or takes longer than [`COMMAND_LIMIT`].
    pub fn run(&self, words: &[&str]) -> Result<Finished> {
        let [program, arguments @ ..] = words else { bail!("no command to run on {}", self.name) };
        let path = self.outside("/run").join(format!("output-{}", unique_number()));
        let log = fs::File::create(&path)?;
        let mut command = Command::new(program);
        command.args(arguments).stdout(log.try_clone()?).stderr(log);
        let mut child = self.spawn(&mut command)?;
        let status = wait::value(COMMAND_LIMIT, || child.try_wait().ok().flatten());
        let output = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let _ = fs::remove_file(&path);
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        let status = status.with_context(|| {
            format!("{words:?} on {} took longer than {COMMAND_LIMIT:?}:\n{output}", self.name)
        })?;
        Ok(Finished { status, output })
    }

    /// Every process on the host but its first, numbered as the lab sees them.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn processes(&self) -> Result<Vec<u32>> {
        Ok(self.container.processes()?)
    }

    /// Sends a signal to every process on the host: SIGKILL or SIGSTOP to all is what a crash or a
    /// hang of the machine looks like to its neighbours.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn signal_everything(&self, signal: Signal) -> Result<()> {
        send_to_all(|| self.processes(), signal)
    }
}

/// Sends a signal to processes as if at one moment: they are halted first, so that none of them acts on
/// what it does to another. One that sees its neighbour die may still have time to say goodbye.
pub(crate) fn send_to_all(list: impl Fn() -> Result<Vec<u32>>, signal: Signal) -> Result<()> {
    let pids = halt_all(list)?;
    if signal == Signal::STOP {
        return Ok(());
    }
    // The end of a parent continues its halted children with SIGHUP (setpgid(2), orphaned process groups).
    let children_first = children_first(&pids);
    for pid in &children_first {
        send(*pid, signal);
    }
    for pid in children_first {
        send(pid, Signal::CONT);
    }
    Ok(())
}

/// Halts processes and names them. One that is not halted yet may make another after the list was made, so they are
/// listed until nobody is new.
fn halt_all(list: impl Fn() -> Result<Vec<u32>>) -> Result<Vec<u32>> {
    let mut pids = list()?;
    loop {
        for pid in &pids {
            send(*pid, Signal::STOP);
        }
        // On a busy machine a process that shall halt may do something else before.
        let _ = wait::until(HALT_LIMIT, || pids.iter().all(|pid| is_halted(*pid)));
        let again = list()?;
        if again.iter().all(|pid| pids.contains(pid)) {
            return Ok(pids);
        }
        pids = again;
    }
}

fn children_first(pids: &[u32]) -> Vec<u32> {
    let parents: BTreeMap<u32, u32> =
        pids.iter().filter_map(|pid| Some((*pid, kinship(*pid)?.parent))).collect();
    let ancestors =
        |pid: &u32| std::iter::successors(parents.get(pid), |pid| parents.get(pid)).take(pids.len()).count();
    let mut ordered = pids.to_vec();
    ordered.sort_by_cached_key(|pid| std::cmp::Reverse(ancestors(pid)));
    ordered
}

/// Whether no thread of a process does anything any more: proc_pid_stat(5), the field behind the name.
fn is_halted(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let text = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = text.rsplit_once(')').and_then(|(_, fields)| fields.trim_start().chars().next());
        matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
    })
}

/// A process's parent and process group.
pub(crate) struct Kinship {
    pub(crate) parent: u32,
    pub(crate) group: u32,
}

/// What proc_pid_stat(5) tells behind the name, which may hold anything but is the last in parentheses.
pub(crate) fn kinship(pid: u32) -> Option<Kinship> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(1);
    Some(Kinship { parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

/// Sends a signal; a process that is gone already needs none.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn unique_number() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
