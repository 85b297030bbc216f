//! What `cargo xtask chaos` is told.

/// Options with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options<'a> {
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    /// What the routers run: one of [`PROGRAMS`].
    pub(crate) program: &'a str,
}

/// What the routers can run.
const PROGRAMS: [&str; 3] = ["steadfast", "mixed", "keepalived"];

impl<'a> Options<'a> {
    /// # Errors
    /// The word that is none.
    pub(crate) fn parse(words: &[&'a str]) -> Result<Self, &'a str> {
        let mut options = Self { seconds: 120, seed: 1, program: PROGRAMS[0] };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let value = words.next().ok_or(word)?;
            match word {
                "--minutes" => {
                    options.seconds =
                        value.parse::<u64>().ok().and_then(|n| n.checked_mul(60)).ok_or(value)?;
                }
                "--seed" => options.seed = value.parse().map_err(|_| value)?,
                "--program" => {
                    options.program = PROGRAMS.into_iter().find(|name| *name == value).ok_or(value)?;
                }
                _ => return Err(word),
            }
        }
        Ok(options)
    }

    /// The test that runs them.
    pub(crate) fn test(&self) -> &'static str {
        match self.program {
            "mixed" => "so_it_is_among_others",
            _ => "each_address_has_one_owner_after_every_fault",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_named() {
        let options = Options::parse(&["--seed", "7", "--minutes", "3", "--program", "mixed"]).unwrap();
        assert_eq!(options, Options { seconds: 180, seed: 7, program: "mixed" });
        assert_eq!(Options::parse(&["--seeds", "7"]), Err("--seeds"));
        assert_eq!(Options::parse(&["--seed"]), Err("--seed"));
        assert_eq!(Options::parse(&["--program", "frr"]), Err("frr"));
    }
}
