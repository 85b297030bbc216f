//! The table of diagnostic codes: what `steadfast explain` tells, what can be silenced, what `-t` exits with.
use std::fmt;
use std::str::FromStr;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; changes nothing.
    Note,
    /// Works, but seldom as meant.
    Warning,
    /// The text cannot mean what it says; keepalived ignores the line or refuses the file.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// The error class of keepalived that a problem counts as. `-t` exits by the largest class met, so their
/// order is part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// keepalived is silent, or only logs it.
    Silent,
    /// A file that is named does not exist.
    FileNotFound,
    /// An interface that does not exist or cannot be used.
    BadInterface,
    /// Reading cannot go on.
    Fatal,
    /// More than one main file.
    MultipleFiles,
    /// A keyword nobody knows.
    UnknownKeyword,
    /// A brace where none belongs.
    UnexpectedBrace,
    /// A brace that is missing.
    MissingBrace,
    /// An odd number of double quotes.
    UnmatchedQuote,
    /// A parameter that is missing.
    MissingParameter,
    /// A number that is none, or out of range.
    InvalidNumber,
    /// Anything else that keepalived reports as a configuration error.
    General,
    /// What keepalived itself calls a warning.
    Warning,
    /// A word that is accepted but deprecated.
    Deprecated,
    /// Scripts that others may write, key files that others may read.
    Security,
}

/// Declares the codes: number, name, severity, class, title, explanation. Numbers are never used again.
macro_rules! codes {
    ($($number:literal $name:ident $severity:ident $class:ident $title:literal $explanation:literal;)*) => {
        /// The stable name of a kind of problem, written `SF0101`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $(#[doc = $title] $name = $number,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The number in its name.
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number,)* }
            }

            /// How bad it is, unless the place says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// What `-t` counts it as.
            pub fn class(self) -> Class {
                match self { $(Code::$name => Class::$class,)* }
            }

            /// The problem in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// What it means, why it matters and what to do, for `steadfast explain`.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => $explanation,)* }
            }
        }
    };
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SF{:04}", self.number())
    }
}

/// A text that names no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a diagnostic code such as SF0101, found '{0}'; `steadfast explain` without argument lists them"
)]
pub struct NotACode(String);

impl FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits =
            text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("SF")).and_then(|_| text.get(2..));
        let number = digits.and_then(|digits| digits.parse::<u16>().ok());
        Code::ALL
            .iter()
            .copied()
            .find(|code| Some(code.number()) == number)
            .ok_or_else(|| NotACode(text.to_owned()))
    }
}

// 01xx: the language. 02xx: keywords and their values. 03xx: what does not fit together.
// 04xx: advice beyond keepalived. 05xx: scripts, files and the machine.
codes! {
    101 UnreadableFile Error FileNotFound "configuration file cannot be read"
        "The main configuration file does not exist, is a directory, is executable or may not be read. Name another with -f.";
    102 SeveralMainFiles Error MultipleFiles "more than one main configuration file"
        "The pattern given with -f matches several files. keepalived reads them one after the other but reports it; name one file and include the others from it.";
    103 EmbeddedNul Error General "line holds a NUL byte"
        "Text files hold no NUL bytes. The file is binary, or was damaged. The line is ignored.";
    104 FileTooLarge Error Fatal "configuration file is too large"
        "Positions are kept in 32 bits, so a file may hold 4 GiB.";
    105 TooManyLines Error Fatal "the configuration expands to too many lines"
        "Sequences, definitions and includes produce more lines than the bound allows. Usually a ~SEQ with a wrong end, or sequences inside sequences.";
    111 UnexpectedBrace Error UnexpectedBrace "'{' where no block may begin"
        "An opening brace must follow the keyword of a block, on the same line or the next.";
    112 SurplusBrace Error UnexpectedBrace "'}' without a '{'"
        "More closing than opening braces. Often a block was closed twice, or its keyword is misspelt.";
    113 MissingOpenBrace Error MissingBrace "missing '{'"
        "The keyword begins a block; a '{' must follow it on the same line or the next.";
    114 MissingCloseBrace Error MissingBrace "missing '}'"
        "The configuration ends inside a block. The place shown is the '{' that was never closed.";
    115 BlocksTooDeep Error Fatal "blocks are nested too deeply"
        "No keyword of the language nests this deep; the file is not a configuration.";
    121 UnterminatedQuote Error UnmatchedQuote "missing closing '\"'"
        "A double quote opens a word that may hold blanks and comment characters; it must be closed on the same line.";
    122 UnterminatedScriptQuote Error UnmatchedQuote "missing closing quote in a command"
        "Commands and patterns may use single and double quotes; each must be closed on the same line.";
    123 BadEscape Error General "escape that means nothing"
        "Commands and patterns know \\a \\b \\E \\f \\n \\r \\t \\v, \\xHH, \\OOO and \\cX; a backslash before any other character means that character.";
    131 ExpansionLoop Error General "variable leads back to itself"
        "The value of the variable refers to the variable again, directly or through others. keepalived would hang or cut the line off; the reference is left as text.";
    132 ExpansionTooLong Error General "line is too long after variables are replaced"
        "Replacing the variables makes the line longer than the bound. The line is left partly expanded.";
    133 BadBuiltInParameter Error General "parameters of a built-in variable make no sense"
        "_RANDOM takes at most two unsigned numbers, the smaller first; _ENV takes one name; the others take nothing.";
    134 MultiLineInside Error General "multi-line definition used inside a line"
        "A definition of several lines can only be put in where the reference ends the line. The reference is left as text.";
    135 UnterminatedDefinition Warning Silent "multi-line definition reaches the end of the file"
        "The last line of the file ends in a backslash, so the definition has no end. What was read is its value.";
    136 UndefinedVariable Warning Silent "reference to a variable that is not defined"
        "The text looks like a reference, but nothing of that name is defined before it. It is left as it stands.";
    141 BadSequence Error General "~SEQ that cannot be read"
        "Expected ~SEQ(VARIABLE, [START, [STEP,]] END) TEXT with numbers in decimal, octal (0...) or hexadecimal (0x...).";
    142 SequenceNeverEnds Error General "~SEQ whose step leads away from its end"
        "The step is zero or has the wrong sign, so the counter would never reach the end.";
    143 SequenceTooLong Error General "~SEQ with too many values"
        "The sequence has more values than the bound allows. Usually an end with a digit too many.";
    144 NegativeHexadecimal Error General "~SEQx with a negative number"
        "Hexadecimal sequences have no negative values; use ~SEQ.";
    145 BadList Error General "~LST that cannot be read"
        "Expected ~LST(VARIABLE, VALUE, ...) TEXT or ~LST({V1,V2}, {A,B}, ...) TEXT, with commas between the items.";
    146 SurplusListMember Error General "set in a ~LST has more members than variables"
        "Each set in braces gives a value to each variable; this one has too many.";
    147 SequencesTooDeep Error General "sequences are nested too deeply"
        "A ~SEQ or ~LST inside so many others is a mistake.";
    151 IncludeUnreadable Error FileNotFound "included file cannot be read"
        "The file is a directory, executable, not regular, or may not be read. includer, includem, includew, includeb and includea make this an error; a plain include only reports it.";
    152 IncludeMissing Error FileNotFound "included file does not exist"
        "includem, includew and includea demand that the named file exists.";
    153 IncludeNoMatch Error FileNotFound "pattern of an include matches nothing"
        "includew and includea demand that a pattern with wildcards matches a file.";
    154 IncludeAlternativeMissing Error FileNotFound "alternative of an include's brace list matches nothing"
        "includeb and includea demand that every alternative of a brace list exists.";
    155 IncludeIgnored Warning Silent "include finds no file to read"
        "A plain include goes on when it finds nothing. Use includem or includea to be told.";
    156 UnknownInclude Warning Warning "unknown form of include"
        "The forms are include, includer, includem, includew, includeb and includea; keepalived takes any other as includer.";
    157 IncludeLoop Error General "file includes itself"
        "The file is being read already. keepalived would go on until it runs out of file descriptors; the include is ignored.";
    158 IncludesTooDeep Error General "includes are nested too deeply"
        "Files inside files inside files: the bound is reached, the include is ignored.";
    159 IncludeWithoutFile Error MissingParameter "include without a file"
        "An include needs the name or pattern of the files to read.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_names_round_trip() {
        let mut numbers: Vec<_> = Code::ALL.iter().map(|code| code.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(*code));
        }
        assert!("SF9999".parse::<Code>().is_err());
        assert!("ä1".parse::<Code>().is_err());
    }
}
