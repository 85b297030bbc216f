//! Whatever the text: quotes, commands and layout are read without a panic, and formatting is idempotent.

use steadfast_config::format::format;
use steadfast_config::quoting::command_words;

/// Runs one input.
pub(crate) fn run(text: &[u8]) {
    let _ = command_words(text);
    let once = format(text);
    let twice = format(&once);
    assert_eq!(
        String::from_utf8_lossy(&twice),
        String::from_utf8_lossy(&once),
        "formatting is not idempotent"
    );
}
