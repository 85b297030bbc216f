//! Commands and patterns: the lines that are read with quotes of both kinds and escapes.

use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::text::quoting::{QuoteProblem, command_words};
use crate::text::tree::{Node, Raw};
use crate::value::Text;

/// A command line, split.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// Program and arguments.
    pub(crate) words: Vec<Text>,
    /// User and group.
    pub(crate) account: Vec<String>,
    /// Where the word behind the command stands.
    pub(crate) behind: Option<Span>,
}

/// Why a command cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) code: Code,
    pub(crate) span: Span,
    pub(crate) message: &'static str,
}

/// Splits what stands behind the keyword: the command word, which is split again, then user and group.
pub(crate) fn split(node: Node<'_>) -> Result<Command, Unreadable> {
    let raw = node.raw();
    let mut words = raw.quoted_words().map_err(|problem| unquotable(raw, problem))?.into_iter();
    let missing = |message| Unreadable { code: Code::InvalidCommand, span: raw.span(), message };
    let command = words.next().ok_or_else(|| missing("there is no command"))?;
    let parts = command_words(&command.text)
        // Quotes and escapes of the outer reading are gone, so the byte does not tell the place.
        .map_err(|problem| match problem {
            QuoteProblem::Unterminated(_) => Unreadable {
                span: command.span,
                code: Code::UnterminatedScriptQuote,
                message: "a quote in the command is never closed",
            },
            QuoteProblem::Nul(_) => Unreadable { span: command.span, ..unquotable(raw, problem) },
        })?;
    let text = |bytes: Vec<u8>, span| {
        let message = "the command is not UTF-8";
        String::from_utf8(bytes).map_err(|_| Unreadable { code: Code::NotUnicode, span, message })
    };
    let parts: Vec<Text> =
        parts.into_iter().map(|part| text(part, command.span).map(Text::from)).collect::<Result<_, _>>()?;
    if parts.first().is_none_or(|program| program.is_empty()) {
        return Err(missing("the command is empty"));
    }
    let words: Vec<_> = words.take(2).collect();
    let behind = words.first().map(|word| word.span);
    let account = words.into_iter().map(|word| text(word.text, word.span)).collect::<Result<_, _>>()?;
    Ok(Command { words: parts, account, behind })
}

/// The one word of a pattern, escapes resolved.
pub(crate) fn pattern(node: Node<'_>) -> Result<Text, Unreadable> {
    let raw = node.raw();
    let mut words = raw.quoted_words().map_err(|problem| unquotable(raw, problem))?.into_iter();
    match (words.next(), words.next()) {
        (Some(word), None) => String::from_utf8(word.text).map(Text::from).map_err(|_| Unreadable {
            code: Code::NotUnicode,
            span: word.span,
            message: "the pattern is not UTF-8",
        }),
        (_, second) => Err(Unreadable {
            code: Code::InvalidCommand,
            span: second.map_or(raw.span(), |word| word.span),
            message: "there must be one pattern",
        }),
    }
}

fn unquotable(raw: Raw<'_>, problem: QuoteProblem) -> Unreadable {
    let (code, message) = match problem {
        QuoteProblem::Unterminated(_) => (Code::UnterminatedScriptQuote, "a quote is never closed"),
        QuoteProblem::Nul(_) => (Code::InvalidCommand, "an escape stands for NUL, which no command can hold"),
    };
    Unreadable { code, span: raw.span_of(problem.at(), 1), message }
}
