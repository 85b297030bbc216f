//! Settings of interfaces that are needed as long as something stands on them, and what they were before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Attempt, Capability, Errno, Error, Result};
use crate::netlink::{Batch, Ipv4Setting, Link, Outcome, Requests};
use crate::sysctl::{Family, InterfaceSetting};

/// The setting that holds for all interfaces beside their own, and the one that new ones begin with.
const ALL: InterfaceSetting<'static> =
    InterfaceSetting { family: Family::Ipv4, interface: "all", name: "rp_filter" };
const DEFAULT: InterfaceSetting<'static> = InterfaceSetting { interface: "default", ..ALL };

/// Linux 4.3.
const LOCAL_REPORTS: &str = "/proc/sys/net/ipv4/igmp_link_local_mcast_reports";

/// Settings that were changed. It goes to a successor, which has no other way to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// By interface and setting: before, and as it was set.
    interfaces: BTreeMap<(u32, Ipv4Setting), Changed>,
    /// rp_filter of `all` before it was taken over by each interface.
    all: Option<Changed>,
    /// rp_filter of `default`, likewise.
    default: Option<Changed>,
    /// Whether IPv4 reports members of groups that do not leave the link.
    local_reports: Option<Changed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    before: u32,
    after: u32,
}

/// Keeps settings of interfaces changed as long as they are wished so.
#[derive(Debug, Default)]
pub struct Settings {
    wished: BTreeMap<(u32, Ipv4Setting), u32>,
    /// Whether each interface shall have its own rp_filter, with nothing of `all` beside it.
    own_reverse_path: bool,
    /// Whether IPv4 shall report no members of groups that do not leave the link.
    no_local_reports: bool,
    remembered: Remembered,
    dirty: bool,
}

impl Settings {
    /// Sets back what somebody changed who cannot do so any more.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub fn restore(remembered: Remembered, requests: &mut Requests) -> Result<()> {
        let mut settings = Self::default();
        settings.inherit(remembered);
        settings.install(requests).map(drop)
    }

    /// Goes on where a predecessor was.
    pub fn inherit(&mut self, remembered: Remembered) {
        self.remembered = remembered;
        self.dirty = true;
    }

    /// What a successor would have to know.
    pub const fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Whether any shall be changed.
    pub fn are_wished(&self) -> bool {
        !self.wished.is_empty() || self.no_local_reports
    }

    /// Exactly these shall be changed. A VMAC of IPv4 needs its own rp_filter, which the one of `all` would overrule.
    pub fn wish(&mut self, wished: BTreeMap<(u32, Ipv4Setting), u32>, own_reverse_path: bool) {
        self.dirty |= wished != self.wished || own_reverse_path != self.own_reverse_path;
        self.wished = wished;
        self.own_reverse_path = own_reverse_path;
    }

    /// IPv4 shall not report members of groups that do not leave the link: RFC 4541 section 2.1.2 has switches flood
    /// their packets anyway.
    pub fn wish_no_local_reports(&mut self, none: bool) {
        self.dirty |= none != self.no_local_reports;
        self.no_local_reports = none;
    }

    /// Brings them about, and sets back what is not wished any more where nobody has changed it meanwhile. Returns
    /// whether what is remembered changed.
    ///
    /// # Errors
    /// What the kernel refused, the first of it.
    pub fn install(&mut self, requests: &mut Requests) -> Result<bool> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(false);
        }
        let before = self.remembered.clone();
        // In one go before the first interface is made: what `all` says counts for it, too.
        let pushed = if self.own_reverse_path { self.push_reverse_path(requests) } else { Ok(()) };
        let set = self.set(requests);
        let local = self.set_local_reports();
        if !self.own_reverse_path {
            self.restore_reverse_path();
        }
        let changed = self.remembered != before;
        pushed.and(set).and(local).map(|()| changed)
    }

    fn set(&mut self, requests: &mut Requests) -> Result<()> {
        let mut batch = Batch::default();
        for (&(index, setting), &after) in &self.wished {
            // An interface that has gone meanwhile needs nothing.
            let Ok(current) = requests.ipv4_setting(index, setting) else { continue };
            if current == after {
                continue;
            }
            let changed = self.remembered.interfaces.entry((index, setting));
            changed.or_insert(Changed { before: current, after }).after = after;
            batch.set_ipv4(index, &[(setting, after)]);
        }
        let kept = |key: &(u32, Ipv4Setting)| {
            self.wished.contains_key(key)
                || (key.1 == Ipv4Setting::ReversePathFilter && self.own_reverse_path)
        };
        let over: Vec<((u32, Ipv4Setting), Changed)> = self
            .remembered
            .interfaces
            .iter()
            .filter(|(key, _)| !kept(key))
            .map(|(key, changed)| (*key, *changed))
            .collect();
        for ((index, setting), changed) in over {
            self.remembered.interfaces.remove(&(index, setting));
            if requests.ipv4_setting(index, setting).is_ok_and(|current| current == changed.after) {
                batch.set_ipv4(index, &[(setting, changed.before)]);
            }
        }
        send(requests, &mut batch)
    }

    /// `all` hands its rp_filter over to every interface that has a lower one, and is 0 then.
    fn push_reverse_path(&mut self, requests: &mut Requests) -> Result<()> {
        let all = read(ALL).unwrap_or(0);
        if all == 0 {
            return Ok(());
        }
        let mut batch = Batch::default();
        let links = requests.links()?;
        let made: BTreeSet<u32> = links.iter().filter(|link| link.is_made()).map(index_of).collect();
        for index in links.iter().map(index_of).filter(|index| !made.contains(index)) {
            let setting = Ipv4Setting::ReversePathFilter;
            let Ok(current) = requests.ipv4_setting(index, setting) else { continue };
            if current < all {
                let changed = Changed { before: current, after: all };
                self.remembered.interfaces.entry((index, setting)).or_insert(changed);
                batch.set_ipv4(index, &[(setting, all)]);
            }
        }
        send(requests, &mut batch)?;
        let default = read(DEFAULT).unwrap_or(0);
        if default < all {
            DEFAULT.write(&all.to_string())?;
            self.remembered.default.get_or_insert(Changed { before: default, after: all });
        }
        ALL.write("0")?;
        self.remembered.all.get_or_insert(Changed { before: all, after: 0 });
        Ok(())
    }

    fn set_local_reports(&mut self) -> Result<()> {
        let attempted = format!("write {LOCAL_REPORTS}");
        let read = || std::fs::read_to_string(LOCAL_REPORTS).ok()?.trim_end().parse().ok();
        if self.no_local_reports {
            let before = read().unwrap_or(1);
            if before != 0 {
                std::fs::write(LOCAL_REPORTS, "0").attempt_with(Capability::NetAdmin, attempted)?;
                self.remembered.local_reports.get_or_insert(Changed { before, after: 0 });
            }
        } else if let Some(changed) = self.remembered.local_reports.take()
            && read() == Some(changed.after)
        {
            std::fs::write(LOCAL_REPORTS, changed.before.to_string())
                .attempt_with(Capability::NetAdmin, attempted)?;
        }
        Ok(())
    }

    fn restore_reverse_path(&mut self) {
        for (setting, changed) in
            [(ALL, self.remembered.all.take()), (DEFAULT, self.remembered.default.take())]
        {
            if let Some(changed) = changed
                && read(setting) == Some(changed.after)
            {
                // Nothing can be done where it cannot be set back.
                let _ = setting.write(&changed.before.to_string());
            }
        }
    }
}

const fn index_of(link: &Link) -> u32 {
    link.index
}

fn read(setting: InterfaceSetting<'_>) -> Option<u32> {
    setting.read().ok()?.parse().ok()
}

fn send(requests: &mut Requests, batch: &mut Batch) -> Result<()> {
    let refused = requests.send(batch)?.into_iter().find_map(|outcome| match outcome {
        // An interface that has gone meanwhile needs nothing.
        Outcome::Refused { errno: Errno::NODEV, .. } | Outcome::Done | Outcome::Unknown => None,
        Outcome::Refused { errno, kernel_message } => {
            Some(Error { kernel_message, ..Error::new("change settings of interfaces", errno) })
        }
    });
    refused.map_or(Ok(()), Err)
}
