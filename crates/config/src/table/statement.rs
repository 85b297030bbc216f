//! One statement, by the keyword table of its block.

use super::{Context, Line};

use super::{Argument, Entry, Head, Keyword, Keywords, Mark, Repeat, Store, Support, Value, WhenMissing};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::text::tree::Node;

/// Which keywords of a block's table were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen([u64; 3]);

impl Seen {
    /// Whether the keyword at that position of its table was written.
    pub(crate) fn has(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word & (1 << (position % 64)) != 0)
    }

    fn add(&mut self, position: usize) -> bool {
        let had = self.has(position);
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
        !had
    }

    /// Takes the keyword of that name for written.
    pub(crate) fn add_name<T>(&mut self, keywords: &'static Keywords<T>, name: &str) {
        if let Some((position, _)) = keywords.find(name) {
            self.add(position);
        }
    }

    /// Whether the keyword of that name was written.
    pub(crate) fn has_name<T>(&self, keywords: &'static Keywords<T>, name: &str) -> bool {
        keywords.find(name).is_some_and(|(position, _)| self.has(position))
    }
}

/// What became of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// It is dealt with.
    Done,
    /// The caller reads it: a block, or a keyword of the caller's own.
    Elsewhere(&'static Entry),
    /// Nobody knows it.
    Unknown,
}

/// Applies one statement to the type of its block.
pub(crate) fn apply<T>(
    target: &mut T,
    seen: &mut Seen,
    keywords: &'static Keywords<T>,
    node: Node<'_>,
    context: &mut Context<'_>,
) -> Outcome {
    if !node.is_unicode()
        && let Some(word) = node.words().find(|word| word.as_str().is_none())
    {
        let message = format!("'{}' is not UTF-8", word.display());
        context.push(Diagnostic::new(Code::NotUnicode, word.span(), message));
        return Outcome::Done;
    }
    let name = node.keyword().as_str().unwrap_or_default();
    if node.words().next().is_none() {
        // A brace without a keyword was reported by the reader.
        apply_children(target, seen, keywords, node, context);
        return Outcome::Done;
    }
    let known = keywords.find(name).filter(|(_, keyword)| !matches!(keyword.store, Store::Described));
    let Some((position, keyword)) = known else {
        unknown(node, keywords.iter().map(|keyword| keyword.entry.name), context);
        return Outcome::Unknown;
    };
    let entry = &keyword.entry;
    hide_secrets(entry, node, context);
    report_standing(entry, node, context);
    let again = !seen.add(position);
    if again && entry.repeat == Repeat::First {
        let message = format!("{name} is given already; the first one counts");
        let diagnostic = Diagnostic::new(Code::GivenTwice, node.span(), message);
        context.push(with_first(diagnostic, node).hint("remove one of them"));
        unread(node, context);
        return Outcome::Done;
    }
    if again && entry.repeat == Repeat::Replaces {
        let message = format!("{name} is given already; this one replaces it");
        context.push(with_first(Diagnostic::new(Code::GivenTwice, node.span(), message), node));
    }
    let mut line = Line::new(node, context);
    line.stops_without = entry.when_missing == WhenMissing::Stops;
    line.entry = Some(entry);
    // A command is read from the line as it stands, and tells of its quotes.
    let is_command = matches!(entry.argument, Argument::Command | Argument::Script);
    let has_text = is_command && !node.raw().bytes().trim_ascii().is_empty();
    if entry.argument.is_mandatory() && line.word(0).is_none() && !has_text {
        line.missing(&entry.argument.grammar());
        return Outcome::Done;
    }
    if entry.argument.is_list() {
        if matches!(entry.argument, Argument::Block(Head::Nothing, _)) {
            line.extra_words_of_block();
        }
        for entry in node.children().into_iter().flatten() {
            report_braces_in_list(entry, line.context);
        }
    }
    match &keyword.store {
        Store::Elsewhere => return Outcome::Elsewhere(entry),
        Store::Described => {}
        Store::Custom { read, .. } => read(target, &mut line),
        Store::Field { get_mut, .. } => {
            if let Some(value) = simple_value(&mut line, entry) {
                get_mut(target).put(value);
            }
        }
    }
    line.check_end(entry);
    if !entry.argument.is_block()
        && let Some(body) = node.body()
    {
        let message = format!("'{name}' begins no block");
        context.push(Diagnostic::new(Code::UnexpectedBrace, body.open, message).hint("remove the braces"));
        apply_children(target, seen, keywords, node, context);
    }
    Outcome::Done
}

/// The entries of a list are single lines.
fn report_braces_in_list(entry: Node<'_>, context: &mut Context<'_>) {
    if let Some(body) = entry.body()
        && entry.words().next().is_some()
    {
        let message = format!("'{}' begins no block", entry.keyword().display());
        context.push(Diagnostic::new(Code::UnexpectedBrace, body.open, message).hint("remove the braces"));
        unread(entry, context);
    }
}

/// Names the line that gave the same keyword first, when it stands in the same braces.
fn with_first(diagnostic: Diagnostic, node: Node<'_>) -> Diagnostic {
    match node.first_of_its_keyword() {
        Some(first) => diagnostic.label(first.span(), "first here"),
        None => diagnostic,
    }
}

/// Applies the options of a line, words from `place` on, to its type.
pub(crate) fn apply_options<T>(
    target: &mut T,
    keywords: &'static Keywords<T>,
    seen: &mut Seen,
    line: &mut Line<'_, '_, '_>,
    place: usize,
) {
    apply_options_or(target, keywords, seen, line, place, |_, line, word| {
        let span = line.span(line.option);
        let names = keywords.iter().map(|keyword| keyword.entry.name);
        let message = format!("'{word}' is no option of such a line");
        let diagnostic = Diagnostic::new(Code::UnknownOption, span, message);
        line.push_suggesting(diagnostic, word, names);
    });
}

/// The same; `other` takes the words that are no option.
pub(crate) fn apply_options_or<T>(
    target: &mut T,
    keywords: &'static Keywords<T>,
    seen: &mut Seen,
    line: &mut Line<'_, '_, '_>,
    place: usize,
    mut other: impl FnMut(&mut T, &mut Line<'_, '_, '_>, &str),
) {
    line.option = place;
    while let Some(word) = line.word(line.option) {
        match keywords.find(word) {
            Some((position, keyword)) => {
                report_option_standing(&keyword.entry, line);
                seen.add(position);
                line.entry = Some(&keyword.entry);
                apply_option(target, keyword, line);
            }
            None => other(target, line, word),
        }
        line.option += 1;
    }
}

fn report_option_standing(entry: &'static Entry, line: &mut Line<'_, '_, '_>) {
    let span = line.span(line.option);
    if let Support::Accepted(feature) = entry.support {
        line.context.uses(feature, || span);
    }
    if let Some(successor) = entry.successor {
        let message = format!("'{}' is deprecated", entry.name);
        line.push(
            Diagnostic::new(Code::DeprecatedKeyword, span, message).hint(format!("write '{successor}'")),
        );
    }
}

fn apply_option<T>(target: &mut T, keyword: &'static Keyword<T>, line: &mut Line<'_, '_, '_>) {
    match &keyword.store {
        Store::Custom { read, .. } => read(target, line),
        Store::Field { get_mut, .. } if keyword.entry.argument == Argument::Flag => {
            get_mut(target).put(Value::Flag);
        }
        Store::Field { get_mut, .. } => {
            if line.option_value().is_some()
                && let Some(value) = line.value(keyword.entry.argument, line.option)
            {
                get_mut(target).put(value);
            }
        }
        Store::Elsewhere | Store::Described => {}
    }
}

/// Keeps the passwords and keys of a line from being shown.
fn hide_secrets(entry: &Entry, node: Node<'_>, context: &mut Context<'_>) {
    for mark in entry.marks {
        let (first, may_be_file) = match mark {
            Mark::Secret(first) => (*first, false),
            Mark::SecretOrFile(first) => (*first, true),
            _ => continue,
        };
        // The name of a key file is no secret, and its problems are told by it.
        let is_shown = |bytes: &[u8]| may_be_file && bytes.starts_with(b"file:");
        let secrets = node.words().skip(1 + first).filter(|word| !is_shown(word.bytes()));
        secrets.for_each(|word| context.diagnostics.hide(word.span()));
    }
}

/// keepalived passes over a brace that does not belong and goes on in the same block.
fn apply_children<T>(
    target: &mut T,
    seen: &mut Seen,
    keywords: &'static Keywords<T>,
    node: Node<'_>,
    context: &mut Context<'_>,
) {
    for child in node.children().into_iter().flatten() {
        apply(target, seen, keywords, child, context);
    }
}

fn simple_value<'n>(line: &mut Line<'n, '_, '_>, entry: &Entry) -> Option<Value<'n>> {
    match entry.argument {
        Argument::Flag => Some(Value::Flag),
        Argument::Switch if line.word(0).is_none() => Some(Value::Switch(true)),
        Argument::OptionalWord(_) if line.word(0).is_none() => Some(Value::Text("")),
        Argument::OptionalScript if line.word(0).is_none() => None,
        Argument::Script | Argument::OptionalScript => line.script().map(Value::Script),
        argument => line.value(argument, 0),
    }
}

/// Deprecated, or not yet active.
fn report_standing(entry: &'static Entry, node: Node<'_>, context: &mut Context<'_>) {
    if let Support::Accepted(feature) = entry.support {
        context.uses(feature, || node.keyword().span());
    }
    if let Some(successor) = entry.successor {
        let span = node.keyword().span();
        let message = format!("'{}' is deprecated", entry.name);
        let class = if entry.is(Mark::DeprecatedLoudly) { Class::Deprecated } else { Class::Silent };
        context.push(Diagnostic::new(Code::DeprecatedKeyword, span, message).class(class).fix(
            span,
            successor,
            format!("write '{successor}'"),
        ));
    }
}

/// Reports a keyword that is not of this block, and once more for the lines in its braces.
pub(crate) fn unknown<'k>(
    node: Node<'_>,
    candidates: impl IntoIterator<Item = &'k str>,
    context: &mut Context<'_>,
) {
    let word = node.keyword();
    let name = word.display();
    let message = format!("unknown keyword '{name}'");
    let mut diagnostic =
        Diagnostic::new(Code::UnknownKeyword, word.span(), message).found(format!("'{name}'"));
    if let Some(body) = node.body() {
        diagnostic = diagnostic.label(body.open, "its block is not read");
    }
    let shown = context.diagnostics.would_show(&diagnostic);
    match shown.then(|| (context.home)(&name)).flatten() {
        Some(home) => context.push(diagnostic.hint(format!("it belongs {home}"))),
        None => context.push_suggesting(diagnostic, &name, candidates),
    }
    unread(node, context);
}

/// The lines of a block that is passed over, each by a note.
pub(crate) fn unread(node: Node<'_>, context: &mut Context<'_>) {
    for child in node.children().into_iter().flatten() {
        let message = format!("not read: it stands in the block of '{}'", node.keyword().display());
        context.push(Diagnostic::new(Code::NotRead, child.span(), message));
        unread(child, context);
    }
    if let Some(body) = node.body() {
        let message = format!("ends the block of '{}', which was not read", node.keyword().display());
        context.push(Diagnostic::new(Code::NotRead, body.close, message));
    }
}
