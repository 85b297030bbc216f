//! `steadfast fmt`: configurations in normal layout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use steadfast_config::format::format;

use crate::command_line::FmtArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal;

/// Rewrites the files, or tells which of them it would rewrite.
pub(crate) fn run(arguments: &FmtArguments) -> Result<u8, Failure> {
    let mut status = exit::SUCCESS;
    for file in &arguments.files {
        match one(file, arguments.check) {
            Ok(true) => {}
            Ok(false) => status = exit::FAILURE,
            // One file that cannot be read keeps no other from its turn.
            Err(failure @ Failure::File { .. }) => status = failure.report(),
            Err(failure) => return Err(failure),
        }
    }
    Ok(status)
}

/// `false`: it is only checked, and not in normal layout.
fn one(file: &Path, check: bool) -> Result<bool, Failure> {
    let failed = |source: io::Error| Failure::File { path: file.to_owned(), source };
    let is_standard_input = file == Path::new("-");
    let text = if is_standard_input { standard_input()? } else { fs::read(file).map_err(failed)? };
    let formatted = format(&text);
    let is_normal = formatted == text;
    match (check, is_standard_input) {
        (true, _) if !is_normal => {
            terminal::print(std::format!("{}\n", file.display()))?;
            return Ok(false);
        }
        (false, true) => terminal::print(&formatted)?,
        (false, false) if !is_normal => replace(file, &formatted).map_err(failed)?,
        _ => {}
    }
    Ok(true)
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = io::stdin().read_to_end(&mut text);
    read.map_err(|source| Failure::File { path: PathBuf::from("-"), source })?;
    Ok(text)
}

/// Puts `text` in the place of a file in one step, so that a daemon that reloads meanwhile reads the one or the
/// other. Owner and mode stay: configurations hold passwords.
pub(crate) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    // What a link names is rewritten, not the link.
    let file = fs::canonicalize(file)?;
    let before = fs::metadata(&file)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(std::format!(".{}.fmt", std::process::id()));
    let beside = file.with_file_name(name);
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let done = fill(&mut written, text, &before).and_then(|()| fs::rename(&beside, &file));
    if done.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn fill(file: &mut File, text: &[u8], before: &fs::Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
        fchown(&*file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_behind_a_link_is_replaced_and_keeps_its_mode() {
        let folder = std::env::temp_dir().join(std::format!("steadfast-fmt-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (file, link) = (folder.join("a.conf"), folder.join("link.conf"));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"after").unwrap();
        let (text, mode) = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().mode());
        let link_stays = fs::symlink_metadata(&link).unwrap().is_symlink();
        let names = fs::read_dir(&folder).unwrap().count();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((text.as_slice(), mode & 0o7777, link_stays, names), (&b"after"[..], 0o640, true, 2));
    }
}
