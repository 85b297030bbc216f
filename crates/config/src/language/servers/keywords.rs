//! `virtual_server`, `real_server`, `virtual_server_group` and `SSL`.

use super::read::*;
use crate::language::checkers::keywords::{
    BFD, COMMON, CONNECTION, DNS, FILE, GRPC, HTTP, MISC, PLAIN, SMTP, TCP, TLS, UDP,
};
use crate::model::{RealServer, Ssl, VirtualServer};
use crate::table::argument::LONGEST_DELAY;
use crate::table::{Argument, Head, Inside, Keywords, Lines, Mark, Store, at, keywords, lazily, with};
use Argument::*;
use Store::*;

/// Keywords of `virtual_server`.
pub static VIRTUAL_SERVER: &Keywords<VirtualServer> = keywords! {
    "ip_family" Choice(&["inet", "inet6"]) => with!(read_family, show_family), First, Restart;
        "family of the address, else of the real servers, else IPv4",
        "Address family of mark-based services.";
    "retry" Argument::unsigned(1, 4294967295) => at!(checks.retry), Last, InPlace;
        "per checker type",
        "Default retry count of checkers below.";
    "delay_before_retry" Argument::decimal(0, LONGEST_DELAY) => at!(checks.delay_before_retry), Last, InPlace;
        "per checker type",
        "Default delay_before_retry of checkers below.";
    "warmup" Argument::decimal(0, LONGEST_DELAY) => at!(checks.warmup), Last, StartOnly;
        "delay_loop",
        "Default maximum random start delay.";
    "connect_timeout" Argument::TIMER => at!(checks.connect_timeout), Last, InPlace;
        "5",
        "Default connection timeout.";
    "delay_loop" Argument::decimal(1, LONGEST_DELAY) => at!(checks.delay_loop), Last, InPlace;
        "60",
        "Default interval between checks.";
    "inhibit_on_failure" Flag => at!(inhibit_on_failure), Last, InPlace;
        "off",
        "Set weight 0 instead of removing failed real servers.";
    "lb_algo" Word("rr, wrr, lc, wlc, lblc, sh, mh, dh, fo, ovf, lblcr, sed, nq or twos") => with!(read_scheduler, show_scheduler), Last, InPlace;
        "wlc (with an error)",
        "IPVS scheduler.";
    "lvs_sched" Word("as lb_algo") => with!(read_scheduler, show_nothing), Last, InPlace;
        "wlc",
        "Same as lb_algo.";
    "hashed" Flag => with!(read_hashed, show_hashed), Last, InPlace;
        "off",
        "Accepted legacy flag with no kernel effect (may log an error depending on scheduler)";
    "ops" Flag => at!(one_packet), Last, InPlace;
        "off",
        "One-packet scheduling; cleared unless UDP or mark based.";
    "flag-1" Flag => with!(|server, line| read_flag(server, line, 0), |server| show_flag(server, 0)), Last, InPlace;
        "off",
        "Scheduler flag 1.";
    "flag-2" Flag => with!(|server, line| read_flag(server, line, 1), |server| show_flag(server, 1)), Last, InPlace;
        "off",
        "Scheduler flag 2.";
    "flag-3" Flag => with!(|server, line| read_flag(server, line, 2), |server| show_flag(server, 2)), Last, InPlace;
        "off",
        "Scheduler flag 3.";
    "sh-port" Flag => with!(|server, line| read_hash_flag(server, line, 1), show_nothing), Last, InPlace;
        "off",
        "Hash the source port too.";
    "sh-fallback" Flag => with!(|server, line| read_hash_flag(server, line, 0), show_nothing), Last, InPlace;
        "off",
        "Fall back when the chosen server is unavailable.";
    "mh-port" Flag => with!(|server, line| read_hash_flag(server, line, 1), show_nothing), Last, InPlace;
        "off",
        "Hash the source port too.";
    "mh-fallback" Flag => with!(|server, line| read_hash_flag(server, line, 0), show_nothing), Last, InPlace;
        "off",
        "Fall back when the chosen server is unavailable.";
    "lb_kind" Grammar("NAT, DR or TUN [type ipip|gue [port N]|gre] [nocsum|csum|remcsum]") => with!(read_forwarding, show_forwarding_of_virtual), Last, InPlace;
        "NAT (with an error)",
        "Default forwarding method.";
    "lb_kind type" Choice(&["ipip", "gue", "gre"]) => Described, Last, InPlace;
        "ipip",
        "Tunnel encapsulation.";
    "lb_kind port" Argument::unsigned(1, 65535) => Described, Last, InPlace;
        "none",
        "Destination port of gue.";
    "lb_kind nocsum" Flag => Described, Last, InPlace;
        "default",
        "No tunnel checksum.";
    "lb_kind csum" Flag => Described, Last, InPlace;
        "off",
        "Tunnel checksum.";
    "lb_kind remcsum" Flag => Described, Last, InPlace;
        "off",
        "Remote checksum offload.";
    "lvs_method" Grammar("as lb_kind") => with!(read_forwarding, show_nothing), Last, InPlace;
        "NAT",
        "Same as lb_kind.";
    "persistence_engine" Word("NAME") => at!(persistence_engine), Last, InPlace;
        "none",
        "Persistence engine, e.g. sip.";
    "persistence_timeout" Grammar("[UNSIGNED seconds 1..2678400]") => with!(read_persistence, show_persistence), Last, InPlace;
        "off; no argument means 360",
        "Persistent service.";
    "persistence_granularity" Grammar("IPv4 netmask or IPv6 prefix 1..128") => with!(read_granularity, show_granularity), Last, InPlace;
        "none (one host)",
        "Client grouping; turns persistence on with 360 s if unset.";
    "protocol" Word("TCP, UDP or SCTP") => with!(read_protocol, show_protocol), Last, Restart;
        "UDP (with an error) for addresses; ignored with a warning for marks",
        "Transport protocol.";
    "ha_suspend" Flag => at!(ha_suspend), Last, InPlace;
        "off",
        "Run checkers only while the virtual address is present locally; not with marks.";
    "smtp_alert" Switch => at!(smtp_alert), Last, NextUse;
        "smtp_alert_checker, then smtp_alert, then off",
        "Mail quorum changes.";
    "check_timeout" Argument::TIMER => at!(checks.check_timeout), Last, InPlace;
        "none",
        "Default of checkers below: longest time of a whole check, beside the timeouts of its steps.";
    "slow_start" Argument::seconds(1, 86400) => at!(checks.slow_start), Last, NextUse;
        "none",
        "Time in which a real server that comes up reaches its weight.";
    "only_while_master" Word("NAME of a vrrp_instance") => lazily!(extensions.only_while_master), Last, InPlace;
        "none",
        "Install the service only while that instance is master.";
    "install_after_first_check" Switch => with!(read_install_after, show_install_after), Last, InPlace;
        "off; no argument means on",
        "Install a real server when each of its checks has been made once; unlike alpha, nobody is told before that.";
    "virtualhost" Word("HOST") => at!(virtualhost), Replaces, InPlace | Told;
        "none",
        "Default HTTP Host header.";
    "snmp_name" Word("NAME") => at!(snmp_name), Replaces, InPlace, Snmp | Told;
        "none",
        "Name shown through SNMP.";
    "alpha" Flag => at!(alpha), Last, StartOnly;
        "off",
        "Servers start down until every checker has succeeded once.";
    "omega" Flag => at!(omega), Last, NextUse;
        "off",
        "Run down notifications when the daemon stops.";
    "quorum_up" Script => at!(quorum_up), First, NextUse;
        "none",
        "Run when quorum is gained.";
    "quorum_down" Script => at!(quorum_down), First, NextUse;
        "none",
        "Run when quorum is lost.";
    "quorum" Grammar("UNSIGNED >= 1 (invalid: 1)") => with!(read_quorum, show_quorum), Last, InPlace;
        "1",
        "Total live weight needed; lowered to the total configured weight.";
    "hysteresis" Argument::COUNT => at!(hysteresis), Last, InPlace;
        "0",
        "Margin around quorum; must stay below it.";
    "weight" Argument::unsigned(1, 2147483647) => with!(read_virtual_weight, show_virtual_weight), Last, InPlace;
        "1",
        "Default weight of real servers.";
    "sorry_server" Grammar("ADDRESS [PORT]") => with!(read_sorry_server, show_sorry_server), Last, Difference;
        "none; port of the virtual server",
        "Server used while quorum is lost.";
    "sorry_server_inhibit" Flag => with!(read_sorry_inhibit, show_sorry_inhibit), Last, InPlace;
        "off",
        "Keep the sorry server configured at weight 0 when not in use.";
    "sorry_server_lvs_method" Grammar("as lb_kind (after sorry_server)") => with!(read_sorry_forwarding, show_sorry_forwarding), Last, InPlace;
        "lb_kind",
        "Forwarding method of the sorry server.";
    "real_server" Block(Head::Words("ADDRESS [PORT]"), Inside::Keywords(&[REAL_SERVER])) => Elsewhere, Adds, Difference;
        "none (at least one needed); port of the virtual server",
        "One destination.";
};

/// Keywords of `real_server`.
pub static REAL_SERVER: &Keywords<RealServer> = keywords! {
    "weight" Argument::unsigned(0, 2147483647) => with!(read_real_weight, show_real_weight), Last, InPlace;
        "weight of the virtual server",
        "Initial weight.";
    "lvs_method" Grammar("as lb_kind") => with!(read_real_forwarding, show_real_forwarding), Last, InPlace;
        "lb_kind",
        "Forwarding method.";
    "uthreshold" Argument::COUNT => at!(upper_threshold), Last, InPlace;
        "0",
        "Upper connection threshold.";
    "lthreshold" Argument::COUNT => at!(lower_threshold), Last, InPlace;
        "0",
        "Lower connection threshold.";
    "inhibit_on_failure" Switch => at!(inhibit_on_failure), Last, InPlace;
        "virtual server setting",
        "Weight 0 instead of removal.";
    "notify_up" Script => at!(notify_up), First, NextUse;
        "none",
        "Run when the server comes up.";
    "notify_down" Script => at!(notify_down), First, NextUse;
        "none",
        "Run when the server goes down.";
    "alpha" Switch => at!(alpha), Last, StartOnly;
        "virtual server setting",
        "Default alpha of its checkers.";
    "retry" Argument::unsigned(1, 4294967295) => lazily!(checks.retry), Last, InPlace;
        "virtual server setting",
        "Default retry of its checkers.";
    "delay_before_retry" Argument::decimal(0, LONGEST_DELAY) => lazily!(checks.delay_before_retry), Last, InPlace;
        "virtual server setting",
        "Default delay_before_retry.";
    "warmup" Argument::decimal(0, LONGEST_DELAY) => lazily!(checks.warmup), Last, StartOnly;
        "virtual server setting",
        "Default warm-up.";
    "connect_timeout" Argument::TIMER => lazily!(checks.connect_timeout), Last, InPlace;
        "virtual server setting",
        "Default connection timeout.";
    "delay_loop" Argument::decimal(1, LONGEST_DELAY) => lazily!(checks.delay_loop), Last, InPlace;
        "virtual server setting",
        "Default check interval.";
    "smtp_alert" Switch => at!(smtp_alert), Last, NextUse;
        "smtp_alert_checker, then smtp_alert, then on",
        "Mail state changes.";
    "check_timeout" Argument::TIMER => lazily!(checks.check_timeout), Last, InPlace;
        "virtual server setting",
        "Default of checkers below: longest time of a whole check, beside the timeouts of its steps.";
    "slow_start" Argument::seconds(1, 86400) => lazily!(checks.slow_start), Last, NextUse;
        "virtual server setting",
        "Time in which a real server that comes up reaches its weight.";
    "virtualhost" Word("HOST") => at!(virtualhost), Replaces, InPlace | Told;
        "virtual server setting",
        "Default HTTP Host header.";
    "snmp_name" Word("NAME") => at!(snmp_name), Replaces, InPlace, Snmp | Told;
        "none",
        "Name shown through SNMP.";
    "MISC_CHECK" Argument::block(&[COMMON, MISC]) => Elsewhere, Adds, Restart;
        "none",
        "Run a program.";
    "SMTP_CHECK" Argument::block(&[COMMON, CONNECTION, SMTP]) => Elsewhere, Adds, Restart;
        "none",
        "HELO/QUIT dialogue with a mail server.";
    "GRPC_CHECK" Argument::block(&[COMMON, CONNECTION, GRPC]) => Elsewhere, Adds, Restart;
        "none",
        "Ask the health service of gRPC.";
    "TCP_CHECK" Argument::block(&[COMMON, CONNECTION, TCP]) => Elsewhere, Adds, Restart;
        "none",
        "Connect to a TCP port.";
    "PING_CHECK" Argument::block(&[COMMON, CONNECTION]) => Elsewhere, Adds, Restart;
        "none",
        "ICMP or ICMPv6 echo.";
    "UDP_CHECK" Argument::block(&[COMMON, CONNECTION, UDP]) => Elsewhere, Adds, Restart;
        "none",
        "Send a UDP datagram.";
    "HTTP_GET" Argument::block(&[COMMON, CONNECTION, HTTP, PLAIN]) => Elsewhere, Adds, Restart;
        "none",
        "Fetch pages over HTTP.";
    "SSL_GET" Argument::block(&[COMMON, CONNECTION, HTTP, TLS]) => Elsewhere, Adds, Restart;
        "none",
        "Fetch pages over HTTPS.";
    "DNS_CHECK" Argument::block(&[COMMON, CONNECTION, DNS]) => Elsewhere, Adds, Restart;
        "none",
        "One DNS query over UDP.";
    "FILE_CHECK" Argument::block(&[FILE]) => Elsewhere, Adds, Restart;
        "none",
        "Follow a track_file.";
    "BFD_CHECK" Argument::block(&[BFD]) => Elsewhere, Adds, Restart;
        "none",
        "Follow a BFD session.";
};

/// Keywords of `SSL`.
pub static SSL: &Keywords<Ssl> = keywords! {
    "password" Word("PASSWORD") => at!(password), Replaces, Restart | Told [Mark::Secret(0)];
        "none",
        "Passphrase of the key file.";
    "ca" Word("PATH") => at!(ca), Replaces, Restart | Told;
        "none",
        "CA bundle loaded as trusted (peer verification is not turned on)";
    "certificate" Word("PATH") => at!(certificate), Replaces, Restart | Told;
        "none",
        "Client certificate chain, PEM.";
    "key" Word("PATH") => at!(key), Replaces, Restart | Told;
        "none",
        "Client private key, PEM.";
};

/// Entries of a `virtual_server_group`.
pub static SERVER_GROUP: &Keywords<()> = keywords! {
    "ADDRESS [PORT]" Grammar("IPv4 or IPv6 address, port 0..65535 (0 same as none)") => Described, Adds, Difference;
        "no port (persistent services only)",
        "Single address entry.";
    "ADDRESS-LAST [PORT]" Grammar("range in the last octet (decimal, max 255) or last 16 bits (hex)") => Described, Adds, Difference;
        "none",
        "Address range; end must be greater than start.";
    "ADDRESS-ADDRESS [PORT]" Grammar("full end address of the same family") => Described, Adds, Difference;
        "none",
        "Address range with explicit end.";
    "ADDRESS/LEN [PORT]" Grammar("prefix 1..32 or 1..128, host bits must be zero") => Described, Adds, Difference;
        "none",
        "Whole prefix.";
    "fwmark" Grammar("UNSIGNED 32 bit [inet|inet6]") => Described, Adds, Difference;
        "family of the virtual server",
        "Firewall mark entry.";
};

/// Lines of a `virtual_server_group`.
pub(crate) static SERVER_GROUP_LINES: Lines =
    Lines { grammar: "ENTRY", path: "virtual_server_group", options: &[SERVER_GROUP], parts: &[] };
