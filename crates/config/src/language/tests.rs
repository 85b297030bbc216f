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
use crate::table::{Argument, Keywords, Repeat, Store, Value};
use crate::value::Name;
use crate::write::print::arguments;

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
    check("(root)", super::root::ROOT, Global::default);
    check("global_defs", super::global::keywords::GLOBAL, Global::default);
    check("vrrp_instance", super::instance::keywords::INSTANCE, instance);
    check("vrrp_sync_group", super::tracking::keywords::SYNC_GROUP, VrrpSyncGroup::default);
    check("garp_group", super::tracking::keywords::GARP_GROUP, GarpGroup::default);
    check("vrrp_script", super::trackers::keywords::SCRIPT, VrrpScript::default);
    check("vrrp_track_process", super::trackers::keywords::TRACK_PROCESS, TrackProcess::default);
    check("track_file", super::trackers::keywords::TRACK_FILE, TrackFile::default);
    check("address-line", super::addresses::keywords::ADDRESS, || VirtualAddress::new(address.address, 32));
    check("bfd_instance", super::bfd::BFD_INSTANCE, BfdInstance::default);
    check("SSL", super::servers::keywords::SSL, Ssl::default);
    check("virtual_server", super::servers::keywords::VIRTUAL_SERVER, || {
        VirtualServer::new(ServiceTarget::Address(address))
    });
    check("real_server", super::servers::keywords::REAL_SERVER, || RealServer::new(address));
    check("checker", super::checkers::keywords::COMMON, || Checker::new(CheckKind::Tcp));
    check("checker", super::checkers::keywords::CONNECTION, || Checker::new(CheckKind::Tcp));
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
