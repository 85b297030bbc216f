//! The program from outside: what it prints where, and its exit statuses.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

#[expect(clippy::unwrap_used, reason = "a test that cannot start the program fails")]
fn steadfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_steadfast")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Standard output, standard error and exit status.
#[expect(clippy::unwrap_used, reason = "a program that prints no UTF-8 fails the test")]
fn told(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// A path of this test's own.
fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("steadfast-{name}-{}", std::process::id()))
}

#[test]
fn version_and_help_go_to_standard_error() {
    for (option, begins) in
        [("-v", "steadfast v"), ("--version", "steadfast v"), ("-h", "Keeps"), ("-nh", "Keeps")]
    {
        let (out, err, status) = told(&steadfast(&[option]));
        assert_eq!((out.as_str(), status), ("", Some(0)), "{option}");
        assert!(err.starts_with(begins), "{option}: {err}");
    }
}

#[test]
fn under_the_name_keepalived_there_are_no_subcommands() {
    let link = scratch("name").join("keepalived");
    std::fs::create_dir(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_steadfast"), &link).unwrap();
    let output = Command::new(&link).args(["-v", "status"]).output().unwrap();
    let (_, err, status) = told(&output);
    std::fs::remove_dir_all(link.parent().unwrap()).unwrap();
    assert!(err.starts_with("Keepalived v"), "{err}");
    assert_eq!(status, Some(0));
}

#[test]
fn a_signal_number_goes_to_standard_output() {
    assert_eq!(told(&steadfast(&["--signum", "RELOAD"])), ("1\n".to_owned(), String::new(), Some(0)));
    let (out, err, status) = told(&steadfast(&["--signum=NOSUCH"]));
    assert_eq!((out.as_str(), status), ("", Some(1)));
    assert!(err.contains("STATS_CLEAR"), "{err}");
}

#[test]
fn wrong_usage_of_the_daemon_ends_with_1() {
    for arguments in
        [&["-Z"][..], &["--nosuch"], &["-f"], &["-A", "udp:localhost:705"], &["-n", "status"], &["--debug"]]
    {
        let (out, err, status) = told(&steadfast(arguments));
        assert_eq!((out.as_str(), status), ("", Some(1)), "{arguments:?}");
        assert!(!err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_of_a_subcommand_ends_with_2() {
    for arguments in [&["statsu"][..], &["status", "--nosuch"], &["completion", "nosuch"]] {
        let (out, err, status) = told(&steadfast(arguments));
        assert_eq!((out.as_str(), status), ("", Some(2)), "{arguments:?}");
        assert!(err.starts_with("error:"), "{arguments:?}: {err}");
    }
}

#[test]
fn wrong_usage_of_the_monitoring_plugin_is_unknown_and_not_critical() {
    for arguments in [&["status", "--check", "--nosuch"][..], &["status", "--nosuch", "--check"]] {
        let (out, err, status) = told(&steadfast(arguments));
        assert_eq!((out.as_str(), status), ("", Some(3)), "{arguments:?}");
        assert!(err.starts_with("error:"), "{arguments:?}: {err}");
    }
}

#[test]
fn help_of_a_subcommand_goes_to_standard_output() {
    let (out, err, status) = told(&steadfast(&["status", "--help"]));
    assert_eq!((err.as_str(), status), ("", Some(0)));
    assert!(out.contains("steadfast status --json"), "{out}");
}

#[test]
fn without_a_daemon_the_path_and_a_way_on_are_told() {
    let socket = scratch("nobody.sock");
    let path = socket.to_str().unwrap();
    for subcommand in ["status", "events"] {
        let (out, err, status) = told(&steadfast(&[subcommand, "--control-socket", path]));
        assert_eq!((out.as_str(), status), ("", Some(3)));
        assert!(err.contains(path) && err.contains("Is the daemon running?"), "{err}");
        assert!(!err.contains('\u{1b}'), "colours in a pipe: {err}");
    }
}

#[test]
fn events_are_printed_as_they_come() {
    let socket = scratch("events.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request).unwrap();
        let event = r#"{"answer":"event","content":{"sequence":1,"time":"T","severity":"notice","message":"stopping","event":"stopping"}}"#;
        reader.get_mut().write_all(format!("{event}\n{{\"answer\":\"end\"}}\n").as_bytes()).unwrap();
        request
    });
    let output = steadfast(&["events", "--json", "--control-socket", socket.to_str().unwrap()]);
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(server.join().unwrap(), "{\"request\":\"events\",\"follow\":false}\n");
    let (out, err, status) = told(&output);
    assert_eq!((err.as_str(), status), ("", Some(0)));
    assert_eq!(
        out,
        "{\"sequence\":1,\"time\":\"T\",\"severity\":\"notice\",\"message\":\"stopping\",\"event\":\"stopping\"}\n"
    );
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["completion", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (_, err, status) = told(&child.wait_with_output().unwrap());
    assert_eq!((err.as_str(), status), ("", Some(0)));
}

/// Runs the program with a standard output that nobody reads.
#[expect(clippy::unwrap_used, reason = "a test that cannot start the program fails")]
fn unread(arguments: &[&str]) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command.stdout(writer).spawn().unwrap();
    told(&child.wait_with_output().unwrap())
}

#[test]
fn a_closed_pipe_changes_no_verdict() {
    let good = Configuration::new("unread-good", GOOD);
    let bad = Configuration::new("unread-bad", "vrrp_instanse V {\n}\n");
    for (arguments, expected) in [
        (&["check", "--any-machine", good.path()][..], 0),
        (&["check", "--any-machine", bad.path()], 1),
        (&["check", "--format", "json", bad.path()], 1),
        (&["fmt", "--check", good.path()], 1),
        (&["plan", "--any-machine", good.path(), "/dev/null"], 1),
        (&["plan", "--any-machine", "--json", bad.path(), good.path()], 10),
    ] {
        let (_, err, status) = unread(arguments);
        assert!(!err.contains("pipe"), "{arguments:?}: {err}");
        assert_eq!(status, Some(expected), "{arguments:?}: {err}");
    }
}

/// Runs the program with a text on its standard input.
#[expect(clippy::unwrap_used, reason = "a test that cannot start the program fails")]
fn fed(arguments: &[&str], text: &str) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Wrong usage is told before anything is read.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    told(&child.wait_with_output().unwrap())
}

#[test]
fn a_configuration_comes_from_standard_input() {
    let file = Configuration::new("fed", GOOD);
    let other = GOOD.replace("router_id 1", "router_id 1 priority");
    for input in ["-", "/dev/stdin"] {
        let (out, err, status) = fed(&["check", "--any-machine", input], GOOD);
        assert_eq!(status, Some(0), "{out}{err}");
        assert!(out.contains(&format!("\n{input}: can be used: 1 instance, 1 virtual address\n")), "{out}");
        let (out, _, status) = fed(&["check", "--any-machine", input], &other);
        assert!(out.contains(&format!(" --> {input}:2:")) && status == Some(0), "{out}");
        let (out, err, status) = fed(&["show", "config", "--any-machine", input], GOOD);
        assert_eq!((err.as_str(), status), ("", Some(0)));
        assert!(out.contains("    virtual_router_id 1\n"), "{out}");
        let (out, _, status) = fed(&["plan", "--any-machine", input, file.path()], GOOD);
        assert_eq!((out.as_str(), status), ("nothing changes\n", Some(0)));
    }
    // The daemon has another standard input.
    let (_, err, status) = fed(&["plan", "-"], GOOD);
    assert!(err.contains("without OLD") && status == Some(2), "{err}");
}

/// A configuration file that goes with the test.
struct Configuration(PathBuf);

impl Configuration {
    #[expect(clippy::unwrap_used, reason = "a test that cannot write its file fails")]
    fn new(name: &str, text: &str) -> Self {
        let path = scratch(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = std::fs::remove_file(&self.0);
    }
}

const GOOD: &str =
    "vrrp_instance V { interface lo\n virtual_router_id 1\n virtual_ipaddress { 192.0.2.1/24\n }\n }\n";

#[test]
fn the_config_test_has_keepalived_s_statuses() {
    let cases = [
        ("empty", "", 0),
        ("unknown", "nosuch_keyword 1\n", 5),
        ("parameter", "vrrp_instance V {\n interface\n}\n", 2),
    ];
    for (name, text, expected) in cases {
        let configuration = Configuration::new(name, text);
        let (out, err, status) = told(&steadfast(&["-t", "-f", configuration.path()]));
        assert_eq!((out.as_str(), status), ("", Some(expected)), "{name}: {err}");
        assert_eq!(err.is_empty(), expected == 0, "{name}: {err}");
    }
    let (_, err, status) = told(&steadfast(&["-t", "-f", "/nonexistent/x.conf"]));
    assert_eq!(status, Some(4), "{err}");
    assert!(err.contains("/nonexistent/x.conf"), "{err}");
}

#[test]
fn the_config_test_writes_into_a_log_if_told() {
    let configuration = Configuration::new("logged", "nosuch_keyword 1\n");
    let log = Configuration::new("log", "before\n");
    let (out, err, status) =
        told(&steadfast(&[&format!("--config-test={}", log.path()), "-f", configuration.path()]));
    assert_eq!((out.as_str(), err.as_str(), status), ("", "", Some(5)));
    let text = std::fs::read_to_string(&log.0).unwrap();
    assert!(text.starts_with("before\n") && text.contains("nosuch_keyword"), "{text}");
}

#[test]
fn check_says_where_to_read_more_and_fails_on_what_is_denied() {
    // No priority is given: a warning.
    let file = Configuration::new("denied", GOOD);
    let check =
        |further: &[&str]| told(&steadfast(&[&["check", "--any-machine", file.path()], further].concat()));
    let (out, _, status) = check(&[]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("warning[SF0403]"), "{out}");
    assert!(out.lines().last().is_some_and(|line| line.starts_with("more: steadfast explain SF0")), "{out}");
    assert_eq!(check(&["--deny", "warnings"]).2, Some(1));
    assert_eq!(check(&["--deny", "SF0403"]).2, Some(1));
    assert_eq!(check(&["--deny", "SF0405"]).2, Some(0));
    assert_eq!(check(&["--deny", "SF0999"]).2, Some(2));
    // What is allowed is no warning any more, but one code cannot be both.
    assert_eq!(check(&["--allow", "SF0403", "--deny", "SF0405"]).2, Some(0));
    let (out, error, status) = check(&["--allow", "SF0405,SF0403", "--deny", "SF0403"]);
    assert_eq!((out.as_str(), status), ("", Some(2)));
    assert!(error.contains("--allow SF0403 and --deny SF0403 contradict each other"), "{error}");
}

#[test]
fn check_makes_the_changes_that_mean_one_thing_only() {
    let text = "$NET=192.0.2\n$WORD=vrrp_instanse\n$WORD W {\n}\nvrrp_instance V {\n    interface eth0\n    virtual_routter_id 5\n    virtual_ipaddress {\n        $NET.5\n    }\n}\n";
    let file = Configuration::new("mended", text);
    let (out, err, _) = told(&steadfast(&["check", "--any-machine", "--fix", file.path()]));
    let after = std::fs::read_to_string(file.path()).unwrap();
    let expected = text.replace("virtual_routter_id", "virtual_router_id").replace("$NET.5", "${NET}.5");
    assert_eq!(after, expected, "{out}{err}");
    assert!(out.contains(&format!("{}:7:5: fixed: ", file.path())), "{out}");
    assert!(out.contains(&format!("{}:9:9: fixed: replace by '${{NET}}'", file.path())), "{out}");
    assert!(out.contains("not fixed, the text comes from a variable or a sequence"), "{out}");
    // What is wrong after that is told as ever.
    assert!(out.contains("unknown keyword 'vrrp_instanse'"), "{out}");
    let (again, _, _) = told(&steadfast(&["check", "--any-machine", "--fix", file.path()]));
    assert!(!again.contains(": fixed: "), "{again}");
}

#[test]
fn check_prints_for_people_and_for_programs() {
    let good = Configuration::new("good", GOOD);
    let bad = Configuration::new("bad", "vrrp_instanse V {\n}\n");
    let (out, _, status) = told(&steadfast(&["check", "--any-machine", good.path()]));
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("1 instance, 1 virtual address"), "{out}");

    let (out, _, status) = told(&steadfast(&["check", "--any-machine", good.path(), bad.path()]));
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("did you mean 'vrrp_instance'?"), "{out}");
    assert!(!out.contains('\u{1b}'), "colours in a pipe: {out}");

    let paths = [good.path(), bad.path()];
    let (out, _, _) = told(&steadfast(&["check", "--format", "json", paths[0], paths[1]]));
    let documents: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    let files: Vec<_> = documents.iter().map(|document| document["file"].as_str().unwrap()).collect();
    assert_eq!(files, paths);

    let (out, _, _) = told(&steadfast(&["check", "--format", "sarif", paths[0], paths[1]]));
    let log: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    // Services refuse a log with several runs of one tool.
    assert_eq!(log["runs"].as_array().map(Vec::len), Some(1));
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().any(|result| result["ruleId"] == "SF0201"), "{out}");

    let (out, _, status) = told(&steadfast(&["check", "no such.conf"]));
    assert!(out.contains("\nno such.conf: cannot be read\n") && status == Some(1), "{out}");
    let (out, _, _) = told(&steadfast(&["check", "--format", "sarif", "no such.conf"]));
    let log: serde_json::Value = serde_json::from_str(&out).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "no%20such.conf");
}

#[test]
fn fmt_names_and_then_mends_what_is_not_in_normal_layout() {
    let file = Configuration::new("fmt", "vrrp_instance   V {\ninterface lo # why\n}\n");
    let (out, err, status) = told(&steadfast(&["fmt", "--check", file.path()]));
    assert_eq!((out.trim_end(), err.as_str(), status), (file.path(), "", Some(1)));
    assert_eq!(told(&steadfast(&["fmt", file.path()])), (String::new(), String::new(), Some(0)));
    assert_eq!(told(&steadfast(&["fmt", "--check", file.path()])), (String::new(), String::new(), Some(0)));
    let bad = Configuration::new("fmt-bad", "a   b\n");
    let (out, err, status) = told(&steadfast(&["fmt", "/nonexistent.conf", bad.path()]));
    assert_eq!((out.as_str(), status), ("", Some(1)));
    assert!(err.contains("/nonexistent.conf: "), "{err}");
    assert_eq!(std::fs::read_to_string(&bad.0).unwrap(), "a b\n");
    let text = std::fs::read_to_string(&file.0).unwrap();
    assert!(text.starts_with("vrrp_instance V {\n") && text.contains("# why"), "{text}");
}

#[test]
fn a_plan_tells_by_its_status_whether_something_changes() {
    let old = Configuration::new("plan-old", GOOD);
    let same = Configuration::new("plan-same", &format!("# a comment\n{GOOD}"));
    let other = Configuration::new("plan-new", &GOOD.replace("192.0.2.1/24", "192.0.2.1/24\n 192.0.2.2/24"));
    let plan = |files: &[&str]| told(&steadfast(&[&["plan", "--any-machine"], files].concat()));

    assert_eq!(plan(&[old.path(), same.path()]).0, "nothing changes\n");
    assert_eq!(plan(&[old.path(), same.path()]).2, Some(0));

    let (out, err, status) = plan(&[old.path(), other.path()]);
    assert_eq!((err.as_str(), status), ("", Some(10)));
    assert_eq!(
        out,
        "vrrp_instance V: changed in place\n    virtual_ipaddress + 192.0.2.2/24 dev lo  (only this moves)\n"
    );

    let (out, _, status) = plan(&["--json", old.path(), other.path()]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, Some(10));
    assert_eq!(document["refused"], serde_json::Value::Null);
    assert_eq!(document["entities"][0]["outcome"], "changed");
    assert_eq!(document["entities"][0]["keywords"][0]["effect"], "difference");
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_a_failure() {
    let old = Configuration::new("plan-before", GOOD);
    let moved = Configuration::new("plan-moved", &format!("net_namespace blue\n{GOOD}"));
    let (out, err, status) = told(&steadfast(&["plan", "--any-machine", old.path(), moved.path()]));
    assert_eq!(status, Some(1), "{err}");
    assert!(out.contains("net_namespace + blue  (refused)"), "{out}");
    assert!(err.contains("would be refused: it changes net_namespace"), "{err}");

    let broken = Configuration::new("plan-broken", "vrrp_instanse V {\n}\n");
    let (out, err, status) = told(&steadfast(&["plan", "--any-machine", old.path(), broken.path()]));
    assert_eq!((out.as_str(), status), ("", Some(1)));
    assert!(err.contains("did you mean 'vrrp_instance'?"), "{err}");
    assert!(err.contains("plan-broken"), "{err}");
}

#[test]
fn without_old_a_plan_and_without_a_file_a_show_need_the_daemon() {
    let socket = scratch("nobody-plans.sock");
    let path = socket.to_str().unwrap();
    for arguments in [&["plan", "new.conf"][..], &["show", "config"]] {
        let (out, err, status) = told(&steadfast(&[arguments, &["--control-socket", path]].concat()));
        assert_eq!((out.as_str(), status), ("", Some(3)), "{arguments:?}");
        assert!(err.contains(path) && err.contains("Is the daemon running?"), "{err}");
    }
    let (_, err, status) = told(&steadfast(&["plan", "--any-machine", "new.conf", "--control-socket", path]));
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("without OLD"), "{err}");
}

#[test]
fn the_effective_configuration_has_defaults_and_hides_secrets() {
    let authenticated = GOOD.replace(
        " virtual_router_id",
        " version 2\n authentication {\n auth_type PASS\n auth_pass sesame\n }\n virtual_router_id",
    );
    let file = Configuration::new("shown", &authenticated);
    let show = |more: &[&str]| {
        let (out, err, status) =
            told(&steadfast(&[&["show", "config", "--any-machine", file.path()], more].concat()));
        assert_eq!((err.as_str(), status), ("", Some(0)), "{more:?}");
        out
    };
    let text = show(&[]);
    for line in
        ["    priority 100\n", "    advert_int 1\n", "    vrrp_garp_master_delay 5\n", "auth_pass ********\n"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("sesame") && show(&["--secrets"]).contains("auth_pass sesame\n"));

    let model: serde_json::Value = serde_json::from_str(&show(&["--json"])).unwrap();
    assert_eq!(model["instances"][0]["priority"], 100);
    assert_eq!(model["global"]["announce"]["master_delay"], 5);

    // What is shown reads back as the same configuration.
    let secret = Configuration::new("shown-again", &show(&["--secrets"]));
    let (out, err, status) = told(&steadfast(&["plan", "--any-machine", file.path(), secret.path()]));
    assert_eq!((out.as_str(), status), ("nothing changes\n", Some(0)), "{err}");
}

#[test]
fn of_a_file_with_errors_is_shown_what_a_daemon_starts_with() {
    let show = |file: &Configuration| told(&steadfast(&["show", "config", "--any-machine", file.path()]));
    let file = Configuration::new("half-shown", &format!("vrrp_instanse W {{\n}}\n{GOOD}"));
    let (out, err, status) = show(&file);
    assert!(out.contains("vrrp_instance V {\n") && status == Some(1), "{out}");
    assert!(err.contains("did you mean 'vrrp_instance'?") && err.contains("has errors"), "{err}");

    let file = Configuration::new("not-shown", "vrrp_instance V {\n}\n");
    let (out, err, status) = show(&file);
    assert_eq!((out.as_str(), status), ("", Some(1)));
    assert!(err.contains("has no interface") && err.contains("cannot be used as it is"), "{err}");
}

/// A daemon starts with errors; a reload is refused for those that are new.
#[test]
fn a_plan_passes_over_errors_of_the_old_file() {
    let faulty = Configuration::new("plan-faulty", &format!("vrrp_instanse W {{\n}}\n{GOOD}"));
    let good = Configuration::new("plan-mended", GOOD);
    let plan = |files: [&str; 2]| told(&steadfast(&["plan", "--any-machine", "--json", files[0], files[1]]));
    let (out, err, status) = plan([faulty.path(), good.path()]);
    assert_eq!((err.as_str(), status), ("", Some(0)), "{out}");
    let (out, err, status) = plan([good.path(), faulty.path()]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["refused"], format!("{} has 1 error", faulty.path()));
    assert!(err.contains("did you mean") && status == Some(1), "{err}");
    // What is in force already refuses nothing.
    let other =
        Configuration::new("plan-faulty-too", &format!("router_id r\nvrrp_instanse W {{\n}}\n{GOOD}"));
    let (out, _, status) = plan([faulty.path(), other.path()]);
    assert!(
        out.contains("has 1 error that the configuration in force has not") && status == Some(1),
        "{out}"
    );
    let other = GOOD.replace("virtual_router_id", "priority 90\n virtual_router_id");
    let other = Configuration::new("plan-still-faulty", &format!("vrrp_instanse W {{\n}}\n{other}"));
    let (out, _, status) = plan([faulty.path(), other.path()]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["refused"], status), (&serde_json::Value::Null, Some(10)), "{out}");
}

#[test]
fn warnings_are_passed_over_by_code_and_errors_are_not() {
    let file = Configuration::new("allowed", &GOOD.replace("lo", "lo surplus"));
    let words = |code| ["check", "--any-machine", "--allow", code, file.path()];
    let (out, _, _) = told(&steadfast(&words("SF0403")));
    assert!(out.contains("SF0203") && !out.contains("SF0403"), "{out}");
    let (out, _, status) = told(&steadfast(&words("SF0203,sf0403")));
    assert!(!out.contains("SF0") && status == Some(0), "{out}");
    for (code, why) in [("SF0201", "SF0201 is an error and cannot be passed over"), ("SF1", "found 'SF1'")] {
        let (out, err, status) = told(&steadfast(&words(code)));
        assert!(out.is_empty() && err.contains(why) && status == Some(2), "{err}");
    }
    // keepalived's test mode and the daemon know it too.
    let test = |more: &[&str]| told(&steadfast(&[&["-t", "-f", file.path()], more].concat()));
    assert!(test(&[]).1.contains("SF0203"));
    assert!(!test(&["--allow", "SF0203"]).1.contains("SF0203"));
}

#[test]
fn schema_pages_and_reference_are_printed() {
    let (out, err, status) = told(&steadfast(&["schema"]));
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((err.as_str(), status), ("", Some(0)));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for (arguments, begins) in [
        (&["man"][..], ".TH steadfast 8"),
        (&["man", "keepalived.conf"], ".TH KEEPALIVED.CONF 5"),
        (&["keywords", "--markdown"], "# Configuration reference\n"),
    ] {
        let (out, err, status) = told(&steadfast(arguments));
        assert_eq!((err.as_str(), status), ("", Some(0)), "{arguments:?}");
        assert!(out.contains(begins), "{arguments:?}: {}", out.get(..200).unwrap_or_default());
    }
}

/// The commands that a help lists, with the words that each cannot be without.
fn commands_with(option: &str) -> Vec<Vec<String>> {
    let listed = |help: &str| -> Vec<String> {
        let commands = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
        let names = commands
            .take_while(|line| line.starts_with("  "))
            .filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    };
    let (_, help, _) = told(&steadfast(&["--help"]));
    let mut found = Vec::new();
    for name in listed(&help) {
        let (help, ..) = told(&steadfast(&[&name, "--help"]));
        let below = listed(&help);
        let all = if below.is_empty() {
            vec![vec![name]]
        } else {
            below.into_iter().map(|below| vec![name.clone(), below]).collect()
        };
        for words in all {
            let mut asked: Vec<&str> = words.iter().map(String::as_str).collect();
            asked.push("--help");
            if told(&steadfast(&asked)).0.contains(option) {
                found.push(words);
            }
        }
    }
    found
}

/// How a command is called: with nothing, and with each number of files that it takes, `file` being the last.
fn calls(words: &[String], other: &str, file: &str) -> Vec<Vec<String>> {
    let with = |files: &[&str]| words.iter().cloned().chain(files.iter().map(ToString::to_string)).collect();
    match words.join(" ").as_str() {
        "check" | "plan" => vec![with(&[file]), with(&[other, file])],
        "show config" => vec![with(&[]), with(&[file])],
        "drain" | "undrain" | "enable" | "disable" => vec![with(&["192.0.2.1:80"])],
        "weight" => vec![with(&["192.0.2.1:80", "3"])],
        "record save" => vec![with(&["-"])],
        _ => vec![with(&[])],
    }
}

/// What names the daemon either leads to it or is refused: it is never taken and passed over.
#[test]
fn each_command_asks_the_daemon_that_is_named_or_refuses_the_name() {
    let commands = commands_with("--control-socket");
    assert!(commands.len() > 5, "{commands:?}");
    let file = scratch("named.conf");
    std::fs::write(&file, "global_defs {\n}\n").unwrap();
    let path = file.to_str().unwrap();
    for words in commands {
        for call in calls(&words, path, path) {
            for (option, value, socket) in [
                ("--control-socket", "/none/c.sock", "/none/c.sock"),
                ("--pid", "/none/p.pid", "/none/p.sock"),
                ("--namespace", "none", "/run/keepalived/none/keepalived.sock"),
            ] {
                let mut arguments: Vec<&str> = call.iter().map(String::as_str).collect();
                arguments.extend([option, value]);
                let (out, err, status) = told(&steadfast(&arguments));
                let asks = status == Some(3) && err.contains(&format!("no control socket {socket}"));
                let refuses = status == Some(2)
                    && (err.contains("cannot be used with") || err.contains("no daemon is asked"));
                assert!(asks || refuses, "{arguments:?} ends with {status:?}: {out}{err}");
            }
        }
    }
    std::fs::remove_file(&file).unwrap();
}

/// How files are read changes what is found in them, or is refused.
#[test]
fn each_command_reads_files_as_it_is_told_or_refuses_to() {
    let commands = commands_with("--any-machine");
    assert!(commands.len() > 2, "{commands:?}");
    let empty = scratch("empty.conf");
    std::fs::write(&empty, "").unwrap();
    for (option, text) in [
        (
            &["--any-machine"][..],
            "vrrp_instance V {\ninterface none9\nvirtual_router_id 1\npriority 100\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n",
        ),
        (&["--config-id", "one"], "@one nonsense\n"),
        (&["--all-config"], "include /none/*.conf\n"),
    ] {
        let file = scratch(&format!("read{}.conf", option.len() + text.len()));
        std::fs::write(&file, text).unwrap();
        for words in &commands {
            // Without a file it is the daemon's.
            for call in calls(words, empty.to_str().unwrap(), file.to_str().unwrap())
                .into_iter()
                .filter(|call| call.len() > words.len())
            {
                let plain: Vec<&str> = call.iter().map(String::as_str).collect();
                let with: Vec<&str> = plain.iter().copied().chain(option.iter().copied()).collect();
                let (plain, with) = (told(&steadfast(&plain)), told(&steadfast(&with)));
                assert!(with.2 == Some(2) || with != plain, "{call:?} passes over {option:?}: {with:?}");
            }
        }
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::remove_file(&empty).unwrap();
}

#[test]
fn mending_tells_a_program_what_it_reads_and_people_the_rest() {
    let file = scratch("mended.conf");
    std::fs::write(&file, "global_defs {\n    router_id a\n    enable_script_securty\n}\n").unwrap();
    let (out, err, _) = told(&steadfast(&["check", "--fix", "--format", "json", file.to_str().unwrap()]));
    std::fs::remove_file(&file).unwrap();
    assert!(out.starts_with('['), "{out}");
    assert!(err.contains(": fixed: "), "{err}");
}

/// The verdict of a start: a namespace that does not exist ends it, and its interfaces are nobody's to judge.
#[test]
fn a_network_namespace_that_is_not_there_is_the_verdict() {
    let file = scratch("space.conf");
    let text = "net_namespace no-such-space\nvrrp_instance V {\ninterface none9\nvirtual_router_id 1\npriority 100\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    for arguments in [&["check", path][..], &["-t", "-f", path], &["show", "config", path]] {
        let (out, err, status) = told(&steadfast(arguments));
        let said = out + &err;
        assert!(
            said.contains("SF0510") && said.contains("ip netns add no-such-space"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("SF0303"), "{arguments:?}: {said}");
        assert_eq!(
            status,
            Some(if arguments.len() == 3 && arguments[0] == "-t" { 4 } else { 1 }),
            "{arguments:?}"
        );
    }
    let (.., status) = told(&steadfast(&["check", "--any-machine", path]));
    assert_eq!(status, Some(0));
    std::fs::remove_file(&file).unwrap();
}
