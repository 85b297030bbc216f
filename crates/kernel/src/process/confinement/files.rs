//! Files (landlock(7)).

use std::error::Error as StdError;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};

use crate::error::{Errno, Error, Result};

/// What a process does with files below a place. To make, remove, rename or run one it is never allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading, and writing to what is there.
    Write,
}

/// Files that a process opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// Those below this folder.
    pub below: &'static str,
    /// And what it does with them.
    pub access: Access,
}

/// What the rules know of. A right that this kernel has no rule for is not given up.
const KNOWN: ABI = ABI::V5;

/// Leaves the calling thread these files, beside those that are open.
pub(super) fn allow(files: &[Files]) -> Result<()> {
    let error = |errno| Error::new("give up files", errno);
    // A folder that is not there has no files. The folders of /proc are made anew when nobody has them open, and would then
    // not be those of the rules.
    let folders: Vec<(PathFd, Access)> =
        files.iter().filter_map(|files| Some((PathFd::new(files.below).ok()?, files.access))).collect();
    let status = rules(&folders)
        .and_then(RulesetCreated::restrict_self)
        .map_err(|refused| error(number(&refused).unwrap_or(Errno::INVAL)))?;
    std::mem::forget(folders);
    if status.ruleset == RulesetStatus::NotEnforced { Err(error(Errno::NOSYS)) } else { Ok(()) }
}

fn rules(folders: &[(PathFd, Access)]) -> std::result::Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.create()?;
    for (folder, access) in folders {
        rules = rules.add_rule(PathBeneath::new(folder, access.rights()))?;
    }
    Ok(rules)
}

impl Access {
    fn rights(self) -> BitFlags<AccessFs> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        match self {
            Self::Read => read,
            Self::Write => read | AccessFs::WriteFile | AccessFs::Truncate,
        }
    }

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
        }
    }
}

/// The kernel's answer.
fn number(error: &(dyn StdError + 'static)) -> Option<Errno> {
    let own = error.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error);
    own.or_else(|| number(error.source()?))
}
