//! Copies of configurations that were put in force (`config_save_dir`).

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use steadfast_config::span::SourceMap;

/// Writes a copy, number `number` of this process, and makes the folder if it is missing.
///
/// # Errors
/// Those of the file system.
pub(crate) fn save(folder: &Path, number: u32, sources: &SourceMap) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!("keepalived.conf.{}.{number}", std::process::id()));
    // A link that lies there is replaced, not followed.
    let _ = std::fs::remove_file(&path);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let mut output = BufWriter::new(file);
    write(&mut output, sources)?;
    output.flush()?;
    Ok(path)
}

/// The main file (files, where `-f` is a pattern) with every include replaced by what was read, each
/// between a line `# NAME` and a line `!` as in keepalived's copies.
fn write(output: &mut dyn Write, sources: &SourceMap) -> io::Result<()> {
    // Files by the one that includes them, in the order in which they were read.
    let mut included: Vec<Vec<(usize, usize)>> = vec![Vec::new(); sources.files().len()];
    let mut mains = Vec::new();
    for (index, file) in sources.files().iter().enumerate() {
        match file.included() {
            None => mains.push(index),
            Some(span) => {
                if let Some(list) = included.get_mut(span.file.index()) {
                    list.push((usize::try_from(span.offset).unwrap_or(usize::MAX), index));
                }
            }
        }
    }
    mains.into_iter().try_for_each(|main| write_file(output, sources, &included, main))
}

/// Depth is bounded: the reader refuses includes that nest deeper than 64.
fn write_file(
    output: &mut dyn Write,
    sources: &SourceMap,
    included: &[Vec<(usize, usize)>],
    index: usize,
) -> io::Result<()> {
    let Some(file) = sources.files().get(index) else { return Ok(()) };
    let text = file.text().as_slice();
    let mut includes = included.get(index).map(Vec::as_slice).unwrap_or_default().iter().peekable();
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let mut replaced = false;
        while let Some((_, child)) = includes.next_if(|(offset, _)| *offset < end) {
            replaced = true;
            let name = sources.files().get(*child).map(|file| file.path().display().to_string());
            writeln!(output, "# {}", name.unwrap_or_default())?;
            write_file(output, sources, included, *child)?;
            writeln!(output, "!")?;
        }
        if !replaced {
            output.write_all(line)?;
            if !line.ends_with(b"\n") {
                writeln!(output)?;
            }
        }
        start = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use steadfast_config::span::Span;

    use super::*;

    #[test]
    fn what_was_included_stands_where_its_include_stood() {
        let mut sources = SourceMap::new();
        let text = |text: &str| Arc::new(text.as_bytes().to_vec());
        let main = sources.add("main".into(), text("a\ninclude *\nb\ninclude z"), None).unwrap();
        let first = sources.add("x".into(), text("x1\n include n\nx2"), Some(Span::new(main, 2, 7))).unwrap();
        sources.add("n".into(), text("n\n"), Some(Span::new(first, 4, 7))).unwrap();
        sources.add("y".into(), text(""), Some(Span::new(main, 2, 7))).unwrap();
        sources.add("z".into(), text("z"), Some(Span::new(main, 14, 7))).unwrap();
        let mut copy = Vec::new();
        write(&mut copy, &sources).unwrap();
        let expected = "a\n# x\nx1\n# n\nn\n!\nx2\n!\n# y\n!\nb\n# z\nz\n!\n";
        assert_eq!(String::from_utf8(copy).unwrap(), expected);
    }

    #[test]
    fn the_folder_is_made_for_root_alone_and_a_planted_link_is_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let top = std::env::temp_dir().join(format!("steadfast-saved-{}", std::process::id()));
        let folder = top.join("copies");
        let mut sources = SourceMap::new();
        sources.add("main".into(), Arc::new(b"a\n".to_vec()), None).unwrap();
        let first = save(&folder, 1, &sources).unwrap();
        let second = folder.join(format!("keepalived.conf.{}.2", std::process::id()));
        std::os::unix::fs::symlink(&first, &second).unwrap();
        std::fs::write(&first, "kept").unwrap();
        assert_eq!(save(&folder, 2, &sources).unwrap(), second);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let found = (mode(&folder), mode(&second), std::fs::read_to_string(&first).unwrap());
        std::fs::remove_dir_all(&top).unwrap();
        assert_eq!(found, (0o700, 0o600, "kept".to_owned()));
    }
}
