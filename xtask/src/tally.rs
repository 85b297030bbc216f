//! Counting: what test runners say in their output.

use std::collections::BTreeSet;

/// What a run of tests came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and were right.
    pub(crate) passed: usize,
    /// Tests that were wrong, hung, or could not be started.
    pub(crate) failed: usize,
    /// Tests marked as ignored.
    pub(crate) ignored: usize,
    /// What a test said that left itself out, without repetition. The runner counts it as passed.
    pub(crate) left_out: BTreeSet<String>,
}

impl Tally {
    /// Takes in one line of output of cargo test, cargo nextest or a test.
    pub(crate) fn read(&mut self, line: &str) {
        // nextest runs each test by cargo test's runner, and shows what that says indented.
        let whole_run = line.strip_prefix("test result: ");
        let line = line.trim();
        if let Some(reason) = line.strip_prefix("left out: ") {
            self.left_out.insert(reason.to_owned());
        } else if let Some(counts) = whole_run {
            self.add(counts);
        } else if let Some((_, counts)) =
            line.strip_prefix("Summary [").and_then(|rest| rest.split_once("run:"))
        {
            self.add(counts);
        }
    }

    /// Adds what another step came to.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.left_out.extend(other.left_out);
    }

    /// Tests that ran, whatever came of them.
    pub(crate) fn ran(&self) -> usize {
        self.passed + self.failed
    }

    /// Counts as `13 passed; 0 failed; 1 ignored` or `13 passed (2 slow), 1 timed out, 1 skipped`.
    fn add(&mut self, counts: &str) {
        for part in counts.split([',', ';', '.']) {
            let mut words = part.split_whitespace().skip_while(|word| word.parse::<usize>().is_err());
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                // nextest: "timed out", "exec failed", "failed due to signal".
                "failed" | "timed" | "exec" => self.failed += number,
                "ignored" | "skipped" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(line: &str) -> (usize, usize, usize) {
        let mut tally = Tally::default();
        tally.read(line);
        (tally.passed, tally.failed, tally.ignored)
    }

    #[test]
    fn libtest_is_understood() {
        let line = "test result: FAILED. 13 passed; 2 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.03s";
        assert_eq!(counts(line), (13, 2, 1));
    }

    #[test]
    fn nextest_is_understood() {
        assert_eq!(counts("     Summary [   0.048s] 2 tests run: 2 passed, 0 skipped"), (2, 0, 0));
        let line = "     Summary [  61.5s] 9 tests run: 5 passed (1 slow), 2 failed, 1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(counts(line), (5, 4, 3));
        assert_eq!(counts("    test result: ok. 1 passed; 0 failed; 0 ignored"), (0, 0, 0));
        let cut_short = "     Summary [  1.5s] 3/9 tests run: 2 passed, 1 failed, 0 skipped";
        assert_eq!(counts(cut_short), (2, 1, 0));
    }

    #[test]
    fn what_is_left_out_is_told_once() {
        let mut tally = Tally::default();
        for line in ["left out: x: no keepalived", "    left out: x: no keepalived", "nothing left out: y"] {
            tally.read(line);
        }
        assert_eq!(tally.left_out.into_iter().collect::<Vec<_>>(), ["x: no keepalived"]);
    }
}
