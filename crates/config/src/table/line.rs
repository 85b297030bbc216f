//! One statement under reading.

use super::{Again, Argument, Context, Entry, Head, More, Value, command};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::diagnostic::span::Span;
use crate::limits::MAX_DIAGNOSTICS;
use crate::model::{Account, Script, Site};
use crate::options::Mode;
use crate::text::tree::{Node, Word};
use crate::value::{Mistake, Name, Problem, Text};

/// One statement under reading: its words, and where problems go.
pub(crate) struct Line<'n, 'c, 'a> {
    pub(crate) node: Node<'n>,
    pub(crate) context: &'c mut Context<'a>,
    /// Name of the keyword, for messages.
    pub(crate) keyword: &'n str,
    /// Place of the option under reading; its value stands behind it.
    pub(crate) option: usize,
    /// What the table says of that option, or of the keyword.
    pub(crate) entry: Option<&'static Entry>,
    /// Whether keepalived stops reading where a word of this line is missing.
    pub(crate) stops_without: bool,
    /// Places count from the first word instead of from the one behind the keyword.
    whole: bool,
}

impl<'n, 'c, 'a> Line<'n, 'c, 'a> {
    pub(crate) fn new(node: Node<'n>, context: &'c mut Context<'a>) -> Self {
        let keyword = node.keyword().as_str().unwrap_or_default();
        Self { node, context, keyword, option: 0, entry: None, stops_without: false, whole: false }
    }

    /// A line that has no keyword: its first word is at place 0.
    pub(crate) fn without_keyword(node: Node<'n>, context: &'c mut Context<'a>) -> Self {
        Self { whole: true, ..Self::new(node, context) }
    }

    fn at(&self, place: usize) -> Option<Word<'n>> {
        self.node.words().nth(place + usize::from(!self.whole))
    }

    /// The argument at that place, from 0.
    pub(crate) fn word(&self, place: usize) -> Option<&'n str> {
        self.at(place).and_then(Word::as_str)
    }

    /// All arguments.
    pub(crate) fn words(&self) -> Vec<&'n str> {
        self.node.words().skip(usize::from(!self.whole)).filter_map(Word::as_str).collect()
    }

    /// Where the argument at that place stands, else the whole statement.
    pub(crate) fn span(&self, place: usize) -> Span {
        self.at(place).map_or_else(|| self.node.span(), Word::span)
    }

    /// Where the statement stands.
    pub(crate) fn site(&self) -> Site {
        Site(self.node.span())
    }

    /// Takes up a problem.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.context.push(diagnostic);
    }

    /// Takes up a problem with the marked word, and which of the candidates may have been meant.
    pub(crate) fn push_suggesting<'w>(
        &mut self,
        diagnostic: Diagnostic,
        word: &str,
        candidates: impl IntoIterator<Item = &'w str>,
    ) {
        self.context.push_suggesting(diagnostic, word, candidates);
    }

    /// The lines of its block, which have no keyword; one that cannot be read is left out.
    pub(crate) fn read_lines<T>(
        &mut self,
        mut read: impl FnMut(&mut Line<'n, '_, 'a>) -> Option<T>,
    ) -> Vec<T> {
        let children = self.node.children().into_iter().flatten();
        children
            .filter_map(|child| {
                let mut line = Line::without_keyword(child, self.context);
                line.stops_without = true;
                read(&mut line)
            })
            .collect()
    }

    /// Takes up a problem with the argument at that place.
    pub(crate) fn report(&mut self, code: Code, place: usize, message: impl Into<String>) {
        let span = self.span(place);
        self.push(Diagnostic::new(code, span, message));
    }

    /// Reads the argument at that place, with keepalived's leniency when running.
    pub(crate) fn value(&mut self, argument: Argument, place: usize) -> Option<Value<'n>> {
        let Some(word) = self.word(place) else {
            self.missing(&argument.grammar());
            return None;
        };
        match argument.read(word) {
            Ok(value) => {
                if argument == Argument::Interface {
                    self.remember_missing(word, place);
                }
                if matches!(value, Value::Address(_)) {
                    self.warn_of_prefix(word, self.span(place));
                }
                Some(value)
            }
            Err(mistake) => self.salvage(mistake, place),
        }
    }

    /// An interface that does not exist is a problem only when everything is read; where its name stands must be
    /// known then.
    fn remember_missing(&mut self, name: &str, place: usize) {
        let known = &mut self.context.known.interfaces_missed;
        if known.len() < MAX_DIAGNOSTICS && self.context.machine.interface(name).is_none() {
            let statement = self.node.keyword().span();
            let word = self.node.words().nth(place + usize::from(!self.whole)).map(Word::span);
            known.insert((statement.start(), name.into()), word.unwrap_or(statement));
        }
    }

    /// Says that the prefix length of an address without use for one means nothing.
    pub(crate) fn warn_of_prefix(&mut self, word: &str, span: Span) {
        if let Some((address, _)) = word.split_once('/') {
            let message = format!("the prefix length of '{word}' means nothing here");
            self.push(Diagnostic::new(Code::ExtraWords, span, message).fix(
                span,
                address,
                format!("write '{address}'"),
            ));
        }
    }

    /// Reads a number at that place.
    pub(crate) fn unsigned(&mut self, place: usize, min: u64, max: u64) -> Option<u64> {
        match self.value(Argument::unsigned(min, max), place)? {
            Value::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    /// Reads a number of either sign at that place.
    pub(crate) fn integer(&mut self, place: usize, min: i64, max: i64) -> Option<i64> {
        match self.value(Argument::integer(min, max), place)? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// Reports a mistake; what keepalived takes the word for, when it runs.
    pub(crate) fn salvage<T>(&mut self, mistake: Mistake<T>, place: usize) -> Option<T> {
        let word = self.word(place).unwrap_or_default().to_owned();
        let keyword = self.keyword;
        let (code, what) = match mistake.problem {
            Problem::NotANumber => (Code::InvalidNumber, "is not a number"),
            Problem::OutOfRange => (Code::NumberOutOfRange, "is out of range"),
            Problem::TooPrecise => (Code::TooManyDecimalPlaces, "has too many decimal places"),
            Problem::NotABoolean => (Code::InvalidBoolean, "is not a boolean"),
            Problem::NotAnAddress => (Code::InvalidAddress, "is not such an address"),
            Problem::TooLong => (Code::InvalidName, "cannot be an interface name"),
            Problem::NotAChoice => (Code::InvalidChoice, "is not known here"),
        };
        let diagnostic = Diagnostic::new(code, self.span(place), format!("{keyword}: '{word}' {what}"))
            .expected(mistake.expected)
            .found(format!("'{word}'"));
        let lenient = self.context.options.mode == Mode::Run && mistake.salvage.is_some();
        let diagnostic = if lenient {
            diagnostic
                .severity(crate::diagnostic::code::Severity::Warning)
                .note("as keepalived does when it runs, the number at the start of the word is used")
        } else {
            diagnostic
        };
        self.push(diagnostic);
        mistake.salvage.filter(|_| lenient)
    }

    /// A word is missing that must be there. With most keywords keepalived stops reading at this point.
    pub(crate) fn missing(&mut self, grammar: &str) {
        let span = self.node.span();
        let keyword = self.keyword;
        self.context.stopped |= self.stops_without;
        self.push(
            Diagnostic::new(Code::MissingArgument, span, format!("'{keyword}' needs an argument"))
                .expected(format!("{keyword} {grammar}"))
                .found("the end of the line"),
        );
    }

    /// The word behind the option under reading, which it uses up.
    pub(crate) fn option_value(&mut self) -> Option<&'n str> {
        self.option += 1;
        let word = self.word(self.option);
        if word.is_none() {
            let keyword = self.keyword;
            let span = self.node.span();
            self.context.stopped |= self.stops_without;
            self.push(
                Diagnostic::new(
                    Code::InvalidLine,
                    span,
                    format!("the last option of '{keyword}' has no value"),
                )
                .found("the end of the line"),
            );
        }
        word
    }

    /// Takes up a problem with the value of the option under reading.
    pub(crate) fn report_option(&mut self, code: Code, message: impl Into<String>) {
        self.report(code, self.option, message);
    }

    /// Words from that place on mean nothing.
    pub(crate) fn no_more(&mut self, place: usize) {
        if let Some(word) = self.word(place) {
            let message = format!("'{word}' has no meaning behind '{}'", self.keyword);
            let span = self.span(place);
            if self.context.diagnostics.hides(span) {
                let message = format!("further words have no meaning behind '{}'", self.keyword);
                let diagnostic = Diagnostic::new(Code::ExtraWords, span, message);
                return self.push(diagnostic.hint("put it in double quotes if it has blanks"));
            }
            self.push(Diagnostic::new(Code::ExtraWords, span, message).fix(
                span,
                "",
                format!("remove '{word}'"),
            ));
        }
    }

    /// A block of lines takes nothing before its brace.
    pub(crate) fn extra_words_of_block(&mut self) {
        if let Some(word) = self.word(0) {
            let message = format!("'{word}' has no meaning before the block of '{}'", self.keyword);
            let span = self.span(0);
            self.push(Diagnostic::new(Code::ExtraWords, span, message).class(Class::General));
        }
    }

    /// The name of the block that the line begins; without a good one the block is passed over.
    pub(crate) fn name_of_block(&mut self) -> Option<(Name, Span)> {
        let head = self.entry.map(|entry| entry.argument);
        let passes_over = matches!(head, Some(Argument::Block(Head::Name { more: More::PassesOver, .. }, _)));
        match self.word(0) {
            Some(_) if passes_over && self.word(1).is_some() => {
                let message = format!("{} must have one name; the block is passed over", self.keyword);
                self.report(Code::IncompleteBlock, 1, message);
                super::unread(self.node, self.context);
                None
            }
            Some(name) => {
                self.no_more(1);
                Some((Name::from(name), self.span(0)))
            }
            None => {
                self.context.stopped |= self.stops_without;
                let message = format!("{} must have a name; the block is passed over", self.keyword);
                self.push(Diagnostic::new(Code::IncompleteBlock, self.node.span(), message));
                super::unread(self.node, self.context);
                None
            }
        }
    }

    /// Passes over the block that the line begins, as another has its name.
    pub(crate) fn pass_over_namesake(&mut self, name: &str, span: Span, first: Span) {
        let message = format!("{} '{name}' is defined already; the second one is passed over", self.keyword);
        let diagnostic =
            Diagnostic::new(Code::DuplicateName, span, message).label(first, "first defined here");
        let head = self.entry.map(|entry| entry.argument);
        let is_silent =
            matches!(head, Some(Argument::Block(Head::Name { again: Again::PassesOverSilently, .. }, _)));
        self.push(if is_silent { diagnostic.class(Class::Silent) } else { diagnostic });
        super::unread(self.node, self.context);
    }

    /// A list without a word in it does nothing.
    pub(crate) fn warn_of_emptiness(&mut self) {
        if self.node.children().into_iter().flatten().next().is_none() {
            let message = format!("the list of '{}' is empty", self.keyword);
            self.push(Diagnostic::new(Code::EmptyGroup, self.node.span(), message).of_block());
        }
    }

    /// The command of the statement with its account, if it is a good one.
    pub(crate) fn script(&mut self) -> Option<Script> {
        let split = self.split_command()?;
        let mut accounts = split.account.into_iter();
        let account = accounts.next().map(|user| account(&user, accounts.next().as_deref()));
        let site = self.site();
        Some(Script { words: split.words, account, site })
    }

    /// Reads the command of a statement whose account has a keyword of its own: keepalived passes over the words
    /// behind it.
    pub(crate) fn read_command(&mut self, script: &mut Script) {
        let Some(split) = self.split_command() else { return };
        if let (Some(word), Some(span)) = (split.account.first(), split.behind) {
            let message = format!("'{word}' stands behind the command and is not given to it");
            self.push(
                Diagnostic::new(Code::ExtraWords, span, message)
                    .hint("put the command and its arguments in one pair of quotes"),
            );
        }
        script.words = split.words;
        script.site = self.site();
    }

    /// Reads the keyword for the account of such a command.
    pub(crate) fn read_account(&mut self, script: &mut Script, without_it: &str) {
        let Some(user) = self.word(0) else { return self.missing("USER [GROUP]") };
        let account = account(user, self.word(1));
        self.report_unknown(&account, without_it);
        script.account = Some(account);
        self.no_more(2);
    }

    /// Whether an account that the statement's words name does not exist, which is reported with what follows.
    pub(crate) fn report_unknown(&mut self, account: &Account, consequence: &str) -> bool {
        let Some((what, name)) = self.context.machine.lacks(account) else { return false };
        let place = usize::from(what == "group");
        let message = format!("there is no {what} '{name}'; {consequence}");
        self.report(Code::UnknownAccount, place, message);
        true
    }

    fn split_command(&mut self) -> Option<command::Command> {
        match command::split(self.node) {
            Ok(split) => Some(split),
            Err(error) => {
                let keyword = self.keyword;
                self.push(
                    Diagnostic::new(error.code, error.span, format!("{keyword}: {}", error.message))
                        .expected("a command, in quotes if it has arguments"),
                );
                None
            }
        }
    }

    /// The one pattern of the statement.
    pub(crate) fn pattern(&mut self) -> Option<Text> {
        match command::pattern(self.node) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let keyword = self.keyword;
                self.push(
                    Diagnostic::new(error.code, error.span, format!("{keyword}: {}", error.message))
                        .expected("one pattern, in quotes if it has blanks"),
                );
                None
            }
        }
    }

    /// Warns of what follows a simple argument.
    pub(crate) fn check_end(&mut self, entry: &Entry) {
        let used = match entry.argument {
            Argument::Flag => 0,
            Argument::Grammar(_) | Argument::Command | Argument::Script | Argument::OptionalScript => return,
            argument if argument.is_block() => return,
            _ => 1,
        };
        self.no_more(used);
    }
}

/// The account that user and group words name.
pub(crate) fn account(user: &str, group: Option<&str>) -> Account {
    let supplementary_groups = group.is_some_and(|group| group.starts_with(':'));
    let group = group.map(|group| group.trim_start_matches(':')).filter(|group| !group.is_empty());
    Account { user: user.into(), group: group.map(Into::into), supplementary_groups }
}
