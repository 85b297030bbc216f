//! Making the changes that would mend what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::span::SourceMap;
use super::{Diagnostic, Diagnostics};

/// A file as it becomes.
#[derive(Debug, PartialEq, Eq)]
pub struct Mended<'d> {
    /// The file.
    pub path: PathBuf,
    /// What it held when it was read.
    pub before: Vec<u8>,
    /// What it is to hold.
    pub after: Vec<u8>,
    /// What that mends, in the order of the file.
    pub done: Vec<&'d Diagnostic>,
}

/// What is mended, and what must be left to people.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mending<'d> {
    /// By path.
    pub files: Vec<Mended<'d>>,
    /// With the reason.
    pub left: Vec<(&'d Diagnostic, &'static str)>,
}

/// A change: offset, length, and what is put there.
type Change<'d> = (usize, usize, &'d str);

/// Applies every fix that means one thing only.
///
/// Left alone are those of text that a variable or sequence stands for, as the change would have to be made elsewhere,
/// and those that meet at one spot.
pub fn mend<'d>(diagnostics: &'d Diagnostics, sources: &SourceMap) -> Mending<'d> {
    let mut mending = Mending::default();
    let mut wanted: BTreeMap<PathBuf, (usize, BTreeMap<Change<'d>, &'d Diagnostic>)> = BTreeMap::new();
    for diagnostic in diagnostics.iter() {
        let Some(fix) = &diagnostic.fix else { continue };
        if !fix.span.origin.is_none() {
            mending.left.push((diagnostic, "the text comes from a variable or a sequence"));
            continue;
        }
        let (Ok(offset), Ok(length)) = (usize::try_from(fix.span.offset), usize::try_from(fix.span.length))
        else {
            continue;
        };
        let path = sources.path(fix.span).to_owned();
        let (_, changes) = wanted.entry(path).or_insert_with(|| (fix.span.file.index(), BTreeMap::new()));
        // A file that is included twice asks twice for the same.
        changes.entry((offset, length, fix.replacement.as_str())).or_insert(diagnostic);
    }
    for (path, (file, changes)) in wanted {
        let Some(before) = sources.files().get(file).map(|file| file.text().to_vec()) else { continue };
        let meeting = meeting(changes.keys().copied());
        let mut mended = Mended { path, after: before.clone(), before, done: Vec::new() };
        // From the end, so that the offsets before it stay right.
        for (change, diagnostic) in changes.into_iter().rev() {
            let (offset, length, replacement) = change;
            if meeting.contains(&change) || mended.after.get(offset..offset + length).is_none() {
                mending.left.push((diagnostic, "another change meets it at the same spot"));
                continue;
            }
            mended.after.splice(offset..offset + length, replacement.bytes());
            mended.done.insert(0, diagnostic);
        }
        if !mended.done.is_empty() {
            mending.files.push(mended);
        }
    }
    mending
}

/// The changes that share a spot with another.
fn meeting<'d>(changes: impl Iterator<Item = Change<'d>>) -> BTreeSet<Change<'d>> {
    let mut meeting = BTreeSet::new();
    let mut last: Option<Change<'d>> = None;
    for change in changes {
        if let Some(before) = last
            && (change.0 < before.0 + before.1 || change.0 == before.0)
        {
            meeting.extend([before, change]);
        }
        // The one that reaches farthest is met by what follows.
        if last.is_none_or(|before| change.0 + change.1 >= before.0 + before.1) {
            last = Some(change);
        }
    }
    meeting
}
