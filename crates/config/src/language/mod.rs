//! The words of the language, subject by subject: keywords, how they are read, what is checked.

pub mod addresses;
mod advice;
pub mod bfd;
pub(crate) mod blocks;
pub mod checkers;
mod completion;
pub(crate) mod drafts;
pub mod global;
mod inheritance;
pub mod instance;
pub(crate) mod interfaces;
pub mod root;
pub mod routes;
pub mod rules;
pub mod servers;
pub mod surroundings;
pub mod syntax;
pub mod trackers;
pub mod tracking;

pub(crate) use advice::advise;
pub(crate) use completion::complete;
pub(crate) use drafts::Drafts;

use std::collections::BTreeSet;

use crate::table::{Entry, Keywords, Row};

/// Blocks around one another in which further blocks may begin.
pub(crate) const DEEPEST_BLOCK: usize = 3;

/// Whether `keyword` begins a block inside of `enclosing`, outermost first.
pub(crate) fn begins_block(enclosing: &[&str], keyword: &str) -> bool {
    fn in_list<T>(keywords: &'static Keywords<T>, keyword: &str) -> bool {
        keywords.find(keyword).is_some_and(|(_, keyword)| keyword.entry.argument.is_block())
    }
    match enclosing {
        [] => in_list(root::ROOT, keyword),
        ["global_defs"] => in_list(global::keywords::GLOBAL, keyword),
        ["vrrp_instance"] => in_list(instance::keywords::INSTANCE, keyword),
        ["vrrp_sync_group"] => in_list(tracking::keywords::SYNC_GROUP, keyword),
        ["track_group"] => in_list(tracking::keywords::TRACK_GROUP, keyword),
        ["garp_group"] => in_list(tracking::keywords::GARP_GROUP, keyword),
        ["virtual_server"] => in_list(servers::keywords::VIRTUAL_SERVER, keyword),
        ["virtual_server", "real_server"] => in_list(servers::keywords::REAL_SERVER, keyword),
        ["virtual_server", "real_server", "HTTP_GET" | "SSL_GET"] => {
            in_list(checkers::keywords::HTTP, keyword)
        }
        ["virtual_server", "real_server", "SMTP_CHECK"] => in_list(checkers::keywords::SMTP, keyword),
        _ => false,
    }
}

fn of_block<T>(block: &'static str, keywords: &'static Keywords<T>) -> impl Iterator<Item = Row> {
    keywords.iter().map(move |keyword| Row { block, entry: &keyword.entry })
}

/// All rows, block by block.
pub fn rows() -> impl Iterator<Item = Row> {
    let track_rows = [
        ("vrrp_instance/track_interface", tracking::keywords::TRACK_INTERFACE_OPTIONS),
        ("vrrp_instance/track_script", tracking::keywords::TRACK_SCRIPT_OPTIONS),
        ("vrrp_instance/track_file", tracking::keywords::TRACK_FILE_OPTIONS),
        ("vrrp_instance/track_process", tracking::keywords::TRACK_PROCESS_OPTIONS),
        ("vrrp_instance/track_bfd", tracking::keywords::TRACK_BFD_OPTIONS),
    ];
    of_block("(root)", root::ROOT)
        .chain(of_block("global_defs", global::keywords::GLOBAL))
        .chain(of_block("vrrp_instance", instance::keywords::INSTANCE))
        .chain(of_block("vrrp_instance/authentication", instance::keywords::AUTHENTICATION))
        .chain(of_block("vrrp_instance/auth_hmac", instance::keywords::AUTH_HMAC))
        .chain(of_block("vrrp_instance/unicast_peer", instance::keywords::PEER))
        .chain(track_rows.into_iter().flat_map(|(block, keywords)| of_block(block, keywords)))
        .chain(of_block("vrrp_sync_group", tracking::keywords::SYNC_GROUP))
        .chain(of_block("track_group", tracking::keywords::TRACK_GROUP))
        .chain(of_block("garp_group", tracking::keywords::GARP_GROUP))
        .chain(of_block("vrrp_script", trackers::keywords::SCRIPT))
        .chain(of_block("vrrp_track_process", trackers::keywords::TRACK_PROCESS))
        .chain(of_block("track_file", trackers::keywords::TRACK_FILE))
        .chain(of_block("vrrp_track_file", trackers::keywords::VRRP_TRACK_FILE))
        .chain(of_block("address-line", addresses::keywords::ADDRESS))
        .chain(route_rows())
        .chain(of_block("rule-line", rules::keywords::RULE))
        .chain(of_block("SSL", servers::keywords::SSL))
        .chain(of_block("virtual_server_group", servers::keywords::SERVER_GROUP))
        .chain(of_block("virtual_server", servers::keywords::VIRTUAL_SERVER))
        .chain(of_block("virtual_server/real_server", servers::keywords::REAL_SERVER))
        .chain(check_rows())
        .chain(of_block("bfd_instance", bfd::BFD_INSTANCE))
        .chain(described_rows("(config-language)", syntax::LANGUAGE))
        .chain(described_rows("(command-line)", surroundings::COMMAND_LINE))
        .chain(described_rows("(signal)", surroundings::SIGNALS))
        .chain(described_rows("(file)", surroundings::FILES))
}

fn described_rows(block: &'static str, entries: &'static [Entry]) -> impl Iterator<Item = Row> {
    entries.iter().map(move |entry| Row { block, entry })
}

fn route_rows() -> impl Iterator<Item = Row> {
    of_block("route-line", routes::keywords::ROUTE)
        .chain(of_block("route-line/encap ip", routes::keywords::ENCAP_IP))
        .chain(of_block("route-line/encap ip6", routes::keywords::ENCAP_IP6))
        .chain(of_block("route-line/encap mpls", routes::keywords::ENCAP_MPLS))
        .chain(of_block("route-line/encap ila", routes::keywords::ENCAP_ILA))
        .chain(of_block("route-line/nexthop", routes::keywords::NEXT_HOP))
}

/// Rows of the checkers: what they have in common is listed with each.
fn check_rows() -> impl Iterator<Item = Row> {
    let common = |block| of_block(block, checkers::keywords::COMMON);
    let connecting = move |block| common(block).chain(of_block(block, checkers::keywords::CONNECTION));
    let without_tls = |row: &Row| row.entry.name != "tls_compliant";
    common("virtual_server/real_server/MISC_CHECK")
        .chain(of_block("virtual_server/real_server/MISC_CHECK", checkers::keywords::MISC))
        .chain(connecting("virtual_server/real_server/SMTP_CHECK"))
        .chain(of_block("virtual_server/real_server/SMTP_CHECK", checkers::keywords::SMTP))
        .chain(connecting("virtual_server/real_server/SMTP_CHECK/host"))
        .chain(connecting("virtual_server/real_server/GRPC_CHECK"))
        .chain(of_block("virtual_server/real_server/GRPC_CHECK", checkers::keywords::GRPC))
        .chain(connecting("virtual_server/real_server/TCP_CHECK"))
        .chain(connecting("virtual_server/real_server/PING_CHECK"))
        .chain(connecting("virtual_server/real_server/UDP_CHECK"))
        .chain(of_block("virtual_server/real_server/UDP_CHECK", checkers::keywords::UDP))
        .chain(connecting("virtual_server/real_server/DNS_CHECK"))
        .chain(of_block("virtual_server/real_server/DNS_CHECK", checkers::keywords::DNS))
        .chain(of_block("virtual_server/real_server/FILE_CHECK", checkers::keywords::FILE))
        .chain(of_block("virtual_server/real_server/BFD_CHECK", checkers::keywords::BFD))
        .chain(connecting("virtual_server/real_server/HTTP_GET"))
        .chain(of_block("virtual_server/real_server/HTTP_GET", checkers::keywords::HTTP).filter(without_tls))
        .chain(
            of_block("virtual_server/real_server/HTTP_GET/url", checkers::keywords::URL).filter(without_tls),
        )
        .chain(connecting("virtual_server/real_server/SSL_GET"))
        .chain(of_block("virtual_server/real_server/SSL_GET", checkers::keywords::HTTP))
        .chain(of_block("virtual_server/real_server/SSL_GET/url", checkers::keywords::URL))
}

/// The only blocks that know a word, when there are few.
pub(crate) fn home(word: &str) -> Option<String> {
    let blocks = rows()
        .filter(|row| row.entry.name == word && (row.block == "(root)" || !row.block.starts_with('(')))
        .filter(|row| !row.block.contains("-line"))
        .map(|row| match row.block {
            "(root)" => "outside of every block".to_owned(),
            block => format!("into {block}"),
        });
    let blocks: BTreeSet<String> = blocks.collect();
    (1..=3).contains(&blocks.len()).then(|| blocks.into_iter().collect::<Vec<_>>().join(", or "))
}

#[cfg(test)]
mod tests;
