//! What instances take from the global settings.

use super::global::keywords::GLOBAL;
use super::instance::keywords::INSTANCE;
use crate::model::{Announce, AuthType, Global, VrrpInstance};
use crate::table::Seen;
use crate::value::Interval;

/// Settings whose default is a global keyword.
type Inherit = fn(&mut VrrpInstance, &Global);
const INHERITED: &[(&str, Inherit)] = &[
    ("garp_master_delay", |instance, global| instance.announce.master_delay = global.announce.master_delay),
    ("garp_master_repeat", |instance, global| {
        instance.announce.master_repeat = global.announce.master_repeat
    }),
    ("garp_master_refresh", |instance, global| instance.announce.refresh = global.announce.refresh),
    ("garp_master_refresh_repeat", |instance, global| {
        instance.announce.refresh_repeat = global.announce.refresh_repeat;
    }),
    ("garp_lower_prio_delay", |instance, global| {
        instance.announce.lower_priority_delay = global.announce.lower_priority_delay;
    }),
    ("garp_lower_prio_repeat", |instance, global| {
        instance.announce.lower_priority_repeat = global.announce.lower_priority_repeat;
    }),
    ("garp_extra_if", |instance, global| {
        instance.extra_announce = instance.extra_announce.or(global.extra_announce);
    }),
    ("down_timer_adverts", |instance, global| instance.down_timer_adverts = global.down_timer_adverts),
    ("lower_prio_no_advert", |instance, global| {
        instance.lower_priority_no_advert = global.lower_priority_no_advert;
    }),
    ("higher_prio_send_advert", |instance, global| {
        let kind = instance.authentication.as_ref().map(|authentication| authentication.kind);
        // keepalived numbers authentication headers for all routers together, and takes ours for recorded ones after its own.
        instance.higher_priority_send_advert =
            global.higher_priority_send_advert && kind != Some(AuthType::Header);
    }),
    ("owner_ignore_adverts", |instance, global| instance.owner_ignore_adverts = global.owner_ignore_adverts),
    ("check_unicast_src", |instance, global| instance.check_unicast_source |= global.check_unicast_source),
    ("skip_check_adv_addr", |instance, global| instance.skip_check_addresses = global.skip_check_addresses),
    ("strict_mode", |instance, global| instance.strict = global.strict),
    ("v3_checksum_as_v2", |instance, global| instance.v3_checksum_as_v2 = global.v3_checksum_as_v2),
    ("fast_detection", |instance, global| {
        if let Some(detection) = global.fast_detection {
            instance.extensions.get_or_insert_default().fast_detection = Some(detection);
        }
    }),
    ("smtp_alert", |instance, global| {
        instance.smtp_alert = global.mail.alert_vrrp.or(global.mail.alert).unwrap_or(false);
    }),
    ("notify_priority_changes", |instance, global| {
        instance.notify_priority_changes |= global.notify_priority_changes;
    }),
];

/// Announcements over a lower priority are those of a new master where nothing else is written.
pub(crate) fn complete_global(global: &mut Global, seen: &Seen) {
    let mut master = global.announce;
    if global.announce_minimal {
        lessen(&mut master, global, |_| false);
    }
    if !seen.has_name(GLOBAL, "vrrp_garp_lower_prio_delay") {
        global.announce.lower_priority_delay = master.master_delay;
    }
    if !seen.has_name(GLOBAL, "vrrp_garp_lower_prio_repeat") {
        global.announce.lower_priority_repeat = master.master_repeat;
    }
}

/// Fills in what the instance does not say itself.
pub(crate) fn complete(instance: &mut VrrpInstance, seen: &Seen, global: &Global) {
    for (keyword, inherit) in INHERITED {
        if !seen.has_name(INSTANCE, keyword) {
            inherit(instance, global);
        }
    }
    if global.announce_minimal {
        lessen(&mut instance.announce, global, |keyword| seen.has_name(INSTANCE, keyword));
    }
}

/// `vrrp_min_garp`: whatever stands at its default and is not written becomes the least.
fn lessen(announce: &mut Announce, global: &Global, is_written: impl Fn(&str) -> bool) {
    let default = Announce::default();
    let untouched = |keyword: &str, is_default: bool| is_default && !is_written(keyword);
    if untouched("garp_master_repeat", global.announce.master_repeat == default.master_repeat) {
        announce.master_repeat = 1;
    }
    if untouched("garp_master_delay", global.announce.master_delay == default.master_delay) {
        announce.master_delay = Interval::ZERO;
    }
    if untouched("garp_master_refresh_repeat", global.announce.refresh_repeat == default.refresh_repeat) {
        announce.refresh_repeat = 0;
    }
}
