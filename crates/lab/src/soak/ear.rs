//! Who hears all adverts of a pair, from the first to the last.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use steadfast_wire::vrrp::Vrid;

use super::report::{LATE, Lateness};
use super::{ADVERT_INTERVAL, INSTANCES, VRID_FIRST};
use crate::capture::{Advert, Capture, Content, Frame};
use crate::host::Host;
use crate::segment::{Segment, address_v4};
use crate::stalls::Stalls;

/// A host that listens.
pub(super) struct Ear {
    capture: Capture,
    /// When the master's last advert of each virtual router came.
    last: BTreeMap<Vrid, Instant>,
    _host: Arc<Host>,
}

impl Ear {
    pub(super) fn of(segment: &Segment) -> Result<Self> {
        let host = segment.host("ear")?;
        Ok(Self { capture: Capture::start_for_adverts(&host)?, last: BTreeMap::new(), _host: host })
    }

    /// Who said what since the last call, and how late.
    pub(super) fn hear(&mut self, stalls: &Stalls, lateness: &mut Lateness) {
        for Frame { at, content, .. } in self.capture.take() {
            let Content::Advert(Advert { source, vrid, .. }) = content else { continue };
            if !(VRID_FIRST..VRID_FIRST + INSTANCES).contains(&vrid.get()) {
                continue;
            }
            if source != IpAddr::from(address_v4(1)) {
                lateness.failovers += 1;
                continue;
            }
            let Some(before) = self.last.insert(vrid, at) else { continue };
            let late = at.duration_since(before).saturating_sub(ADVERT_INTERVAL);
            lateness.adverts += 1;
            lateness.worst = lateness.worst.max(late);
            if late > LATE {
                lateness.late += 1;
                let stall = stalls.longest_within(before + ADVERT_INTERVAL, at);
                lateness.late_alone += u64::from(late.saturating_sub(stall) > LATE);
            }
        }
    }
}
