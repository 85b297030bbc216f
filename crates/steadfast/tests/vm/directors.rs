//! The pair of `examples/lvs-nginx` under a stream of requests, with the synchronisation daemon: the first director loses
//! power, once under keepalived and once under steadfast.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steadfast_lab::{Daemon, Host, Program, Segment, Signal, wait};

use super::director::{Director, LIMIT, balances};
use super::following::sync_daemons;
use super::nginx;
use super::running::Running;

const SERVICE: &str = "192.0.2.100";
const SERVERS: [&str; 2] = ["192.0.2.11", "192.0.2.12"];

/// Between two requests, and how long one may take.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(250);

/// The stream before and after the loss.
const STEADY: Duration = Duration::from_secs(2);

/// The master down interval of the example's second router, 3.6 s, and what a busy guest may add.
const OUTAGE_MAX: Duration = Duration::from_millis(3_600 + 1_500);

/// Requests that may fail more often than under keepalived: so many as a second has.
const MORE_FAILED_MAX: usize = 4;

struct Pair {
    client: Arc<Host>,
    directors: [Director; 2],
    segment: Segment,
    _servers: [(Arc<Host>, Running); 2],
}

/// What a loss of power came to.
struct Loss {
    requests: usize,
    failed: usize,
    outage: Duration,
    /// Who answered over the connection that was there before, before and after.
    kept: [String; 2],
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failed, outage, kept } = self;
        write!(
            f,
            "{failed} of {requests} requests failed, {outage:?} without an answer, {kept:?} over the one that was kept"
        )
    }
}

impl Pair {
    fn new(program: &Program) -> Self {
        let segment = Segment::new().unwrap();
        let host = |name: &str, address: &str| {
            let host = Arc::new(Host::new(name).unwrap());
            segment.plug(&host, "eth0").unwrap();
            host.assign("eth0", address.parse().unwrap(), 24).unwrap();
            host
        };
        let client = host("client", "192.0.2.50");
        let directors = [("d1", "192.0.2.1"), ("d2", "192.0.2.2")].map(|(name, address)| {
            let director = Director { host: host(name, address), program: program.clone() };
            director.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0"]);
            director.run(&["sysctl", "-qw", "net.ipv4.conf.eth0.send_redirects=0"]);
            director
        });
        // As the example tells whoever sets it up.
        let servers = [("s1", SERVERS[0]), ("s2", SERVERS[1])].map(|(name, address)| {
            let host = host(name, address);
            let quiet =
                ["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2"];
            assert!(host.run(&quiet).unwrap().status.success());
            host.assign("lo", SERVICE.parse().unwrap(), 32).unwrap();
            let answer = format!("keepalive_timeout 60; location / {{ return 200 {name}; }}");
            let nginx = nginx::start(&host, "page", &format!("server {{ listen 80; {answer} }}"));
            (host, nginx)
        });
        Self { client, directors, segment, _servers: servers }
    }

    /// Starts both directors, and waits until the first serves and both know both servers.
    fn start(&self) -> [Daemon; 2] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/lvs-nginx");
        let daemons = [("first", 0), ("second", 1)].map(|(name, place): (&str, usize)| {
            let text = std::fs::read_to_string(folder.join(format!("{name}.conf"))).unwrap();
            let synchronised = text.replace("global_defs {", "global_defs {\n lvs_sync_daemon eth0 VI_1");
            assert_ne!(text, synchronised);
            self.directors[place].start(&synchronised)
        });
        let serves = |director: &Director| director.host.has(SERVICE.parse().unwrap());
        assert!(wait::until(LIMIT, || serves(&self.directors[0])), "{}", daemons[0].log_tail());
        for (director, daemon) in self.directors.iter().zip(&daemons) {
            let expected: Vec<String> = std::iter::once(format!("-A -t {SERVICE}:80 -s wrr"))
                .chain(SERVERS.map(|server| format!("-a -t {SERVICE}:80 -r {server}:80 -g -w 1")))
                .collect();
            director.await_table(&expected.iter().map(String::as_str).collect::<Vec<_>>(), daemon);
        }
        self.await_synchronisation(&daemons);
        assert!(wait::until(LIMIT, || self.connect(LIMIT).is_ok()), "{}", daemons[0].log_tail());
        daemons
    }

    /// A connection goes to the other director by its third packet, if the daemons that speak of it run by then.
    fn await_synchronisation(&self, daemons: &[Daemon; 2]) {
        for (director, (role, daemon)) in self.directors.iter().zip(["master", "backup"].iter().zip(daemons))
        {
            let reached = wait::until(LIMIT, || sync_daemons(director) == [*role]);
            assert!(reached, "{role}: {:?}\n{}", sync_daemons(director), daemon.log_tail());
        }
    }

    fn connect(&self, patience: Duration) -> std::io::Result<TcpStream> {
        let service = SocketAddr::new(SERVICE.parse::<IpAddr>().unwrap(), 80);
        let stream = self.client.network().run(|| TcpStream::connect_timeout(&service, patience)).unwrap()?;
        stream.set_read_timeout(Some(patience))?;
        Ok(stream)
    }

    /// The power of the first director fails under a stream of requests.
    fn lose(&self, daemons: &mut [Daemon; 2]) -> Loss {
        let mut kept = self.connect(LIMIT).unwrap();
        let port = kept.local_addr().unwrap().port();
        let before = (0..3).map(|_| ask(&mut kept).unwrap()).last().unwrap();
        let known = format!("192.0.2.50:{port} ");
        let told = || self.directors[1].run(&["ipvsadm", "-Lnc"]).contains(&known);
        // What is told of it may be lost on its way, and is told again after some packets more.
        assert!(
            wait::until(LIMIT, || told() || ask(&mut kept).is_err()) && told(),
            "the second director does not hear of connections\n{}",
            daemons[1].log_tail()
        );

        let over = AtomicBool::new(false);
        let answers = thread::scope(|scope| {
            let stream = scope.spawn(|| self.stream(&over));
            thread::sleep(STEADY);
            self.segment.isolate(&self.directors[0].host).unwrap();
            self.directors[0].host.signal_everything(Signal::KILL).unwrap();
            let took_over = wait::until(LIMIT, || self.directors[1].host.has(SERVICE.parse().unwrap()));
            thread::sleep(STEADY);
            over.store(true, Ordering::Relaxed);
            assert!(took_over, "{}", daemons[1].log_tail());
            stream.join().unwrap()
        });
        kept.set_read_timeout(Some(LIMIT)).unwrap();
        let after = ask(&mut kept).unwrap_or_else(|error| error.to_string());
        let good: Vec<Instant> = answers.iter().filter_map(|(at, good)| good.then_some(*at)).collect();
        let outage = good.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap();
        let failed = answers.iter().filter(|(_, good)| !good).count();
        Loss { requests: answers.len(), failed, outage, kept: [before, after] }
    }

    /// When each request of a stream ended, and whether it was answered.
    fn stream(&self, over: &AtomicBool) -> Vec<(Instant, bool)> {
        let mut answers = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let answer = self.connect(PATIENCE).and_then(|mut stream| ask(&mut stream));
            answers.push((Instant::now(), answer.is_ok()));
            thread::sleep(PAUSE);
        }
        answers
    }
}

/// What the server at the other end is called.
fn ask(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: pair\r\n\r\n")?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\ns1") && !answer.ends_with(b"\r\n\r\ns2") {
        let mut piece = [0; 512];
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer[answer.len() - 2..]).into_owned())
}

#[test]
fn a_director_loses_power_under_a_stream_of_requests() {
    let test = "a_director_loses_power_under_a_stream_of_requests";
    let (Some(steadfast), Some(keepalived)) = (Program::steadfast(test), Program::keepalived(test)) else {
        return;
    };
    if !balances(test) {
        return;
    }
    let [theirs, ours] = [keepalived, steadfast].map(|program| {
        let pair = Pair::new(&program);
        let mut daemons = pair.start();
        let loss = pair.lose(&mut daemons);
        println!("{}: {loss}", program.name());
        loss
    });
    for loss in [&theirs, &ours] {
        assert!(loss.failed > 0, "the power was not lost: {loss}");
    }
    assert!(ours.outage <= OUTAGE_MAX, "{ours}");
    assert!(ours.failed <= theirs.failed + MORE_FAILED_MAX, "{ours}; keepalived: {theirs}");
    assert_eq!(ours.kept[0], ours.kept[1], "the connection did not go on: {ours}");
}
