//! Conditions, definitions, sequences and includes, seen through the tree.
use super::tests::{codes, read, shown};
use super::*;
use crate::diagnostic::code::Severity;
use crate::diagnostic::span::OriginKind;
use crate::text::source::{Memory, Unreadable};

fn tree(text: &str) -> String {
    let (tree, diagnostics) = shown(text);
    assert_eq!(codes(&diagnostics), [], "{text} {diagnostics:?}");
    tree
}

#[test]
fn conditions() {
    let source = Memory::new().id("main").file(
        "k.conf",
        "@main a\n@other b\n@^other c\n@^main d\n@main\n @main  e {\n@other f\n@main }\n@main @main g",
    );
    let (tree, diagnostics) = read(&source);
    assert_eq!(tree, "a; c; e(); @main g");
    assert_eq!(codes(&diagnostics), []);
    let source = Memory::new().file("k.conf", "@main a\n@^main b\n@ c");
    assert_eq!(read(&source).0, "b");
}

#[test]
fn definitions() {
    assert_eq!(tree("$A=1\na $A b${A}c\n$A=2\nd $A"), "a 1 b1c; d 2");
    assert_eq!(tree("$A=$B.4\n$B=1\na $A ${A}\n$A=${B}.4\nb $A"), "a $B.4 $B.4; b 1.4");
    assert_eq!(tree("$A=\na $A b"), "a b");
    assert_eq!(tree("$A=x {\n$A y }"), "x(y)");
    assert_eq!(tree("a \"${HOME} $X\""), "a ${HOME} $X");
    let (glued, diagnostics) = shown("$A=x\na $A, ($A) $A.b \"$A.c\" $B.d");
    assert_eq!(glued, "a x, (x) $A.b $A.c $B.d");
    assert_eq!(codes(&diagnostics), [Code::UndefinedVariable]);
    assert_eq!(diagnostics.iter().next().and_then(|found| found.hint.as_deref()), Some("write '${A}'"));
    assert_eq!(tree("$A=a # comment\n$A b"), "a b");
}

#[test]
fn nested_references_look_at_what_follows_in_the_line() {
    assert_eq!(tree("$BASE=10\n$IP=$BASE\na ${IP}.4\nb $IP"), "a $BASE.4; b 10");
}

#[test]
fn definitions_of_several_lines() {
    assert_eq!(tree("$M=\\\n a { \\\n  b $X\\\n }\n$X=1\n$M\n$X=2\nc $M"), "a(b 1); c a(b 2)");
    assert_eq!(tree("$M=a\\\nb\nx $M\ny ${M}"), "x a; b; y a; b");
    assert_eq!(tree("$M=\\\n a\\\n # comment\n b\\\n\\\n\nc\n$M"), "c; a; b");
    assert_eq!(tree("$M=\\\n $Q=5\\\n a $Q\n$M"), "a 5");
    assert_eq!(tree("$I=\\\n i\\\n j\n$M=\\\n a\\\n $I\\\n b\n$M\nc"), "a; i; j; b; c");
    let (tree, diagnostics) = shown("$M=a\\\nb\n$M x\ny");
    assert_eq!((tree.as_str(), codes(&diagnostics)), ("$M x; y", vec![Code::MultiLineInside]));
    assert_eq!(codes(&shown("$M=a\\").1), [Code::UnterminatedDefinition]);
}

#[test]
fn loops_of_definitions_end() {
    let (tree, diagnostics) = shown("$A=x $B\n$B=$A\na $A\n$S=$S\nb $S\n$M=\\\nc\\\n$M\n$M\nd");
    assert_eq!(tree, "a x $A; b $S; c; d");
    assert_eq!(codes(&diagnostics), [Code::ExpansionLoop; 3]);
}

#[test]
fn growth_is_bounded() {
    let mut text = String::from("$A0=0123456789\n");
    for level in 1..30 {
        text += &format!("$A{level}=${{A{0}}}${{A{0}}}\n", level - 1);
    }
    let (_, diagnostics) = shown(&(text + "x $A29\ny"));
    assert_eq!(codes(&diagnostics), [Code::ExpansionTooLong]);
    let source = Memory::new().file("k.conf", "~SEQ(A, 100000) ~SEQ(B, 1000000) a");
    let options = Options { max_lines: 1_000, ..Options::default() };
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), options, &NoGrammar);
    while reader.next_block(&mut diagnostics).is_some() {}
    assert_eq!(codes(&diagnostics), [Code::TooManyLines]);
    let (_, diagnostics) = shown("~SEQ(A, 100000) ~SEQ(B, 1000000) a\nb");
    assert_eq!(codes(&diagnostics), [Code::TooManyLines], "whatever they make lines of");
    let options = Options { max_block_bytes: 1 << 20, ..Options::default() };
    let source = Memory::new().file("k.conf", "a {\n~SEQ(A, 1000) ~SEQ(B, 1000) b ${A} ${B}\n}\n");
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), options, &NoGrammar);
    assert!(reader.next_block(&mut diagnostics).unwrap().len() < 20_000);
    assert!(codes(&diagnostics).contains(&Code::TooManyLines));
    let (_, diagnostics) = shown("$S=~SEQ(X,2) $S\n$S");
    assert_eq!(codes(&diagnostics), [Code::SequencesTooDeep]);
}

#[test]
fn undefined_names_stay_whole() {
    let (tree, diagnostics) = shown("$NUM=1\na $NMU b\nc x${NMU}y {\nd\n}");
    assert_eq!(tree, "a $NMU b; c x${NMU}y(d)");
    let severities: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Error]);
    let fix = diagnostics.iter().nth(1).unwrap().fix.clone().unwrap();
    assert_eq!(fix.replacement, "${NUM}");
}

#[test]
fn built_ins() {
    let source = Memory::new().id("lb1").variable("HOST", "h").file(
        "k.conf",
        "a ${_PWD} ${_INSTANCE} ${_ENV HOST}${_ENV NONE}. $_INSTANCE\nb x${_HASH}y ${_BANG}z # c\nd ${_RANDOM 3 3}",
    );
    let (tree, diagnostics) = read(&source);
    assert_eq!(tree, "a / lb1 h. lb1; b x#y !z; d 3");
    assert_eq!(codes(&diagnostics), []);
    assert_eq!(tree_of_random(7), tree_of_random(7));
    assert_eq!(shown("a ${_RANDOM 5 3}").0, "a 5");
    for wrong in ["a ${_RANDOM 5 3}", "a ${_RANDOM x}", "a ${_PWD x}", "a ${_ENV}"] {
        assert_eq!(codes(&shown(wrong).1), [Code::BadBuiltInParameter], "{wrong}");
    }
}

fn tree_of_random(seed: u64) -> String {
    read(&Memory::new().seed(seed).file("k.conf", "a ${_RANDOM} ${_RANDOM 1 6}")).0
}

#[test]
fn comment_characters_of_variables_begin_comments() {
    assert_eq!(tree("$A=\"x#y\"\na $A b"), "a x#y b");
    let source = Memory::new().variable("V", "x#y").file("k.conf", "a ${_ENV V} b\nc \\#d ${_ENV V} e");
    assert_eq!(read(&source).0, "a x; c #d x");
}

#[test]
fn sequences() {
    assert_eq!(tree("~SEQ(X, 2) a $X\nb ${X}"), "a 1; a 2; b 2");
    assert_eq!(tree("$N=2\n~SEQ(X, $N) ~SEQ(Y, 3, ${X}) a${X}${Y}"), "a13; a12; a11; a23; a22");
    assert_eq!(tree("~LST({A,B}, {1,x}, {2}) a${A}-${B}."), "a1-x.; a2-.");
    assert_eq!(tree("$M=\\\n a $X {\\\n b\\\n }\n~SEQ(X,2) $M"), "a 1(b); a 2(b)");
    assert_eq!(tree("$S=~SEQ(X,2)\n$S a${X}\n$T=~LST(X,p,q) b${X}\n$T"), "a1; a2; bp; bq");
    assert_eq!(tree("v {\n~SEQx(X, 9, 11) 10.${X}\n}"), "v(10.9; 10.a; 10.b)");
    assert_eq!(tree("~SEQ(X,2) $Z=${X}\na $Z"), "a 2");
    let (tree, diagnostics) = shown("~SEQ(X, 1, 0, 2) a\nb");
    assert_eq!((tree.as_str(), codes(&diagnostics)), ("b", vec![Code::SequenceNeverEnds]));
}

#[test]
fn includes() {
    let source = Memory::new()
        .file("k.conf", "a {\n include d/*.conf\n b\n}\n$P=d/x.conf\ninclude $P\n")
        .file("d/x.conf", "x {\ninclude {y,z}.inc\n}")
        .file("d/w.conf", "w")
        .file("d/y.inc", "y ${_PWD}");
    let (tree, diagnostics) = read(&source);
    assert_eq!(tree, "a(w; x(y /d); b); x(y /d)");
    // The alternative that is missing, each time.
    assert_eq!(codes(&diagnostics), [Code::IncludeIgnored; 2]);
}

#[test]
fn files_are_named_as_they_were_asked_for() {
    let source = Memory::new()
        .file("k.conf", "include /d/*.conf\ninclude d/x.conf")
        .file("d/x.conf", "include y.inc")
        .file("d/y.inc", "a");
    let names = |main: &str| {
        let mut reader = Reader::new(&source, Path::new(main), Options::default(), &NoGrammar);
        while reader.next_block(&mut Diagnostics::new()).is_some() {}
        let names = reader.sources().files().iter().map(|file| file.path().display().to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("k.conf"), ["k.conf", "/d/x.conf", "/d/y.inc", "d/x.conf", "d/y.inc"]);
    assert_eq!(names("/k.conf"), ["/k.conf", "/d/x.conf", "/d/y.inc", "/d/x.conf", "/d/y.inc"]);
}

#[test]
fn a_file_is_read_once() {
    /// Counts what is read.
    struct Counting(Memory, std::cell::Cell<u32>);
    impl crate::text::source::Source for Counting {
        fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
            self.1.set(self.1.get() + 1);
            self.0.read(path)
        }
        fn list(&self, directory: &Path) -> Vec<Vec<u8>> {
            self.0.list(directory)
        }
        fn exists(&self, path: &Path) -> bool {
            self.0.exists(path)
        }
        fn environment(&self, name: &str) -> Option<Vec<u8>> {
            self.0.environment(name)
        }
        fn config_id(&self) -> Option<Vec<u8>> {
            self.0.config_id()
        }
        fn current_directory(&self) -> std::path::PathBuf {
            self.0.current_directory()
        }
        fn random_seed(&self) -> u64 {
            self.0.random_seed()
        }
    }
    let files =
        Memory::new().file("k.conf", "~SEQ(X, 5) include x.conf\ninclude /x.conf").file("x.conf", "x");
    let source = Counting(files, std::cell::Cell::new(0));
    let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
    while reader.next_block(&mut Diagnostics::new()).is_some() {}
    assert_eq!(source.1.get(), 2);
}

#[test]
fn problems_of_includes() {
    let codes_of = |line: &str| {
        let source = Memory::new()
            .file("k.conf", line)
            .file("a.conf", "a")
            .unreadable("run.sh", Unreadable::Executable)
            .file("dir/x", "");
        codes(&read(&source).1)
    };
    assert_eq!(codes_of("include none.conf"), [Code::IncludeIgnored]);
    assert_eq!(codes_of("includem none.conf"), [Code::IncludeMissing]);
    assert_eq!(codes_of("includem none*.conf"), [Code::IncludeIgnored]);
    assert_eq!(codes_of("includew none*.conf"), [Code::IncludeNoMatch]);
    assert_eq!(codes_of("includeb {a,b}.conf"), [Code::IncludeAlternativeMissing]);
    assert_eq!(codes_of("includem {a,b}.conf"), [Code::IncludeIgnored]);
    assert_eq!(codes_of("include {a,b}.conf"), [Code::IncludeIgnored]);
    assert_eq!(codes_of("include {a,none*}.conf"), [Code::IncludeIgnored]);
    assert_eq!(codes_of("include run.sh"), [Code::IncludeIgnored]);
    assert_eq!(codes_of("includer run.sh"), [Code::IncludeUnreadable]);
    assert_eq!(codes_of("includer dir"), [Code::IncludeUnreadable]);
    assert_eq!(codes_of("includex a.conf"), [Code::UnknownInclude]);
    assert_eq!(codes_of("include"), [Code::IncludeWithoutFile]);
    assert_eq!(codes_of("include k.conf"), [Code::IncludeLoop]);
    assert_eq!(codes_of("global_defs {\ninclude_check match\n}\ninclude none.conf"), [Code::IncludeMissing]);
}

#[test]
fn the_main_file() {
    let mut diagnostics = Diagnostics::new();
    let source = Memory::new().file("a.conf", "a").file("b.conf", "b");
    let mut reader = Reader::new(&source, Path::new("*.conf"), Options::default(), &NoGrammar);
    let mut blocks = 0;
    while reader.next_block(&mut diagnostics).is_some() {
        blocks += 1;
    }
    assert_eq!((blocks, codes(&diagnostics)), (2, vec![Code::SeveralMainFiles]));
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("none"), Options::default(), &NoGrammar);
    assert!(reader.next_block(&mut diagnostics).is_none());
    assert_eq!(codes(&diagnostics), [Code::UnreadableFile]);
}

#[test]
fn expanded_words_know_where_they_were_used_and_where_they_stand() {
    let text = "$IP=10.0.0.${N}\n$N=4\n\na {\n  b x${IP}/24 c\n}\n";
    let source = Memory::new().file("k.conf", text);
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
    while let Some(block) = reader.next_block(&mut diagnostics) {
        let node = block.root().unwrap().children().unwrap().next().unwrap();
        let (word, after) = (node.argument(0).unwrap(), node.argument(1).unwrap());
        let sources = reader.sources();
        assert_eq!(word.bytes(), b"x10.0.0.4/24");
        assert_eq!(sources.bytes(word.span()), b"x${IP}/24");
        assert_eq!(sources.bytes(after.span()), b"c");
        assert!(after.span().origin.is_none());
        let chain: Vec<_> = sources.origin_chain(word.span().origin).collect();
        assert_eq!(*chain[0].kind, OriginKind::Variable("IP".into()));
        assert_eq!(sources.bytes(chain[0].text.unwrap()), b"10.0.0.${N}");
        assert_eq!(sources.position(word.span()).line, 5);
    }
}

#[test]
fn line_ends_and_odd_bytes() {
    assert_eq!(tree("a b\r\n\tc \"d\"\r\n\r\ne"), "a b; c d; e");
    let source = Memory::new().file("k.conf", b"a \xff\xfe \"\xe4\"\nb\0c\nd".to_vec());
    let (tree, diagnostics) = read(&source);
    assert_eq!(tree, "a \u{fffd}\u{fffd} \u{fffd}; d");
    assert_eq!(codes(&diagnostics), [Code::EmbeddedNul]);
    let long = format!("a {}", "x ".repeat(5_000));
    assert_eq!(tree_words(&long), 5_001);
}

fn tree_words(text: &str) -> usize {
    let source = Memory::new().file("k.conf", text);
    let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
    reader.next_block(&mut Diagnostics::new()).unwrap().root().unwrap().words().len()
}
