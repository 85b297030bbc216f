//! The state as it was written by a daemon once, and the way back to the program that ran before.

use std::path::PathBuf;
use std::process::Command;

use steadfast_kernel::process::handover::Program;

use super::left::Left;
use super::succession::{inherited, succeed};
use crate::link::inheritance::{Inheritable as _, Uninheritable};
use crate::link::orphan;
use crate::link::vrrp::inheritance::Inheritance;
use crate::options::Options;

/// What a daemon left, as it had virtual routers in a group, checks, servers by address and by name, a FIFO, a client and
/// letters that wait. Where this cannot be read any more, or is written in other octets, `orphan::VERSION` goes up, and the
/// state is recorded anew: an upgrade to a program that copies the file that it is told of (`CHECK_OPTION`) has it.
const RECORDED: &[u8] = include_bytes!("recorded-left");

#[test]
fn what_was_recorded_is_read_and_written_alike() {
    let left = Left::from_octets(RECORDED).unwrap();
    assert!(left.to_octets() == RECORDED, "other octets, and the same version {}", Left::VERSION);
    assert_eq!(left.routers.groups.len(), 1);
    assert_eq!(left.routers.work.machine.instances.len(), 2);
    assert_eq!(left.balancing.known.services.len(), 1);
    assert!(left.routers.worker.is_some() && left.balancing.worker.is_some());
    let inheritance = Inheritance::from_octets(&left.routers.inheritance).unwrap();
    assert_eq!(inheritance.routers.len(), 2);
}

#[test]
fn what_another_version_left_is_refused_by_its_number() {
    for other in [orphan::VERSION - 1, orphan::VERSION + 1] {
        let octets = [&other.to_be_bytes(), &RECORDED[2..]].concat();
        let refused = Left::from_octets(&octets).unwrap_err();
        assert_eq!(refused, Uninheritable::Version { found: other, expected: orphan::VERSION });
        let said = refused.to_string();
        assert!(said.contains(&format!("version {other}")), "{said}");
    }
    for kept in 0..RECORDED.len() {
        assert_eq!(Left::from_octets(&RECORDED[..kept]).unwrap_err(), Uninheritable::Damaged, "{kept}");
    }
}

const GIVES_WAY: &str = "STEADFAST_TEST_GIVES_WAY";
/// Status of the program that ran before, when it runs again.
const RUNS_AGAIN: i32 = 42;

/// Three programs in two processes, all of them this test: who looks, who cannot take over, and who ran before.
#[test]
fn a_program_that_cannot_go_on_after_all_becomes_the_one_before_again() {
    let name =
        "supervisor::upgrade::tests::a_program_that_cannot_go_on_after_all_becomes_the_one_before_again";
    if std::env::var_os(GIVES_WAY).is_none() {
        let this = std::env::current_exe().unwrap();
        let words = ["--exact", name, "--nocapture"];
        let output = Command::new(this).args(words).env(GIVES_WAY, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(RUNS_AGAIN), "{said}");
        assert!(said.contains("gave way") && said.contains("/nowhere/k.conf"), "{said}");
        return;
    }
    if let Some(octets) = inherited() {
        let left = Left::from_octets(&octets).unwrap();
        assert_eq!(left.version, "before");
        println!("gave way: {}", left.gave_way.unwrap());
        std::process::exit(RUNS_AGAIN);
    }
    let before = Program::own().unwrap();
    let mut left = Left { version: "before".to_owned(), program: Some(before.kept()), ..Left::default() };
    left.routers.inheritance = Inheritance::default().to_octets();
    let configuration = PathBuf::from("/nowhere/k.conf");
    let status = succeed(Options { configuration, ..Options::default() }, &left.to_octets());
    panic!("it did not give way, and ended with {status}");
}
