//! Accounts and files of scripts.

use crate::code::{Class, Code};
use crate::diagnostic::Diagnostic;
use crate::keyword::global::GLOBAL;
use crate::load::ScriptState;
use crate::lower::{Context, Drafts};
use crate::model::{Account, Notify, Script};
use crate::span::Span;

/// The account that scripts run as when nothing names one, if it exists.
const DEFAULT_ACCOUNT: &str = "keepalived_script";

/// Gives every script its account and asks the machine for its file.
pub(super) fn complete(drafts: &mut Drafts, context: &mut Context<'_>) {
    let account = default_account(drafts, context);
    let secure = drafts.global.enable_script_security;
    let mut check = ScriptCheck { account, secure, warned: false };
    drafts.scripts.retain_mut(|draft| {
        let owner = format!("vrrp_script '{}'", draft.value.name);
        let keep = check.script(&mut draft.value.script, &owner, draft.span, context);
        if !keep {
            context.known.scripts.remove(&draft.value.name);
        }
        keep
    });
    let known = std::mem::take(&mut context.known.scripts);
    let exists = |tracked: &crate::model::Tracked| known.contains_key(&tracked.name);
    for draft in &mut drafts.instances {
        let instance = &mut draft.draft.value;
        instance.tracks.scripts.retain(exists);
        let owner = format!("({})", instance.name);
        check.notify(&mut instance.notify, &owner, draft.draft.span, context);
    }
    for draft in &mut drafts.groups {
        let group = &mut draft.draft.value;
        group.tracks.scripts.retain(exists);
        let owner = format!("({})", group.name);
        check.notify(&mut group.notify, &owner, draft.draft.span, context);
    }
    context.known.scripts = known;
}

fn default_account(drafts: &mut Drafts, context: &mut Context<'_>) -> Option<Account> {
    let global = &mut drafts.global;
    if global.script_user.is_none() && context.machine.user_exists(DEFAULT_ACCOUNT) {
        global.script_user =
            Some(Account { user: DEFAULT_ACCOUNT.into(), group: None, supplementary_groups: false });
    }
    let set_groups = drafts.global_seen.has_name(GLOBAL, "set_supplementary_groups");
    let mut account = drafts.global.script_user.clone();
    if set_groups && drafts.global.set_supplementary_groups {
        account.iter_mut().for_each(|account| account.supplementary_groups = true);
        drafts.global.script_user.clone_from(&account);
    }
    account
}

struct ScriptCheck {
    account: Option<Account>,
    secure: bool,
    warned: bool,
}

impl ScriptCheck {
    /// Completes a script; `false` when it cannot be run.
    fn script(&mut self, script: &mut Script, owner: &str, span: Span, context: &mut Context<'_>) -> bool {
        if let Some(account) = &script.account {
            let unknown_user = !context.machine.user_exists(&account.user);
            let unknown_group =
                account.group.as_deref().is_some_and(|group| !context.machine.group_exists(group));
            if unknown_user || unknown_group {
                let what = if unknown_user { "user" } else { "group" };
                let message = format!("{owner}: the {what} of its script does not exist; it is dropped");
                context.push(Diagnostic::new(Code::UnknownAccount, span, message));
                return false;
            }
        } else {
            script.account.clone_from(&self.account);
        }
        let program = script.program().to_owned();
        // "</path" asks whether a file can be read; the shell does it.
        if program.starts_with("</") {
            return true;
        }
        match context.machine.script(&program, script.account.as_ref()) {
            ScriptState::Good => true,
            ScriptState::Missing => {
                let message =
                    format!("{owner}: '{program}' does not exist or cannot be reached; it is disabled");
                context.push(Diagnostic::new(Code::ScriptMissing, span, message).class(Class::Silent));
                false
            }
            ScriptState::NotExecutable => {
                let message = format!("{owner}: '{program}' may not be executed; it is disabled");
                context.push(Diagnostic::new(Code::ScriptNotExecutable, span, message).class(Class::Silent));
                false
            }
            ScriptState::Insecure => {
                if !self.warned || self.secure {
                    self.warned = true;
                    let message = format!("{owner}: '{program}' runs as root and others can change it");
                    context.push(Diagnostic::new(Code::ScriptInsecure, span, message));
                }
                !self.secure
            }
        }
    }

    fn notify(&mut self, notify: &mut Notify, owner: &str, span: Span, context: &mut Context<'_>) {
        for slot in [
            &mut notify.backup,
            &mut notify.master,
            &mut notify.fault,
            &mut notify.stop,
            &mut notify.deleted,
            &mut notify.master_rx_lower_priority,
            &mut notify.any,
        ] {
            if slot.as_mut().is_some_and(|script| !self.script(script, owner, span, context)) {
                *slot = None;
            }
        }
    }
}
