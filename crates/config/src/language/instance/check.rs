//! Completion of instances: inheritance, deduction, and keepalived's checks at load.

use std::collections::BTreeMap;
use std::net::IpAddr;

use steadfast_wire::vrrp::{Family, Priority, Version};

use super::keywords::INSTANCE;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code, Severity};
use crate::diagnostic::span::Span;
use crate::language::addresses;
use crate::language::drafts::InstanceDraft;
use crate::language::{Drafts, inheritance};
use crate::machine::InterfaceKind;
use crate::model::{AuthType, Authentication, Global, HmacMode, VrrpInstance};
use crate::table::Context;
use crate::table::remembered::AuthenticationDraft;
use crate::value::{Interval, Name};

/// Completes all instances; `true` when keepalived would refuse to run.
pub(crate) fn complete(drafts: &mut Drafts, context: &mut Context<'_>) -> bool {
    let mut unusable = false;
    let global = &drafts.global;
    for draft in &mut drafts.instances {
        inheritance::complete(&mut draft.draft.value, &draft.draft.seen, global);
        let mut check = Check { draft, context, global, unusable: false };
        check.all();
        unusable |= check.unusable;
    }
    drafts.instances.retain(|draft| draft.draft.seen.has_name(INSTANCE, "virtual_router_id"));
    unusable | duplicates(&drafts.instances, context)
}

/// Shown with what strict mode forbids.
const STRICT: &[(&str, &str)] = &[("strict_mode", "strict mode")];

struct Check<'d, 'c, 'a> {
    draft: &'d mut InstanceDraft,
    context: &'c mut Context<'a>,
    global: &'d Global,
    unusable: bool,
}

impl Check<'_, '_, '_> {
    fn all(&mut self) {
        self.identity();
        self.family_and_version();
        self.unicast();
        self.authentication();
        self.trailer();
        self.state_and_priority();
        self.preemption();
        self.interval();
        self.strict_mode();
        self.interface();
        self.virtual_interface();
        self.named_interfaces();
        addresses::check::check(self.draft, self.global, self.context, &mut self.unusable);
        self.tracks();
    }

    fn instance(&mut self) -> &mut VrrpInstance {
        &mut self.draft.draft.value
    }

    fn written(&self, keyword: &str) -> bool {
        self.draft.draft.seen.has_name(INSTANCE, keyword)
    }

    fn place(&self, keyword: &str) -> Option<Span> {
        self.draft.draft.places.get(INSTANCE, keyword)
    }

    /// A problem of the whole instance.
    fn report(&mut self, code: Code, message: impl std::fmt::Display) {
        let name = &self.draft.draft.value.name;
        let span = self.draft.draft.span;
        self.context.push(Diagnostic::new(code, span, format!("({name}) {message}")));
    }

    /// A problem of a keyword, told where it was written; the lines of `reasons` are shown with it.
    fn report_at(
        &mut self,
        code: Code,
        keyword: &str,
        reasons: &[(&str, &str)],
        message: impl std::fmt::Display,
    ) {
        let diagnostic = self.problem_at(code, keyword, reasons, message);
        self.context.push(diagnostic);
    }

    fn problem_at(
        &self,
        code: Code,
        keyword: &str,
        reasons: &[(&str, &str)],
        message: impl std::fmt::Display,
    ) -> Diagnostic {
        let name = &self.draft.draft.value.name;
        let span = self.place(keyword).unwrap_or(self.draft.draft.span);
        let mut diagnostic = Diagnostic::new(code, span, format!("({name}) {message}"));
        for (keyword, reason) in reasons {
            if let Some(span) = self.place(keyword) {
                diagnostic = diagnostic.label(span, *reason);
            }
        }
        diagnostic
    }

    fn identity(&mut self) {
        if !self.written("virtual_router_id") {
            self.report(Code::NoVirtualRouterId, "has no virtual_router_id; the instance is dropped");
            self.unusable = true;
        }
    }

    fn family_and_version(&mut self) {
        let family = self.draft.scratch.family.unwrap_or(Family::V4);
        let given = self.draft.scratch.version;
        let by_default = match family {
            Family::V6 => Version::V3,
            Family::V4 => self.global.vrrp_version,
        };
        let strict = self.instance().strict;
        let version = match (family, given) {
            (Family::V6, Some(Version::V2)) if strict => {
                self.report_at(
                    Code::VersionConflict,
                    "version",
                    STRICT,
                    "strict mode knows IPv6 in version 3 only; it is used",
                );
                Version::V3
            }
            (_, given) => given.unwrap_or(by_default),
        };
        let has_group = self.written("mcast_dst_ip");
        let group = match family {
            Family::V4 => IpAddr::V4(self.global.multicast_group4),
            Family::V6 => IpAddr::V6(self.global.multicast_group6),
        };
        let instance = self.instance();
        instance.family = family;
        instance.version = version;
        if !has_group {
            instance.multicast_group = group;
        }
    }

    fn unicast(&mut self) {
        if self.instance().is_unicast() {
            return;
        }
        if self.written("unicast_ttl") {
            self.instance().unicast_ttl = None;
            let message = "unicast_ttl without a peer means nothing; it is cleared";
            let diagnostic = self.problem_at(Code::SettingIgnored, "unicast_ttl", &[], message);
            self.context.push(diagnostic.of_block());
        }
        let Some(span) = self.draft.scratch.unicast_keyword else { return };
        let name = Name::clone(&self.instance().name);
        if self.instance().unicast_fault_no_peer {
            self.instance().broken = Some("unicast without a peer".into());
            return;
        }
        let message = format!("({name}) a unicast keyword without a peer; adverts go to the multicast group");
        self.context.push(
            Diagnostic::new(Code::UnicastWithoutPeers, span, message)
                .hint("give peers with unicast_peer")
                .of_block(),
        );
    }

    fn authentication(&mut self) {
        let Some(draft) = self.draft.scratch.authentication.take() else { return };
        let AuthenticationDraft { kind, password, password_span, span } = draft;
        let version = self.place("version");
        let instance = self.instance();
        let name = Name::clone(&instance.name);
        let why = match (kind, password) {
            (None, None) => return,
            _ if instance.auth_hmac.is_some() => "auth_hmac replaces it",
            _ if instance.version == Version::V3 => "version 3 has none (RFC 5798 section 9)",
            _ if instance.strict => "strict mode has none (RFC 3768 section 10)",
            (None, Some(_)) => "auth_type is missing",
            (Some(_), None) => "auth_pass is missing",
            (Some(kind), Some(password)) => {
                instance.authentication = Some(Authentication { kind, password });
                if kind == AuthType::Password {
                    let message = format!("({name}) the password travels readable in every advert");
                    self.context.push(Diagnostic::new(Code::ClearTextPassword, password_span, message));
                }
                return;
            }
        };
        let message = format!("({name}) authentication is ignored: {why}");
        let mut diagnostic = Diagnostic::new(Code::AuthenticationIgnored, span, message);
        if let Some(version) = version.filter(|_| instance.version == Version::V3) {
            diagnostic = diagnostic.label(version, "version 3 is asked for here");
        }
        // keepalived says nothing of a password without a kind.
        let diagnostic = if kind.is_none() { diagnostic.class(Class::Silent) } else { diagnostic };
        self.context.push(diagnostic);
    }

    /// Whoever has to sign needs a key for it. keepalived would go on without any authentication.
    fn trailer(&mut self) {
        let instance = self.instance();
        let Some(hmac) = &mut instance.auth_hmac else { return };
        if instance.strict {
            hmac.mode = HmacMode::Enforce;
        }
        let signs = hmac.mode != HmacMode::ReceiveOnly;
        let named = hmac.keys.iter().any(|key| Some(key.id) == hmac.active_key);
        if !signs || named {
            return;
        }
        instance.broken.get_or_insert_with(|| "active_key names none of the keys of auth_hmac".into());
        let message = format!("({}) active_key names none of the keys of auth_hmac", instance.name);
        let span = self.draft.draft.span;
        let diagnostic = Diagnostic::new(Code::SettingIgnored, span, message);
        self.context.push(diagnostic.expected("the number of a key"));
    }

    fn state_and_priority(&mut self) {
        let (state, priority) = (self.written("state"), self.written("priority"));
        if !priority {
            let taken = if self.instance().initial_master { "255, the owner's" } else { "100" };
            let message = format!("no priority is given; it is {taken}");
            let reasons: &[_] = if self.instance().initial_master {
                &[("state", "who starts as MASTER is taken for the owner of the addresses")]
            } else {
                &[]
            };
            self.report_at(Code::PriorityNotGiven, "priority", reasons, message);
        }
        let instance = self.instance();
        if !priority && instance.initial_master {
            instance.priority = Priority::OWNER;
        }
        if !state && instance.priority == Priority::OWNER {
            instance.initial_master = true;
        }
        let is_owner = instance.priority == Priority::OWNER;
        let with_header = instance.authentication.as_ref().is_some_and(|auth| auth.kind == AuthType::Header);
        if with_header && instance.initial_master && !is_owner {
            instance.initial_master = false;
            self.report_at(
                Code::SettingIgnored,
                "state",
                &[],
                "an instance with AH cannot start as MASTER; it starts as BACKUP",
            );
        }
        let instance = self.instance();
        if instance.strict && instance.initial_master != is_owner {
            instance.initial_master = is_owner;
            if !is_owner {
                self.report_at(
                    Code::StrictModeConflict,
                    "state",
                    STRICT,
                    "strict mode starts as MASTER with priority 255 only; it starts as BACKUP",
                );
            }
        }
        let written = self.written("owner_ignore_adverts");
        let instance = self.instance();
        if !is_owner {
            instance.owner_ignore_adverts = false;
        } else if !written && instance.strict {
            instance.owner_ignore_adverts = true;
        }
    }

    /// The owner preempts whatever is configured (RFC 9568 section 6.1).
    fn preemption(&mut self) {
        let instance = self.instance();
        if instance.nopreempt && (instance.initial_master || instance.priority == Priority::OWNER) {
            instance.nopreempt = false;
            let reasons: &[_] = match instance.priority {
                Priority::OWNER => &[("priority", "the owner's priority")],
                _ => &[("state", "the initial state")],
            };
            self.report_at(
                Code::NopreemptIgnored,
                "nopreempt",
                reasons,
                "nopreempt works with initial state BACKUP only; it is cleared",
            );
        }
        let instance = self.instance();
        if instance.preempt_delay.is_zero() {
            return;
        }
        let (why, reason) = if instance.strict {
            ("strict mode", "strict_mode")
        } else if instance.initial_master {
            ("initial state MASTER", "state")
        } else if instance.nopreempt {
            ("nopreempt", "nopreempt")
        } else {
            return;
        };
        instance.preempt_delay = Interval::ZERO;
        self.report_at(
            Code::PreemptDelayIgnored,
            "preempt_delay",
            &[(reason, "because of this")],
            format!("preempt_delay does not go with {why}; it is cleared"),
        );
    }

    fn interval(&mut self) {
        let instance = self.instance();
        let written = instance.advert_interval;
        let (unit, most) = match instance.version {
            Version::V2 => (Interval::from_secs(1), Interval::from_secs(255)),
            Version::V3 => (Interval::from_millis(10), Interval::from_millis(40_950)),
        };
        let carried = written.rounded_to(unit).clamp(unit, most);
        if carried != written {
            instance.advert_interval = carried;
            let version = instance.version.number();
            self.report_at(
                Code::IntervalRounded,
                "advert_int",
                &[("version", "the version")],
                format!("advert_int {written} cannot be carried by version {version}; {carried} is used"),
            );
        }
    }

    fn strict_mode(&mut self) {
        if !self.instance().strict {
            return;
        }
        let accept = self.written("accept");
        let (lower, higher) = (self.written("lower_prio_no_advert"), self.written("higher_prio_send_advert"));
        let garp_delay = self.written("garp_lower_prio_delay");
        let garp_repeat = self.written("garp_lower_prio_repeat");
        let adverts = self.written("down_timer_adverts");
        let instance = self.instance();
        let mut conflicts = Vec::new();
        let is_owner = instance.priority == Priority::OWNER;
        if accept && instance.accept && !is_owner && instance.version == Version::V2 {
            instance.accept = false;
            conflicts.push("accept");
        }
        if !is_owner && !accept {
            instance.accept = false;
        }
        if lower && !instance.lower_priority_no_advert {
            conflicts.push("lower_prio_no_advert off");
        }
        if higher && instance.higher_priority_send_advert {
            conflicts.push("higher_prio_send_advert");
        }
        if garp_delay && !instance.announce.lower_priority_delay.is_zero() {
            conflicts.push("garp_lower_prio_delay");
        }
        if garp_repeat && instance.announce.lower_priority_repeat != 0 {
            conflicts.push("garp_lower_prio_repeat");
        }
        if adverts && instance.down_timer_adverts != 3 {
            conflicts.push("down_timer_adverts");
        }
        instance.lower_priority_no_advert = true;
        instance.higher_priority_send_advert = false;
        instance.announce.lower_priority_delay = Interval::ZERO;
        instance.announce.lower_priority_repeat = 0;
        instance.down_timer_adverts = 3;
        instance.no_addresses_intended = false;
        for conflict in conflicts {
            self.report_at(
                Code::StrictModeConflict,
                conflict.split(' ').next().unwrap_or_default(),
                STRICT,
                format!("strict mode does not allow {conflict}; it is reset"),
            );
        }
    }

    fn interface(&mut self) {
        let unicast_with_source = {
            let instance = self.instance();
            instance.is_unicast() && instance.source_address.is_some()
        };
        let Some(name) = self.instance().interface.clone() else {
            if !unicast_with_source {
                self.report(Code::NoInterface, "has no interface");
                self.unusable = true;
            }
            return;
        };
        let span = self.draft.scratch.interface_span.unwrap_or(self.draft.draft.span);
        let instance_name = Name::clone(&self.instance().name);
        match self.context.machine.interface(&name) {
            None => {
                if !self.global.dynamic_interfaces {
                    let what = format!("({instance_name})");
                    self.unusable |= crate::language::interfaces::missing(&name, span, &what, self.context);
                }
            }
            Some(facts) if facts.loopback => {
                let message = format!("({instance_name}) '{name}' is the loopback interface");
                self.context.push(Diagnostic::new(Code::InterfaceUnsuitable, span, message));
                self.unusable = true;
            }
            Some(facts) if !facts.multicast && !self.instance().is_unicast() => {
                self.instance().broken = Some("the interface cannot send to groups".into());
                let message =
                    format!("({instance_name}) '{name}' cannot send to groups, and there are no peers");
                self.context.push(Diagnostic::new(Code::InterfaceUnsuitable, span, message));
            }
            Some(_) => {}
        }
    }

    /// keepalived takes any interface for a VRF in silence, and none of its packets arrives.
    fn vrf(&mut self) {
        let Some(name) = self.instance().vrf.clone() else { return };
        let kind = self.context.machine.interface(&name).map(|facts| facts.kind);
        if kind.is_some_and(|kind| !matches!(kind, InterfaceKind::Vrf | InterfaceKind::Any)) {
            let message = format!("'{name}' is no VRF");
            let diagnostic = self.problem_at(Code::InterfaceUnsuitable, "vrf", &[], message);
            self.context.push(diagnostic.severity(Severity::Warning).class(Class::Silent));
        }
    }

    fn virtual_interface(&mut self) {
        let instance = self.instance();
        if instance.interface.is_some() && instance.vrf.take().is_some() {
            let message = "the VRF is that of the interface; vrf is ignored";
            self.report_at(Code::SettingIgnored, "vrf", &[("interface", "the interface")], message);
        }
        self.vrf();
        let instance = self.instance();
        let transmits = instance.vmac_transmit_on_parent;
        if transmits && instance.vmac.is_none() && instance.ipvlan.is_none() {
            instance.vmac_transmit_on_parent = false;
            let message = "vmac_xmit_base without use_vmac means nothing; it is cleared";
            self.report_at(Code::SettingIgnored, "vmac_xmit_base", &[], message);
        }
        let instance = self.instance();
        let without_address = instance.ipvlan.as_ref().is_some_and(|ipvlan| ipvlan.address.is_none());
        if without_address && instance.family == Family::V4 {
            instance.broken = Some("use_ipvlan without an address".into());
            let message = "use_ipvlan needs an address of its own for IPv4; the instance stays in FAULT";
            self.report_at(Code::SettingIgnored, "use_ipvlan", &[], message);
        }
        let instance = self.instance();
        if instance.vmac.is_none() {
            return;
        }
        self.strict_vmac();
        let instance = self.instance();
        let unicast = instance.is_unicast();
        let promote = std::mem::take(&mut instance.promote_secondaries);
        let transmit = !instance.vmac_transmit_on_parent;
        instance.vmac_transmit_on_parent |= unicast;
        if unicast && transmit {
            let reasons = [("unicast_peer", "unicast")];
            let message = "unicast with use_vmac needs vmac_xmit_base; it is set";
            let diagnostic = self.problem_at(Code::ValueReplaced, "use_vmac", &reasons, message);
            self.context.push(diagnostic.of_block());
        }
        if promote {
            self.report_at(
                Code::SettingIgnored,
                "promote_secondaries",
                &[("use_vmac", "the VMAC")],
                "promote_secondaries holds for VMACs anyway",
            );
        }
    }

    /// Strict mode has adverts come from the standard MAC address.
    fn strict_vmac(&mut self) {
        let instance = self.instance();
        if !instance.strict {
            return;
        }
        let mac = instance.vmac.as_mut().and_then(|vmac| vmac.mac.take());
        if mac.is_some() {
            let message = "strict mode does not allow another MAC address; the standard one is used";
            self.report_at(Code::StrictModeConflict, "use_vmac", STRICT, message);
        }
        if std::mem::take(&mut self.instance().vmac_transmit_on_parent) {
            let message = "strict mode does not allow vmac_xmit_base; it is reset";
            self.report_at(Code::StrictModeConflict, "vmac_xmit_base", STRICT, message);
        }
    }

    /// Interfaces of the VRF, routes and rules.
    fn named_interfaces(&mut self) {
        if self.global.dynamic_interfaces {
            return;
        }
        let instance = &self.draft.draft.value;
        let mut named: Vec<(Name, Span, &str)> = Vec::new();
        let vrf_span = self.draft.scratch.vrf_span.unwrap_or(self.draft.draft.span);
        named.extend(instance.vrf.iter().map(|name| (Name::clone(name), vrf_span, "vrf")));
        for route in &instance.routes {
            let hops = route.next_hops.iter().filter_map(|hop| hop.interface.as_ref());
            let names = route.interface.iter().chain(hops);
            named.extend(names.map(|name| (Name::clone(name), route.site.0, "route")));
        }
        for rule in &instance.rules {
            let names = rule.input_interface.iter().chain(&rule.output_interface);
            named.extend(names.map(|name| (Name::clone(name), rule.site.0, "rule")));
        }
        let owner = format!("({})", instance.name);
        for (name, span, what) in named {
            self.unusable |=
                crate::language::interfaces::missing(&name, span, &format!("{owner} {what}"), self.context);
        }
    }

    fn tracks(&mut self) {
        let instance = &mut self.draft.draft.value;
        let own = instance.interface.clone();
        let mut own_entries = Vec::new();
        instance.tracks.interfaces.retain(|tracked| {
            let is_own = Some(&tracked.name) == own.as_ref();
            if is_own {
                own_entries.push(tracked.site.0);
            }
            !is_own
        });
        let name = Name::clone(&instance.name);
        for span in own_entries {
            let message = format!("({name}) follows its own interface anyway; the entry is ignored");
            self.context.push(Diagnostic::new(Code::OwnInterfaceTracked, span, message));
        }
        if self.global.dynamic_interfaces {
            return;
        }
        let missing: Vec<_> = self
            .draft
            .draft
            .value
            .tracks
            .interfaces
            .iter()
            .filter(|tracked| self.context.machine.interface(&tracked.name).is_none())
            .map(|tracked| (Name::clone(&tracked.name), tracked.site.0))
            .collect();
        for (interface, span) in missing {
            let what = format!("({name}) track_interface");
            self.unusable |= crate::language::interfaces::missing(&interface, span, &what, self.context);
        }
    }
}

/// Instances that are one and the same virtual router to their peers.
fn duplicates(instances: &[InstanceDraft], context: &mut Context<'_>) -> bool {
    type Identity = (Option<Name>, u8, Family, Option<IpAddr>, Option<IpAddr>);
    let mut first: BTreeMap<Identity, (Name, Span)> = BTreeMap::new();
    let mut found = false;
    for draft in instances {
        let instance = &draft.draft.value;
        let source =
            if instance.is_unicast() { instance.source_address } else { Some(instance.multicast_group) };
        // A peer tells unicast instances apart by nothing but their source.
        let peers = instance.unicast_peers.iter().map(|peer| Some(peer.address));
        let peers: Vec<_> = if instance.is_unicast() { peers.collect() } else { vec![None] };
        let identities: Vec<Identity> = peers
            .into_iter()
            .map(|peer| {
                let router = instance.virtual_router_id.get();
                (instance.interface.clone(), router, instance.family, source, peer)
            })
            .collect();
        let span = draft.draft.places.get(INSTANCE, "virtual_router_id").unwrap_or(draft.draft.span);
        match identities.iter().find_map(|identity| first.get(identity)) {
            Some((name, place)) => {
                found = true;
                let message = format!(
                    "({}) is the same virtual router as '{name}': virtual_router_id {} of {} on {}",
                    instance.name,
                    instance.virtual_router_id,
                    if instance.family == Family::V4 { "IPv4" } else { "IPv6" },
                    instance.interface.as_deref().unwrap_or("the same peers"),
                );
                context.push(
                    Diagnostic::new(Code::DuplicateVirtualRouter, span, message)
                        .label(*place, "the other one is here")
                        .hint("give one of them another virtual_router_id"),
                );
            }
            None => {
                let here = (Name::clone(&instance.name), span);
                first.extend(identities.into_iter().map(|identity| (identity, here.clone())));
            }
        }
    }
    found
}
