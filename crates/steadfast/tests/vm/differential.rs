//! The same configuration under keepalived and under steadfast, each with a network of its own: the kernel's table has to
//! be the same at the start, when no server answers, when some do, and after the end.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use steadfast_lab::{Daemon, Program, wait};

use super::director::{Director, LIMIT, balances};
use super::side::Side;

/// Lines of the kernel's list that stand there always.
const HEADING_LINES: usize = 3;

/// Files at the same time: they wait most of the time.
const BESIDE: usize = 8;

/// With [`Pace::Hurried`] every check has been asked as often as it needs to be believed.
const SETTLED: Duration = Duration::from_secs(8);

/// How long a table that was written at once stays as it is before that is believed.
const WRITTEN: Duration = Duration::from_secs(1);

/// Between two looks at the tables.
const GLANCES: Duration = Duration::from_millis(100);

/// Texts in files of others that the two read differently, as docs/differences.md has it, and what stands there in their
/// place, so that the rest is compared.
const EDITED: [(&str, &[[&str; 2]]); 4] = [
    // keepalived 2.2.7 checks every `host` of an SMTP_CHECK.
    (
        "004-upstream-smtp-check.conf",
        &[
            ["host {\n                connect_ip 172.16.1.11\n            }\n", ""],
            ["host {\n                connect_ip  192.168.155.10\n            }\n", ""],
            [
                "host {\n                connect_ip 172.16.1.12\n                connect_port 25\n                bindto 172.16.1.2\n            }\n",
                "",
            ],
            [
                "host {\n                connect_ip  192.168.155.11\n                connect_port 25\n                bindto 192.168.155.2\n            }\n",
                "",
            ],
        ],
    ),
    // A block on one line with its keyword misspelt ends the service for keepalived.
    ("055-shidg-keepalived.conf", &[["SMTP_CHEKC {}", ""]]),
    // Alpha without its program.
    ("077-devtools-1082.conf", &[["${_PWD}/scripts/vs.sh", "/bin/true"]]),
    // Services of both families in one group of marks: keepalived makes those of the first family only.
    (
        "166-devtools-ipvs-test.conf",
        &[
            [
                "virtual_server_group test3 { \n",
                "virtual_server_group test6 {\n fwmark 40\n fwmark 42\n}\nvirtual_server_group test3 {\n",
            ],
            [
                "virtual_server group test3 {\n  delay_loop 3\n  lvs_sched rr\n  lvs_method $FWD\n#  protocol TCP\n  quorum 2\n  sorry_server 2001:470:69dd:300::254\n",
                "virtual_server group test6 {\n  delay_loop 3\n  lvs_sched rr\n  lvs_method $FWD\n#  protocol TCP\n  quorum 2\n  sorry_server 2001:470:69dd:300::254\n",
            ],
            [
                "virtual_server group test3 {\n  delay_loop 3\n  lvs_sched rr\n  lvs_method $FWD\n#  protocol UDP\n  quorum 2\n  sorry_server 2001:470:69dd:301::254\n",
                "virtual_server group test6 {\n  delay_loop 3\n  lvs_sched rr\n  lvs_method $FWD\n#  protocol UDP\n  quorum 2\n  sorry_server 2001:470:69dd:301::254\n",
            ],
            [
                "virtual_server group test3 {\n  delay_loop 3\n  lvs_sched rr\n  lvs_method $FWD\n#  protocol SCTP\n  quorum 2\n  sorry_server 2001:470:69dd:302::254\n",
                "virtual_server group test6 {\n  delay_loop 3\n  lvs_sched rr\n  lvs_method $FWD\n#  protocol SCTP\n  quorum 2\n  sorry_server 2001:470:69dd:302::254\n",
            ],
        ],
    ),
];

/// A configuration to compare.
struct Case {
    name: String,
    text: String,
}

/// How often servers are asked.
#[derive(Clone, Copy)]
enum Pace {
    /// Not at all within the time of a test.
    Never,
    /// All the time.
    Hurried,
}

/// Those of this project always, and those of others where the developer names their folder.
fn cases() -> Vec<Case> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![own.join("tests/vm/balanced")];
    folders.extend(folders_in(&own.join("../../examples")));
    if let Some(shared) = std::env::var_os("STEADFAST_SHARED").map(PathBuf::from) {
        folders.extend(["corpus", "examples"].map(|name| shared.join(name)));
    }
    let mut cases = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "conf")) {
            let mut text = certain(&String::from_utf8_lossy(&std::fs::read(&file).unwrap()));
            for [from, to] in
                EDITED.iter().filter(|(name, _)| file.ends_with(name)).flat_map(|(_, edits)| *edits)
            {
                assert!(text.contains(from), "{}: there is no {from}", file.display());
                text = text.replace(from, to);
            }
            if text.lines().any(is_service) {
                let name = file.strip_prefix(own).unwrap_or(&file).display().to_string();
                cases.push(Case { name, text });
            }
        }
    }
    if let Some(only) = std::env::var_os("ONLY_CONFIGURATION").and_then(|only| only.into_string().ok()) {
        cases.retain(|case| case.name.contains(&only));
    }
    cases
}

/// A random number is the largest that it may be: each side would draw its own.
fn certain(text: &str) -> String {
    const RANDOM: &str = "${_RANDOM ";
    let mut certain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(RANDOM) {
        let (range, after) = behind.split_once('}').unwrap();
        certain.push_str(before);
        certain.push_str(range.split_whitespace().last().unwrap());
        rest = after;
    }
    certain + rest
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn is_service(line: &str) -> bool {
    line.split_whitespace().next() == Some("virtual_server")
}

impl Case {
    /// The configuration with other times in it.
    fn at(&self, pace: Pace) -> String {
        let mut text = String::new();
        for line in self.text.lines() {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next());
            let number = second.and_then(|word| word.parse::<u32>().ok());
            let fitting = match (pace, first, number) {
                (_, "warmup", _) => continue,
                (
                    Pace::Hurried,
                    "delay_loop" | "delay_before_retry" | "connect_timeout" | "misc_timeout",
                    Some(_),
                ) => 1,
                // Nothing fails because it began.
                (Pace::Never, "connect_timeout", Some(_)) => 60,
                (Pace::Hurried, "retry" | "nb_get_retry", Some(number)) => number.min(1),
                _ => {
                    text.push_str(line);
                    text.push('\n');
                    if is_service(line) && line.trim_end().ends_with('{') {
                        text.push_str(match pace {
                            Pace::Never => "warmup 4000\n",
                            Pace::Hurried => "warmup 0\ndelay_loop 1\n",
                        });
                    }
                    continue;
                }
            };
            let rest: Vec<_> = words.collect();
            writeln!(text, "{first} {fitting} {}", rest.join(" ")).unwrap();
        }
        text
    }

    /// The addresses of its servers.
    fn servers(&self) -> Vec<IpAddr> {
        let words = self.words_behind(&["real_server", "sorry_server"]);
        let servers: BTreeSet<IpAddr> = words.filter_map(|words| words.first()?.parse().ok()).collect();
        let foreign = |address: &IpAddr| !address.is_loopback() && !address.is_unspecified();
        servers.into_iter().filter(foreign).collect()
    }

    /// Every port where somebody may be asked.
    fn ports(&self) -> BTreeSet<u16> {
        let direct = self
            .words_behind(&["real_server", "sorry_server"])
            .filter_map(|words| words.get(1)?.parse().ok());
        let other = self.words_behind(&["connect_port"]).filter_map(|words| words.first()?.parse().ok());
        let group = self.words_behind(&["virtual_server"]).filter_map(|words| words.get(1)?.parse().ok());
        direct.chain(other).chain(group).filter(|port| *port != 0).collect()
    }

    fn words_behind<'a>(&'a self, keywords: &'a [&str]) -> impl Iterator<Item = Vec<&'a str>> + 'a {
        self.text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().flat_map(|word| word.split('{'));
            keywords.contains(&words.next()?).then(|| words.collect())
        })
    }
}

/// What differs between the two, as it is told.
struct Comparison<'a> {
    case: &'a Case,
    keepalived: &'a Side,
    steadfast: &'a Side,
    differences: Vec<String>,
}

impl Comparison<'_> {
    /// Waits until the tables are the same and stay so from `since + settled` on; what differs at the end is told.
    fn compare(&mut self, when: &str, since: Instant, settled: Duration, daemons: [&Daemon; 2]) {
        let sides = [self.keepalived, self.steadfast].map(|side| &side.director);
        let alike = || {
            // The kernel lists servers in the order in which they came.
            let [theirs, ours] = sides.map(|side| {
                let mut lines: Vec<String> = side.glance().lines().map(str::to_owned).collect();
                lines.sort();
                lines
            });
            theirs == ours
        };
        while since.elapsed() < LIMIT && !(since.elapsed() >= settled && alike()) {
            std::thread::sleep(GLANCES);
        }
        let [theirs, ours] = sides.map(Director::full_table);
        if theirs == ours {
            return;
        }
        let mut told = format!("{} {when}:", self.case.name);
        for line in theirs.iter().filter(|line| !ours.contains(line)) {
            write!(told, "\n  only keepalived: {line}").unwrap();
        }
        for line in ours.iter().filter(|line| !theirs.contains(line)) {
            write!(told, "\n  only steadfast:  {line}").unwrap();
        }
        for daemon in daemons {
            write!(told, "\n--- {}\n{}", daemon.folder(), daemon.log_tail()).unwrap();
        }
        println!("{told}");
        self.differences.push(told);
    }
}

/// Waits until both have written something.
fn written(sides: &[Side]) -> bool {
    let filled = |side: &Side| side.director.glance().lines().count() > HEADING_LINES;
    wait::until(LIMIT, || {
        std::thread::sleep(GLANCES);
        sides.iter().all(filled)
    })
}

fn compare(case: &Case, keepalived: &Program, steadfast: &Program) -> Vec<String> {
    let sides = [keepalived, steadfast].map(Side::new);
    sides.iter().for_each(|side| side.servers.serve(&case.ports()));
    let [theirs, ours] = &sides;
    let mut comparison = Comparison { case, keepalived: theirs, steadfast: ours, differences: Vec::new() };

    let text = case.at(Pace::Never);
    let daemons = sides.each_ref().map(|side| side.start(&text));
    let settled = if written(&sides) { WRITTEN } else { Duration::ZERO };
    comparison.compare("at the start", Instant::now(), settled, daemons.each_ref());
    drop(daemons);
    sides.iter().for_each(|side| drop(side.director.run(&["ipvsadm", "-C"])));

    let text = case.at(Pace::Hurried);
    let mut daemons = sides.each_ref().map(|side| side.start(&text));
    // On a busy machine programs begin late.
    let _ = written(&sides);
    comparison.compare("without servers", Instant::now(), SETTLED, daemons.each_ref());
    let answering: Vec<_> = case.servers().into_iter().step_by(2).collect();
    sides.iter().for_each(|side| side.servers.come(&answering));
    comparison.compare("with some servers", Instant::now(), SETTLED, daemons.each_ref());
    for daemon in &mut daemons {
        if let Err(error) = daemon.stop(LIMIT) {
            comparison.differences.push(format!("{}: {error:#}", case.name));
        }
    }
    comparison.compare("after the end", Instant::now(), Duration::ZERO, daemons.each_ref());
    comparison.differences
}

#[test]
fn tables_are_those_of_keepalived() {
    let test = "tables_are_those_of_keepalived";
    let (Some(steadfast), Some(keepalived)) = (Program::steadfast(test), Program::keepalived(test)) else {
        return;
    };
    if !balances(test) {
        return;
    }
    let cases = cases();
    assert!(!cases.is_empty());
    let waiting = Mutex::new(cases.iter());
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some(case) = next else { return };
                    println!("{}", case.name);
                    let found = compare(case, &keepalived, &steadfast);
                    differences.lock().unwrap().extend(found);
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n\n")
    );
}
