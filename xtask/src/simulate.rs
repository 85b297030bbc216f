//! What `cargo xtask simulate` is told.

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Options<'a> {
    /// So many seeds, from one on.
    Seeds { from: u64, count: u64 },
    /// One seed, with its whole trace.
    Seed(u64),
    /// A flight record.
    Record(&'a str),
}

/// As many as the tests run.
const COUNT: u64 = 10_000;

impl<'a> Options<'a> {
    /// The number of seeds that tests run.
    pub(crate) const TESTS: Self = Self::Seeds { from: 0, count: COUNT };

    /// # Errors
    /// The word that is none.
    pub(crate) fn parse(words: &[&'a str]) -> Result<Self, &'a str> {
        match words {
            ["--seed", seed] => return seed.parse().map(Self::Seed).map_err(|_| *seed),
            ["--record", file] => return Ok(Self::Record(file)),
            _ => {}
        }
        let (mut from, mut count) = (0, COUNT);
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let option = match word {
                "--from" => &mut from,
                "--seeds" => &mut count,
                _ => return Err(word),
            };
            let value = words.next().ok_or(word)?;
            *option = value.parse().map_err(|_| value)?;
        }
        Ok(Self::Seeds { from, count })
    }

    /// How the simulator's tests are told.
    pub(crate) fn variables(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Seeds { from, count } => {
                vec![("STEADFAST_SIM_FROM", from.to_string()), ("STEADFAST_SIM_SEEDS", count.to_string())]
            }
            Self::Seed(seed) => vec![("STEADFAST_SIM_SEED", seed.to_string())],
            Self::Record(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_named() {
        let read = |words: &[&'static str]| Options::parse(words);
        assert_eq!(read(&[]), Ok(Options::TESTS));
        assert_eq!(read(&["--seeds", "7"]), Ok(Options::Seeds { from: 0, count: 7 }));
        assert_eq!(read(&["--seeds", "7", "--from", "3"]), Ok(Options::Seeds { from: 3, count: 7 }));
        assert_eq!(read(&["--from", "3"]), Ok(Options::Seeds { from: 3, count: COUNT }));
        assert_eq!(read(&["--seed", "7"]), Ok(Options::Seed(7)));
        assert_eq!(read(&["--record", "file"]), Ok(Options::Record("file")));
        assert_eq!(read(&["--seeds"]), Err("--seeds"));
        assert_eq!(read(&["--from", "first"]), Err("first"));
        assert_eq!(read(&["--seed", "7", "--from", "3"]), Err("--seed"));
    }
}
