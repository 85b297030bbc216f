//! The one keyword table.
//!
//! Each keyword is declared once, beside the field it fills: parser, validation, printer, plan,
//! manual and the coverage test all read the same rows. A [`Keyword`] belongs to the type of its
//! block; [`table`] shows all rows free of those types.

pub(crate) mod address_readers;
mod argument;
mod authentication_readers;
mod checker_readers;
mod features;
mod field;
mod global_readers;
mod instance_readers;
mod list;
mod named_numbers;
mod next_hop_readers;
mod process_readers;
mod process_settings_readers;
pub(crate) mod route_readers;
pub(crate) mod rule_readers;
pub(crate) mod server_readers;
pub(crate) mod tracking_readers;
mod virtual_interface_readers;

pub mod addresses;
pub mod bfd;
pub mod checkers;
pub mod global;
pub mod instance;
pub mod language;
pub mod process;
pub mod root;
pub mod routes;
pub mod rules;
pub mod servers;
pub mod surroundings;
pub mod tracking;

pub use argument::{Argument, Unit};
pub use features::Feature;
pub use field::{Field, Value};
pub use list::Keywords;

use crate::lower::Line;

/// The line that a reader is given.
type Statement<'l, 'n, 'c, 'a> = &'l mut Line<'n, 'c, 'a>;

/// What is known of a keyword besides the field it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The word itself; an option of a keyword follows it after a blank.
    pub name: &'static str,
    /// What may follow.
    pub argument: Argument,
    /// What holds where it is not written, in words.
    pub default: &'static str,
    /// What writing it again does.
    pub repeat: Repeat,
    /// What changing it does at a reload.
    pub reload: Reload,
    /// What keepalived does where the word that must follow is missing.
    pub when_missing: WhenMissing,
    /// Whether it is carried out.
    pub support: Support,
    /// The keyword to write in its place.
    pub successor: Option<&'static str>,
    /// One line for the manual.
    pub doc: &'static str,
}

impl Entry {
    /// The first of its arguments that must not be shown, as it is a password or key.
    pub(crate) fn first_secret_argument(&self) -> Option<usize> {
        match self.name {
            "auth_pass" | "password" => Some(0),
            // ID VALUE; the other keyword of that name has a path as its only argument.
            "key" => Some(1),
            _ => None,
        }
    }
}

/// What writing a keyword again does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The last one counts.
    Last,
    /// The first one counts, others are reported.
    First,
    /// The last one counts, earlier ones are reported.
    Replaces,
    /// Each adds to those before.
    Adds,
}

/// What keepalived does where the word that must follow a keyword is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// It stops reading, and does not start.
    Stops,
    /// It passes over the keyword and goes on.
    Told,
}

/// What changing a keyword does at a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// Nothing until the next event that uses it.
    NextUse,
    /// Takes effect at once; state and timers stay.
    InPlace,
    /// Only what was added or removed moves.
    Difference,
    /// The script is started anew, its result is kept.
    ScriptRestart,
    /// The instance, session or checker starts anew.
    Restart,
    /// The reload is refused; a restart of the daemon is needed.
    Refused,
    /// Read at start only; a reload ignores it.
    StartOnly,
}

/// Whether a keyword is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Active,
    /// It is read and checked; what it asks for is not yet active.
    Accepted(Feature),
}

/// A keyword of a block whose content becomes a `T`.
#[derive(Debug)]
pub struct Keyword<T: 'static> {
    /// What is known of it.
    pub entry: Entry,
    /// How it fills the `T`.
    pub(crate) store: Store<T>,
}

/// How a keyword fills its block's type.
pub(crate) enum Store<T: 'static> {
    /// Into one field.
    Field {
        /// The field, to show it.
        get: fn(&T) -> &dyn Field,
        /// The field, to fill it.
        get_mut: fn(&mut T) -> &mut dyn Field,
    },
    /// By a reader of its own.
    Custom {
        /// Reads the statement.
        read: fn(&mut T, &mut Line<'_, '_, '_>),
        /// Writes it back: one string a line, without the keyword itself.
        show: fn(&T) -> Vec<String>,
    },
    /// Read elsewhere: blocks, and options that their keyword's reader takes.
    Elsewhere,
}

impl<T> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Field { .. } => "Field",
            Self::Custom { .. } => "Custom",
            Self::Elsewhere => "Elsewhere",
        })
    }
}

/// Blocks around one another in which further blocks may begin.
pub(crate) const DEEPEST_BLOCK: usize = 3;

/// Whether `keyword` begins a block inside of `enclosing`, outermost first.
pub(crate) fn begins_block(enclosing: &[&str], keyword: &str) -> bool {
    fn in_list<T>(keywords: &'static Keywords<T>, keyword: &str) -> bool {
        keywords.find(keyword).is_some_and(|(_, keyword)| keyword.entry.argument.is_block())
    }
    match enclosing {
        [] => in_list(root::ROOT, keyword),
        ["global_defs"] => in_list(global::GLOBAL, keyword),
        ["vrrp_instance"] => in_list(instance::INSTANCE, keyword),
        ["vrrp_sync_group"] => in_list(tracking::SYNC_GROUP, keyword),
        ["track_group"] => in_list(tracking::TRACK_GROUP, keyword),
        ["garp_group"] => in_list(tracking::GARP_GROUP, keyword),
        ["virtual_server"] => in_list(servers::VIRTUAL_SERVER, keyword),
        ["virtual_server", "real_server"] => in_list(servers::REAL_SERVER, keyword),
        ["virtual_server", "real_server", "HTTP_GET" | "SSL_GET"] => in_list(checkers::HTTP, keyword),
        ["virtual_server", "real_server", "SMTP_CHECK"] => in_list(checkers::SMTP, keyword),
        _ => false,
    }
}

/// One row of the whole table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Path of the block; `(root)` is the file itself, other names in parentheses are not blocks.
    pub block: &'static str,
    /// What is known.
    pub entry: &'static Entry,
}

fn rows<T>(block: &'static str, keywords: &'static Keywords<T>) -> impl Iterator<Item = Row> {
    keywords.iter().map(move |keyword| Row { block, entry: &keyword.entry })
}

/// All rows, block by block.
pub fn table() -> impl Iterator<Item = Row> {
    let track_rows = [
        ("vrrp_instance/track_interface", tracking::TRACK_INTERFACE_OPTIONS),
        ("vrrp_instance/track_script", tracking::TRACK_SCRIPT_OPTIONS),
        ("vrrp_instance/track_file", tracking::TRACK_FILE_OPTIONS),
        ("vrrp_instance/track_process", tracking::TRACK_PROCESS_OPTIONS),
        ("vrrp_instance/track_bfd", tracking::TRACK_BFD_OPTIONS),
    ];
    rows("(root)", root::ROOT)
        .chain(rows("global_defs", global::GLOBAL))
        .chain(rows("vrrp_instance", instance::INSTANCE))
        .chain(rows("vrrp_instance/authentication", instance::AUTHENTICATION))
        .chain(rows("vrrp_instance/auth_hmac", instance::AUTH_HMAC))
        .chain(rows("vrrp_instance/unicast_peer", instance::PEER))
        .chain(track_rows.into_iter().flat_map(|(block, keywords)| rows(block, keywords)))
        .chain(rows("vrrp_sync_group", tracking::SYNC_GROUP))
        .chain(rows("track_group", tracking::TRACK_GROUP))
        .chain(rows("garp_group", tracking::GARP_GROUP))
        .chain(rows("vrrp_script", process::SCRIPT))
        .chain(rows("vrrp_track_process", process::TRACK_PROCESS))
        .chain(rows("track_file", process::TRACK_FILE))
        .chain(rows("vrrp_track_file", process::VRRP_TRACK_FILE))
        .chain(rows("address-line", addresses::ADDRESS))
        .chain(route_rows())
        .chain(rows("rule-line", rules::RULE))
        .chain(rows("SSL", servers::SSL))
        .chain(rows("virtual_server_group", servers::SERVER_GROUP))
        .chain(rows("virtual_server", servers::VIRTUAL_SERVER))
        .chain(rows("virtual_server/real_server", servers::REAL_SERVER))
        .chain(check_rows())
        .chain(rows("bfd_instance", bfd::BFD_INSTANCE))
        .chain(described_rows("(config-language)", language::LANGUAGE))
        .chain(described_rows("(command-line)", surroundings::COMMAND_LINE))
        .chain(described_rows("(signal)", surroundings::SIGNALS))
        .chain(described_rows("(file)", surroundings::FILES))
}

fn described_rows(block: &'static str, entries: &'static [Entry]) -> impl Iterator<Item = Row> {
    entries.iter().map(move |entry| Row { block, entry })
}

fn route_rows() -> impl Iterator<Item = Row> {
    rows("route-line", routes::ROUTE)
        .chain(rows("route-line/encap ip", routes::ENCAP_IP))
        .chain(rows("route-line/encap ip6", routes::ENCAP_IP6))
        .chain(rows("route-line/encap mpls", routes::ENCAP_MPLS))
        .chain(rows("route-line/encap ila", routes::ENCAP_ILA))
        .chain(rows("route-line/nexthop", routes::NEXT_HOP))
}

/// Rows of the checkers: what they have in common is listed with each.
fn check_rows() -> impl Iterator<Item = Row> {
    let common = |block| rows(block, checkers::COMMON);
    let connecting = move |block| common(block).chain(rows(block, checkers::CONNECTION));
    let without_tls = |row: &Row| row.entry.name != "tls_compliant";
    common("virtual_server/real_server/MISC_CHECK")
        .chain(rows("virtual_server/real_server/MISC_CHECK", checkers::MISC))
        .chain(connecting("virtual_server/real_server/SMTP_CHECK"))
        .chain(rows("virtual_server/real_server/SMTP_CHECK", checkers::SMTP))
        .chain(connecting("virtual_server/real_server/SMTP_CHECK/host"))
        .chain(connecting("virtual_server/real_server/TCP_CHECK"))
        .chain(connecting("virtual_server/real_server/PING_CHECK"))
        .chain(connecting("virtual_server/real_server/UDP_CHECK"))
        .chain(rows("virtual_server/real_server/UDP_CHECK", checkers::UDP))
        .chain(connecting("virtual_server/real_server/DNS_CHECK"))
        .chain(rows("virtual_server/real_server/DNS_CHECK", checkers::DNS))
        .chain(rows("virtual_server/real_server/FILE_CHECK", checkers::FILE))
        .chain(rows("virtual_server/real_server/BFD_CHECK", checkers::BFD))
        .chain(connecting("virtual_server/real_server/HTTP_GET"))
        .chain(rows("virtual_server/real_server/HTTP_GET", checkers::HTTP).filter(without_tls))
        .chain(rows("virtual_server/real_server/HTTP_GET/url", checkers::URL).filter(without_tls))
        .chain(connecting("virtual_server/real_server/SSL_GET"))
        .chain(rows("virtual_server/real_server/SSL_GET", checkers::HTTP))
        .chain(rows("virtual_server/real_server/SSL_GET/url", checkers::URL))
}

/// A row that documents what other rooms read.
const fn described(
    name: &'static str,
    grammar: &'static str,
    default: &'static str,
    doc: &'static str,
) -> Entry {
    Entry {
        name,
        argument: Argument::Grammar(grammar),
        default,
        repeat: Repeat::Last,
        reload: Reload::NextUse,
        when_missing: WhenMissing::Stops,
        support: Support::Active,
        successor: None,
        doc,
    }
}

/// A row: name, argument, store, repeat, reload; then support, successor, and `| Told` where a missing word does
/// not stop keepalived; then default and doc.
macro_rules! keywords {
    (@support) => { $crate::keyword::Support::Active };
    (@support $feature:ident) => {
        $crate::keyword::Support::Accepted($crate::keyword::Feature::$feature)
    };
    (@when_missing) => { $crate::keyword::WhenMissing::Stops };
    (@when_missing $when:ident) => { $crate::keyword::WhenMissing::$when };
    (@successor) => { None };
    (@successor $successor:literal) => { Some($successor) };
    ($($name:literal $argument:expr => $store:expr, $repeat:ident, $reload:ident $(, $feature:ident)?
        $(= $successor:literal)? $(| $when:ident)?;
        $default:literal, $doc:literal;)*) => {
        &$crate::keyword::Keywords::new(&[$($crate::keyword::Keyword {
            entry: $crate::keyword::Entry {
                name: $name,
                argument: $argument,
                default: $default,
                repeat: $crate::keyword::Repeat::$repeat,
                reload: $crate::keyword::Reload::$reload,
                when_missing: $crate::keyword::keywords!(@when_missing $($when)?),
                support: $crate::keyword::keywords!(@support $($feature)?),
                successor: $crate::keyword::keywords!(@successor $($successor)?),
                doc: $doc,
            },
            store: $store,
        }),*])
    };
}

/// The field of that path.
macro_rules! at {
    ($($field:tt).+) => {
        $crate::keyword::Store::Field {
            get: |t| &t.$($field).+,
            get_mut: |t| &mut t.$($field).+,
        }
    };
}

/// The field of a part that is made when it is needed.
macro_rules! lazily {
    ($part:ident.$field:ident) => {
        $crate::keyword::Store::Field {
            get: |t| match &t.$part {
                Some(part) => &part.$field,
                None => &$crate::keyword::field::Unset,
            },
            get_mut: |t| &mut t.$part.get_or_insert_default().$field,
        }
    };
}

/// Readers of their own.
macro_rules! with {
    ($read:expr, $show:expr) => {
        $crate::keyword::Store::Custom { read: $read, show: $show }
    };
}

pub(crate) use {at, keywords, lazily, with};

#[cfg(test)]
mod tests;
