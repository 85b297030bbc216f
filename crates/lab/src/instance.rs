//! What the instances of a lab's daemons are told.

use std::fmt::Write as _;
use std::time::Duration;

/// A `vrrp_instance` on eth0 that begins as a backup.
pub(crate) struct Instance<'a> {
    pub(crate) name: &'a str,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) advert_interval: Duration,
    /// Whole lines that it has besides.
    pub(crate) more: &'a str,
    /// With their prefix lengths.
    pub(crate) addresses: &'a [String],
}

impl Instance<'_> {
    /// Its block.
    pub(crate) fn text(&self) -> String {
        let Self { name, vrid, priority, advert_interval, more, addresses } = self;
        let interval = advert_interval.as_secs_f64();
        let mut text = format!(
            "vrrp_instance {name} {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    priority {priority}
    advert_int {interval}
{more}    virtual_ipaddress {{
"
        );
        for address in *addresses {
            let _ = writeln!(text, "        {address}");
        }
        text + "    }\n}\n"
    }
}
