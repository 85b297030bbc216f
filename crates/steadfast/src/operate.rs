//! `steadfast drain`, `undrain`, `disable`, `enable` and `weight`: how servers are used while the daemon runs.

use std::path::Path;
use std::time::{Duration, Instant};

use steadfast_control::client::Client;
use steadfast_control::operation::{Operated, Operation, used};
use steadfast_control::status::Override;

use crate::command_line::{GiveBackArguments, Servers, TakeArguments, WeightArguments};
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Paint, Stream, complain, harmless};

/// Between two looks at the connections that are left.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// `steadfast drain` and `steadfast disable`.
pub(crate) fn take(operation: Operation, arguments: &TakeArguments) -> Result<u8, Failure> {
    let servers = &arguments.servers;
    let mut done = asked(operation, servers)?;
    let mut left = 0;
    if let Some(limit) = arguments.wait {
        left = wait(&mut done, &servers.daemon.socket(), limit)?;
    }
    show(&done, servers)?;
    if left > 0 {
        complain(Stream::Error.palette(), &format!("{left} connections are left"));
        return Ok(exit::FAILURE);
    }
    Ok(exit::SUCCESS)
}

/// `steadfast undrain` and `steadfast enable`.
pub(crate) fn give_back(operation: Operation, arguments: &GiveBackArguments) -> Result<u8, Failure> {
    show(&asked(operation, &arguments.servers)?, &arguments.servers)?;
    Ok(exit::SUCCESS)
}

/// `steadfast weight`.
pub(crate) fn weigh(arguments: &WeightArguments) -> Result<u8, Failure> {
    let operation = Operation::Weight(arguments.weight.0);
    show(&asked(operation, &arguments.servers)?, &arguments.servers)?;
    Ok(exit::SUCCESS)
}

fn asked(operation: Operation, servers: &Servers) -> Result<Vec<Operated>, Failure> {
    let mut client = Client::connect(&servers.daemon.socket())?;
    Ok(client.operate(&servers.server, servers.service.as_deref(), operation)?)
}

/// Waits until no connection is left; how many are left after all comes back.
fn wait(done: &mut [Operated], socket: &Path, limit: Duration) -> Result<u64, Failure> {
    let until = Instant::now() + limit;
    loop {
        let names: Vec<String> = done.iter().map(|operated| operated.service.to_string()).collect();
        let services = Client::connect(socket)?.services(&names)?;
        for operated in &mut *done {
            let service = services.iter().find(|service| service.name == operated.service);
            let mut servers = service.into_iter().flat_map(|service| &service.servers);
            if let Some(server) = servers.find(|server| server.address == operated.server.address) {
                operated.server = server.clone();
            }
        }
        let left = done.iter().map(connections).sum();
        if left == 0 || Instant::now() >= until {
            return Ok(left);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Established connections of a server, and its templates: a client that has one comes back to it.
fn connections(operated: &Operated) -> u64 {
    operated.server.kernel.map_or(0, |kernel| kernel.active_connections + kernel.persistent_connections)
}

fn show(done: &[Operated], servers: &Servers) -> Result<(), Failure> {
    if servers.json {
        terminal::print(serde_json::to_string_pretty(done)? + "\n")?;
        return Ok(());
    }
    let palette = Stream::Output.palette();
    let mut text = String::new();
    for operated in done {
        let verb = palette.paint(Paint::Good, &used(operated.server.operator));
        let line = format!("server {} of {}", operated.server.address, harmless(&operated.service));
        text.push_str(&format!("{line} is {verb}{}\n", consequence(operated)));
    }
    terminal::print(text)?;
    Ok(())
}

/// What that means for its connections.
fn consequence(operated: &Operated) -> String {
    let server = &operated.server;
    let left = connections(operated);
    match (server.operator, server.up) {
        (Override::Disable, _) => String::new(),
        (_, false) => {
            let why = server.why.as_deref().unwrap_or("its checks are down");
            format!(", but it is down: {}", harmless(why))
        }
        (Override::Drain, true) if left > 0 => format!("; {left} connections go on"),
        (Override::Drain, true) => "; no connection is left".to_owned(),
        (Override::None, true) => format!(", weight {}", server.weight),
        (Override::Weight(_), true) => String::new(),
    }
}
