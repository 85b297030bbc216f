//! Constructs of the language itself, for the manual; the reader knows them.

use crate::table::Entry;
use crate::table::described as row;

/// Comments, quotes, braces, definitions, sequences and includes.
pub static LANGUAGE: &[Entry] = &[
    row(
        "include",
        "PATTERN (glob with brace expansion)",
        "plain: problems only logged",
        "Read matching files at this point, also inside blocks; relative to the including file.",
    ),
    row("includer", "PATTERN", "n/a", "As include, but an unreadable or unusable match is an error."),
    row("includem", "PATTERN", "n/a", "As includer, and a plain name that does not exist is an error too."),
    row("includew", "PATTERN", "n/a", "As includem, and a wildcard without any match is an error too."),
    row("includeb", "PATTERN", "n/a", "As includer, and every alternative of a brace list must exist."),
    row("includea", "PATTERN", "n/a", "All include checks together."),
    row(
        "@ID",
        "@ID rest-of-line",
        "n/a",
        "Line is used only when ID equals the configuration id (-i, else short host name)",
    ),
    row("@^ID", "@^ID rest-of-line", "n/a", "Line is used only when ID differs from the configuration id."),
    row(
        "$NAME=",
        "$NAME=VALUE at line start; NAME = letter or _, then letters, digits, _",
        "undefined",
        "Define a single-line variable, stored unexpanded.",
    ),
    row(
        "$NAME= ... \\",
        "VALUE with trailing backslash, continued until a line without one or a blank line",
        "undefined",
        "Define a multi-line variable; each stored line becomes a configuration line.",
    ),
    row(
        "$NAME",
        "followed by blank, comma, ) or end of line",
        "left as text if undefined",
        "Variable reference without braces.",
    ),
    row(
        "${NAME}",
        "anywhere in a line",
        "left as text if undefined",
        "Variable reference with braces; form needed for built-ins with parameters.",
    ),
    row(
        "~SEQ",
        "~SEQ(VAR, [START, [STEP,]] END) TEXT; integers decimal, octal, hex",
        "START 1 (or -1), STEP 1 (or -1)",
        "Process TEXT once per value of the counter.",
    ),
    row("~SEQx", "as ~SEQ, no negative values", "as ~SEQ", "As ~SEQ with the value written in hexadecimal."),
    row(
        "~LST",
        "~LST(VAR, V1, V2, ...) TEXT or ~LST({VA,VB}, {a,b}, {c,d}, ...) TEXT (comma separated)",
        "missing members are empty",
        "Process TEXT once per listed value or value set.",
    ),
    row("_PWD", "${_PWD}", "n/a", "Built-in: directory of the file being read."),
    row("_INSTANCE", "${_INSTANCE}", "n/a", "Built-in: the configuration id."),
    row("_RANDOM", "${_RANDOM [MIN [MAX]]} digits only", "0..32767", "Built-in: random number in the range."),
    row("_ENV", "${_ENV NAME}", "empty if not set", "Built-in: value of an environment variable."),
    row("_HASH", "${_HASH}", "#", "Built-in: the hash character."),
    row("_BANG", "${_BANG}", "!", "Built-in: the exclamation mark."),
    row("!", "! text", "n/a", "Comment to end of line unless in double quotes or after a backslash."),
    row("#", "# text", "n/a", "Comment to end of line unless in double quotes or after a backslash."),
    row(
        "\\! and \\#",
        "backslash before a comment character",
        "n/a",
        "Literal comment character, backslash removed.",
    ),
    row(
        "\"",
        "\"text with blanks\"",
        "n/a",
        "One word; no escapes inside on ordinary lines; may be empty; quotes removed.",
    ),
    row("'", "'text'", "n/a", "Quote only for script-like and regex keywords; plain character elsewhere."),
    row(
        "script escapes",
        "\\a \\b \\E \\f \\n \\r \\t \\v \\xHH \\OOO \\cX \\other",
        "n/a",
        "Escapes recognised in script-like and regex arguments.",
    ),
    row(
        "{",
        "own line or any position outside double quotes",
        "n/a",
        "Opens a block; acts as a line of its own; may follow the block keyword on the next line.",
    ),
    row(
        "}",
        "own line or any position outside double quotes",
        "n/a",
        "Closes a block; a surplus one is an error.",
    ),
    row(
        "BOOL",
        "true, on, yes, false, off, no (lower case)",
        "per keyword; mostly no argument means true",
        "Boolean value spelling.",
    ),
    row(
        "TIMER",
        "decimal seconds, up to 6 decimal places",
        "per keyword",
        "Time value; further places are an error (rounded where leniency applies)",
    ),
    row(
        "NUMBER",
        "decimal unless the keyword says otherwise",
        "per keyword",
        "Trailing text: warning at run time, error with -t or strict builds; out of range always an error.",
    ),
    row(
        "line length",
        "up to the size of the file",
        "n/a",
        "Lines may be of any length; keepalived splits them after 1022 characters.",
    ),
];
