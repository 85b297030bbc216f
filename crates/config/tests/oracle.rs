//! The front half of the language against Debian's keepalived: which lines a text turns into, and on which
//! lines its braces, quotes and sequences are wrong. Lines of words that no program knows make keepalived name
//! each of them with its place.

#![cfg(test)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use steadfast_config::reader::NoGrammar;
use steadfast_config::{Class, Diagnostics, Files, Memory, Node, Options, Reader};

const PROGRAM: &str = "/usr/sbin/keepalived";

/// A line and the first word of it.
type Named = (u32, String);

/// What keepalived says of a text.
struct Verdict {
    words: Vec<Named>,
    /// Lines with any other problem.
    wrong: BTreeSet<u32>,
    missing_close: bool,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn is_installed(name: &str) -> bool {
    let installed = Path::new(PROGRAM).exists();
    if !installed {
        // The harness captures what print macros write.
        let line = format!("left out: {name}: {PROGRAM} is not installed\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    installed
}

fn folder(name: &str, text: &str) -> (Folder, PathBuf) {
    let folder = Folder(std::env::temp_dir().join(format!("steadfast-{name}-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("k.conf");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn run(file: &Path) -> Output {
    let mut command = Command::new("timeout");
    command.args(["10", PROGRAM, "-t", "-n", "-l", "-i", "main", "-f"]).arg(file);
    command.env("LANG", "C").output().unwrap()
}

fn ask(name: &str, text: &str) -> Option<Verdict> {
    if !is_installed(name) {
        return None;
    }
    let (_folder, file) = folder(name, text);
    let output = run(&file);
    let messages = [output.stdout, output.stderr].concat();
    let messages = String::from_utf8_lossy(&messages);
    let mut verdict = Verdict { words: Vec::new(), wrong: BTreeSet::new(), missing_close: false };
    for message in messages.lines() {
        verdict.missing_close |= message.contains("missing '}'s");
        // Each process reports again, with the file's name; one report is enough.
        let Some((line, message)) = message.strip_prefix("(Line ").and_then(|rest| rest.split_once(") "))
        else {
            continue;
        };
        let line = line.parse().unwrap();
        match message.strip_prefix("Unknown keyword '") {
            Some("}'") => {}
            Some(word) => verdict.words.push((line, word.trim_end_matches('\'').to_owned())),
            None => {
                verdict.wrong.insert(line);
            }
        }
    }
    Some(verdict)
}

fn read(text: &str) -> Verdict {
    let source = Memory::new().id("main").file("k.conf", text);
    let mut diagnostics = Diagnostics::new();
    let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
    let mut verdict = Verdict { words: Vec::new(), wrong: BTreeSet::new(), missing_close: false };
    while let Some(block) = reader.next_block(&mut diagnostics) {
        collect(block.root().unwrap(), &reader, &mut verdict.words);
        reader.recycle(block);
    }
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.class != Class::Silent) {
        if diagnostic.class == Class::MissingBrace {
            verdict.missing_close = true;
        } else {
            verdict.wrong.insert(reader.sources().line(diagnostic.primary.unwrap()));
        }
    }
    verdict
}

fn collect(node: Node<'_>, reader: &Reader<'_>, words: &mut Vec<Named>) {
    // Known blocks are there for their braces; keepalived is silent about them.
    if node.keyword().bytes() != b"global_defs" {
        words.push((reader.sources().line(node.keyword().span()), node.keyword().display().into_owned()));
    }
    for child in node.children().into_iter().flatten() {
        collect(child, reader, words);
    }
}

fn agree(name: &str, text: &str) {
    let Some(theirs) = ask(name, text) else { return };
    let ours = read(text);
    assert!(!theirs.words.is_empty(), "{PROGRAM} names no line of\n{text}");
    assert_eq!(ours.words, theirs.words, "the lines of\n{text}");
    assert_eq!(ours.wrong, theirs.wrong, "the wrong lines of\n{text}");
    assert_eq!(ours.missing_close, theirs.missing_close, "missing braces in\n{text}");
}

#[test]
fn escapes() {
    // A backslash before a comment character is another matter: keepalived's processes disagree.
    agree(
        "escapes",
        "a\\\\#b\nc\\\\\\\\!d\ne\\\"f # g\nh\\\" # i\" j\n\"k\" \\\\# l\n\"m\\\"n#o\" p\nq\\\\\"r#s\" t#u\nv\\w # x\n\\\n",
    );
}

#[test]
fn conditions() {
    agree(
        "conditions",
        "@main a\n@other b\n@^other c\n@^main d\n@main\n  @main  e\n@main @main f\n@ g\n@^ h\n@main~SEQ(X,2) i\n\
         @main ~SEQ(X,2) j${X}\n@main $D=k\n@other $D=l\n${D}m\n",
    );
}

#[test]
fn definitions() {
    agree(
        "definitions",
        "$A=x\na$A\na${A}b\n${A}c\n$A=y\n$B=p${A}\n${B}q\n$A=z\n${B}q\n$A=\nr${A}s\n$C=$A\nt${C} u\n$D =f\n$9=f\n",
    );
}

#[test]
fn definitions_of_several_lines() {
    agree(
        "several",
        "$M=\\\n x1 \\\n\n x2\\\n$M\n$M=a\\\nb${Y}\n$Y=1\nn $M\n$Y=2\n${M}\n$M=\\\n c1\\\n # comment\n c2\n$M\n\
         $I=i1\\\ni2\n$M=\\\n d1\\\n $I\\\n d2\n$M\n$M=e1\\\n $Q=5\\\n @main e${Q}\\\n @other f\n$M\n",
    );
}

#[test]
fn sequences() {
    agree(
        "sequences",
        "~SEQ(X, 3) a${X}\n~SEQ(X, 0) b${X}\n~SEQ(X, 2, 3) c${X}\n~SEQ(X, 3, 2) d${X}\n~SEQ(X, 3, 0, 2) e\n\
         ~SEQ(X, 3, 2, 1) f\n~SEQx(X, 9, 11) g${X}\n~SEQ(X, -2) h${X}\n~SEQ (X, 2) i${X}\n~SEQ(X, 1, 2)k${X}\n\
         ~SEQ(X, 2) ~SEQ(Y, 2) l${X}${Y}\n~SEQ(X, 0x10, 017) m${X}\nafter${X}\n$N=2\n~SEQ(X, $N) n${X}\n\
         $S=~SEQ(X,2)\n$S o${X}\n$T=~SEQ(X,2) p${X}\n$T\n~SEQ(X,2) @main q${X}\n~SEQ(X,2) @other q${X}\n\
         $M=r${X}\\\ns${X}\n~SEQ(X,2) $M\n",
    );
}

#[test]
fn lists() {
    agree(
        "lists",
        "~LST(A, a, b) m${A}\n~LST({A,B}, {a b, c}) o\n~LST(A, a b, c) p\n~LST(A) q\n~LST({A},{c},d) n${A}\n\
         ~LST({A,B}, {1,2}, {3}) r${A}-${B}\n~LST({A,B} {c,d} {e,f}) s\n~LST(A, x, y) ~SEQ(B, 2) t${A}${B}\n",
    );
}

#[test]
fn comments_and_words() {
    agree(
        "comments",
        "a#b\n\"c d\"e f\n\"g#h\" i\n# j\n  ! k\nl\\#m n\no\\x\np'q r'\ns \"\" t\n\u{e4}\u{f6} u\nv\\\nw\r\n\tx\t\n\"\"\n",
    );
}

#[test]
fn quotes() {
    agree("quotes", "global_defs {\n}\na \"b\nc \"d\" \"e\nf \"g\" h\n");
}

#[test]
fn braces() {
    agree("surplus", "global_defs {\n}\n}\na\n}\n");
    agree("missing", "a\nglobal_defs {\n");
    agree("lines", "global_defs\n{\n}\nglobal_defs { }\na\nglobal_defs\n\n# x\n{ }\nb\n");
}

/// keepalived exits with 6 when a problem of an include is an error.
#[test]
fn includes() {
    const UNUSABLE_FILE: i32 = 6;
    if !is_installed("includes") {
        return;
    }
    let mut checked = 0;
    for form in ["include", "includer", "includem", "includew", "includeb", "includea"] {
        for pattern in [
            "a.inc",
            "none",
            "none*",
            "*.inc",
            "{a,b}.inc",
            "{a,none}.inc",
            "run.sh",
            "dir",
            "[ab].inc",
            "dir/../a.inc",
        ] {
            let (folder, file) = folder("includes", &format!("{form} {pattern}\n"));
            for name in ["a.inc", "b.inc", "run.sh"] {
                std::fs::write(folder.0.join(name), "# nothing\n").unwrap();
            }
            std::fs::set_permissions(folder.0.join("run.sh"), std::fs::Permissions::from_mode(0o755))
                .unwrap();
            std::fs::create_dir_all(folder.0.join("dir")).unwrap();
            let theirs = run(&file).status.code() == Some(UNUSABLE_FILE);
            let mut diagnostics = Diagnostics::new();
            let source = Files::default();
            let mut reader = Reader::new(&source, &file, Options::default(), &NoGrammar);
            while reader.next_block(&mut diagnostics).is_some() {}
            let ours = diagnostics.has_errors();
            assert_eq!(ours, theirs, "{form} {pattern}: {diagnostics:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 60);
}
