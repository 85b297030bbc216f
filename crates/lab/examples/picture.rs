//! The picture of the README: what `steadfast status` and `steadfast events` print while an address moves. `cargo xtask picture`
//! runs it; the routers are those of `examples/haproxy`.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use steadfast_lab::{Daemon, Host, Program, Segment, permission, wait};

const LIMIT: Duration = Duration::from_secs(30);

/// Columns of the terminal that the picture shows; longer lines go on below.
const COLUMNS: usize = 116;

fn main() -> Result<()> {
    permission::obtain()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = Program::steadfast("picture").context("no steadfast binary")?;
    let segment = Segment::new()?;
    let mut routers = Vec::new();
    for (number, name) in [(1, "first"), (2, "second")] {
        let host = Arc::new(Host::new(name)?);
        segment.plug(&host, "eth0")?;
        host.assign("eth0", format!("192.0.2.{number}").parse()?, 24)?;
        // The script of the example looks for a process of that name.
        let stand_in = "cp /bin/sleep /run/haproxy && exec /run/haproxy 1000";
        let haproxy = host.spawn(Command::new("sh").args(["-c", stand_in]))?;
        let text = std::fs::read_to_string(root.join(format!("examples/haproxy/{name}.conf")))?;
        let daemon = Daemon::start(&host, &program, &text)?;
        routers.push((host, daemon, haproxy));
    }
    let [(first, _one, first_haproxy), (second, _two, second_haproxy)] = routers.as_mut_slice() else {
        anyhow::bail!("two routers");
    };
    let address = "192.0.2.100".parse()?;
    ensure!(wait::until(LIMIT, || first.has(address)), "the first does not become master");
    first_haproxy.kill()?;
    first_haproxy.wait()?;
    ensure!(wait::until(LIMIT, || second.has(address) && !first.has(address)), "the address does not move");
    let ask = |host: &Host, words: &[&str]| -> Result<String> {
        let binary = program.path().to_str().context("a path in UTF-8")?;
        let socket = ["--control-socket", "/run/steadfast/k.sock"];
        Ok(host.run(&[&[binary], words, &socket].concat())?.output)
    };
    let hears = || ask(first, &["status"]).is_ok_and(|told| told.contains("192.0.2.2"));
    ensure!(wait::until(LIMIT, hears), "the first does not hear the second");
    let shown = [
        ("first# pkill haproxy; steadfast status".to_owned(), ask(first, &["status"])?),
        ("first# steadfast events".to_owned(), ask(first, &["events"])?),
        ("second# steadfast status".to_owned(), ask(second, &["status"])?),
    ];
    second_haproxy.kill()?;
    second_haproxy.wait()?;
    std::fs::write(root.join("docs/pictures/failover.svg"), picture(&shown))?;
    Ok(())
}

/// A terminal with these commands and what they printed.
fn picture(shown: &[(String, String)]) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for (command, output) in shown {
        if !lines.is_empty() {
            lines.push(("", String::new()));
        }
        lines.push(("command", command.clone()));
        for line in output.lines() {
            for (index, part) in wrapped(line).into_iter().enumerate() {
                lines.push((if index == 0 { class(line) } else { "" }, part));
            }
        }
    }
    let (width, height) = (COLUMNS * 8 + 32, lines.len() * 19 + 36);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', \
         Menlo, Consolas, monospace\" font-size=\"13\" role=\"img\" aria-label=\"A terminal: HAProxy ends on the first router, its \
         priority falls, the second router takes the address, and status and events say why.\">\n\
         <style>text {{ fill: #d5dce3; white-space: pre }} .command {{ fill: #8fd3ff; font-weight: 600 }} \
         .master {{ fill: #9ae6a0 }} .head {{ fill: #93a1b0 }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#17202a\"/>\n"
    );
    for (index, (class, line)) in lines.iter().enumerate() {
        let y = 30 + index * 19;
        let text = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // Writing to a String cannot fail.
        let _ =
            writeln!(svg, "<text x=\"16\" y=\"{y}\" class=\"{class}\" xml:space=\"preserve\">{text}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line as a terminal of this width shows it, broken between words.
fn wrapped(line: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while rest.chars().count() > COLUMNS {
        let limit = rest.char_indices().nth(COLUMNS).map_or(rest.len(), |(at, _)| at);
        let end = rest.get(..limit).and_then(|part| part.rfind(' ')).unwrap_or(limit);
        let (part, behind) = rest.split_at(end);
        lines.push(part.to_owned());
        rest = behind.trim_start();
    }
    lines.push(rest.to_owned());
    if let [_, below @ ..] = lines.as_mut_slice() {
        below.iter_mut().for_each(|line| line.insert_str(0, "    "));
    }
    lines
}

fn class(line: &str) -> &'static str {
    if line.contains("MASTER ") && line.contains("STATE ") && line.contains("WHY") {
        "head"
    } else if line.contains("MASTER") {
        "master"
    } else {
        ""
    }
}
