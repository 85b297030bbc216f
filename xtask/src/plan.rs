//! What `cargo xtask test` does, in order.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::chaos;
use crate::documents::{self, Generated};
use crate::failures::{self, Words};
use crate::leftovers::Marker;
use crate::packages;
use crate::simulate;
use crate::soak;
use crate::stall::StallWatch;
use crate::step::{Outcome, Step, log_path, say};
use crate::tally::{Failure, Tally};
use crate::vm;

/// The version that the licence check is written for.
const CARGO_DENY: &str = "0.20.2";

/// How long each test of chaos lets faults happen.
const CHAOS_SECONDS: &str = "STEADFAST_CHAOS_SECONDS";
const CHAOS_SECONDS_OF_TEST: &str = "60";

/// How long the pair of a soak is under stress.
const SOAK_SECONDS: &str = "STEADFAST_SOAK_SECONDS";
const SOAK_SECONDS_OF_TEST: &str = "60";

/// Packages whose integration tests run real daemons and measure time: with the release binary, and beside each other
/// only as the profile of nextest says.
const END_TO_END: [&str; 2] = ["steadfast", "steadfast-lab"];

/// In `.config/nextest.toml`.
const END_TO_END_PROFILE: &str = "end-to-end";

/// How long all tests in a guest may take together.
const GUEST_SECONDS: &str = "840";

/// The guests, which run beside each other: that of tests which share it, and that of the others.
const GUESTS: [&str; 2] = ["tests in a guest", "measured in a guest"];

/// What runs once more what failed in each while the machine stalled, and of how many tests: it is a matter of a few.
const GUESTS_AGAIN: [&str; 2] = ["tests in a guest again", "measured there again"];
const GUEST_TESTS_AGAIN: usize = 3;

/// Tests that fill the guest's processor themselves, or measure time.
const ALONE_IN_A_GUEST: [&str; 3] = ["differential::", "directors::", "chaos::"];

/// Tests that share a guest, at one time: one takes as long as all the others together, and more would crowd its processor.
const BESIDE_IN_A_GUEST: usize = 2;

/// How much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Everything,
    /// Without the release binary and what needs it.
    Quick,
}

/// Where the workspace is.
pub(crate) fn workspace() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in no workspace")
}

/// Where building puts what it makes.
pub(crate) fn target_folder() -> Result<PathBuf> {
    Ok(env::var_os("CARGO_TARGET_DIR").map_or(workspace()?.join("target"), PathBuf::from))
}

/// Runs the steps and shows the sum; whether all is well.
pub(crate) fn test(extent: Extent) -> Result<bool> {
    let mut plan = Plan::new()?;
    plan.packages()?;
    plan.lints()?;
    plan.licences()?;
    plan.unit_tests()?;
    plan.tests_in_guests()?;
    if extent == Extent::Everything {
        plan.end_to_end()?;
    }
    plan.leftovers()?;
    Ok(plan.conclude(extent))
}

/// Compares the documents with the code, and shows what differs; whether nothing does.
pub(crate) fn documents(generated: Generated) -> Result<bool> {
    let mut plan = Plan::new()?;
    let started = Instant::now();
    let findings = documents::check(&plan.root, generated)?;
    for finding in &findings {
        println!("{finding}");
    }
    plan.tally.failed += findings.len();
    plan.tally.passed += usize::from(findings.is_empty());
    say("pages", started, if findings.is_empty() { "ok" } else { "FAILED" });
    // What only the program knows: commands, options, keywords, configurations, features.
    for (name, package, target, filter) in [
        ("program", "steadfast", ["--bin", "steadfast"], "document"),
        ("language", "steadfast-config", ["--test", "keywords"], "readmes"),
    ] {
        let mut tests = plan.cargo(&["test", "--locked", "--package", package]);
        tests.args(target).arg(filter);
        if generated == Generated::Write {
            tests.env("RECORD", "1");
        }
        plan.tests(name, tests, Duration::from_secs(600))?;
    }
    Ok(plan.conclude(Extent::Everything))
}

/// Makes the picture of the README from a real failover.
pub(crate) fn picture() -> Result<bool> {
    let mut plan = Plan::new()?;
    let build = plan.cargo(&["build", "--locked", "--package", "steadfast"]);
    plan.check("program", build, Duration::from_secs(900))?;
    let mut run = plan.cargo(&["run", "--locked", "--package", "steadfast-lab", "--example", "picture"]);
    run.env("STEADFAST_BIN", plan.target.join("debug/steadfast"));
    plan.check("picture", run, Duration::from_secs(600))?;
    Ok(plan.conclude(Extent::Everything))
}

/// Runs the simulator over seeds, or over one alone with its whole trace, or judges a record; whether no rule broke.
pub(crate) fn simulate(options: simulate::Options<'_>) -> Result<bool> {
    if let simulate::Options::Record(file) = options {
        return judge(file);
    }
    let plan = Plan::new()?;
    let mut run = plan.cargo(&["test", "--locked", "--package", "steadfast-sim", "--test", "seeds"]);
    run.args(["seeds_break_no_promise", "--", "--nocapture"]);
    run.envs(options.variables());
    Ok(run.status().context("cargo cannot be run")?.success())
}

/// Judges a flight record by the rules of the simulator; whether none broke.
fn judge(file: &str) -> Result<bool> {
    let file = fs::canonicalize(file).with_context(|| format!("{file} cannot be read"))?;
    let plan = Plan::new()?;
    let mut run = plan.cargo(&["run", "--locked", "--package", "steadfast-sim", "--example", "record", "--"]);
    run.arg(file);
    Ok(run.status().context("cargo cannot be run")?.success())
}

/// Runs pairs of routers under stress for so many minutes, and shows how late they were; whether none failed over.
pub(crate) fn soak(options: soak::Options) -> Result<bool> {
    let mut plan = Plan::new()?;
    plan.packages()?;
    let build = plan.cargo(&["build", "--release", "--locked", "--package", "steadfast"]);
    plan.check("release binary", build, Duration::from_secs(900))?;
    let mut run = plan.cargo(&["test", "--locked", "--package", "steadfast-lab", "--test", "soak"]);
    run.args(["--", "--nocapture"]);
    run.env("STEADFAST_BIN", plan.target.join("release/steadfast"));
    run.env(SOAK_SECONDS, options.seconds.to_string());
    if !options.alone {
        run.env("STEADFAST_SOAK_BESIDE", "1");
    }
    if options.fast_detection {
        run.env("STEADFAST_SOAK_FAST_DETECTION", "1");
    }
    Ok(run.status().context("cargo cannot be run")?.success())
}

/// Lets faults happen to real daemons, and shows what comes of it; whether nothing did that may not.
pub(crate) fn chaos(options: &chaos::Options<'_>) -> Result<bool> {
    let mut plan = Plan::new()?;
    plan.packages()?;
    let build = plan.cargo(&["build", "--release", "--locked", "--package", "steadfast"]);
    plan.check("release binary", build, Duration::from_secs(900))?;
    let mut run = plan.cargo(&["test", "--locked", "--package", "steadfast-lab", "--test", "chaos"]);
    run.args([options.test(), "--", "--nocapture"]).env("STEADFAST_CHAOS_PROGRAM", options.program);
    run.env("STEADFAST_BIN", plan.target.join("release/steadfast"));
    run.env(CHAOS_SECONDS, options.seconds.to_string());
    run.env("STEADFAST_CHAOS_SEED", options.seed.to_string());
    Ok(run.status().context("cargo cannot be run")?.success())
}

struct Plan {
    root: PathBuf,
    target: PathBuf,
    logs: PathBuf,
    marker: Marker,
    nextest: bool,
    tally: Tally,
    failures: Vec<String>,
    /// What failed tests said, each with its step.
    words: Vec<(String, Words)>,
    started: Instant,
}

impl Plan {
    fn new() -> Result<Self> {
        let (root, target) = (workspace()?, target_folder()?);
        let mut plan = Self {
            root: root.to_owned(),
            logs: target.join("xtask"),
            target,
            marker: Marker::new(),
            nextest: false,
            tally: Tally::default(),
            failures: Vec::new(),
            words: Vec::new(),
            started: Instant::now(),
        };
        plan.nextest =
            plan.cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
        Ok(plan)
    }

    fn packages(&mut self) -> Result<()> {
        let missing = packages::provide(&self.marker, &self.logs)?;
        for line in missing {
            println!("missing: {line}");
        }
        Ok(())
    }

    fn lints(&mut self) -> Result<()> {
        let format = self.cargo(&["fmt", "--all", "--check"]);
        self.check("format", format, Duration::from_secs(60))?;
        let clippy =
            self.cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]);
        self.check("lints", clippy, Duration::from_secs(600))?;
        let mut documentation = self.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        documentation.env("RUSTDOCFLAGS", "--deny warnings");
        self.check("documentation", documentation, Duration::from_secs(600))
    }

    /// cargo-deny is the developer's own if there is one, otherwise one of this workspace.
    fn licences(&mut self) -> Result<()> {
        let tools = self.target.join("tools");
        let own = tools.join("bin/cargo-deny");
        let program = match own.is_file() {
            true => own,
            false if packages::present("cargo-deny") => PathBuf::from("cargo-deny"),
            false => {
                let mut install = self.cargo(&["install", "--locked", "--debug", "--quiet", "--root"]);
                install.arg(&tools).args(["cargo-deny", "--version", CARGO_DENY]);
                let step = Step { name: "cargo-deny", command: install, limit: Duration::from_secs(420) };
                let outcome = step.run(&self.marker, &log_path(&self.logs, "cargo-deny")?)?;
                if !outcome.succeeded {
                    let why = "licences: cargo-deny cannot be installed, see target/xtask/cargo-deny.log";
                    self.tally.left_out.insert(why.to_owned());
                    return Ok(());
                }
                own
            }
        };
        let mut deny = Command::new(program);
        deny.current_dir(&self.root).args(["--log-level", "error", "check", "licenses", "bans", "sources"]);
        self.check("licences", deny, Duration::from_secs(120))
    }

    fn unit_tests(&mut self) -> Result<()> {
        let mut unit = self.runner(&["--workspace", "--locked", "--lib", "--bins"]);
        unit.envs(simulate::Options::TESTS.variables());
        self.tests("unit tests", unit, Duration::from_secs(900))?;
        let names = self.integration_tests(|package| !END_TO_END.contains(&package));
        let mut selection = vec!["--workspace", "--locked"];
        for package in END_TO_END {
            selection.extend(["--exclude", package]);
        }
        selection.extend(names.iter().flat_map(|name| ["--test", name.as_str()]));
        // cargo refuses to run integration tests where there are none.
        if !names.is_empty() {
            let mut integration = self.runner(&selection);
            integration.envs(simulate::Options::TESTS.variables());
            self.tests("integration tests", integration, Duration::from_secs(900))?;
        }
        let examples = self.cargo(&["test", "--workspace", "--locked", "--doc"]);
        self.tests("documentation tests", examples, Duration::from_secs(300))
    }

    /// The names of the integration tests of some packages, but for those that need a guest.
    fn integration_tests(&self, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let rooms = fs::read_dir(self.root.join("crates")).into_iter().flatten().flatten();
        let rooms = rooms.filter(|room| {
            let name = room.file_name();
            let name = name.to_string_lossy();
            wanted(
                if name == "steadfast" { "steadfast".to_owned() } else { format!("steadfast-{name}") }
                    .as_str(),
            )
        });
        let files =
            rooms.flat_map(|room| fs::read_dir(room.path().join("tests")).into_iter().flatten().flatten());
        let tests = files.filter(|file| {
            file.path().extension().is_some_and(|kind| kind == "rs") || file.path().join("main.rs").is_file()
        });
        let names = tests.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
        names.filter(|name| name != vm::TESTS).collect()
    }

    /// Integration tests called `vm` need a kernel that the machine may not have. A guest has one processor: those that
    /// fill it or measure time have one for themselves, and the others, which mostly wait, share the other.
    fn tests_in_guests(&mut self) -> Result<()> {
        let [sharing, alone] = GUESTS;
        let mut build = self.cargo(&["test", "--no-run", "--workspace", "--locked", "--test", vm::TESTS]);
        let output = build.output().context("building the tests in a guest")?;
        let programs = vm::test_programs(&String::from_utf8_lossy(&output.stderr));
        if !output.status.success() || programs.is_empty() {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = told.lines().map(str::to_owned).collect();
            self.keep_words(sharing, vec![Words::of_step("building it", &last)]);
            fs::write(log_path(&self.logs, sharing)?, told)?;
            self.tally.failed += 1;
            self.failures.push(sharing.to_owned());
            return Ok(());
        }
        let skipped = ALONE_IN_A_GUEST.map(|tests| format!("--skip {tests}")).join(" ");
        let shared = self.guest(&programs, &format!("{skipped} --test-threads={BESIDE_IN_A_GUEST}"))?;
        let own = self.guest(&programs, &format!("{} --test-threads=1", ALONE_IN_A_GUEST.join(" ")))?;
        let limit = Duration::from_secs(900);
        let plan = &*self;
        let (watch, began) = (StallWatch::start(), Instant::now());
        let outcomes = std::thread::scope(|scope| {
            let other = scope.spawn(|| plan.run(alone, own, limit));
            let first = plan.run(sharing, shared, limit);
            [Some(first), other.join().ok()]
        });
        let ended = Instant::now();
        for ((name, again), outcome) in GUESTS.into_iter().zip(GUESTS_AGAIN).zip(outcomes) {
            let mut outcome = outcome.context("a step panicked")??;
            outcome.tally.failures = failures_between(&outcome, began, ended);
            if let Some(stalled) =
                stalled(&outcome, &watch).filter(|stalled| stalled.len() <= GUEST_TESTS_AGAIN)
            {
                let tests: Vec<&str> = stalled.iter().map(|(failure, _)| &*failure.test).collect();
                let guest =
                    self.guest(&programs, &format!("--exact {} --test-threads=1", tests.join(" ")))?;
                let again = self.run(again, guest, Duration::from_secs(300))?;
                if again.succeeded && again.tally.passed == stalled.len() {
                    outcome.take_back(&stalled);
                }
            }
            self.count(name, outcome);
        }
        Ok(())
    }

    /// A guest that runs these test programs one after the other.
    fn guest(&self, programs: &[PathBuf], arguments: &str) -> Result<Command> {
        let mut script = String::from("status=0");
        for program in programs {
            let program = self.root.join(program);
            write!(script, "; {} {arguments} --show-output --color=never || status=1", program.display())?;
        }
        script.push_str("; exit $status");
        let mut guest = Command::new(env::current_exe()?);
        guest.current_dir(&self.root).args(["vm", "--limit", GUEST_SECONDS, "--", "sh", "-c", &script]);
        Ok(guest)
    }

    fn end_to_end(&mut self) -> Result<()> {
        let build = self.cargo(&["build", "--release", "--locked", "--package", "steadfast"]);
        self.check("release binary", build, Duration::from_secs(900))?;
        let binary = self.target.join("release/steadfast");
        self.tests_of_timing(&binary)?;
        let mut demonstration = Command::new(&binary);
        demonstration.arg("lab");
        self.check("demonstration", demonstration, Duration::from_secs(120))
    }

    /// The tests that run real daemons. One that failed while the machine itself was late has shown nothing about
    /// the daemons: it is run once more, and that is told at the end.
    fn tests_of_timing(&mut self, binary: &Path) -> Result<()> {
        let names = self.integration_tests(|package| END_TO_END.contains(&package));
        let run = |plan: &Self, name, more: &[&str], limit| {
            let mut selection = vec!["--locked"];
            selection.extend(names.iter().flat_map(|name| ["--test", name.as_str()]));
            for package in END_TO_END {
                selection.extend(["--package", package]);
            }
            selection.extend(more);
            let mut tests = plan.end_to_end_runner(&selection);
            tests.env("STEADFAST_BIN", binary).env(CHAOS_SECONDS, CHAOS_SECONDS_OF_TEST);
            tests.env(SOAK_SECONDS, SOAK_SECONDS_OF_TEST);
            plan.run(name, tests, limit)
        };
        let watch = StallWatch::start();
        let mut outcome = run(self, "end-to-end tests", &[], Duration::from_secs(1_500))?;
        if let Some(stalled) = stalled(&outcome, &watch) {
            let filters: Vec<String> = stalled.iter().map(|(failure, _)| failure.filter()).collect();
            let again = ["--test-threads", "1", "-E", &filters.join(" or ")];
            let again = run(self, "stalled tests again", &again, Duration::from_secs(240))?;
            if again.succeeded && again.tally.passed == stalled.len() {
                outcome.take_back(&stalled);
            }
        }
        self.count("end-to-end tests", outcome);
        Ok(())
    }

    fn leftovers(&mut self) -> Result<()> {
        let started = Instant::now();
        let found = self.marker.leftovers()?;
        if found.is_empty() {
            self.tally.passed += 1;
            say("leftovers", started, "ok");
        } else {
            self.tally.failed += 1;
            self.failures.push(format!("leftovers: {}", found.join(", ")));
            say("leftovers", started, "FAILED");
        }
        Ok(())
    }

    /// A step that counts as one, whatever it counts itself.
    fn check(&mut self, name: &'static str, command: Command, limit: Duration) -> Result<()> {
        let outcome = self.run(name, command, limit)?;
        if outcome.succeeded {
            self.tally.passed += 1;
        } else {
            self.tally.failed += 1;
            self.failures.push(name.to_owned());
            self.keep_words(name, outcome.failed);
        }
        Ok(())
    }

    fn keep_words(&mut self, step: &str, failed: Vec<Words>) {
        self.words.extend(failed.into_iter().map(|words| (step.to_owned(), words)));
    }

    /// A step that counts as many as it runs tests; as one if it does not get that far.
    fn tests(&mut self, name: &'static str, command: Command, limit: Duration) -> Result<()> {
        let outcome = self.run(name, command, limit)?;
        self.count(name, outcome);
        Ok(())
    }

    fn count(&mut self, name: &str, mut outcome: Outcome) {
        if !outcome.succeeded {
            outcome.tally.failed = outcome.tally.failed.max(1);
            self.failures.push(name.to_owned());
            self.keep_words(name, std::mem::take(&mut outcome.failed));
        }
        // A test that left itself out has returned early, which its runner takes for success.
        outcome.tally.passed = outcome.tally.passed.saturating_sub(outcome.tally.left_out.len());
        self.tally.absorb(outcome.tally);
    }

    fn run(&self, name: &'static str, command: Command, limit: Duration) -> Result<Outcome> {
        Step { name, command, limit }.run(&self.marker, &log_path(&self.logs, name)?)
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.current_dir(&self.root).args(arguments);
        command
    }

    fn runner(&self, selection: &[&str]) -> Command {
        let mut command = if self.nextest {
            self.cargo(&[
                "nextest",
                "run",
                "--no-fail-fast",
                "--no-tests",
                "pass",
                "--success-output",
                "immediate",
                // The end of the log is shown when a step fails.
                "--failure-output",
                "final",
            ])
        } else {
            self.cargo(&["test", "--no-fail-fast"])
        };
        command.args(selection);
        if !self.nextest {
            // What a test prints that passes may say that it was left out.
            command.args(["--", "--show-output"]);
        }
        command
    }

    /// Without nextest nothing says which tests bear others beside them: one at a time.
    fn end_to_end_runner(&self, selection: &[&str]) -> Command {
        let mut command = self.runner(selection);
        if self.nextest {
            command.args(["--profile", END_TO_END_PROFILE]);
        } else {
            command.arg("--test-threads=1");
        }
        command
    }

    fn conclude(&self, extent: Extent) -> bool {
        let Tally { passed, mut failed, ignored, left_out, ran_again, failures: _ } = self.tally.clone();
        let mut skipped = left_out.len() + ignored;
        println!();
        for line in &left_out {
            println!("left out: {line}");
        }
        for line in &ran_again {
            println!("ran again: {line}");
        }
        if ignored > 0 {
            println!("left out: {ignored} tests marked as ignored");
        }
        if extent == Extent::Quick {
            println!("not asked for (--quick): the release binary, end-to-end tests, the demonstration");
        }
        for name in &self.failures {
            println!("failed: {name}");
        }
        for line in failures::told(&self.words) {
            println!("{line}");
        }
        if env::var_os("CI").is_some_and(|value| value == "true") && skipped > 0 {
            println!("failed: in CI nothing may be left out");
            failed += skipped;
            skipped = 0;
        }
        println!("after {} s", self.started.elapsed().as_secs());
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        println!("{passed} passed, {failed} failed{skipped}");
        failed == 0
    }
}

/// The failed tests of a step whose runner does not say when each of them ran: between its beginning and its end.
fn failures_between(outcome: &Outcome, began: Instant, ended: Instant) -> Vec<Failure> {
    let failed = outcome.failed.iter();
    failed
        .map(|words| Failure { binary: vm::TESTS.to_owned(), test: words.test.clone(), began, ended })
        .collect()
}

/// The failed tests, if the machine stalled during each of them, and for how long.
fn stalled(outcome: &Outcome, watch: &StallWatch) -> Option<Vec<(Failure, Duration)>> {
    let failures = &outcome.tally.failures;
    // Those that hung or could not be started are no matter of a moment.
    if outcome.succeeded || failures.is_empty() || failures.len() != outcome.tally.failed {
        return None;
    }
    let with_stall = |failure: &Failure| {
        let stall = watch.longest_between(failure.began, failure.ended)?;
        Some((failure.clone(), stall))
    };
    failures.iter().map(with_stall).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn failed_at(times: &[(Instant, Instant)]) -> Outcome {
        let failures = times.iter().enumerate().map(|(number, (began, ended))| Failure {
            binary: "steadfast::failover".to_owned(),
            test: format!("test_{number}"),
            began: *began,
            ended: *ended,
        });
        let tally =
            Tally { passed: 7, failed: times.len(), failures: failures.collect(), ..Tally::default() };
        Outcome { tally, succeeded: false, failed: Vec::new() }
    }

    #[test]
    fn failures_of_a_guest_are_doubted_if_the_machine_stalled_meanwhile() {
        let second = Duration::from_secs(1);
        let began = Instant::now() + 100 * second;
        let ended = began + 60 * second;
        let mut outcome = failed_at(&[]);
        outcome.tally.failed = 1;
        outcome.failed = vec![Words::of_step("ending::a_test", &VecDeque::new())];
        outcome.tally.failures = failures_between(&outcome, began, ended);
        let quiet = StallWatch::that_saw(ended + second, second);
        assert_eq!(stalled(&outcome, &quiet), None);
        let busy = StallWatch::that_saw(began + second, second);
        let doubted = stalled(&outcome, &busy).unwrap();
        assert_eq!(doubted.iter().map(|(failure, _)| &*failure.test).collect::<Vec<_>>(), ["ending::a_test"]);
        // A guest that did not get as far as a test has no failed test to run again.
        outcome.failed.clear();
        outcome.tally.failures = failures_between(&outcome, began, ended);
        assert_eq!(stalled(&outcome, &busy), None);
    }

    #[test]
    fn only_failures_during_a_stall_are_doubted() {
        let (second, late) = (Duration::from_secs(1), Duration::from_millis(90));
        let now = Instant::now() + 100 * second;
        let watch = StallWatch::that_saw(now, late);
        let (during, after) = ((now - second, now + second), (now + second, now + 2 * second));
        assert_eq!(stalled(&failed_at(&[after]), &watch), None);
        assert_eq!(stalled(&failed_at(&[during, after]), &watch), None);
        let mut hung = failed_at(&[during]);
        hung.tally.failed += 1;
        assert_eq!(stalled(&hung, &watch), None);

        let mut outcome = failed_at(&[during, during]);
        let doubted = stalled(&outcome, &watch).unwrap();
        outcome.take_back(&doubted);
        assert!(outcome.succeeded);
        assert_eq!((outcome.tally.passed, outcome.tally.failed), (9, 0));
        assert_eq!(
            outcome.tally.ran_again,
            ["0", "1"]
                .map(|number| format!("steadfast::failover test_{number}: the machine stalled for 90 ms"))
        );
    }
}
