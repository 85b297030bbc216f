//! Counting: what test runners say in their output.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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
    /// The failed ones that nextest names, in its order.
    pub(crate) failures: Vec<Failure>,
    /// What was run again, and why.
    pub(crate) ran_again: Vec<String>,
}

/// A test that ran and was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Package and, behind `::`, file of integration tests.
    pub(crate) binary: String,
    /// Its name within them.
    pub(crate) test: String,
    /// When it began.
    pub(crate) began: Instant,
    /// When it was over.
    pub(crate) ended: Instant,
}

impl Tally {
    /// Takes in one line of output of cargo test, cargo nextest or a test.
    pub(crate) fn read(&mut self, line: &str) {
        // nextest runs each test by cargo test's runner, and shows what that says indented.
        let whole_run = line.strip_prefix("test result: ");
        let line = line.trim();
        if let Some(reason) = line.strip_prefix("left out: ") {
            self.left_out.insert(reason.to_owned());
        } else if let Some(failure) = Failure::read(line, Instant::now()) {
            // The summary names them once more.
            if !self.failures.iter().any(|known| known.is(&failure)) {
                self.failures.push(failure);
            }
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
        self.ran_again.extend(other.ran_again);
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

impl Failure {
    /// From `FAIL [   0.609s] ( 79/120) steadfast::interop_frr agreement::a_test`.
    fn read(line: &str, now: Instant) -> Option<Self> {
        let (seconds, rest) = line.strip_prefix("FAIL [")?.split_once("s]")?;
        let took = Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()?;
        let (_, names) = rest.split_once(')')?;
        let (binary, test) = names.trim().split_once(' ')?;
        let began = now.checked_sub(took).unwrap_or(now);
        Some(Self { binary: binary.to_owned(), test: test.to_owned(), began, ended: now })
    }

    /// Whether it is the same test.
    fn is(&self, other: &Self) -> bool {
        (&self.binary, &self.test) == (&other.binary, &other.test)
    }

    /// A filter of nextest that selects it.
    pub(crate) fn filter(&self) -> String {
        format!("(binary_id(={}) and test(={}))", self.binary, self.test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named_once_with_their_time() {
        let mut tally = Tally::default();
        for line in [
            "        FAIL [   2.500s] ( 79/120) steadfast::interop_frr agreement::a_test",
            "        PASS [   0.609s] ( 80/120) steadfast::interop_frr agreement::another",
            "        FAIL [   2.500s] ( 79/120) steadfast::interop_frr agreement::a_test",
        ] {
            tally.read(line);
        }
        let [failure] = &tally.failures[..] else { panic!("{:?}", tally.failures) };
        assert_eq!(failure.filter(), "(binary_id(=steadfast::interop_frr) and test(=agreement::a_test))");
        assert_eq!(failure.ended - failure.began, Duration::from_millis(2500));
    }

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
