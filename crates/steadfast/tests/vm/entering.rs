//! How servers enter a table: at once or after their first check, and with their whole weight or a growing one.

use std::collections::BTreeSet;

use steadfast_lab::wait;

use super::director::{Director, LIMIT};
use super::operating::status;

/// Nobody has this address, so that a check of it ends with its timeout.
const SILENT: &str = "10.9.5.2";
const CHECKED_FIRST: &str = "10.9.0.1:80";
const AT_ONCE: &str = "10.9.0.2:80";

fn service(of: &str, statements: &str) -> String {
    let address = of.replace(':', " ");
    format!(
        "virtual_server {address} {{
           delay_loop 30
           warmup 0
           lb_algo wrr
           lb_kind NAT
           protocol TCP
           {statements}
           real_server {SILENT} 80 {{
             TCP_CHECK {{
               connect_timeout 2
               retry 0
             }}
           }}
         }}\n"
    )
}

#[test]
fn a_server_is_installed_when_its_checks_have_been_made_once() {
    let Some(director) = Director::new("a_server_is_installed_when_its_checks_have_been_made_once") else {
        return;
    };
    director.interface("10.9.5.1/24");
    let text = service(CHECKED_FIRST, "install_after_first_check") + &service(AT_ONCE, "");
    let daemon = director.start(&text);
    let mut seen = BTreeSet::new();
    let both_failed = wait::until(LIMIT, || {
        seen.extend(director.table());
        let services = status(&director, &daemon).map(|status| status.services).unwrap_or_default();
        let servers = services.iter().flat_map(|service| &service.servers);
        servers.filter(|server| server.checks[0].results > 0).count() == 2
    });
    assert!(both_failed, "{:#?}\n{}", status(&director, &daemon), daemon.log_tail());
    let entry = |of: &str| format!("-a -t {of} -r {SILENT}:80 -m -w 1");
    assert!(seen.contains(&entry(AT_ONCE)), "{seen:#?}");
    assert!(!seen.contains(&entry(CHECKED_FIRST)), "{seen:#?}");
}

#[test]
fn the_weight_of_a_server_that_came_back_grows() {
    let Some(director) = Director::new("the_weight_of_a_server_that_came_back_grows") else { return };
    let text = "track_file load {
           file /run/load
           weight 1
         }
         virtual_server 10.9.0.1 80 {
           delay_loop 1
           warmup 0
           lb_algo wrr
           lb_kind NAT
           protocol TCP
           slow_start 11
           real_server 127.0.0.1 8081 {
             weight 110
             FILE_CHECK {
               track_file load
             }
           }
         }";
    director.host.write("/run/load", "0\n").unwrap();
    let daemon = director.start(text);
    let entry = "-a -t 10.9.0.1:80 -r 127.0.0.1:8081 -m -w ";
    let weight = || {
        let table = director.table();
        table.iter().find_map(|line| line.strip_prefix(entry)?.parse::<u32>().ok())
    };
    assert!(wait::until(LIMIT, || weight() == Some(110)), "{}", daemon.log_tail());
    director.host.write("/run/load", "-2147483648\n").unwrap();
    assert!(wait::until(LIMIT, || weight().is_none()), "{}", daemon.log_tail());
    director.host.write("/run/load", "0\n").unwrap();
    let mut weights = Vec::new();
    let whole = wait::until(LIMIT, || {
        weights.extend(weight());
        weights.last() == Some(&110)
    });
    assert!(whole && weights.is_sorted(), "{weights:?}\n{}", daemon.log_tail());
    weights.dedup();
    assert!(weights.len() > 3 && weights[0] <= 50, "{weights:?}");
}
