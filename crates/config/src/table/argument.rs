//! What may follow a keyword.

use std::net::IpAddr;

use super::{Again, Head, Inside, Lines, List, More, Value};
use crate::machine::NameTable;
use crate::value::{self, Mistake, Unit};

/// Grammar of what follows a keyword.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    /// Nothing.
    Flag,
    /// Nothing, or `true`, `on`, `yes`, `false`, `off`, `no`.
    Switch,
    /// A whole number, not negative.
    Unsigned {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A length of time as a decimal number.
    Time {
        /// Smallest, microseconds.
        min: u64,
        /// Largest, microseconds.
        max: u64,
        /// Unit of the number.
        unit: Unit,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An address of either family; a prefix length behind it means nothing.
    Address,
    /// An address of either family, without a prefix length.
    HostAddress,
    /// An IPv4 multicast address.
    Multicast4,
    /// An IPv6 multicast address.
    Multicast6,
    /// An interface name, shorter than 16 characters.
    Interface,
    /// One word; the text says what it may be.
    Word(&'static str),
    /// One word or nothing; the text says what it may be.
    OptionalWord(&'static str),
    /// A command alone.
    Command,
    /// A command with user and group.
    Script,
    /// A command with user and group, or nothing.
    OptionalScript,
    /// A number that iproute2 has names for, or one of those; the text says what.
    Named(NameTable, &'static str),
    /// A block: what stands before the brace, and what inside.
    Block(Head, Inside),
    /// A grammar of its own, in words.
    Grammar(&'static str),
}

/// Largest time a 32 bit number of microseconds holds, which is keepalived's bound.
pub(crate) const TIMER_MAX: u64 = 4_294_967_295;

/// Longest delay between checks, microseconds; keepalived holds it in 64 bits and bounds it by no number.
pub(crate) const LONGEST_DELAY: u64 = 4_294_967_295_000_000;

impl Argument {
    /// Any 32 bit number.
    pub const COUNT: Self = Self::Unsigned { min: 0, max: 4_294_967_295 };
    /// A time in seconds as checkers take it, at least a microsecond.
    pub const TIMER: Self = Self::Time { min: 1, max: TIMER_MAX, unit: Unit::Seconds };

    /// A whole number from `min` to `max`.
    pub const fn unsigned(min: u64, max: u64) -> Self {
        Self::Unsigned { min, max }
    }

    /// A whole number of either sign.
    pub const fn integer(min: i64, max: i64) -> Self {
        Self::Integer { min, max }
    }

    /// Whole seconds.
    pub const fn seconds(min: u64, max: u64) -> Self {
        Self::Time {
            min: min.saturating_mul(1_000_000),
            max: max.saturating_mul(1_000_000),
            unit: Unit::WholeSeconds,
        }
    }

    /// Decimal seconds, the bounds in microseconds.
    pub const fn decimal(min: u64, max: u64) -> Self {
        Self::Time { min, max, unit: Unit::Seconds }
    }

    /// Decimal milliseconds, the bounds in microseconds.
    pub const fn milliseconds(min: u64, max: u64) -> Self {
        Self::Time { min, max, unit: Unit::Milliseconds }
    }

    /// A block of words.
    pub const fn words(entry: &'static str) -> Self {
        Self::Block(Head::Nothing, Inside::Words(entry))
    }

    /// A block of lines.
    pub const fn lines(lines: &'static Lines) -> Self {
        Self::Block(Head::Nothing, Inside::Lines(lines))
    }

    /// A block of keywords, with nothing before its brace.
    pub const fn block(lists: &'static [&'static dyn List]) -> Self {
        Self::Block(Head::Nothing, Inside::Keywords(lists))
    }

    /// A block of keywords with a name.
    pub const fn named(more: More, again: Again, lists: &'static [&'static dyn List]) -> Self {
        Self::Block(Head::Name { more, again }, Inside::Keywords(lists))
    }

    /// Whether at least one word must follow.
    pub const fn is_mandatory(&self) -> bool {
        !matches!(
            self,
            Self::Flag
                | Self::Switch
                | Self::OptionalWord(_)
                | Self::OptionalScript
                | Self::Block(..)
                | Self::Grammar(_)
        )
    }

    /// Whether it is a number or a length of time.
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Unsigned { .. } | Self::Integer { .. } | Self::Time { .. })
    }

    /// Whether a brace follows.
    pub const fn is_block(&self) -> bool {
        matches!(self, Self::Block(..))
    }

    /// Whether it is a block of words or of lines, whose entries are single lines.
    pub const fn is_list(&self) -> bool {
        matches!(self, Self::Block(_, Inside::Words(_) | Inside::Lines(_)))
    }

    /// Reads the one word that a simple argument is. Flags and blocks take none and are never asked.
    pub(crate) fn read<'w>(&self, word: &'w str) -> Result<Value<'w>, Mistake<Value<'w>>> {
        macro_rules! as_value {
            ($result:expr, $variant:expr) => {
                $result.map($variant).map_err(|mistake| mistake.map($variant))
            };
        }
        match *self {
            Self::Switch => as_value!(value::boolean(word), Value::Switch),
            Self::Unsigned { min, max } => as_value!(value::unsigned(word, min, max), Value::Unsigned),
            Self::Integer { min, max } => as_value!(value::integer(word, min, max), Value::Integer),
            Self::Time { min, max, unit } => as_value!(value::time(word, min, max, unit), Value::Interval),
            Self::Choice(words) => as_value!(value::choice(word, words), |_| Value::Text(word)),
            Self::Address => as_value!(value::address(word), Value::Address),
            Self::HostAddress => as_value!(value::host_address(word), Value::Address),
            Self::Multicast4 => as_value!(value::multicast(word, true), Value::Address),
            Self::Multicast6 => as_value!(value::multicast(word, false), Value::Address),
            Self::Interface => as_value!(value::interface(word), Value::Text),
            _ => Ok(Value::Text(word)),
        }
    }

    /// The grammar as the manual shows it.
    pub fn grammar(&self) -> String {
        match *self {
            Self::Flag => String::new(),
            Self::Switch => "[BOOL]".into(),
            Self::Unsigned { min: 0, max: 4_294_967_295 } => "NUMBER".into(),
            Self::Unsigned { min, max } => format!("NUMBER {min}..{max}"),
            Self::Integer { min, max } => format!("INTEGER {min}..{max}"),
            Self::Time { min, max, unit } => {
                let (min, max) = (value::Interval::from_micros(min), value::Interval::from_micros(max));
                match unit {
                    Unit::WholeSeconds => format!("SECONDS {min}..{max}"),
                    Unit::Seconds => format!("SECONDS {min}..{max}, decimal"),
                    Unit::Milliseconds => {
                        format!(
                            "MILLISECONDS {}..{}, decimal",
                            min.as_micros() / 1_000,
                            max.as_micros() / 1_000
                        )
                    }
                }
            }
            Self::Choice(words) => words.join(" | "),
            Self::Address | Self::HostAddress => "ADDRESS".into(),
            Self::Multicast4 => "IPv4 multicast ADDRESS".into(),
            Self::Multicast6 => "IPv6 multicast ADDRESS".into(),
            Self::Interface => "INTERFACE".into(),
            Self::OptionalWord(what) => format!("[{what}]"),
            Self::Command => "COMMAND".into(),
            Self::Script => "SCRIPT [USER [GROUP]]".into(),
            Self::OptionalScript => "[SCRIPT [USER [GROUP]]]".into(),
            Self::Block(head, inside) => {
                let entry = match inside {
                    Inside::Keywords(_) => String::new(),
                    Inside::Words(entry) => format!("{entry} "),
                    Inside::Lines(lines) => format!("{} ", lines.grammar),
                };
                format!("{} {{ {entry}… }}", head.grammar()).trim_start().to_owned()
            }
            Self::Word(text) | Self::Grammar(text) | Self::Named(_, text) => text.into(),
        }
    }

    /// A word that the grammar takes, for examples and tests.
    pub fn example(&self) -> Option<String> {
        match *self {
            Self::Flag | Self::Block(..) | Self::Grammar(_) => None,
            Self::Switch => Some("true".into()),
            Self::Unsigned { min, .. } => Some(min.max(1).to_string()),
            Self::Integer { min, max } => Some(1.clamp(min, max).to_string()),
            Self::Time { min, max, unit } => {
                let micros = 2_000_000.clamp(min, max);
                Some(match unit {
                    Unit::Milliseconds => (micros / 1_000).to_string(),
                    _ => value::Interval::from_micros(micros).to_string(),
                })
            }
            Self::Choice(words) => words.first().map(ToString::to_string),
            Self::Address | Self::HostAddress => Some(IpAddr::from([192, 0, 2, 1]).to_string()),
            Self::Multicast4 => Some("224.0.0.19".into()),
            Self::Multicast6 => Some("ff02::13".into()),
            Self::Interface => Some("eth0".into()),
            Self::Word(_) | Self::OptionalWord(_) => Some("text".into()),
            Self::Named(..) => Some("1".into()),
            Self::Command | Self::Script | Self::OptionalScript => Some("/bin/true".into()),
        }
    }
}
