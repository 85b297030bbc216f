//! What `cargo xtask soak` is told.

/// Options with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) seconds: u64,
    /// Without a pair of keepalived beside it.
    pub(crate) alone: bool,
    pub(crate) fast_detection: bool,
}

impl Options {
    /// # Errors
    /// The word that is none.
    pub(crate) fn parse<'a>(words: &[&'a str]) -> Result<Self, &'a str> {
        let mut options = Self { seconds: 600, alone: false, fast_detection: false };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            match word {
                "--alone" => options.alone = true,
                "--fast-detection" => options.fast_detection = true,
                "--minutes" => {
                    let minutes = words.next().ok_or(word)?;
                    options.seconds =
                        minutes.parse::<u64>().ok().and_then(|n| n.checked_mul(60)).ok_or(minutes)?;
                }
                _ => return Err(word),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_named() {
        let usual = Options { seconds: 600, alone: false, fast_detection: false };
        assert_eq!(Options::parse(&[]), Ok(usual));
        assert_eq!(
            Options::parse(&["--alone", "--minutes", "3"]),
            Ok(Options { seconds: 180, alone: true, ..usual })
        );
        assert_eq!(Options::parse(&["--fast-detection"]), Ok(Options { fast_detection: true, ..usual }));
        assert_eq!(Options::parse(&["--minutes"]), Err("--minutes"));
        assert_eq!(Options::parse(&["--minutes", "x"]), Err("x"));
        assert_eq!(Options::parse(&["--hours", "1"]), Err("--hours"));
    }
}
