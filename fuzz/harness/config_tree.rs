//! Whatever the text: it is read to its end within bounds, every span and diagnostic can be shown, and the
//! formatted text means the same.

use std::path::Path;

use steadfast_config::reader::NoGrammar;
use steadfast_config::{Code, Diagnostics, Memory, Node, Options, Reader, json, render};

/// Enough for what a fuzzer writes, and soon reached.
const MAX_LINES: u64 = 2_000;

/// Problems that are rendered: more of them take seconds and show nothing else.
const SHOWN_MAX: usize = 100;

/// Runs one input.
pub(crate) fn run(text: &[u8]) {
    let (tree, Some(codes)) = read(text) else { return };
    let (formatted_tree, formatted_codes) = read(&steadfast_config::format::format(text));
    if let Some(formatted_codes) = formatted_codes {
        assert_eq!(formatted_tree, tree, "formatting changes the meaning");
        assert_eq!(formatted_codes, codes, "formatting changes the diagnostics");
    }
}

/// The tree and the problems; `None` for these when a bound was reached, as it is in other places when the
/// layout moves the lines.
fn read(text: &[u8]) -> (Vec<String>, Option<Vec<Code>>) {
    let source = Memory::new().id("main").file("k.conf", text);
    let options = Options { max_lines: MAX_LINES, ..Options::default() };
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), options, &NoGrammar);
    let mut tree = Vec::new();
    while let Some(block) = reader.next_block(&mut diagnostics) {
        if let Some(root) = block.root() {
            show(root, 0, &mut tree);
            walk(root, &reader);
        }
        reader.recycle(block);
    }
    let sources = reader.into_sources();
    if diagnostics.iter().len() <= SHOWN_MAX {
        let _ = render::text(&diagnostics, &sources, false);
        let _ = json::document(&diagnostics, &sources);
        let _ = json::sarif(&diagnostics, &sources, "0");
    }
    // The problems of one line are found in another order than those of several.
    let mut codes: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    codes.sort_unstable();
    let bounded = diagnostics.dropped() > 0
        || codes.iter().any(|code| matches!(code, Code::TooManyLines | Code::BlocksTooDeep));
    (tree, (!bounded).then_some(codes))
}

/// Depth is bounded by the reader, so the recursion is.
fn show(node: Node<'_>, depth: usize, tree: &mut Vec<String>) {
    let words: Vec<_> = node.words().map(|word| word.display().into_owned()).collect();
    tree.push(format!("{depth} {words:?} {}", node.children().is_some()));
    for child in node.children().into_iter().flatten() {
        show(child, depth + 1, tree);
    }
}

fn walk(node: Node<'_>, reader: &Reader<'_>) {
    let sources = reader.sources();
    for word in node.words() {
        let span = word.span();
        // Of another length: a backslash was taken out, or a variable that stands for nothing.
        if span.origin.is_none() && sources.bytes(span).len() == word.bytes().len() {
            assert_eq!(sources.bytes(span), word.bytes(), "the span of a word is not its text");
        }
        let _ = sources.origin_chain(span.origin).count();
    }
    let _ = node.raw().quoted_words();
    for child in node.children().into_iter().flatten() {
        walk(child, reader);
    }
}
