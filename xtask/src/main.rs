//! Developer commands of the steadfast workspace.
#![forbid(unsafe_code)]

mod chaos;
mod documents;
mod failures;
mod leftovers;
mod packages;
#[cfg(test)]
mod packaging;
mod plan;
mod rfc;
mod simulate;
mod soak;
mod stall;
mod step;
mod tally;
mod vm;

use std::process::ExitCode;

use documents::Generated;

const HELP: &str = "\
Developer commands of steadfast

Usage: cargo xtask <command>

Commands:
  test           Everything: packages, format, lints, documentation, licences, unit and property
                 tests (with the simulator and the fuzz corpora), the release binary, end-to-end
                 tests and the demonstration with it, and a look for what they left behind
  test --quick   The same without the release binary and what needs it
  vm [--limit SECONDS] -- COMMAND
                 The command as root on a kernel of its own that has IPVS (User-Mode Linux), with
                 this machine's files; what it writes vanishes, its output and status are passed on
  simulate [[--from SEED] [--seeds N] | --seed SEED | --record FILE]
                 Only the simulator: N seeds (10,000) from SEED on (0), or one alone with its whole
                 trace. A seed that breaks a promise is printed with its trace. FILE is a flight record,
                 which is judged by the rules that speak of one router
  chaos [--minutes N] [--seed S] [--program steadfast|mixed|keepalived]
                 Real daemons on a switch, and one fault after another from a seed (2 minutes, seed 1,
                 steadfast). Who owned and who answered is judged after each
  soak [--minutes N] [--alone] [--fast-detection]
                 A pair of routers, and a pair of keepalived beside it unless alone, for so long
                 (10 minutes) under everything that should not delay them; what was late, and what a bare
                 timer was. Ours watches over its master by fast_detection if asked for
  docs           Only the documents: every number, name, command, configuration and link in them
                 against the code
  docs --write   First writes anew what is made from the code: the configuration reference and
                 tables
  rfc            What the RFCs of VRRP demand, against the comments that cite it and the tests that show it
  picture        The picture of status and events in the README, from a failover in namespaces
  help           This text

Each step's whole output is in target/xtask/. What failed tests said stands once more, shortened,
before the last lines. The last line is `N passed, N failed`, with
`, N skipped` if something was left out. With CI=true in the environment, what is left out has
failed.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] | ["help" | "--help" | "-h", ..] | [_, "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["vm", command @ ..] => {
            return vm::run(command).unwrap_or_else(|error| {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            });
        }
        ["test"] => plan::test(plan::Extent::Everything),
        ["test", "--quick"] => plan::test(plan::Extent::Quick),
        ["simulate", options @ ..] => match simulate::Options::parse(options) {
            Ok(options) => plan::simulate(options),
            Err(word) => return refuse("simulate", word),
        },
        ["chaos", options @ ..] => match chaos::Options::parse(options) {
            Ok(options) => plan::chaos(&options),
            Err(word) => return refuse("chaos", word),
        },
        ["soak", options @ ..] => match soak::Options::parse(options) {
            Ok(options) => plan::soak(options),
            Err(word) => return refuse("soak", word),
        },
        ["rfc"] => plan::workspace().and_then(rfc::coverage),
        ["picture"] => plan::picture(),
        ["docs"] => plan::documents(Generated::Compare),
        ["docs", "--write"] => plan::documents(Generated::Write),
        _ => {
            eprintln!("error: `cargo xtask {}` is not a command\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(command: &str, word: &str) -> ExitCode {
    eprintln!("error: `{word}` is no option of {command}, or lacks its value\n\n{HELP}");
    ExitCode::from(2)
}
