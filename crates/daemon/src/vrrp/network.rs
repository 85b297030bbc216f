//! For tests: a network namespace of their own.

use std::io::Write as _;

use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Wiring;

/// Runs `test` in a fresh network namespace whose loopback is up. Returns without running it, and says so, where
/// namespaces are not allowed.
pub(crate) fn in_a_network(test_name: &str, test: impl FnOnce() + Send) {
    let network = match Network::anonymous() {
        Ok(network) => network,
        Err(error) => {
            // Past the test harness, which keeps the output of passing tests; in one piece: others write beside.
            let line = format!("left out: {test_name}: {error}\n");
            return std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    };
    Wiring::open(&network).unwrap().set_up("lo").unwrap();
    network.run(test).unwrap();
}
