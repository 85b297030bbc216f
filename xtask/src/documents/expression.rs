//! The value of a constant, worked out from how it is written.

use std::time::Duration;

/// What a constant is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A count, a size or a status.
    Number(i128),
    /// A time, in nanoseconds.
    Time(i128),
    /// A path or a name.
    Text(String),
}

/// Works out an expression. `look_up` is asked for constants, by the parts of their path.
pub(crate) fn evaluate(
    text: &str,
    look_up: &dyn Fn(&[&str]) -> Result<Value, String>,
) -> Result<Value, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, look_up };
    let value = reader.shift()?;
    match reader.tokens {
        [] => Ok(value),
        [rest, ..] => Err(format!("'{}' is not understood in '{text}'", rest.shown())),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Number(i128),
    Text(String),
    Path(String),
    Sign(&'static str),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) | Self::Path(text) => text.clone(),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}

const SIGNS: [&str; 9] = ["<<", "(", ")", "*", "/", "+", "-", ",", "&"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let word = rest.chars().take_while(|sign| sign.is_ascii_alphanumeric() || "_:".contains(*sign));
        let word: String = word.collect();
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inside, behind) = quoted.split_once('"').ok_or("a quote is not closed")?;
            tokens.push(Token::Text(inside.to_owned()));
            rest = behind.trim_start();
            continue;
        }
        let used = if first.is_ascii_digit() {
            tokens.push(Token::Number(number(&word)?));
            word.len()
        } else if !word.is_empty() {
            let used = word.len();
            tokens.push(Token::Path(word));
            used
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("'{first}' is not understood in '{text}'"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest.get(used..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

fn number(word: &str) -> Result<i128, String> {
    let plain = word.replace('_', "");
    let (radix, digits) = match plain.get(..2) {
        Some("0x") => (16, plain.get(2..)),
        Some("0o") => (8, plain.get(2..)),
        Some("0b") => (2, plain.get(2..)),
        _ => (10, Some(plain.as_str())),
    };
    let digits = digits.unwrap_or_default();
    // A type may follow.
    let end = digits.find(|sign: char| !sign.is_digit(radix)).unwrap_or(digits.len());
    i128::from_str_radix(digits.get(..end).unwrap_or_default(), radix)
        .map_err(|_| format!("'{word}' is no number"))
}

struct Reader<'a> {
    tokens: &'a [Token],
    look_up: &'a dyn Fn(&[&str]) -> Result<Value, String>,
}

impl Reader<'_> {
    fn take(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        match self.tokens {
            [Token::Sign(sign), rest @ ..] if signs.contains(sign) => {
                self.tokens = rest;
                Some(sign)
            }
            _ => None,
        }
    }

    fn shift(&mut self) -> Result<Value, String> {
        let mut value = self.sum()?;
        while self.take(&["<<"]).is_some() {
            let (Value::Number(number), Value::Number(by)) = (&value, self.sum()?) else {
                return Err("only numbers are shifted".to_owned());
            };
            let by = u32::try_from(by).map_err(|error| error.to_string())?;
            value = Value::Number(number.checked_shl(by).ok_or("a shift is too far")?);
        }
        Ok(value)
    }

    fn sum(&mut self) -> Result<Value, String> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&["+", "-"]) {
            let factor = if sign == "+" { 1 } else { -1 };
            value = match (value, self.product()?) {
                (Value::Number(left), Value::Number(right)) => Value::Number(left + factor * right),
                (Value::Time(left), Value::Time(right)) => Value::Time(left + factor * right),
                _ => return Err("a time and a number have no sum".to_owned()),
            };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<Value, String> {
        let mut value = self.primary()?;
        while let Some(sign) = self.take(&["*", "/"]) {
            let right = self.primary()?;
            value = match (sign, value, right) {
                ("*", Value::Number(left), Value::Number(right)) => Value::Number(left * right),
                ("*", Value::Time(left), Value::Number(right))
                | ("*", Value::Number(left), Value::Time(right)) => Value::Time(left * right),
                ("/", Value::Number(left), Value::Number(right)) if right != 0 => Value::Number(left / right),
                ("/", Value::Time(left), Value::Number(right)) if right != 0 => Value::Time(left / right),
                _ => return Err("these have no product".to_owned()),
            };
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Value, String> {
        let _ = self.take(&["&"]);
        let [first, rest @ ..] = self.tokens else { return Err("something is missing".to_owned()) };
        self.tokens = rest;
        let value = match first {
            Token::Number(number) => Value::Number(*number),
            Token::Text(text) => Value::Text(text.clone()),
            Token::Sign("(") => self.inside()?,
            Token::Sign(sign) => return Err(format!("'{sign}' comes too early")),
            Token::Path(path) => self.path(path)?,
        };
        while let [Token::Path(keyword), Token::Path(_), rest @ ..] = self.tokens
            && keyword == "as"
        {
            self.tokens = rest;
        }
        Ok(value)
    }

    /// To the parenthesis that closes.
    fn inside(&mut self) -> Result<Value, String> {
        let value = self.shift()?;
        self.take(&[")"]).ok_or("a parenthesis is not closed")?;
        Ok(value)
    }

    fn path(&mut self, path: &str) -> Result<Value, String> {
        let parts: Vec<&str> = path.split("::").collect();
        let unit = match parts.last() {
            Some(&"from_secs") => Duration::from_secs(1),
            Some(&"from_millis") => Duration::from_millis(1),
            Some(&"from_micros") => Duration::from_micros(1),
            Some(&"from_nanos") => Duration::from_nanos(1),
            Some(&"from_mins") => Duration::from_secs(60),
            _ => match path {
                "u8::MAX" => return Ok(Value::Number(u8::MAX.into())),
                "u16::MAX" => return Ok(Value::Number(u16::MAX.into())),
                "u32::MAX" => return Ok(Value::Number(u32::MAX.into())),
                _ => return (self.look_up)(&parts),
            },
        };
        self.take(&["("]).ok_or_else(|| format!("'{path}' wants a number"))?;
        match self.inside()? {
            Value::Number(number) => {
                let nanoseconds = i128::try_from(unit.as_nanos()).map_err(|error| error.to_string())?;
                Ok(Value::Time(number * nanoseconds))
            }
            _ => Err(format!("'{path}' wants a number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        evaluate(text, &|parts| match parts {
            ["BEAT"] => Ok(Value::Time(2_000_000_000)),
            ["exit", "USAGE"] => Ok(Value::Number(2)),
            _ => Err(format!("no {}", parts.join("::"))),
        })
    }

    #[test]
    fn numbers_times_and_texts_are_understood() {
        assert_eq!(value("64 * 1024"), Ok(Value::Number(65_536)));
        assert_eq!(value("1_024_usize"), Ok(Value::Number(1024)));
        assert_eq!(value("u32::MAX as usize - 1"), Ok(Value::Number(4_294_967_294)));
        assert_eq!(value("1 << 20"), Ok(Value::Number(1_048_576)));
        assert_eq!(value("0o177"), Ok(Value::Number(127)));
        assert_eq!(value("Duration::from_millis(20)"), Ok(Value::Time(20_000_000)));
        assert_eq!(value("BEAT * (3 + 1)"), Ok(Value::Time(8_000_000_000)));
        assert_eq!(value("exit::USAGE"), Ok(Value::Number(2)));
        assert_eq!(value("\"/run/x\""), Ok(Value::Text("/run/x".to_owned())));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for wrong in ["", "2 +", "NOSUCH", "Self { a: 1 }", "BEAT + 1", "(2", "1 2", "5 / 0"] {
            assert!(value(wrong).is_err(), "{wrong}");
        }
    }
}
