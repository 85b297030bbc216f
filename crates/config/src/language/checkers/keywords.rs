//! Health checks.

use super::read::*;
use crate::language::servers::blocks::{BfdCheckDraft, SmtpCheckDraft};
use crate::model::{
    Checker, DnsCheck, FileCheck, GrpcCheck, HttpCheck, HttpUrl, MiscCheck, TcpCheck, UdpCheck,
};
use crate::table::argument::LONGEST_DELAY;
use crate::table::{Argument, Keywords, Mark, Store, at, keywords, lazily, with};
use Argument::*;
use Store::*;

/// Where a check connects.
pub static CONNECTION: &Keywords<Checker> = keywords! {
    "connect_ip" Address => lazily!(connection.address), Last, InPlace;
        "real server address",
        "Address to connect to.";
    "connect_port" Argument::unsigned(1, 65535) => lazily!(connection.port), Last, InPlace;
        "real server port",
        "Port to connect to.";
    "bindto" Address => lazily!(connection.bind_address), Last, InPlace;
        "none",
        "Local address; family must match connect_ip.";
    "bind_port" Argument::unsigned(1, 65535) => lazily!(connection.bind_port), Last, InPlace;
        "none",
        "Local port.";
    "bind_if" Interface => lazily!(connection.bind_interface), Last, InPlace;
        "none",
        "Bind to device; mandatory for a link-local IPv6 destination.";
    "connect_timeout" Argument::TIMER => at!(connect_timeout), Last, InPlace;
        "real server setting",
        "Connection and I/O timeout.";
    "fwmark" Argument::COUNT => lazily!(connection.mark), Last, InPlace;
        "0 (none)",
        "SO_MARK of the socket.";
};

/// What every check that runs at intervals takes.
pub static COMMON: &Keywords<Checker> = keywords! {
    "retry" Argument::COUNT => at!(retry), Last, InPlace;
        "real server setting, else 1",
        "Extra attempts before the checker is failed.";
    "delay_before_retry" Argument::decimal(0, LONGEST_DELAY) => at!(delay_before_retry), Last, InPlace;
        "real server setting, else 1 s",
        "Time between attempts.";
    "warmup" Argument::decimal(0, LONGEST_DELAY) => at!(warmup), Last, StartOnly;
        "real server setting, else delay_loop",
        "Upper bound of the random initial delay.";
    "delay_loop" Argument::decimal(1, LONGEST_DELAY) => at!(delay_loop), Last, InPlace;
        "real server setting",
        "Time between checks.";
    "check_timeout" Argument::TIMER => at!(check_timeout), Last, InPlace;
        "real server setting",
        "Longest time of a whole check, beside the timeouts of its steps.";
    "alpha" Switch => at!(alpha), Last, StartOnly;
        "real server setting",
        "Start in failed state.";
    "log_all_failures" Switch => at!(log_all_failures), Last, InPlace;
        "off; no argument means on",
        "Log each failure.";
};

/// Keywords of `MISC_CHECK` alone.
pub static MISC: &Keywords<MiscCheck> = keywords! {
    "misc_path" Command => with!(read_misc_path, show_misc_path), Last, Restart | Told;
        "none (mandatory)",
        "Program to run.";
    "misc_timeout" Argument::seconds(0, 4294) => at!(timeout), Last, InPlace;
        "delay_loop of the virtual server",
        "Time before the program is killed.";
    "misc_dynamic" Flag => at!(dynamic), Last, InPlace;
        "off",
        "Exit status 2..255 sets weight to status-2.";
    "user" Grammar("USER [GROUP]") => with!(read_misc_user, show_misc_user), Last, Restart | Told;
        "default script user",
        "Account to run as; unknown account removes the checker.";
};

/// Keywords of `SMTP_CHECK` alone.
pub(crate) static SMTP: &Keywords<SmtpCheckDraft> = keywords! {
    "helo_name" Word("HOST") => at!(helo_name), Replaces, InPlace | Told;
        "smtpchecker.keepalived.org",
        "Name sent in HELO.";
    "host" Argument::block(&[COMMON, CONNECTION]) => Elsewhere, Adds, Restart;
        "none",
        "Where to connect instead; write one SMTP_CHECK for each host.";
};

/// Keywords of `TCP_CHECK` alone.
pub static TCP: &Keywords<TcpCheck> = keywords! {
    "close_in_order" Switch => at!(close_in_order), Last, InPlace;
        "off; no argument means on",
        "Say the end of the connection and wait for the server's, so that it never sees a reset.";
};

/// Keywords of `UDP_CHECK` alone.
pub static UDP: &Keywords<UdpCheck> = keywords! {
    "payload" Grammar("HEX digits (spaces allowed)") => with!(read_payload, show_payload), Last, InPlace | Told;
        "32 bytes of fixed text",
        "Datagram to send.";
    "require_reply" Grammar("[HEX digits with x as wildcard nibble]") => with!(read_reply, show_reply), Last, InPlace;
        "off; no argument accepts any reply",
        "Require (and optionally match) an answer.";
    "min_reply_length" Argument::unsigned(0, 65535) => at!(min_reply_length), Last, InPlace;
        "0",
        "Shortest acceptable reply (only tested with reply data)";
    "max_reply_length" Argument::unsigned(0, 65535) => at!(max_reply_length), Last, InPlace;
        "255",
        "Longest acceptable reply (only tested with reply data)";
};

/// Keywords of `GRPC_CHECK` alone.
pub static GRPC: &Keywords<GrpcCheck> = keywords! {
    "service" Word("NAME") => at!(service), Last, InPlace;
        "the server as a whole",
        "Service that the health service is asked about.";
    "virtualhost" Word("HOST") => at!(virtualhost), Last, InPlace;
        "real server, then virtual server setting, else the address",
        "Name that the server is called by, also in TLS (SNI).";
    "tls" Switch => at!(tls), Last, Restart;
        "off; no argument means on",
        "Speak TLS.";
};

/// Keywords of `DNS_CHECK` alone.
pub static DNS: &Keywords<DnsCheck> = keywords! {
    "type" Word("A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY") => with!(read_dns_type, show_dns_type), Last, InPlace;
        "SOA",
        "Query type.";
    "name" Word("DOMAIN") => at!(name), First, InPlace;
        "\".\" (root)",
        "Query name.";
};

/// Keywords of `FILE_CHECK`.
pub static FILE: &Keywords<FileCheck> = keywords! {
    "track_file" Word("NAME of a track_file") => at!(track_file), Last, Restart;
        "none (mandatory)",
        "File to follow.";
    "weight" Grammar("INTEGER -2147483647..2147483647 [reverse|noreverse]") => with!(read_file_weight, show_file_weight), Last, InPlace | Told;
        "weight of the track_file",
        "Multiplier of the file value; 0 means non-zero content is a failure.";
    "weight reverse" Flag => Described, Last, InPlace;
        "setting of the track_file",
        "Invert the sense.";
    "weight noreverse" Flag => Described, Last, InPlace;
        "setting of the track_file",
        "Cancel inversion.";
};

/// Keywords of `BFD_CHECK`.
pub(crate) static BFD: &Keywords<BfdCheckDraft> = keywords! {
    "name" Word("NAME of a bfd_instance") => at!(session), First, Restart;
        "none (mandatory)",
        "Session to follow; a bad name removes the checker.";
    "alpha" Switch => at!(alpha), Last, StartOnly;
        "real server setting",
        "Start in failed state.";
};

/// Keywords of `HTTP_GET` and `SSL_GET` alone.
pub static HTTP: &Keywords<HttpCheck> = keywords! {
    "nb_get_retry" Argument::COUNT => Elsewhere, Last, InPlace = "retry" [Mark::DeprecatedLoudly];
        "see retry",
        "Deprecated spelling of retry (error logged)";
    "virtualhost" Word("HOST") => at!(virtualhost), Replaces, InPlace | Told;
        "real server, then virtual server setting",
        "Host header for all urls.";
    "http_protocol" Word("1.0, 1.1 or 1.0C") => with!(read_http_protocol, show_http_protocol), Last, InPlace | Told;
        "1.0",
        "Request version; 1.0C is 1.0 plus a Connection: close header.";
    "enable_sni" Switch => at!(sni), Last, InPlace;
        "off; no argument means on",
        "Send TLS SNI.";
    "sni_name" OptionalWord("NAME") => with!(read_sni_name, show_sni_name), Last, InPlace | Told;
        "url, checker, then virtual server virtualhost",
        "SNI name; also turns SNI on.";
    "fast_recovery" Switch => at!(fast_recovery), Last, InPlace;
        "off; no argument means on",
        "Check remaining urls without delay while recovering.";
};

/// Keywords of `HTTP_GET` beside those of [`HTTP`].
pub static PLAIN: &Keywords<HttpCheck> = keywords! {
    "url" Argument::block(&[URL]) => with!(read_url, show_urls), Adds, Restart;
        "none (at least one)",
        "Page to fetch; all must succeed.";
};

/// Keywords of `SSL_GET` beside those of [`HTTP`].
pub static TLS: &Keywords<HttpCheck> = keywords! {
    "tls_compliant" Switch => at!(tls_compliant), Last, InPlace;
        "off",
        "Send a proper TLS close for every url.";
    "url" Argument::block(&[URL, TLS_URL]) => with!(read_tls_url, show_urls), Adds, Restart;
        "none (at least one)",
        "Page to fetch; all must succeed.";
};

/// Keywords of `url`.
pub static URL: &Keywords<HttpUrl> = keywords! {
    "path" Word("STRING") => at!(path), Replaces, Restart;
        "none (mandatory)",
        "Request target.";
    "digest" Word("32 HEX digits") => with!(read_digest, show_digest), First, Restart;
        "none",
        "MD5 the body must have.";
    "status_code" Grammar("CODE or CODE-CODE ..., each 100..599") => with!(read_status_codes, show_status_codes), Adds, InPlace | Told;
        "200-299",
        "Acceptable status codes.";
    "virtualhost" Word("HOST") => at!(virtualhost), Replaces, InPlace | Told;
        "checker, real server, then virtual server setting",
        "Host header of this url.";
    "method" Word("GET, HEAD, POST, PUT or another token") => with!(read_method, show_method), Last, InPlace;
        "GET",
        "Request method.";
    "header" Grammar("NAME VALUE") => with!(read_header, show_headers), Adds, InPlace;
        "none",
        "A further header field.";
    "body" Word("TEXT") => with!(read_body, show_body), Last, InPlace;
        "none",
        "Body of the request, with its Content-Length.";
    "regex" Grammar("PATTERN (quoted and escaped, exactly one word)") => with!(read_regex, show_regex), Replaces, Restart;
        "none",
        "PCRE2 pattern the body must match.";
    "regex_no_match" Flag => at!(regex_no_match), Last, InPlace;
        "off",
        "Body must not match.";
    "regex_options" Grammar("NAME...") => with!(read_regex_options, show_regex_options), Adds, Restart | Told;
        "none",
        "PCRE2 compile options; unknown names are silently ignored.";
    "regex_options allow_empty_class" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options alt_bsux" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options auto_callout" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options caseless" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options dollar_endonly" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options dotall" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options dupnames" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options extended" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options firstline" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options match_unset_backref" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options multiline" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options never_ucp" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options never_utf" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options no_auto_capture" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options no_auto_possess" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options no_dotstar_anchor" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options no_start_optimize" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options ucp" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options ungreedy" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options utf" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options never_backslash_c" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options alt_circumflex" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options alt_verbnames" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_options use_offset_limit" Flag => Described, Last, Restart;
        "off",
        "PCRE2 compile option of the same name.";
    "regex_min_offset" Argument::unsigned(0, u64::MAX) => at!(regex_min_offset), Last, InPlace | Told;
        "0",
        "Match may not start before this offset.";
    "regex_max_offset" Argument::unsigned(0, u64::MAX) => at!(regex_max_offset), Last, InPlace | Told;
        "none",
        "Match may not start after this offset.";
    "regex_stack" Grammar("START MAX bytes (start <= max)") => with!(read_regex_stack, show_regex_stack), Last, Restart | Told;
        "PCRE2 default",
        "JIT stack size (shared)";
};

/// Keywords of a `url` of `SSL_GET` beside those of [`URL`].
pub static TLS_URL: &Keywords<HttpUrl> = keywords! {
    "tls_compliant" Switch => at!(tls_compliant), Last, InPlace;
        "off",
        "Send a proper TLS close for this url.";
};
