//! `vrrp_script`, `vrrp_track_process` and `track_file`.

use super::read::*;
use crate::model::{TrackFile, TrackProcess, VrrpScript};
use crate::table::{Argument, Keywords, Store, at, keywords, with};
use Argument::*;
use Store::*;

/// Keywords of `vrrp_script`.
pub static SCRIPT: &Keywords<VrrpScript> = keywords! {
    "script" Command => with!(read_command, show_command), Last, ScriptRestart | Told;
        "none (mandatory)",
        "Command to run; \"<\" followed by an absolute path is a readability test run by the shell.";
    "interval" Argument::decimal(0, 4294000000) => with!(read_interval, show_interval), Last, ScriptRestart;
        "1",
        "Time between runs.";
    "timeout" Argument::decimal(0, 4294000000) => with!(read_timeout, show_timeout), Last, ScriptRestart;
        "interval",
        "Time before the script is killed and counted as failed.";
    "weight" Grammar("INTEGER -253..253 [reverse]") => with!(read_weight, show_weight), Last, InPlace;
        "0",
        "0 means fault on failure, otherwise priority change.";
    "weight reverse" Flag => Described, Last, InPlace;
        "off",
        "Invert the sense of the result.";
    "rise" Argument::unsigned(1, 4294967295) => at!(rise), Last, InPlace;
        "1",
        "Successes needed to become good.";
    "fall" Argument::unsigned(1, 4294967295) => at!(fall), Last, InPlace;
        "1",
        "Failures needed to become bad.";
    "user" Grammar("USER [GROUP]") => with!(read_user, show_user), Last, ScriptRestart;
        "default script user",
        "Account to run as; an unknown account removes the script.";
    "init_fail" Flag => at!(init_fail), Last, StartOnly;
        "off",
        "Treat the script as failed until it succeeds.";
};

/// Keywords of `vrrp_track_process`.
pub static TRACK_PROCESS: &Keywords<TrackProcess> = keywords! {
    "process" Grammar("PATH_OR_NAME [ARG...]") => with!(read_process, show_process), First, InPlace;
        "none (mandatory)",
        "What to match; arguments imply full_command and exact matching.";
    "param_match" Grammar("[initial|partial]") => with!(read_param_match, show_param_match), Last, InPlace;
        "none (exact when arguments are given)",
        "How process arguments are compared: exact = all equal; partial = the configured ones equal the leading ones; initial = as partial but the last one may be longer; keyword without value means exact and switches to full command line matching.";
    "weight" Grammar("INTEGER -254..254 [reverse]") => with!(read_process_weight, show_process_weight), First, InPlace | Told;
        "0",
        "0 means fault without quorum, otherwise priority change.";
    "quorum" Argument::unsigned(1, 65535) => at!(quorum), Last, InPlace;
        "1",
        "Fewest matching processes for success.";
    "quorum_max" Argument::unsigned(0, 65535) => at!(quorum_max), Last, InPlace;
        "no limit",
        "Most matching processes for success; 0 means none may run.";
    "delay" Argument::decimal(1, 3600000000) => with!(read_delay, show_no_delay), Last, InPlace;
        "0",
        "Sets both terminate_delay and fork_delay.";
    "terminate_delay" Argument::decimal(1, 3600000000) => at!(terminate_delay), Last, InPlace;
        "0",
        "Wait before acting on quorum loss.";
    "fork_delay" Argument::decimal(1, 3600000000) => at!(fork_delay), Last, InPlace;
        "0",
        "Wait before acting on quorum gain.";
    "full_command" Flag => at!(full_command), Last, InPlace;
        "off",
        "Match against the command line rather than the comm name.";
};

/// Keywords of `track_file`.
pub static TRACK_FILE: &Keywords<TrackFile> = keywords! {
    "file" Word("PATH") => with!(read_file, show_file), First, InPlace;
        "none (mandatory)",
        "The file; its directory must exist on a writable filesystem that supports inotify.";
    "weight" Grammar("INTEGER -254..254 [reverse]") => with!(read_file_weight, show_file_weight), First, InPlace | Told;
        "1",
        "Default multiplier; 0 means non-zero content is a fault.";
    "init_file" Grammar("[INTEGER] [overwrite]") => with!(read_init_file, show_init_file), Last, StartOnly;
        "not created; value 0",
        "Create the file at start-up (not on reload or -t); overwrite replaces existing regular content; values outside -254..254 only draw an error message.";
};

/// Keywords of `vrrp_track_file`, the old name of `track_file`.
pub static VRRP_TRACK_FILE: &Keywords<TrackFile> = keywords! {
    "file" Word("PATH") => with!(read_file, show_file), First, InPlace;
        "none",
        "As track_file.";
    "weight" Grammar("INTEGER -254..254 [reverse]") => with!(read_file_weight, show_file_weight), First, InPlace | Told;
        "1",
        "As track_file.";
    "init_file" Grammar("[INTEGER] [overwrite]") => with!(read_init_file, show_init_file), Last, StartOnly;
        "not created",
        "As track_file.";
};
