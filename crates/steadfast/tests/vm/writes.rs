//! What is written to the kernel, counted from outside: every request passes an interface that only looks on.

use steadfast_kernel::testbed::IpvsTap;
use steadfast_lab::left_out;

use super::director::Director;
use super::operating;

/// Commands that change something (linux/ip_vs.h); all others only ask.
const WRITES: [(u8, &str); 11] = [
    (1, "new service"),
    (2, "set service"),
    (3, "delete service"),
    (5, "new server"),
    (6, "set server"),
    (7, "delete server"),
    (9, "new daemon"),
    (10, "delete daemon"),
    (12, "set timeouts"),
    (16, "zero"),
    (17, "flush"),
];

const SERVICES: u16 = 500;

/// Servers that nobody asks how they are.
fn configuration(first_weight: u32) -> String {
    let service = |port: u16| {
        let weight = if port == 1 { first_weight } else { 2 };
        format!(
            "virtual_server 10.9.0.1 {port} {{\nlb_algo wrr\nlb_kind NAT\nprotocol TCP\n\
             real_server 10.1.0.1 {port} {{\nweight {weight}\n}}\n\
             real_server 10.1.0.2 {port} {{\nweight 2\n}}\n}}\n"
        )
    };
    (1..=SERVICES).map(service).collect()
}

fn table(first_weight: u32) -> Vec<String> {
    let service = |port: u16| {
        let weight = if port == 1 { first_weight } else { 2 };
        [
            format!("-A -t 10.9.0.1:{port} -s wrr"),
            format!("-a -t 10.9.0.1:{port} -r 10.1.0.1:{port} -m -w {weight}"),
            format!("-a -t 10.9.0.1:{port} -r 10.1.0.2:{port} -m -w 2"),
        ]
    };
    (1..=SERVICES).flat_map(service).collect()
}

#[test]
fn a_reload_writes_what_differs_and_an_unchanged_file_writes_nothing() {
    let test = "a_reload_writes_what_differs_and_an_unchanged_file_writes_nothing";
    let Some(director) = Director::new(test) else { return };
    // The kernel loads the module by the type of the interface.
    let made = director.host.run(&["ip", "link", "add", "nlmon0", "type", "nlmon"]).unwrap();
    if !made.status.success() {
        return left_out(test, "this kernel has no nlmon; see `cargo xtask vm`");
    }
    director.run(&["ip", "link", "set", "nlmon0", "up"]);
    let mut tap = director.host.network().run(|| IpvsTap::open("nlmon0")).unwrap().unwrap();
    let mut written = || -> Vec<&str> {
        let commands = tap.commands().unwrap().into_iter();
        commands
            .filter_map(|command| WRITES.iter().find(|(write, _)| *write == command))
            .map(|(_, name)| *name)
            .collect()
    };
    let await_table = |lines: &[String], daemon: &_| {
        director.await_table(&lines.iter().map(String::as_str).collect::<Vec<_>>(), daemon);
    };
    let daemon = director.start(&configuration(5));
    await_table(&table(5), &daemon);
    // That it is seen at all.
    let first = written();
    let count = |name: &str| first.iter().filter(|written| **written == name).count();
    assert_eq!((count("new service"), count("new server")), (500, 1000), "{first:?}");

    // It answers when the worker has changed over; then the kernel is told.
    let mut reload = |text: &str, lines: &[String]| {
        operating::reload(&director, &daemon, text);
        await_table(lines, &daemon);
        written()
    };
    assert_eq!(reload(&format!("# as before\n{}", configuration(5)), &table(5)), [""; 0]);
    // What the file before was to change would be seen here at the latest.
    assert_eq!(reload(&configuration(7), &table(7)), ["set server"]);
    let more = configuration(7).replacen(
        "real_server 10.1.0.2 3 {",
        "real_server 10.1.0.3 3 {\nweight 2\n}\nreal_server 10.1.0.2 3 {",
        1,
    );
    let mut lines = table(7);
    lines.push("-a -t 10.9.0.1:3 -r 10.1.0.3:3 -m -w 2".to_owned());
    assert_eq!(reload(&more, &lines), ["new server"]);
    assert_eq!(reload(&configuration(7), &table(7)), ["delete server"]);
}
