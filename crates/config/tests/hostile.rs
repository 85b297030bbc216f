//! No text makes loading panic, and what is loaded can be printed, read again and planned.

use std::path::Path;

use proptest::prelude::*;
use steadfast_config::{AnyMachine, LoadOptions, Memory, Mode, Plan, load, print};

const EVERYTHING: &str = include_str!("everything.conf");

fn exercise(text: &str) {
    for mode in [Mode::Test, Mode::Run] {
        let source = Memory::new().file("keepalived.conf", text);
        let options = LoadOptions { mode, ..LoadOptions::default() };
        let loaded = load(&source, Path::new("/keepalived.conf"), &AnyMachine, &options);
        let printed = print(&loaded.model);
        let source = Memory::new().file("keepalived.conf", printed);
        let again = load(&source, Path::new("/keepalived.conf"), &AnyMachine, &options);
        let _ = Plan::between(&loaded.model, &again.model).to_string();
        let _ = loaded.test_status();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_in_any_order(seed in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8), 1..40)) {
        let mut lines: Vec<String> = EVERYTHING.lines().map(str::to_owned).collect();
        for (place, change) in seed {
            let index = place.index(lines.len());
            match change {
                0 => { lines.remove(index); }
                1 => lines.insert(index, lines[index].clone()),
                2 => {
                    let words: Vec<&str> = lines[index].split_whitespace().rev().collect();
                    lines[index] = words.join(" ");
                }
                _ => {
                    let cut = lines[index].split_whitespace().next().unwrap_or_default().to_owned();
                    lines[index] = cut;
                }
            }
            if lines.is_empty() {
                return Ok(());
            }
        }
        exercise(&lines.join("\n"));
    }

    #[test]
    fn any_words(words in proptest::collection::vec("[a-z0-9_.:/{}\"'$~@#!-]{0,12}", 0..60)) {
        exercise(&format!("vrrp_instance x {{\n{}\n", words.join("\n ")));
        exercise(&words.join(" "));
    }

    #[test]
    fn keywords_with_any_argument(word in "\\PC{0,20}", keyword in any::<prop::sample::Index>()) {
        let rows: Vec<_> = steadfast_config::language::rows().collect();
        let row = keyword.get(&rows);
        let mut text = String::new();
        for block in row.block.split('/').filter(|block| !block.starts_with('(')) {
            text.push_str(&format!("{block} x {{\n"));
        }
        exercise(&format!("{text}{} {word}\n", row.entry.name));
    }
}
