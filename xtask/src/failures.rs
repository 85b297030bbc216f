//! What failed tests said, told once more at the very end: of a long log often only its end is at hand.

use std::collections::VecDeque;

/// Failed tests that are told of with their words; of others only their number.
const TESTS_TOLD: usize = 10;

/// Lines for the words of all failed tests together: what is behind them at the end of a log is short.
const LINES_TOLD: usize = 50;

/// Lines for the words of one test: if it is the only one, and if there are many.
const LINES_OF_TEST: usize = 25;
const LINES_OF_ONE_AMONG_MANY: usize = 5;

/// Letters of a line that are told.
const LETTERS_TOLD: usize = 300;

/// What a failed test said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// The test, as its runner calls it.
    pub(crate) test: String,
    /// From its first panic on: where, why, and what is behind that.
    panic: Vec<String>,
    /// The last lines that are not among those.
    last: VecDeque<String>,
}

/// Picks the words of failed tests out of what libtest and nextest print, line by line.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    failed: Vec<Words>,
    speaks: Speaker,
}

/// Whose words the next lines are.
#[derive(Debug, Default, PartialEq, Eq)]
enum Speaker {
    /// The runner's own.
    #[default]
    Runner,
    /// libtest shows tests that failed.
    Failures,
    /// The failed test that was named last, by libtest or, indented, by nextest.
    Test,
    Indented,
    /// nextest has just named a failed test. Its words follow, unless they are kept for the end.
    Named(String),
}

impl Listener {
    /// Takes in a line of a step's output.
    pub(crate) fn hear(&mut self, line: &str) {
        if let Some((failed, test)) = verdict(line) {
            self.speaks = if failed { Speaker::Named(test.to_owned()) } else { Speaker::Runner };
        } else if let Some(test) = heading_of_libtest(line)
            && matches!(self.speaks, Speaker::Failures | Speaker::Test)
        {
            self.begin(test.to_owned(), Speaker::Test);
        } else if matches!(line, "failures:" | "successes:") {
            self.speaks = if line == "failures:" { Speaker::Failures } else { Speaker::Runner };
        } else if line.starts_with("test result: ") || line.starts_with("error: ") {
            self.speaks = Speaker::Runner;
        } else if is_heading_of_nextest(line) {
            if let Speaker::Named(test) = &self.speaks {
                self.begin(test.clone(), Speaker::Indented);
            }
        } else {
            let spoken = match self.speaks {
                Speaker::Test => line,
                Speaker::Indented => line.strip_prefix("    ").unwrap_or(line),
                Speaker::Runner | Speaker::Failures | Speaker::Named(_) => return,
            };
            if let Some(words) = self.failed.last_mut() {
                words.add(spoken);
            }
        }
    }

    /// What every failed test said.
    pub(crate) fn failed(self) -> Vec<Words> {
        self.failed
    }

    fn begin(&mut self, test: String, speaks: Speaker) {
        self.speaks = speaks;
        self.failed.push(Words { test, ..Words::default() });
    }
}

impl Words {
    /// Of something that is no test: the end of its output.
    pub(crate) fn of_step(name: &str, output: &VecDeque<String>) -> Self {
        let mut words = Self { test: name.to_owned(), ..Self::default() };
        output.iter().for_each(|line| words.add(line));
        words
    }

    fn add(&mut self, line: &str) {
        if line.trim().is_empty() || is_of_backtrace(line) {
            return;
        }
        let line: String = line.chars().take(LETTERS_TOLD).collect();
        let begins = line.starts_with("thread '") && line.contains(" panicked at ");
        if begins && self.panic.is_empty() {
            // Why it failed is worth more than what it said before.
            self.last.clear();
            self.panic.push(line);
        } else if !self.panic.is_empty() && self.panic.len() < LINES_OF_TEST {
            self.panic.push(line);
        } else {
            if self.last.len() == LINES_OF_TEST {
                self.last.pop_front();
            }
            self.last.push_back(line);
        }
    }

    /// Not more lines than that: the beginning of the panic, and the end.
    fn told(&self, lines: usize) -> Vec<&str> {
        let all: Vec<&str> = self.panic.iter().chain(&self.last).map(String::as_str).collect();
        if all.len() <= lines {
            return all;
        }
        if self.panic.is_empty() {
            return all.into_iter().rev().take(lines).rev().collect();
        }
        let first = lines.div_ceil(2);
        let rest = lines - first - 1;
        let (panic, end) = (all.iter().take(first), all.iter().skip(all.len() - rest));
        panic.copied().chain(std::iter::once("…")).chain(end.copied()).collect()
    }
}

/// The lines that tell of failed tests, each with its step: so few that they are seen whole at the end of a log.
pub(crate) fn told(failed: &[(String, Words)]) -> Vec<String> {
    let shown = failed.len().min(TESTS_TOLD);
    let lines = LINES_TOLD.checked_div(shown).unwrap_or(0).clamp(LINES_OF_ONE_AMONG_MANY, LINES_OF_TEST);
    let mut told = Vec::new();
    for (step, words) in failed.iter().take(shown) {
        told.push(format!("failed in {step}: {}", words.test));
        told.extend(words.told(lines).into_iter().map(|line| format!("    {line}")));
    }
    if failed.len() > shown {
        told.push(format!("failed: {} further tests", failed.len() - shown));
    }
    told
}

/// What nextest says of a test: whether it failed, and which it is, as in
/// `        FAIL [   0.609s] ( 79/120) steadfast::interop_frr agreement::a_test`.
fn verdict(line: &str) -> Option<(bool, &str)> {
    let (word, rest) = line.trim_start().split_once(" [")?;
    if word.is_empty()
        || !word.chars().all(|letter| letter.is_ascii_uppercase() || matches!(letter, '-' | '+' | ' '))
    {
        return None;
    }
    let (_, rest) = rest.split_once("s] ")?;
    let (_, test) = rest.split_once(") ")?;
    let failed = !matches!(word, "PASS" | "SLOW" | "TERMINATING" | "LEAK" | "SKIP");
    Some((failed, test.trim()))
}

/// Within its output: `  stdout ───`.
fn is_heading_of_nextest(line: &str) -> bool {
    let rest = line.strip_prefix("  stdout ").or_else(|| line.strip_prefix("  stderr "));
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|letter| letter == '─'))
}

/// `---- living::a_test stdout ----`.
fn heading_of_libtest(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// `stack backtrace:`, `   4: nx::tests::bad`, `             at ./src/lib.rs:4:88`, and the note behind them.
fn is_of_backtrace(line: &str) -> bool {
    let trimmed = line.trim_start();
    let is_frame =
        trimmed.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok()) && line != trimmed;
    let is_note = trimmed.starts_with("note: run with `RUST_BACKTRACE")
        || trimmed.starts_with("note: Some details are omitted, run with `RUST_BACKTRACE");
    is_frame || is_note || line == "stack backtrace:" || line.starts_with("             at ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBTEST: &str = "running 3 tests
test living::good ... ok
test living::bad ... FAILED
test living::wrong ... FAILED

successes:

---- living::good stdout ----
all is well

failures:

---- living::bad stdout ----
said before

thread 'living::bad' (9690) panicked at src/living.rs:135:5:
assertion `left == right` failed: one is
not two
  left: 1
 right: 2
stack backtrace:
   0: __rustc::rust_begin_unwind
             at /rustc/library/std/src/panicking.rs:689:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
--- /run/steadfast on director ---
the end of its log

---- living::wrong stdout ----
Error: \"wrong\"

failures:
    living::bad
    living::wrong

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.11s
";

    const NEXTEST: &str = "        PASS [   0.026s] (1/3) steadfast::behaviour logs::good
  stdout ───

    running 1 test
    thread 'main' panicked at what is no failure

        FAIL [   0.132s] (2/3) steadfast::behaviour logs::bad
     TIMEOUT [   2.007s] (3/3) steadfast::behaviour logs::hangs
────────────
     Summary [   2.055s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped
        FAIL + LEAK [   0.132s] (2/3) steadfast::behaviour logs::bad
  stdout ───

    running 1 test
    test logs::bad ... FAILED

    failures:

    failures:
        logs::bad

    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 5 filtered out; finished in 0.12s

  stderr ───

    thread 'logs::bad' (9690) panicked at src/logs.rs:4:88:
    not two
    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

     TIMEOUT [   2.007s] (3/3) steadfast::behaviour logs::hangs
  stdout ───

    running 1 test
    waiting

    (test timed out)

error: test run failed
";

    fn heard(output: &str) -> Vec<(String, Words)> {
        let mut listener = Listener::default();
        output.lines().for_each(|line| listener.hear(line));
        listener.failed().into_iter().map(|words| ("a step".to_owned(), words)).collect()
    }

    #[test]
    fn the_words_of_tests_that_failed_under_libtest_are_told() {
        assert_eq!(
            told(&heard(LIBTEST)),
            [
                "failed in a step: living::bad",
                "    thread 'living::bad' (9690) panicked at src/living.rs:135:5:",
                "    assertion `left == right` failed: one is",
                "    not two",
                "      left: 1",
                "     right: 2",
                "    --- /run/steadfast on director ---",
                "    the end of its log",
                "failed in a step: living::wrong",
                "    Error: \"wrong\"",
            ]
        );
    }

    #[test]
    fn the_words_of_tests_that_failed_under_nextest_are_told() {
        assert_eq!(
            told(&heard(NEXTEST)),
            [
                "failed in a step: steadfast::behaviour logs::bad",
                "    thread 'logs::bad' (9690) panicked at src/logs.rs:4:88:",
                "    not two",
                "failed in a step: steadfast::behaviour logs::hangs",
                "    running 1 test",
                "    waiting",
                "    (test timed out)",
            ]
        );
    }

    /// However much was said: of one test its panic and its end, of many the names and why.
    #[test]
    fn what_is_told_fits_the_end_of_a_log() {
        let one = |test: usize| {
            let lines: String = (1..=200).map(|line| format!("line {line}\n")).collect();
            format!(
                "---- t{test} stdout ----\nbefore\nthread 't{test}' (7) panicked at t.rs:1:1:\nwhy\n{lines}"
            )
        };
        let single = told(&heard(&format!("failures:\n{}", one(0))));
        assert_eq!(single.len(), 1 + LINES_OF_TEST);
        assert_eq!(single[1..3], ["    thread 't0' (7) panicked at t.rs:1:1:", "    why"]);
        assert_eq!(single.last().map(String::as_str), Some("    line 200"));
        let many: String = (0..30).map(one).collect();
        let many = told(&heard(&format!("failures:\n{many}")));
        assert_eq!(many.len(), TESTS_TOLD * (1 + LINES_OF_ONE_AMONG_MANY) + 1);
        assert_eq!(many[7..9], ["    thread 't1' (7) panicked at t.rs:1:1:", "    why"]);
        assert_eq!(many.last().map(String::as_str), Some("failed: 20 further tests"));
    }

    #[test]
    fn of_a_step_that_names_no_test_the_end_is_told() {
        let output: VecDeque<String> = (1..=90).map(|line| format!("line {line}")).collect();
        let told = told(&[("lints".to_owned(), Words::of_step("the end of its output", &output))]);
        assert_eq!(told.len(), 1 + LINES_OF_TEST);
        assert_eq!(told.last().map(String::as_str), Some("    line 90"));
    }
}
