//! Accounts and files of scripts.

use std::borrow::BorrowMut;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::language::Drafts;
use crate::machine::{Machine, ScriptState};
use crate::model::{Account, CheckKind, Notify, RealServer, Script, Tracked, VirtualServer};
use crate::table::Context;
use crate::value::Name;

/// The account that scripts run as when nothing names one, if it exists.
const DEFAULT_ACCOUNT: &str = "keepalived_script";

/// Gives every script its account and asks the machine for its file.
pub(crate) fn complete(drafts: &mut Drafts, context: &mut Context<'_>) {
    let default = DefaultAccount::of(drafts, context.known.script_user_lacks);
    let secure = drafts.global.enable_script_security;
    let check = ScriptCheck { default: &default, secure, warned: false, dropped: false };
    vrrp(drafts, &mut check.clone(), context);
    checkers(&mut drafts.virtual_servers, &mut check.clone(), context);
    let mut dropped = std::mem::take(&mut drafts.dropped_servers);
    checkers(&mut dropped, &mut ScriptCheck { dropped: true, ..check.clone() }, context);
    let mut check = check;
    let global = &mut drafts.global;
    let fifos = [&mut global.notify_fifo, &mut global.vrrp_notify_fifo, &mut global.lvs_notify_fifo];
    for fifo in fifos.into_iter().flatten() {
        check.slot(&mut fifo.script, Owner::Notify("global_defs"), context);
    }
    check.slot(&mut global.startup_script, Owner::Supervisor("startup_script"), context);
    check.slot(&mut global.shutdown_script, Owner::Supervisor("shutdown_script"), context);
    drafts.global.script_user = default.into_account();
}

/// The account of scripts that name none. The machine is asked for it by the first of them: the name service brings
/// most of a megabyte into memory, which a configuration without scripts need not pay.
#[derive(Debug)]
struct DefaultAccount {
    account: OnceCell<Option<Account>>,
    supplementary_groups: bool,
    /// script_user names one that does not exist. Nobody is to stand in for it.
    lacking: bool,
}

impl DefaultAccount {
    /// What script_user says.
    fn of(drafts: &Drafts, lacking: bool) -> Self {
        let supplementary_groups = drafts.global.set_supplementary_groups;
        let mut given = drafts.global.script_user.clone();
        if let Some(account) = &mut given {
            account.supplementary_groups |= supplementary_groups;
        }
        let account = given.map_or_else(OnceCell::new, |account| OnceCell::from(Some(account)));
        Self { account, supplementary_groups, lacking }
    }

    fn get(&self, machine: &dyn Machine) -> Option<&Account> {
        if self.lacking {
            return None;
        }
        let find = || {
            let found = Account {
                user: DEFAULT_ACCOUNT.into(),
                group: None,
                supplementary_groups: self.supplementary_groups,
            };
            machine.user_exists(DEFAULT_ACCOUNT).then_some(found)
        };
        self.account.get_or_init(find).as_ref()
    }

    /// The account, if one is given or a script asked for it.
    fn into_account(self) -> Option<Account> {
        self.account.into_inner().flatten().filter(|_| !self.lacking)
    }
}

/// What becomes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    /// Its file cannot be run.
    NoFile,
    /// Nobody can run it.
    NoAccount,
}

fn vrrp(drafts: &mut Drafts, check: &mut ScriptCheck<'_>, context: &mut Context<'_>) {
    let mut without_file: BTreeSet<Name> = BTreeSet::new();
    let mut without_account: BTreeSet<Name> = BTreeSet::new();
    drafts.scripts.retain_mut(|draft| {
        let name = Name::clone(&draft.value.name);
        match check.script(&mut draft.value.script, Owner::VrrpScript(&name), context) {
            Fate::Kept => return true,
            Fate::NoFile => without_file.insert(name),
            Fate::NoAccount => without_account.insert(name),
        };
        false
    });
    let keep = |tracked: &Tracked, context: &mut Context<'_>| {
        if without_account.contains(&tracked.name) {
            let message = format!("vrrp_script '{}' was dropped and cannot be followed", tracked.name);
            context.push(Diagnostic::new(Code::TrackedUnknown, tracked.site.0, message));
            return false;
        }
        !without_file.contains(&tracked.name)
    };
    for draft in &mut drafts.instances {
        let instance = &mut draft.draft.value;
        instance.tracks.scripts.retain(|tracked| keep(tracked, context));
        let owner = format!("({})", instance.name);
        check.notify(&mut instance.notify, &owner, context);
        if let Some(extensions) = &mut instance.extensions {
            check.slot(&mut extensions.master_prepare, Owner::Notify(&owner), context);
        }
    }
    for draft in &mut drafts.groups {
        let group = &mut draft.draft.value;
        group.tracks.scripts.retain(|tracked| keep(tracked, context));
        let owner = format!("({})", group.name);
        check.notify(&mut group.notify, &owner, context);
    }
}

fn checkers(servers: &mut [VirtualServer], check: &mut ScriptCheck<'_>, context: &mut Context<'_>) {
    for server in servers {
        for slot in [&mut server.quorum_up, &mut server.quorum_down] {
            check.slot(slot, Owner::Notify("virtual_server"), context);
        }
        for server in &mut server.real_servers {
            for slot in [&mut server.notify_up, &mut server.notify_down] {
                check.slot(slot, Owner::Notify("real_server"), context);
            }
            commands(server, check, context);
        }
    }
}

/// The commands of its checkers. Most servers have none and go on sharing theirs.
fn commands(server: &mut RealServer, check: &mut ScriptCheck<'_>, context: &mut Context<'_>) {
    if !server.checkers.iter().any(|checker| matches!(checker.kind, CheckKind::Misc(_))) {
        return;
    }
    let mut checkers = server.checkers.to_vec();
    checkers.retain_mut(|checker| match &mut checker.kind {
        // keepalived asks nothing of a server whose program cannot be run, and lets it serve.
        CheckKind::Misc(misc) => check.script(&mut misc.script, Owner::MiscCheck, context) == Fate::Kept,
        _ => true,
    });
    server.checkers = checkers.into();
}

#[derive(Clone)]
struct ScriptCheck<'a> {
    default: &'a DefaultAccount,
    secure: bool,
    warned: bool,
    /// Of what is dropped: keepalived never looks at its scripts.
    dropped: bool,
}

/// Whose script it is.
#[derive(Clone, Copy)]
enum Owner<'a> {
    VrrpScript(&'a str),
    MiscCheck,
    /// Of the supervisor, by its keyword.
    Supervisor(&'a str),
    /// Told of what happens, in that block.
    Notify(&'a str),
}

impl Owner<'_> {
    /// What a file that cannot be run counts as: keepalived counts that of a vrrp_script, which it then
    /// disables, and of no other script.
    fn class_without_file(self) -> Class {
        match self {
            Self::VrrpScript(_) => Class::General,
            Self::MiscCheck | Self::Supervisor(_) | Self::Notify(_) => Class::Silent,
        }
    }

    /// What an account that does not exist counts as, where the line of the command names it. keepalived drops
    /// what would be told of events in silence.
    fn class_without_account(self) -> Option<Class> {
        match self {
            // The line 'user' tells.
            Self::VrrpScript(_) | Self::MiscCheck => None,
            Self::Supervisor(_) => Some(Class::General),
            Self::Notify(_) => Some(Class::Silent),
        }
    }

    /// Whether the block is there for the script.
    fn is_block(self) -> bool {
        matches!(self, Self::VrrpScript(_) | Self::MiscCheck)
    }
}

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::VrrpScript(name) => write!(f, "vrrp_script '{name}'"),
            Self::MiscCheck => f.write_str("MISC_CHECK"),
            Self::Supervisor(name) | Self::Notify(name) => f.write_str(name),
        }
    }
}

impl ScriptCheck<'_> {
    fn push(&self, diagnostic: Diagnostic, context: &mut Context<'_>) {
        context.push(if self.dropped { diagnostic.class(Class::Silent) } else { diagnostic });
    }

    /// Completes a script and looks at its file.
    fn script(&mut self, script: &mut Script, owner: Owner<'_>, context: &mut Context<'_>) -> Fate {
        let span = script.site.0;
        if let Some(account) = &script.account {
            if let Some((what, name)) = context.machine.lacks(account) {
                if let Some(class) = owner.class_without_account() {
                    let message = format!(
                        "{owner}: its script is to run as {what} '{name}', which does not exist; it is dropped"
                    );
                    self.push(Diagnostic::new(Code::UnknownAccount, span, message).class(class), context);
                }
                return Fate::NoAccount;
            }
        } else if let Some(account) = self.default.get(context.machine) {
            script.account = Some(account.clone());
        } else if self.secure || self.default.lacking {
            let message = format!("{owner}: its script has no account to run as; it is dropped");
            let hint = format!("give script_user, or add a user {DEFAULT_ACCOUNT}");
            let diagnostic = Diagnostic::new(Code::NoScriptUser, span, message).hint(hint);
            self.push(if owner.is_block() { diagnostic.of_block() } else { diagnostic }, context);
            return Fate::NoAccount;
        }
        let program = script.program().to_owned();
        // "</path" asks whether a file can be read; the shell does it.
        if program.starts_with("</") {
            return Fate::Kept;
        }
        match context.machine.script(&program, script.account.as_ref()) {
            ScriptState::Missing => {
                let message = format!("{owner}: '{program}' does not exist or cannot be reached");
                let diagnostic =
                    Diagnostic::new(Code::ScriptMissing, span, message).class(owner.class_without_file());
                self.push(diagnostic.note("the script is disabled"), context);
                return Fate::NoFile;
            }
            ScriptState::NotExecutable => {
                let message = format!("{owner}: '{program}' may not be executed");
                let diagnostic = Diagnostic::new(Code::ScriptNotExecutable, span, message)
                    .class(owner.class_without_file());
                self.push(diagnostic.note("the script is disabled"), context);
                self.warn_of_security_off(script, context);
                return Fate::NoFile;
            }
            ScriptState::Insecure(how) => {
                let message = format!("{owner}: '{program}' runs as root, and others can change it");
                let diagnostic = Diagnostic::new(Code::ScriptInsecure, span, message).note(how);
                if self.secure {
                    self.push(diagnostic.note("enable_script_security disables the script"), context);
                    return Fate::NoFile;
                }
                self.push(diagnostic, context);
            }
            ScriptState::Good => {}
        }
        self.warn_of_security_off(script, context);
        Fate::Kept
    }

    fn warn_of_security_off(&mut self, script: &Script, context: &mut Context<'_>) {
        if self.secure || self.warned {
            return;
        }
        self.warned = true;
        let message = "scripts run, and enable_script_security is not set";
        self.push(Diagnostic::new(Code::ScriptSecurityOff, script.site.0, message), context);
    }

    fn slot(
        &mut self,
        slot: &mut Option<impl BorrowMut<Script>>,
        owner: Owner<'_>,
        context: &mut Context<'_>,
    ) {
        let script = slot.as_mut().map(BorrowMut::borrow_mut);
        if script.is_some_and(|script| self.script(script, owner, context) != Fate::Kept) {
            *slot = None;
        }
    }

    fn notify(&mut self, notify: &mut Notify, owner: &str, context: &mut Context<'_>) {
        for slot in [
            &mut notify.backup,
            &mut notify.master,
            &mut notify.fault,
            &mut notify.stop,
            &mut notify.deleted,
            &mut notify.master_rx_lower_priority,
            &mut notify.any,
        ] {
            self.slot(slot, Owner::Notify(owner), context);
        }
    }
}
