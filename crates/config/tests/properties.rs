//! Whatever the bytes: reading ends without a panic, and formatting keeps what they mean.

#![cfg(test)]

use proptest::prelude::*;

#[path = "../../../fuzz/harness/config_tokens.rs"]
mod config_tokens;
#[path = "../../../fuzz/harness/config_tree.rs"]
mod config_tree;

/// Text from the pieces the language is made of, which random bytes seldom form.
fn language() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(" "),
        Just("\n"),
        Just("\n"),
        Just("\r\n"),
        Just("{"),
        Just("}"),
        Just("a"),
        Just("vrrp_instance"),
        Just("include k.conf"),
        Just("include *"),
        Just("includeb {a,k}.conf"),
        Just("\""),
        Just("'"),
        Just("#"),
        Just("!"),
        Just("\\"),
        Just("\\\n"),
        Just("@main "),
        Just("@^main "),
        Just("$A="),
        Just("$B="),
        Just("$A"),
        Just("${A}"),
        Just("${B}"),
        Just("$B"),
        Just("${_RANDOM 1 3}"),
        Just("${_HASH}"),
        Just("~SEQ(A, 2) "),
        Just("~SEQ(B, ${A}, 4) "),
        Just("~LST({A,B}, {1,2}, {3}) "),
        Just("\u{e4}"),
        Just("\0"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        config_tokens::run(&bytes);
        config_tree::run(&bytes);
    }

    #[test]
    fn any_pieces_of_the_language(text in language()) {
        config_tokens::run(text.as_bytes());
        config_tree::run(text.as_bytes());
    }
}
