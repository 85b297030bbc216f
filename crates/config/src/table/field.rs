//! Fields of the model as the table sees them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use steadfast_wire::vrrp::{Priority, Version, Vrid};

use super::notation;
use crate::model::Script;
use crate::value::{Interval, Name, Secret, Text};

/// A value that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'w> {
    /// A flag was written.
    Flag,
    /// A flag with its state.
    Switch(bool),
    /// A number, not negative.
    Unsigned(u64),
    /// A number.
    Integer(i64),
    /// A length of time.
    Interval(Interval),
    /// A word.
    Text(&'w str),
    /// An address.
    Address(IpAddr),
    /// A command.
    Script(Script),
}

/// A field that a keyword fills and that can be written back.
pub trait Field {
    /// Takes the value; `false` when the field cannot hold that kind of value.
    fn put(&mut self, value: Value<'_>) -> bool;

    /// The argument as the language writes it; `None` where nothing is to be written.
    fn show(&self) -> Option<String>;
}

/// A field of a part that was never made.
pub(crate) struct Unset;

impl Field for Unset {
    fn put(&mut self, _: Value<'_>) -> bool {
        false
    }

    fn show(&self) -> Option<String> {
        None
    }
}

macro_rules! field {
    ($type:ty, $pattern:pat => $result:expr, |$this:ident| $show:expr) => {
        impl Field for $type {
            fn put(&mut self, value: Value<'_>) -> bool {
                match value {
                    $pattern => match $result {
                        Some(result) => {
                            *self = result;
                            true
                        }
                        None => false,
                    },
                    _ => false,
                }
            }

            fn show(&self) -> Option<String> {
                let $this = self;
                Some($show)
            }
        }

        impl Field for Option<$type> {
            fn put(&mut self, value: Value<'_>) -> bool {
                match value {
                    $pattern => {
                        *self = $result;
                        self.is_some()
                    }
                    _ => false,
                }
            }

            fn show(&self) -> Option<String> {
                self.as_ref().and_then(Field::show)
            }
        }
    };
}

field!(bool, value @ (Value::Flag | Value::Switch(_)) => Some(value != Value::Switch(false)), |this| this.to_string());
field!(u8, Value::Unsigned(n) => u8::try_from(n).ok(), |this| this.to_string());
field!(u16, Value::Unsigned(n) => u16::try_from(n).ok(), |this| this.to_string());
field!(u32, Value::Unsigned(n) => u32::try_from(n).ok(), |this| this.to_string());
field!(u64, Value::Unsigned(n) => Some(n), |this| this.to_string());
field!(i16, Value::Integer(n) => i16::try_from(n).ok(), |this| this.to_string());
field!(i32, Value::Integer(n) => i32::try_from(n).ok(), |this| this.to_string());
field!(Interval, Value::Interval(interval) => Some(interval), |this| this.to_string());
field!(Text, Value::Text(text) => Some(Text::from(text)), |this| notation::quote(this));
field!(Secret, Value::Text(text) => Some(Secret::from(text)), |this| notation::quote(this));
field!(Box<Text>, Value::Text(text) => Some(Box::new(Text::from(text))), |this| notation::quote(this));
field!(Name, Value::Text(text) => Some(Name::from(text)), |this| notation::quote(this));
field!(IpAddr, Value::Address(address) => Some(address), |this| this.to_string());
field!(Ipv4Addr, Value::Address(IpAddr::V4(address)) => Some(address), |this| this.to_string());
field!(Ipv6Addr, Value::Address(IpAddr::V6(address)) => Some(address), |this| this.to_string());
field!(Vrid, Value::Unsigned(n) => u8::try_from(n).ok().and_then(Vrid::new), |this| this.to_string());
field!(Priority, Value::Unsigned(n) => u8::try_from(n).ok().map(Priority::new), |this| this.to_string());
field!(Version, Value::Unsigned(n) => version(n), |this| this.number().to_string());
field!(Script, Value::Script(script) => Some(script), |this| notation::quote_script(this));
field!(Box<Script>, Value::Script(script) => Some(Box::new(script)), |this| notation::quote_script(this));

fn version(number: u64) -> Option<Version> {
    match number {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => None,
    }
}
