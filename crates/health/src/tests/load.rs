//! Forty thousand servers.

use super::*;

#[test]
fn forty_thousand_servers_are_cheap() {
    let rhythm = Rhythm { delay_loop: seconds(60), warmup: seconds(60), ..Rhythm::default() };
    let settings: Arc<str> = "TCP_CHECK".into();
    let services = || -> Vec<ServiceConfig> {
        let one = |number: u16| {
            let servers = (0..100_u8).map(|last| {
                let [high, low] = number.to_be_bytes();
                let address = SocketAddr::from(([10, high, low, last], 80));
                let key = CheckKey { target: address, settings: Arc::clone(&settings) };
                let question = Arc::clone(&settings);
                let check = CheckConfig { key, question, rhythm, alpha: false, log_all_failures: false };
                ServerConfig { address, ..server(0, vec![check]) }
            });
            ServiceConfig { key: format!("tcp {number}").into(), servers: servers.collect(), ..service(0) }
        };
        (0..400).map(one).collect()
    };
    let mut bench = Bench::with(config(services()), Resume::default());
    assert_eq!(bench.record.table.len(), 40_000);
    bench.run(seconds(181), &[]);
    let asked = bench.record.asked.len();
    assert!((100_000..=130_000).contains(&asked), "{asked}");
    // One entry put in and one taken out for each: no scan of what is not due.
    let touched = bench.machine.queue_touched();
    assert!(touched <= 2 * 170_000, "{touched}");
    bench.wants();
    bench.reload(services());
    assert_eq!(bench.wants(), []);
}

#[test]
fn a_server_and_its_check_are_narrow() {
    let slots = size_of::<Option<crate::server::Server>>() + size_of::<Option<crate::check::Check>>();
    assert!(slots <= 176, "{slots} octets");
}
