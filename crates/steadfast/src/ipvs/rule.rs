//! Rules as ipvsadm saves and restores them: a service or a server a line.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;

use steadfast_kernel::ipvs::{
    Checksum, Command, Forwarding, Name, Persistence, SchedulerFlags, Server, ServerKey, Service, ServiceKey,
    Transport, Tunnel,
};
use steadfast_wire::vrrp::Family;

/// What ipvsadm chooses where a rule does not say it.
const SCHEDULER: &str = "wlc";
/// Likewise, in seconds.
const PERSISTENCE_SECONDS: u32 = 300;

/// The rule of a service.
pub(super) fn service(key: ServiceKey, service: &Service) -> String {
    let mut rule = format!("-A {} -s {}", Named(key), service.scheduler);
    // Writing to a String cannot fail.
    if let Some(persistence) = &service.persistence {
        let _ = write!(rule, " -p {}", persistence.seconds);
        match (key.family(), persistence.prefix) {
            (Family::V4, Some(prefix)) if prefix < 32 => {
                let mask = Ipv4Addr::from(u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0));
                let _ = write!(rule, " -M {mask}");
            }
            (Family::V6, Some(prefix)) if prefix < 128 => {
                let _ = write!(rule, " -M {prefix}");
            }
            _ => {}
        }
        if let Some(engine) = &persistence.engine {
            let _ = write!(rule, " --pe {engine}");
        }
    }
    if service.one_packet {
        rule.push_str(" -o");
    }
    let flags = flag_names(service.scheduler.as_str());
    let bits = service.scheduler_flags.bits();
    let set = flags.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let set: Vec<&str> = set.map(|(_, name)| *name).collect();
    if !set.is_empty() {
        let _ = write!(rule, " -b {}", set.join(","));
    }
    rule
}

/// The rule of a server. ipvsadm leaves thresholds out, but understands them.
pub(super) fn server(key: ServiceKey, server_key: ServerKey, server: Server) -> String {
    let (way, tunnel) = match server.forwarding {
        Forwarding::Masquerade => ("-m", String::new()),
        Forwarding::Direct | Forwarding::Local | Forwarding::Bypass => ("-g", String::new()),
        Forwarding::Tunnel(Tunnel::Ipip) => ("-i", " --tun-type ipip".to_owned()),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            ("-i", format!(" --tun-type gue --tun-port {port} {}", checksum_option(checksum)))
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            ("-i", format!(" --tun-type gre {}", checksum_option(checksum)))
        }
    };
    let mut rule = format!("-a {} -r {server_key} {way} -w {}{tunnel}", Named(key), server.weight);
    for (option, threshold) in [("-x", server.upper_threshold), ("-y", server.lower_threshold)] {
        if threshold > 0 {
            let _ = write!(rule, " {option} {threshold}");
        }
    }
    rule
}

/// A service as a rule names it.
struct Named(ServiceKey);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceKey::Address { transport, address, port } => {
                let option = match transport {
                    Transport::Tcp => "-t",
                    Transport::Udp => "-u",
                    Transport::Sctp => "--sctp-service",
                };
                write!(f, "{option} {}", SocketAddr::new(address, port))
            }
            ServiceKey::Mark { family: Family::V4, mark } => write!(f, "-f {mark}"),
            ServiceKey::Mark { family: Family::V6, mark } => write!(f, "-f {mark} -6"),
        }
    }
}

const fn checksum_option(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::None => "--tun-nocsum",
        Checksum::Computed => "--tun-csum",
        Checksum::Remote => "--tun-remcsum",
    }
}

/// What a scheduler calls the three options, bit 0 first.
fn flag_names(scheduler: &str) -> [&'static str; 3] {
    match scheduler {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    }
}

/// Reads a rule; none where the line is empty or a comment.
///
/// # Errors
/// What is not understood.
pub(super) fn read(line: &str) -> Result<Option<Command>, String> {
    let mut words = line.split_ascii_whitespace().filter(|word| *word != "ipvsadm").peekable();
    let Some(verb) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
    let mut rule = Rule::default();
    while let Some(word) = words.next() {
        rule.take(word, &mut words)?;
    }
    let key = rule.key()?;
    match verb {
        "-A" | "--add-service" => Ok(Some(Command::AddService(key, rule.service(key)?))),
        "-E" | "--edit-service" => Ok(Some(Command::SetService(key, rule.service(key)?))),
        "-D" | "--delete-service" => Ok(Some(Command::DeleteService(key))),
        "-a" | "--add-server" => Ok(Some(Command::AddServer(key, rule.server_key(key)?, rule.server()?))),
        "-e" | "--edit-server" => Ok(Some(Command::SetServer(key, rule.server_key(key)?, rule.server()?))),
        "-d" | "--delete-server" => Ok(Some(Command::DeleteServer(key, rule.server_key(key)?))),
        _ => Err(format!("'{verb}' is no command of a rule: expected -A, -E, -D, -a, -e or -d")),
    }
}

/// The options of a line.
#[derive(Debug, Default)]
struct Rule {
    transport: Option<(Transport, SocketAddr)>,
    mark: Option<u32>,
    ipv6: bool,
    scheduler: Option<String>,
    flags: Vec<String>,
    one_packet: bool,
    persistence: Option<u32>,
    mask: Option<String>,
    engine: Option<String>,
    server: Option<(IpAddr, Option<u16>)>,
    way: Option<Way>,
    tunnel: Option<String>,
    tunnel_port: Option<u16>,
    checksum: Checksum,
    weight: Option<u32>,
    upper: u32,
    lower: u32,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Masquerade,
    Direct,
    Tunnel,
}

impl Rule {
    fn take<'a>(
        &mut self,
        option: &str,
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    ) -> Result<(), String> {
        if self.take_flag(option) {
            return Ok(());
        }
        if matches!(option, "-p" | "--persistent") {
            let seconds = words.next_if(|word| !word.starts_with('-'));
            self.persistence = Some(seconds.map_or(Ok(PERSISTENCE_SECONDS), |text| number(option, text))?);
            return Ok(());
        }
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        match option {
            "-t" | "--tcp-service" => self.transport = Some((Transport::Tcp, address(option, value()?)?)),
            "-u" | "--udp-service" => self.transport = Some((Transport::Udp, address(option, value()?)?)),
            "--sctp-service" => self.transport = Some((Transport::Sctp, address(option, value()?)?)),
            "-f" | "--fwmark-service" => self.mark = Some(number(option, value()?)?),
            "-s" | "--scheduler" => self.scheduler = Some(value()?.to_owned()),
            "-b" | "--sched-flags" => self.flags = value()?.split(',').map(str::to_owned).collect(),
            "-M" | "--netmask" => self.mask = Some(value()?.to_owned()),
            "--pe" => self.engine = Some(value()?.to_owned()),
            "-r" | "--real-server" => self.server = Some(server_address(option, value()?)?),
            "--tun-type" => self.tunnel = Some(value()?.to_owned()),
            "--tun-port" => self.tunnel_port = Some(number(option, value()?)?),
            "-w" | "--weight" => self.weight = Some(number(option, value()?)?),
            "-x" | "--u-threshold" => self.upper = number(option, value()?)?,
            "-y" | "--l-threshold" => self.lower = number(option, value()?)?,
            _ => return Err(format!("the option '{option}' is not known")),
        }
        Ok(())
    }

    /// Takes an option without a value.
    fn take_flag(&mut self, option: &str) -> bool {
        match option {
            "-6" | "--ipv6" => self.ipv6 = true,
            "-o" | "--ops" => self.one_packet = true,
            "-m" | "--masquerading" => self.way = Some(Way::Masquerade),
            "-g" | "--gatewaying" => self.way = Some(Way::Direct),
            "-i" | "--ipip" => self.way = Some(Way::Tunnel),
            "--tun-nocsum" => self.checksum = Checksum::None,
            "--tun-csum" => self.checksum = Checksum::Computed,
            "--tun-remcsum" => self.checksum = Checksum::Remote,
            "-n" | "--numeric" => {}
            _ => return false,
        }
        true
    }

    fn key(&self) -> Result<ServiceKey, String> {
        match (self.transport, self.mark) {
            (Some((transport, at)), None) => {
                Ok(ServiceKey::Address { transport, address: at.ip(), port: at.port() })
            }
            (None, Some(mark)) => {
                Ok(ServiceKey::Mark { family: if self.ipv6 { Family::V6 } else { Family::V4 }, mark })
            }
            (Some(_), Some(_)) => Err("a service has an address or a mark, not both".to_owned()),
            (None, None) => Err("the service is missing: -t, -u, --sctp-service or -f".to_owned()),
        }
    }

    fn service(&self, key: ServiceKey) -> Result<Service, String> {
        let scheduler = self.scheduler.as_deref().unwrap_or(SCHEDULER);
        let names = flag_names(scheduler);
        let mut bits = 0;
        for flag in &self.flags {
            let generic = flag_names("");
            let place = names.iter().zip(generic).position(|(own, generic)| flag == own || flag == generic);
            bits |= 1 << place.ok_or_else(|| format!("the scheduler {scheduler} has no flag '{flag}'"))?;
        }
        let persistence = self.persistence.map(|seconds| {
            let engine = self.engine.as_deref().map(|engine| name("persistence engine", engine));
            Ok::<_, String>(Persistence {
                seconds,
                prefix: Some(self.prefix(key.family())?),
                engine: engine.transpose()?,
            })
        });
        Ok(Service {
            scheduler: name("scheduler", scheduler)?,
            scheduler_flags: SchedulerFlags::from_bits(bits),
            one_packet: self.one_packet,
            persistence: persistence.transpose()?,
        })
    }

    /// How many leading bits of clients' addresses count.
    fn prefix(&self, family: Family) -> Result<u8, String> {
        let Some(mask) = &self.mask else {
            return Ok(match family {
                Family::V4 => 32,
                Family::V6 => 128,
            });
        };
        let expected = || format!("-M needs a netmask that is a prefix, found '{mask}'");
        match family {
            Family::V4 => {
                let bits = mask.parse::<Ipv4Addr>().map(u32::from).map_err(|_| expected())?;
                let prefix = bits.leading_ones();
                let is_prefix = bits.checked_shl(prefix).unwrap_or(0) == 0;
                u8::try_from(prefix).ok().filter(|_| is_prefix).ok_or_else(expected)
            }
            Family::V6 => mask.parse().ok().filter(|prefix| (1..=128).contains(prefix)).ok_or_else(expected),
        }
    }

    fn server_key(&self, service: ServiceKey) -> Result<ServerKey, String> {
        let (address, port) = self.server.ok_or("the server is missing: -r")?;
        let port = port.unwrap_or(match service {
            ServiceKey::Address { port, .. } => port,
            ServiceKey::Mark { .. } => 0,
        });
        Ok(ServerKey { address, port })
    }

    fn server(&self) -> Result<Server, String> {
        let checksum = self.checksum;
        let forwarding = match (self.way.unwrap_or(Way::Direct), self.tunnel.as_deref()) {
            (Way::Masquerade, _) => Forwarding::Masquerade,
            (Way::Direct, _) => Forwarding::Direct,
            (Way::Tunnel, None | Some("ipip")) => Forwarding::Tunnel(Tunnel::Ipip),
            (Way::Tunnel, Some("gre")) => Forwarding::Tunnel(Tunnel::Gre { checksum }),
            (Way::Tunnel, Some("gue")) => {
                let port = self.tunnel_port.and_then(NonZeroU16::new).ok_or("gue needs --tun-port")?;
                Forwarding::Tunnel(Tunnel::Gue { port, checksum })
            }
            (Way::Tunnel, Some(other)) => return Err(format!("there is no tunnel of type '{other}'")),
        };
        Ok(Server {
            forwarding,
            weight: self.weight.unwrap_or(1),
            upper_threshold: self.upper,
            lower_threshold: self.lower,
        })
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, found '{text}'"))
}

fn address(option: &str, text: &str) -> Result<SocketAddr, String> {
    let (address, port) = server_address(option, text)?;
    Ok(SocketAddr::new(address, port.unwrap_or(0)))
}

/// An address, perhaps with a port; names are not looked up.
fn server_address(option: &str, text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(whole) = text.parse::<SocketAddr>() {
        return Ok((whole.ip(), Some(whole.port())));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().map_err(|_| {
        format!(
            "{option} needs an address and a port as numbers (`ipvsadm -Sn` saves them so), found '{text}'"
        )
    })?;
    Ok((address, None))
}

fn name(of: &str, text: &str) -> Result<Name, String> {
    Name::new(text).ok_or_else(|| format!("'{text}' is no name of a {of}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules as `ipvsadm -Sn` prints them.
    const RULES: [&str; 14] = [
        "-A -t 192.0.2.1:80 -s wrr",
        "-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 3",
        "-A -t [2001:db8::1]:443 -s wlc -p 600 -M 64",
        "-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 0",
        "-A -u 192.0.2.1:53 -s rr -o",
        "-A --sctp-service 192.0.2.1:5000 -s sh -b sh-fallback,sh-port",
        "-A -t 192.0.2.2:80 -s mh -p 300 -M 255.255.255.0 --pe sip -b mh-port",
        "-A -f 7 -s lc -b flag-1,flag-3",
        "-A -f 7 -6 -s lc",
        "-a -f 7 -6 -r [2001:db8::2]:0 -g -w 1",
        "-a -f 7 -r 10.0.0.1:0 -i -w 1 --tun-type ipip",
        "-a -f 7 -r 10.0.0.2:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
        "-a -f 7 -r 10.0.0.3:0 -i -w 1 --tun-type gre --tun-nocsum",
        "-a -f 7 -r 10.0.0.4:0 -g -w 2147483647 -x 100 -y 50",
    ];

    fn written(command: Command) -> String {
        match command {
            Command::AddService(key, settings) => service(key, &settings),
            Command::AddServer(key, server_key, settings) => server(key, server_key, settings),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_saved_is_read_back() {
        for rule in RULES {
            assert_eq!(written(read(rule).unwrap().unwrap()), rule);
        }
    }

    #[test]
    fn what_people_write_is_read_too() {
        let cases = [
            ("ipvsadm -A -t 192.0.2.1:80", "-A -t 192.0.2.1:80 -s wlc"),
            ("--add-service --tcp-service 192.0.2.1:80 --persistent", "-A -t 192.0.2.1:80 -s wlc -p 300"),
            ("-a -t 192.0.2.1:80 -r 10.0.0.1", "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1"),
            ("-a -f 7 -r 10.0.0.1 -i", "-a -f 7 -r 10.0.0.1:0 -i -w 1 --tun-type ipip"),
            ("-A -t 192.0.2.1:80 -s sh -b flag-2", "-A -t 192.0.2.1:80 -s sh -b sh-port"),
        ];
        for (rule, meaning) in cases {
            assert_eq!(written(read(rule).unwrap().unwrap()), meaning, "{rule}");
        }
        assert_eq!(read("  "), Ok(None));
        assert_eq!(read("# a comment"), Ok(None));
        let key = ServiceKey::Mark { family: Family::V4, mark: 7 };
        assert_eq!(read("-D -f 7"), Ok(Some(Command::DeleteService(key))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("-A -s rr", "the service is missing"),
            ("-A -t web:80", "found 'web:80'"),
            ("-Q -t 192.0.2.1:80", "'-Q' is no command"),
            ("-A -t 192.0.2.1:80 -s", "-s needs a value"),
            ("-A -t 192.0.2.1:80 -b sh-port", "the scheduler wlc has no flag 'sh-port'"),
            ("-A -t 192.0.2.1:80 -p 9 -M 255.0.255.0", "needs a netmask that is a prefix"),
            ("-A -t 192.0.2.1:80 -s a-name-that-is-too-long", "is no name of a scheduler"),
            ("-a -t 192.0.2.1:80", "the server is missing"),
            ("-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type gue", "gue needs --tun-port"),
            ("-a -t 192.0.2.1:80 -r 10.0.0.1 -w -1", "-w needs a number"),
            ("-A -t 192.0.2.1:80 --nosuch", "'--nosuch' is not known"),
            ("-A -t 192.0.2.1:80 -f 3", "not both"),
        ];
        for (rule, reason) in cases {
            let told = read(rule).unwrap_err();
            assert!(told.contains(reason), "{rule}: {told}");
        }
    }
}
