//! Each field of the table holds what its keyword's argument gives.

use std::collections::BTreeSet;

use steadfast_wire::vrrp::Vrid;

use super::rows;
use super::servers::blocks::{BfdCheckDraft, SmtpCheckDraft};
use crate::model::{
    BfdInstance, CheckKind, Checker, DnsCheck, FileCheck, GarpGroup, Global, HttpCheck, HttpUrl, MiscCheck,
    RealServer, Script, ServerAddress, ServiceTarget, Ssl, TrackFile, TrackProcess, UdpCheck, VirtualAddress,
    VirtualServer, VrrpInstance, VrrpScript, VrrpSyncGroup,
};
use crate::table::shown::arguments;
use crate::table::{Argument, Keywords, Repeat, Store, Value};
use crate::value::Name;

/// Puts an example into every plain field, and asks for it back.
fn check<T>(block: &str, keywords: &'static Keywords<T>, make: impl Fn() -> T) {
    for keyword in keywords.iter() {
        let Store::Field { get_mut, .. } = &keyword.store else { continue };
        let name = format!("{block} {}", keyword.entry.name);
        let mut target = make();
        let example = keyword.entry.argument.example();
        let script = Script { words: vec!["/bin/true".into()], ..Script::default() };
        let value = match (&keyword.entry.argument, example.as_deref()) {
            (Argument::Flag, _) => Value::Flag,
            (Argument::Script, _) => Value::Script(script),
            (Argument::Unsigned { min, max }, _) => Value::Unsigned((*min).max(1).min(*max)),
            (argument, Some(word)) => {
                argument.read(word).unwrap_or_else(|mistake| panic!("{name}: {mistake:?}"))
            }
            (argument, None) => panic!("{name} has no example: {argument:?}"),
        };
        assert!(get_mut(&mut target).put(value), "{name}: its field cannot hold its argument");
        assert_eq!(arguments(keyword, &target).len(), 1, "{name} does not show what it holds");
        if let Argument::Unsigned { max, .. } = keyword.entry.argument {
            let put = get_mut(&mut target).put(Value::Unsigned(max));
            assert!(put, "{name}: its field cannot hold the largest number");
        }
    }
}

#[test]
fn every_field_holds_its_argument() {
    let address = ServerAddress { address: [192, 0, 2, 1].into(), port: 80 };
    let instance = || VrrpInstance::new(Name::from("x"), Vrid::new(1).unwrap());
    check("(root)", super::root::ROOT, super::Drafts::default);
    check("global_defs", super::global::keywords::GLOBAL, Global::default);
    check("vrrp_instance", super::instance::keywords::INSTANCE, instance);
    check("vrrp_sync_group", super::tracking::keywords::SYNC_GROUP, VrrpSyncGroup::default);
    check("garp_group", super::tracking::keywords::GARP_GROUP, GarpGroup::default);
    check("vrrp_script", super::trackers::keywords::SCRIPT, VrrpScript::default);
    check("vrrp_track_process", super::trackers::keywords::TRACK_PROCESS, TrackProcess::default);
    check("track_file", super::trackers::keywords::TRACK_FILE, TrackFile::default);
    check("address-line", super::addresses::keywords::ADDRESS, || VirtualAddress::new(address.address, 32));
    check("bfd_instance", super::bfd::keywords::BFD_INSTANCE, BfdInstance::default);
    check("SSL", super::servers::keywords::SSL, Ssl::default);
    check("virtual_server", super::servers::keywords::VIRTUAL_SERVER, || {
        VirtualServer::new(ServiceTarget::Address(address))
    });
    check("real_server", super::servers::keywords::REAL_SERVER, || RealServer::new(address));
    check("checker", super::checkers::keywords::COMMON, || Checker::new(CheckKind::Ping));
    check("checker", super::checkers::keywords::CONNECTION, || Checker::new(CheckKind::Ping));
    check("MISC_CHECK", super::checkers::keywords::MISC, || MiscCheck {
        script: Script::default(),
        timeout: None,
        dynamic: false,
    });
    check("SMTP_CHECK", super::checkers::keywords::SMTP, SmtpCheckDraft::default);
    check("UDP_CHECK", super::checkers::keywords::UDP, UdpCheck::default);
    check("DNS_CHECK", super::checkers::keywords::DNS, DnsCheck::default);
    check("FILE_CHECK", super::checkers::keywords::FILE, FileCheck::default);
    check("BFD_CHECK", super::checkers::keywords::BFD, BfdCheckDraft::default);
    check("HTTP_GET", super::checkers::keywords::HTTP, HttpCheck::default);
    check("url", super::checkers::keywords::URL, HttpUrl::default);
}

#[test]
fn no_block_lists_a_keyword_twice() {
    let mut met = BTreeSet::new();
    for row in rows() {
        assert!(met.insert((row.block, row.entry.name)), "{} {}", row.block, row.entry.name);
    }
}

#[test]
fn successors_are_keywords() {
    let names: BTreeSet<&str> = rows().map(|row| row.entry.name).collect();
    for row in rows() {
        if let Some(successor) = row.entry.successor {
            assert!(names.contains(successor), "{} -> {successor}", row.entry.name);
            assert_ne!(row.entry.repeat, Repeat::Replaces);
        }
    }
}

#[test]
fn kinds_of_blocks_stand_outside_of_every_block() {
    for keyword in super::kinds::all() {
        assert!(crate::table::find(super::root::OUTERMOST, keyword).is_some(), "{keyword}");
    }
}

/// The structure in the table is the one that is read: every keyword is known in its block, and no keyword of
/// another block is.
#[test]
fn every_block_reads_the_keywords_that_the_table_gives_it() {
    let heads = |block: &str| {
        let keyword = block.rsplit('/').next().unwrap_or(block);
        let head = match keyword {
            "virtual_server" => "192.0.2.1 80",
            "real_server" => "192.0.2.2 80",
            _ => "",
        };
        let row = rows().find(|row| row.entry.name == keyword && row.entry.argument.is_block());
        let named = row.is_some_and(|row| row.entry.argument.grammar().starts_with("NAME "));
        format!("{keyword} {head}{}", if named { "N" } else { "" })
    };
    let unknown = |block: &str, line: &str| {
        let path: Vec<String> = match block {
            "(root)" => Vec::new(),
            block => block.split('/').map(heads).collect(),
        };
        let text = format!(
            "{}{line}\n{}",
            path.iter().map(|head| format!("{head} {{\n")).collect::<String>(),
            "}\n".repeat(path.len())
        );
        let source = crate::Memory::new().file("a.conf", text.clone());
        let loaded =
            crate::load(&source, "a.conf".as_ref(), &crate::AnyMachine, &crate::LoadOptions::default());
        let codes: Vec<_> = loaded.diagnostics.iter().map(|found| found.code).collect();
        assert!(!codes.contains(&crate::Code::MissingOpenBrace), "{text}: {codes:?}");
        codes.contains(&crate::Code::UnknownKeyword)
    };
    let mut tried = 0;
    for row in rows() {
        let is_keyword = !row.entry.name.contains([' ', '[', '/']);
        let has_keywords = row.block == "(root)"
            || row
                .block
                .split('/')
                .next()
                .is_some_and(|outermost| crate::table::find(super::root::OUTERMOST, outermost).is_some());
        let of_lines = ["virtual_server_group", "vrrp_instance/track_", "vrrp_instance/unicast_peer"];
        if !is_keyword || !has_keywords || of_lines.iter().any(|lines| row.block.starts_with(lines)) {
            continue;
        }
        let braces = if row.entry.argument.is_block() { " {\n}" } else { "" };
        let line = format!("{}{braces}", heads(row.entry.name).trim_end());
        assert!(!unknown(row.block, &line), "{}: {line}", row.block);
        tried += 1;
    }
    assert!(tried > 500, "only {tried} keywords were tried");
    assert!(unknown("vrrp_script", "priority 1") && unknown("(root)", "priority 1"));
    assert!(unknown("virtual_server/real_server/HTTP_GET", "tls_compliant"));
    assert!(unknown("virtual_server/real_server/HTTP_GET/url", "tls_compliant"));
    assert!(unknown("virtual_server", "\"lb_kind type\" gue"), "what only the manual names is no keyword");
}

#[test]
fn braces_that_are_missing_are_missed_wherever_the_table_has_a_block() {
    for row in rows().filter(|row| row.entry.argument.is_block()) {
        let mut text = String::new();
        let above = row.block.split('/').filter(|block| *block != "(root)");
        above.for_each(|block| text += &format!("{block} N {{\n"));
        text += &format!("{} N\nx\n", row.entry.name);
        let source = crate::Memory::new().file("a.conf", text.clone());
        let loaded =
            crate::load(&source, "a.conf".as_ref(), &crate::AnyMachine, &crate::LoadOptions::default());
        let missed = loaded.diagnostics.iter().filter(|found| found.code == crate::Code::MissingOpenBrace);
        assert_eq!(missed.count(), 1, "{text}");
    }
}
