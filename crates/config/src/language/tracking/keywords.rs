//! `vrrp_sync_group`, `track_group`, `garp_group` and what a track line takes.

use super::read::*;
use crate::model::{GarpGroup, TrackGroup, VrrpSyncGroup};
use crate::table::{Argument, Keywords, Lines, Mark, Store, at, keywords, with};
use Argument::*;
use Store::*;

/// Keywords of `vrrp_sync_group`.
pub static SYNC_GROUP: &Keywords<VrrpSyncGroup> = keywords! {
    "group" Argument::words("INSTANCE") => with!(read_members, show_members), First, InPlace;
        "none (mandatory)",
        "Members; an unknown instance or one already in a group is skipped.";
    "track_interface" Argument::lines(&TRACK_INTERFACE_LINES) => with!(group::read_track_interface, |group| show_tracked(&group.tracks.interfaces)), Adds, InPlace;
        "none",
        "Interfaces tracked for every member.";
    "track_script" Argument::lines(&TRACK_SCRIPT_LINES) => with!(group::read_track_script, |group| show_tracked(&group.tracks.scripts)), Adds, InPlace;
        "none",
        "Scripts tracked for every member.";
    "track_file" Argument::lines(&TRACK_FILE_LINES) => with!(group::read_track_file, |group| show_tracked(&group.tracks.files)), Adds, InPlace;
        "none",
        "Files tracked for every member.";
    "track_process" Argument::lines(&TRACK_PROCESS_LINES) => with!(group::read_track_process, |group| show_tracked(&group.tracks.processes)), Adds, InPlace;
        "none",
        "Processes tracked for every member.";
    "track_bfd" Argument::lines(&TRACK_BFD_LINES) => with!(group::read_track_bfd, |group| show_tracked(&group.tracks.bfds)), Adds, InPlace;
        "none",
        "BFD sessions tracked for every member.";
    "notify_backup" Script => at!(notify.backup), First, NextUse;
        "none",
        "Run when the group enters BACKUP.";
    "notify_master" Script => at!(notify.master), First, NextUse;
        "none",
        "Run when the group enters MASTER.";
    "notify_fault" Script => at!(notify.fault), First, NextUse;
        "none",
        "Run when the group enters FAULT.";
    "notify_stop" Script => at!(notify.stop), First, NextUse;
        "none",
        "Run when the daemon stops.";
    "notify" Script => at!(notify.any), First, NextUse;
        "none",
        "Run on every group transition with GROUP name state 0.";
    "smtp_alert" Switch => at!(smtp_alert), Last, NextUse;
        "smtp_alert_vrrp, then smtp_alert, then off",
        "Mail group transitions.";
    "global_tracking" Flag => at!(tracking_weight), Last, InPlace = "sync_group_tracking_weight" [Mark::DeprecatedLoudly];
        "off",
        "Deprecated (error logged); acts as sync_group_tracking_weight.";
    "sync_group_tracking_weight" Flag => at!(tracking_weight), Last, InPlace;
        "off",
        "Permit weighted tracking on members of the group.";
    "notify_priority_changes" Switch => at!(notify_priority_changes), Last, InPlace;
        "vrrp_notify_priority_changes",
        "Default of notify_priority_changes for members.";
};

/// Keywords of `track_group`.
pub static TRACK_GROUP: &Keywords<TrackGroup> = keywords! {
    "group" Argument::words("INSTANCE") => with!(read_track_group, show_track_group), First, InPlace;
        "none (mandatory)",
        "Members of the track group.";
};

/// Keywords of `garp_group`.
pub static GARP_GROUP: &Keywords<GarpGroup> = keywords! {
    "garp_interval" Argument::decimal(0, 2147483647) => at!(garp_interval), Last, InPlace;
        "none (one of the two intervals is mandatory)",
        "Spacing of GARPs.";
    "gna_interval" Argument::decimal(0, 2147483647) => at!(gna_interval), Last, InPlace;
        "none",
        "Spacing of unsolicited NAs.";
    "interface" Interface => with!(read_garp_interface, show_nothing_of_garp_group), Adds, InPlace;
        "none",
        "Add one interface; an interface may be in only one group.";
    "interfaces" Argument::words("INTERFACE") => with!(read_garp_interfaces, show_garp_interfaces), Adds, InPlace;
        "none",
        "Add interfaces that share the pacing.";
};

/// Options of a line of `track_interface`.
pub static TRACK_INTERFACE_OPTIONS: &Keywords<()> = keywords! {
    "weight" Argument::integer(-254, 254) => Described, Last, InPlace;
        "0 (fault when down)",
        "Priority change instead of fault.";
    "reverse" Flag => Described, Last, InPlace;
        "off",
        "Invert the sense.";
};

/// Options of a line of `track_script`.
pub static TRACK_SCRIPT_OPTIONS: &Keywords<()> = keywords! {
    "weight" Argument::integer(-254, 254) => Described, Last, InPlace;
        "weight of the vrrp_script",
        "Override the script weight.";
    "reverse" Flag => Described, Last, InPlace;
        "setting of the vrrp_script",
        "Invert the sense.";
    "noreverse" Flag => Described, Last, InPlace;
        "setting of the vrrp_script",
        "Cancel an inherited reverse.";
};

/// Options of a line of `track_file`.
pub static TRACK_FILE_OPTIONS: &Keywords<()> = keywords! {
    "weight" Argument::integer(-254, 254) => Described, Last, InPlace;
        "weight of the track_file block",
        "Multiplier of the file value; 0 means any non-zero value is a fault.";
    "reverse" Flag => Described, Last, InPlace;
        "setting of the track_file block",
        "Invert the sense.";
    "noreverse" Flag => Described, Last, InPlace;
        "setting of the track_file block",
        "Cancel an inherited reverse.";
};

/// Options of a line of `track_process`.
pub static TRACK_PROCESS_OPTIONS: &Keywords<()> = keywords! {
    "weight" Argument::integer(-254, 254) => Described, Last, InPlace;
        "weight of vrrp_track_process",
        "Override the weight.";
    "reverse" Flag => Described, Last, InPlace;
        "setting of vrrp_track_process",
        "Invert the sense.";
    "noreverse" Flag => Described, Last, InPlace;
        "setting of vrrp_track_process",
        "Cancel an inherited reverse.";
};

/// Options of a line of `track_bfd`.
pub static TRACK_BFD_OPTIONS: &Keywords<()> = keywords! {
    "weight" Argument::integer(-254, 254) => Described, Last, InPlace;
        "weight of bfd_instance",
        "Override the weight.";
    "reverse" Flag => Described, Last, InPlace;
        "setting of bfd_instance",
        "Invert the sense.";
    "noreverse" Flag => Described, Last, InPlace;
        "setting of bfd_instance",
        "Cancel an inherited reverse.";
};

/// Lines of `track_interface`.
pub(crate) static TRACK_INTERFACE_LINES: Lines = Lines {
    grammar: "INTERFACE [weight N [reverse]]",
    path: "vrrp_instance/track_interface",
    options: &[TRACK_INTERFACE_OPTIONS],
    parts: &[],
};

/// Lines of `track_script`.
pub(crate) static TRACK_SCRIPT_LINES: Lines = Lines {
    grammar: "SCRIPT [weight N [reverse or noreverse]]",
    path: "vrrp_instance/track_script",
    options: &[TRACK_SCRIPT_OPTIONS],
    parts: &[],
};

/// Lines of `track_file`.
pub(crate) static TRACK_FILE_LINES: Lines = Lines {
    grammar: "FILE [weight N [reverse or noreverse]]",
    path: "vrrp_instance/track_file",
    options: &[TRACK_FILE_OPTIONS],
    parts: &[],
};

/// Lines of `track_process`.
pub(crate) static TRACK_PROCESS_LINES: Lines = Lines {
    grammar: "PROCESS [weight N [reverse or noreverse]]",
    path: "vrrp_instance/track_process",
    options: &[TRACK_PROCESS_OPTIONS],
    parts: &[],
};

/// Lines of `track_bfd`.
pub(crate) static TRACK_BFD_LINES: Lines = Lines {
    grammar: "BFD [weight N [reverse or noreverse]]",
    path: "vrrp_instance/track_bfd",
    options: &[TRACK_BFD_OPTIONS],
    parts: &[],
};
