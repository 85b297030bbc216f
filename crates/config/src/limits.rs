//! Every bound of the language, by name. Reaching one gives a diagnostic, never a hang.

/// Files longer than this are refused: spans hold 32-bit offsets.
pub const MAX_FILE_BYTES: usize = u32::MAX as usize - 1;
/// Files inside files: deeper nesting is refused. A file that includes itself is refused at once.
pub const MAX_INCLUDE_DEPTH: usize = 64;
/// Files opened while one configuration is read.
pub const MAX_FILES: usize = 65_536;
/// Lines of a configuration, those included that definitions, sequences and includes produce.
pub const MAX_LINES: u64 = 50_000_000;
/// Lines that definitions and sequences may produce together: far beyond what machines serve, and still read in seconds.
pub const MAX_EXPANDED_LINES: u64 = 1_000_000;
/// Bytes that definitions and sequences may produce together.
pub const MAX_EXPANDED_BYTES: u64 = 1 << 31;
/// Length of one line after variables have been replaced, in bytes.
pub const MAX_EXPANDED_LINE_BYTES: usize = 1 << 20;
/// Replacements in one line: a definition that leads back to itself ends here.
pub const MAX_REPLACEMENTS_PER_LINE: usize = 10_000;
/// Variables inside variables.
pub const MAX_EXPANSION_DEPTH: usize = 64;
/// Values that one `~SEQ` may run through.
pub const MAX_SEQUENCE_VALUES: u64 = 10_000_000;
/// `~SEQ` and `~LST` inside one another.
pub const MAX_SEQUENCE_DEPTH: usize = 64;
/// Names a brace list of an include may stand for.
pub const MAX_BRACE_ALTERNATIVES: usize = 10_000;
/// Braces inside braces.
pub const MAX_BLOCK_DEPTH: usize = 1_000;
/// Bytes of memory that the tree of one top-level block may take, after expansion.
pub const MAX_BLOCK_BYTES: usize = 1 << 31;
/// Remembered places of expanded text; words beyond it show only where they were used.
pub const MAX_ORIGINS: usize = 1 << 20;
/// Lines looked back through for the first of two equal keywords; one further away is not named.
pub const MAX_LINES_LOOKED_BACK: usize = 10_000;
/// Diagnostics kept in full; further ones are counted.
pub const MAX_DIAGNOSTICS: usize = 10_000;
