use super::*;
use crate::text::source::Memory;

/// The configuration as nested lists: `keyword arg(child child)`.
pub(crate) fn shown(text: &str) -> (String, Diagnostics) {
    read(&Memory::new().file("k.conf", text))
}

/// Knows no block, and one word that changes how includes are read.
struct OneDirective;

impl Grammar for OneDirective {
    fn needs_block(&self, _enclosing: Enclosing<'_>, _line: Node<'_>) -> bool {
        false
    }

    fn directive(&self, _enclosing: Enclosing<'_>, line: Node<'_>) -> Option<Directive> {
        (line.keyword().bytes() == b"include_check").then_some(Directive::IncludeCheck)
    }
}

pub(crate) fn read(source: &Memory) -> (String, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(source, Path::new("k.conf"), Options::default(), &OneDirective);
    let mut shown = Vec::new();
    while let Some(block) = reader.next_block(&mut diagnostics) {
        shown.push(show(block.root().unwrap()));
        reader.recycle(block);
    }
    (shown.join("; "), diagnostics)
}

fn show(node: Node<'_>) -> String {
    let words: Vec<_> = node.words().map(|word| word.display().into_owned()).collect();
    let children: Option<Vec<String>> = node.children().map(|children| children.map(show).collect());
    match children {
        Some(children) => format!("{}({})", words.join(" "), children.join("; ")),
        None => words.join(" "),
    }
}

pub(crate) fn codes(diagnostics: &Diagnostics) -> Vec<Code> {
    diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn braces_stand_where_they_like() {
    let (tree, diagnostics) = shown("a x { b c }\nd\n{\n e { f }} g {\n}\nh");
    assert_eq!(tree, "a x(b c); d(e(f)); g(); h");
    assert_eq!(codes(&diagnostics), []);
}

#[test]
fn wrong_braces_are_reported() {
    assert_eq!(codes(&shown("a { } }\nb").1), [Code::SurplusBrace]);
    assert_eq!(codes(&shown("a { b { c }").1), [Code::MissingCloseBrace]);
    assert_eq!(codes(&shown("{ a }").1), [Code::UnexpectedBrace]);
    assert_eq!(shown("a { b { c").0, "a(b(c))");
}

#[test]
fn spans_point_at_the_text() {
    let text = "a {\n  b \\#x \"c d\" # e\r\n}";
    let source = Memory::new().file("k.conf", text);
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
    let block = reader.next_block(&mut diagnostics).unwrap();
    let node = block.root().unwrap().children().unwrap().next().unwrap();
    let sources = reader.sources();
    assert_eq!(node.argument(0).unwrap().bytes(), b"#x");
    assert_eq!(sources.bytes(node.argument(0).unwrap().span()), b"#x");
    assert_eq!(sources.bytes(node.argument(1).unwrap().span()), b"c d");
    assert_eq!(sources.position(node.argument(1).unwrap().span()).column, 10);
    assert_eq!(node.raw().bytes(), b" #x \"c d\"");
    assert_eq!(sources.bytes(node.span()), b"b \\#x \"c d\"");
}

#[test]
fn blocks_of_one_line_are_made_when_they_are_asked_for() {
    let source = Memory::new().file("k.conf", "a {} b { c } d");
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
    for keyword in ["a", "b", "d"] {
        let block = reader.next_block(&mut diagnostics).unwrap();
        assert_eq!(block.root().unwrap().keyword().as_str(), Some(keyword));
        assert!(reader.ready.is_empty());
    }
    assert!(reader.next_block(&mut diagnostics).is_none());
}
