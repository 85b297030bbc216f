//! Interfaces that the configuration names.

use super::Drafts;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::diagnostic::span::Span;
use crate::table::Context;
use crate::value::Name;

/// Reports an interface that does not exist; `true` when it does not.
pub(crate) fn missing(name: &str, span: Span, what: &str, context: &mut Context<'_>) -> bool {
    tell_missing(name, span, what, context, std::convert::identity)
}

/// The same in a garp_group, of which keepalived tells when the list of interfaces ends.
pub(crate) fn missing_in_list(name: &str, span: Span, what: &str, context: &mut Context<'_>) -> bool {
    tell_missing(name, span, what, context, Diagnostic::of_block)
}

fn tell_missing(
    name: &str,
    span: Span,
    what: &str,
    context: &mut Context<'_>,
    change: impl FnOnce(Diagnostic) -> Diagnostic,
) -> bool {
    if context.machine.interface(name).is_some() {
        return false;
    }
    let names = context.machine.interface_names();
    let known = &context.known.interfaces_missed;
    let at = |statement: Span| known.get(&(statement.start(), Name::from(name))).copied();
    let span = at(span).or_else(|| at(span.without_origin())).unwrap_or(span);
    let message = format!("{what}: there is no interface '{name}'");
    context.push_suggesting(
        change(
            Diagnostic::new(Code::InterfaceMissing, span, message)
                .note("with dynamic_interfaces it may appear later"),
        ),
        name,
        names.iter().map(String::as_str),
    );
    true
}

/// Interfaces outside of instances; `true` when keepalived would refuse to run.
pub(crate) fn complete(drafts: &mut Drafts, context: &mut Context<'_>) -> bool {
    let mut unusable = false;
    static_addresses(drafts, context, &mut unusable);
    if drafts.global.dynamic_interfaces {
        return false;
    }
    for route in &drafts.static_routes {
        let hops = route.next_hops.iter().filter_map(|hop| hop.interface.as_ref());
        for name in route.interface.iter().chain(hops) {
            unusable |= missing(name, route.site.0, "static route", context);
        }
    }
    for rule in &drafts.static_rules {
        for name in rule.input_interface.iter().chain(&rule.output_interface) {
            unusable |= missing(name, rule.site.0, "static rule", context);
        }
    }
    for group in &drafts.groups {
        let group = &group.draft.value;
        for tracked in &group.tracks.interfaces {
            let what = format!("({}) track_interface", group.name);
            unusable |= missing(&tracked.name, tracked.site.0, &what, context);
        }
    }
    for delay in &drafts.interface_delays {
        let what = "interface_up_down_delays";
        unusable |=
            tell_missing(&delay.interface, delay.site.0, what, context, |found| found.class(Class::Fatal));
    }
    unusable
}

fn static_addresses(drafts: &mut Drafts, context: &mut Context<'_>, unusable: &mut bool) {
    let default = drafts.global.default_interface.clone().unwrap_or_else(|| Name::from("eth0"));
    for address in &mut drafts.static_addresses {
        let name = address.interface.get_or_insert_with(|| Name::clone(&default));
        if !drafts.global.dynamic_interfaces {
            *unusable |= missing(name, address.site.0, &address.address.to_string(), context);
        }
    }
}
