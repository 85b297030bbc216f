//! Programs of the configuration with everything looked up that running them needs.
//!
//! Accounts are looked up once, at load: a name service that hangs must not hang a failover.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::model::{
    Account, CheckKind, Fifo, InstanceExtensions, Model, Notify, Script, VrrpInstance,
};
use steadfast_control::event::Fault;
use steadfast_kernel::process::user;
use steadfast_vrrp::{GroupId, InstanceId, ScriptId};

use crate::link::vrrp::work::Work;
use crate::options::Options;
use crate::supervisor::notify::fifo::{Kind, Setting};
use crate::{digest, host};

/// A program ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// As configured, for people.
    pub(crate) text: String,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// The account it runs as.
    pub(crate) account: Identity,
}

/// A user as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

impl Identity {
    /// The daemon's own.
    pub(crate) fn own() -> Self {
        let (uid, gid) = user::own_ids();
        Self { uid, gid, groups: Vec::new() }
    }
}

/// A check script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: Arc<str>,
    pub(crate) command: Command,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Notify scripts of one instance or group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notifies {
    pub(crate) name: Arc<str>,
    pub(crate) backup: Option<Command>,
    pub(crate) master: Option<Command>,
    pub(crate) fault: Option<Command>,
    pub(crate) stop: Option<Command>,
    pub(crate) deleted: Option<Command>,
    pub(crate) lower_priority: Option<Command>,
    pub(crate) any: Option<Command>,
    /// Removal by a reload is told as DELETED instead of FAULT.
    pub(crate) tell_deleted: bool,
}

/// Scripts of services of the load balancer, by what the services are called.
pub(crate) type OfServices = BTreeMap<Arc<str>, ServiceNotifies>;

/// Scripts of one service of the load balancer and of its servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServiceNotifies {
    quorum: UpAndDown,
    servers: BTreeMap<SocketAddr, UpAndDown>,
}

impl ServiceNotifies {
    fn is_empty(&self) -> bool {
        self.quorum.is_empty() && self.servers.is_empty()
    }
}

/// What is run when something comes, and when it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpAndDown {
    up: Option<Command>,
    down: Option<Command>,
}

impl UpAndDown {
    /// What is run now.
    fn of(&self, up: bool) -> Option<&Command> {
        if up { self.up.as_ref() } else { self.down.as_ref() }
    }

    fn is_empty(&self) -> bool {
        self.up.is_none() && self.down.is_none()
    }
}

/// The program of a check of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerCheck {
    pub(crate) program: Timed,
    /// Its exit status is a weight.
    pub(crate) dynamic: bool,
}

/// Every program of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Programs {
    pub(crate) checks: BTreeMap<ScriptId, Check>,
    pub(crate) instances: BTreeMap<InstanceId, Notifies>,
    pub(crate) groups: BTreeMap<GroupId, Notifies>,
    /// Scripts that instances wait for before they serve.
    pub(crate) prepares: BTreeMap<InstanceId, Timed>,
    /// Services whose scripts are to be run.
    pub(crate) services: OfServices,
    /// Those of services and servers that are no more, until the worker has told of their ends.
    pub(crate) former: OfServices,
    /// Programs of checks of servers, by the settings of the check.
    pub(crate) server_checks: BTreeMap<Arc<str>, ServerCheck>,
    pub(crate) startup: Option<Timed>,
    pub(crate) shutdown: Option<Timed>,
    pub(crate) fifos: BTreeMap<Kind, Setting>,
    /// Instances whose removal by a reload is told as DELETED instead of FAULT.
    pub(crate) tells_deleted: BTreeSet<InstanceId>,
    /// Instances whose changes of priority go to the FIFOs.
    pub(crate) tells_priority: BTreeSet<InstanceId>,
}

/// A program that may take so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) command: Command,
    pub(crate) limit: Duration,
}

impl Programs {
    /// Looks everything up; what cannot be run is left out and named in `faults`.
    pub(crate) fn resolve(model: &Model, work: &Work, options: &Options, faults: &mut Vec<Fault>) -> Self {
        let mut programs = Self::default();
        let script_ids: BTreeMap<&str, ScriptId> =
            work.machine.scripts.iter().map(|script| (&*script.name, script.id)).collect();
        // Only virtual routers follow them: where those are left out, keepalived runs none either.
        for script in model.scripts.iter().filter(|_| options.run_vrrp) {
            let Some(&id) = script_ids.get(&*script.name) else { continue };
            if let Some(command) = resolve(&script.script, faults) {
                let (name, interval, timeout) =
                    (Arc::clone(&script.name), script.interval.duration(), script.timeout.duration());
                let timeout = if timeout.is_zero() { interval } else { timeout };
                programs.checks.insert(id, Check { name, command, interval, timeout });
            }
        }
        let instance_ids: BTreeMap<&str, InstanceId> =
            work.machine.instances.iter().map(|instance| (&*instance.name, instance.id)).collect();
        for instance in &model.instances {
            if let Some(&id) = instance_ids.get(&*instance.name) {
                let told = notifies(&instance.name, &instance.notify, instance.notify_deleted, faults);
                programs.instances.extend(told.map(|told| (id, told)));
                programs.prepares.extend(prepare(instance, faults).map(|timed| (id, timed)));
                programs.tells_deleted.extend(instance.notify_deleted.then_some(id));
                programs.tells_priority.extend(instance.notify_priority_changes.then_some(id));
            }
        }
        let group_ids: BTreeMap<&str, GroupId> =
            work.machine.groups.iter().map(|group| (&*group.name, group.id)).collect();
        for group in &model.groups {
            if let Some(&id) = group_ids.get(&*group.name) {
                let told = notifies(&group.name, &group.notify, false, faults);
                programs.groups.extend(told.map(|told| (id, told)));
            }
        }
        let global = &model.global;
        let general = fifo(Kind::General, global.notify_fifo.as_ref(), faults);
        let vrrp = fifo(Kind::Vrrp, global.vrrp_notify_fifo.as_ref(), faults);
        // Its lines would come twice.
        let vrrp = vrrp.filter(|vrrp| general.as_ref().is_none_or(|general| general.path != vrrp.path));
        let balancing = fifo(Kind::Balancing, global.lvs_notify_fifo.as_ref(), faults);
        let balancing =
            balancing.filter(|own| general.as_ref().is_none_or(|general| general.path != own.path));
        programs.fifos.extend(balancing.map(|setting| (Kind::Balancing, setting)));
        programs.services = services(model, faults);
        programs.server_checks = server_checks(model, faults);
        programs.fifos.extend(general.map(|setting| (Kind::General, setting)));
        programs.fifos.extend(vrrp.map(|setting| (Kind::Vrrp, setting)));
        let mut timed = |script: &Option<Script>, seconds: u32| {
            let command = script.as_ref().and_then(|script| resolve(script, faults))?;
            Some(Timed { command, limit: Duration::from_secs(seconds.into()) })
        };
        programs.startup = timed(&global.startup_script, global.startup_script_timeout_seconds);
        programs.shutdown = timed(&global.shutdown_script, global.shutdown_script_timeout_seconds);
        programs
    }

    /// The servers are others. What cannot be run was told when the configuration was read.
    pub(crate) fn follow_servers(&mut self, model: &Model) {
        self.services = services(model, &mut Vec::new());
    }

    /// What is run when a service, or a server of it, comes or goes.
    pub(crate) fn of_service(&self, service: &str, server: Option<SocketAddr>, up: bool) -> Option<&Command> {
        [&self.services, &self.former].into_iter().find_map(|services| {
            let notifies = services.get(service)?;
            let scripts = match server {
                Some(server) => notifies.servers.get(&server)?,
                None => &notifies.quorum,
            };
            scripts.of(up)
        })
    }

    /// The scripts of services, when others come.
    pub(crate) fn take_services(&mut self) -> OfServices {
        std::mem::take(&mut self.services)
    }

    /// Of what was there `before`, what is not in the model has still to be told of.
    pub(crate) fn keep_former(&mut self, mut before: OfServices, model: &Model) {
        let mut names = digest::check::Names::default();
        for service in &model.virtual_servers {
            let Some(notifies) = before.get_mut(&names.next(service)) else { continue };
            notifies.quorum = UpAndDown::default();
            for server in digest::check::server_addresses(service) {
                notifies.servers.remove(&server);
            }
        }
        before.retain(|_, notifies| !notifies.is_empty());
        self.former = before;
    }

    /// All of it is told.
    pub(crate) fn forget_former(&mut self) {
        self.former.clear();
    }
}

/// Services that have scripts, or servers that have.
fn services(model: &Model, faults: &mut Vec<Fault>) -> OfServices {
    let mut ready = |up: &Option<Box<Script>>, down: &Option<Box<Script>>| {
        let mut resolve =
            |script: &Option<Box<Script>>| script.as_deref().and_then(|script| self::resolve(script, faults));
        UpAndDown { up: resolve(up), down: resolve(down) }
    };
    let mut services = BTreeMap::new();
    let mut names = digest::check::Names::default();
    for service in &model.virtual_servers {
        let name = names.next(service);
        let mut notifies = ServiceNotifies {
            quorum: ready(&service.quorum_up, &service.quorum_down),
            servers: BTreeMap::new(),
        };
        for server in &service.real_servers {
            let scripts = ready(&server.notify_up, &server.notify_down);
            if !scripts.is_empty() {
                let address = SocketAddr::new(server.address.address, server.address.port);
                notifies.servers.insert(address, scripts);
            }
        }
        if !notifies.is_empty() {
            services.insert(name, notifies);
        }
    }
    services
}

fn server_checks(model: &Model, faults: &mut Vec<Fault>) -> BTreeMap<Arc<str>, ServerCheck> {
    let mut checks = BTreeMap::new();
    let servers = model.virtual_servers.iter().flat_map(|service| &service.real_servers);
    for checker in servers.flat_map(|server| server.checkers.iter()) {
        let CheckKind::Misc(misc) = &checker.kind else { continue };
        let settings: Arc<str> = digest::texts::settings_text(checker).into();
        if checks.contains_key(&settings) {
            continue;
        }
        if let Some(command) = resolve(&misc.script, faults) {
            let limit = misc.timeout.unwrap_or(checker.delay_loop).duration();
            let check = ServerCheck { program: Timed { command, limit }, dynamic: misc.dynamic };
            checks.insert(settings, check);
        }
    }
    checks
}

/// `notify_master_prepare`.
fn prepare(instance: &VrrpInstance, faults: &mut Vec<Fault>) -> Option<Timed> {
    let asked = instance.extensions.as_ref()?;
    let command = resolve(asked.master_prepare.as_deref()?, faults)?;
    let limit = asked.master_prepare_timeout.unwrap_or(InstanceExtensions::PREPARE_TIMEOUT).duration();
    Some(Timed { command, limit })
}

/// `None` when nobody is told anything, which is so for most of thousands of instances.
fn notifies(
    name: &Arc<str>,
    notify: &Notify,
    tell_deleted: bool,
    faults: &mut Vec<Fault>,
) -> Option<Notifies> {
    notify.scripts().next()?;
    let mut ready =
        |script: &Option<Box<Script>>| script.as_deref().and_then(|script| resolve(script, faults));
    Some(Notifies {
        name: Arc::clone(name),
        backup: ready(&notify.backup),
        master: ready(&notify.master),
        fault: ready(&notify.fault),
        stop: ready(&notify.stop),
        deleted: ready(&notify.deleted),
        lower_priority: ready(&notify.master_rx_lower_priority),
        any: ready(&notify.any),
        tell_deleted,
    })
}

fn fifo(kind: Kind, fifo: Option<&Fifo>, faults: &mut Vec<Fault>) -> Option<Setting> {
    let fifo = fifo.filter(|fifo| !fifo.path.is_empty())?;
    let owner = match fifo.account.as_ref().map(identity).transpose() {
        Ok(owner) => owner,
        Err(reason) => {
            let path = fifo.path.to_string();
            faults.push(Fault::Fifo { keyword: kind.keyword().into(), path, reason });
            return None;
        }
    };
    let reader = fifo.script.as_ref().and_then(|script| resolve(script, faults));
    let reader = reader.map(|mut reader| {
        reader.arguments.push(fifo.path.to_string());
        reader
    });
    Some(Setting { path: PathBuf::from(&*fifo.path), owner, reader })
}

fn resolve(script: &Script, faults: &mut Vec<Fault>) -> Option<Command> {
    let text = script.words.join(" ");
    let (program, arguments) = script.words.split_first()?;
    let arguments: Vec<String> = arguments.iter().map(|word| word.to_string()).collect();
    // `<` and a path ask whether the file can be read; keepalived leaves that to the shell.
    let (program, arguments) = match program.strip_prefix('<') {
        Some(path) => {
            let reads = ["-c", ": < \"$1\"", "sh", path].map(str::to_owned).to_vec();
            (PathBuf::from("/bin/sh"), reads)
        }
        None => (host::find(program).unwrap_or_else(|| PathBuf::from(&**program)), arguments),
    };
    let account = match script.account.as_ref().map_or_else(|| Ok(Identity::own()), identity) {
        Ok(identity) => identity,
        Err(reason) => {
            faults.push(Fault::ProgramNotRun { command: text, reason });
            return None;
        }
    };
    Some(Command { text, program, arguments, account })
}

fn identity(account: &Account) -> Result<Identity, String> {
    let found = match account.user.parse() {
        Ok(uid) => user::lookup_uid(uid),
        Err(_) => user::lookup_user(&account.user),
    };
    let user = found
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("there is no user {}", account.user))?;
    let gid = match &account.group {
        None => user.gid,
        Some(group) => group_id(group)?,
    };
    let groups = if account.supplementary_groups {
        user::supplementary_groups(&user.name, gid).map_err(|error| error.to_string())?
    } else {
        Vec::new()
    };
    Ok(Identity { uid: user.uid, gid, groups })
}

fn group_id(group: &str) -> Result<u32, String> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    user::lookup_group(group)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("there is no group {group}"))
}
