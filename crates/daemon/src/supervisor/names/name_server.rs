//! One name server, which is asked where a service is: over UDP, and over TCP what no datagram has room for.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use steadfast_probe::Failure;
use steadfast_probe::dns::{FORMAT_ERROR, NOT_IMPLEMENTED, Question, ServiceRecord};

/// How long it is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it may be silent about a question that says what answers we take: something on the way may drop those.
const PATIENCE_WITH_OFFER: Duration = Duration::from_millis(1_500);

/// Answers that we take over UDP: as long as fits the smallest packet that every link of IPv6 carries (1,280 octets, RFC 8200
/// section 5, with headers of 48). Longer ones come in fragments, which many packet filters drop.
const OFFERED_BYTES: u16 = 1_232;

/// Room for a datagram; some servers send more than is offered.
const DATAGRAM_BYTES: usize = 4_096;

const NO_ANSWER: &str = "no answer";

/// Where the service is, as the server says.
pub(super) fn ask(server: SocketAddr, name: &str) -> Result<Vec<ServiceRecord>, String> {
    let until = Instant::now() + PATIENCE;
    let number = u16::try_from(std::process::id() & 0xffff).unwrap_or_default() ^ noise();
    let plain = Question::new(number, "SRV", name).map_err(|error| error.to_string())?;
    let (question, result) = ask_over_udp(server, plain, until)?;
    let result = match result {
        Err(Failure::Cut) => {
            ask_over_tcp(server, &question, until).map_err(|reason| format!("over TCP: {reason}"))?
        }
        result => result,
    };
    result.map_err(|failure| failure.to_string())
}

type Answered = Result<Vec<ServiceRecord>, Failure>;

/// The question that was answered comes back with the answer. One number serves for both, so that either may be answered late.
fn ask_over_udp(server: SocketAddr, plain: Question, until: Instant) -> Result<(Question, Answered), String> {
    let here: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let told = |error: io::Error| error.to_string();
    let socket = UdpSocket::bind(here).map_err(told)?;
    socket.connect(server).map_err(told)?;
    let offering = plain.clone().offering(OFFERED_BYTES);
    socket.send(offering.bytes()).map_err(told)?;
    let mut plain = Some(plain);
    let mut question = offering;
    let mut until_now = until.min(Instant::now() + PATIENCE_WITH_OFFER);
    let mut room = [0; DATAGRAM_BYTES];
    loop {
        let answered = match receive(&socket, &mut room, until_now)? {
            Some(datagram) => match question.services(datagram) {
                Some(answered) => Some(answered),
                None => continue,
            },
            None => None,
        };
        match (answered, plain.take()) {
            (None | Some(Err(Failure::ResponseCode(FORMAT_ERROR | NOT_IMPLEMENTED))), Some(plain)) => {
                socket.send(plain.bytes()).map_err(told)?;
                (question, until_now) = (plain, until);
            }
            (Some(answered), _) => return Ok((question, answered)),
            (None, None) => return Err(NO_ANSWER.to_owned()),
        }
    }
}

/// None when the time is over.
fn receive<'a>(socket: &UdpSocket, room: &'a mut [u8], until: Instant) -> Result<Option<&'a [u8]>, String> {
    loop {
        let Some(left) = left(until) else { return Ok(None) };
        socket.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match socket.recv(room) {
            Ok(length) => return Ok(room.get(..length)),
            Err(error) if is_early(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Each message has its length before it (RFC 1035 section 4.2.2), both sent at once (RFC 7766 section 8).
fn ask_over_tcp(server: SocketAddr, question: &Question, until: Instant) -> Result<Answered, String> {
    let told = |error: io::Error| if is_early(&error) { NO_ANSWER.to_owned() } else { error.to_string() };
    let patience = || left(until).ok_or_else(|| NO_ANSWER.to_owned());
    let mut stream = TcpStream::connect_timeout(&server, patience()?).map_err(told)?;
    stream.set_write_timeout(Some(patience()?)).map_err(told)?;
    let length = u16::try_from(question.bytes().len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes()[..], question.bytes()].concat()).map_err(told)?;
    loop {
        let mut length = [0; 2];
        fill(&mut stream, &mut length, until)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        fill(&mut stream, &mut message, until)?;
        if let Some(answered) = question.services(&message) {
            return Ok(answered);
        }
    }
}

/// Reads until the room is full.
fn fill(stream: &mut TcpStream, mut room: &mut [u8], until: Instant) -> Result<(), String> {
    while !room.is_empty() {
        let left = left(until).ok_or_else(|| NO_ANSWER.to_owned())?;
        stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match stream.read(room) {
            Ok(0) => return Err("the connection ended before the answer".to_owned()),
            Ok(length) => room = room.get_mut(length..).unwrap_or_default(),
            Err(error) if is_early(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// None when there is no time left.
fn left(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// Nothing came yet.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// A number that a stranger does not guess (RFC 5452 section 4.3).
fn noise() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    u16::try_from(RandomState::new().hash_one(0) & 0xffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Response and TC.
    const CUT: u8 = 0x82;
    const WHOLE: u8 = 0x80;

    /// A question has a record behind it that says what answers the asker takes.
    fn offers(question: &[u8]) -> bool {
        question[10..12] == [0, 1]
    }

    /// The answer to a question for `_a.lab`, with one record.
    fn answer(question: &[u8], flags: u8, code: u8) -> Vec<u8> {
        let mut octets = question[..2].to_vec();
        octets.extend([flags, code, 0, 1, 0, 1, 0, 0, 0, 0]);
        octets.extend(b"\x02_a\x03lab\0\0\x21\0\x01");
        octets.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 10, 0, 1, 0, 5, 0x1f, 0x90, 1, b'h', 0xc0, 15]);
        octets
    }

    /// Answers datagrams until it has been asked so often; what they were comes back.
    fn serve(
        times: usize,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> (SocketAddr, thread::JoinHandle<Vec<bool>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let asked = move || {
            let mut room = [0; 512];
            let mut offered = Vec::new();
            while offered.len() < times {
                let (length, asker) = socket.recv_from(&mut room).unwrap();
                offered.push(offers(&room[..length]));
                socket.send_to(&answer(&room[..length]), asker).unwrap();
            }
            offered
        };
        (address, thread::spawn(asked))
    }

    fn record() -> Vec<ServiceRecord> {
        vec![ServiceRecord { priority: 1, weight: 5, port: 8080, target: "h.lab.".to_owned() }]
    }

    #[test]
    fn who_does_not_know_what_is_offered_is_asked_without() {
        for code in [FORMAT_ERROR, NOT_IMPLEMENTED] {
            let refuse = move |question: &[u8]| match offers(question) {
                true => answer(question, WHOLE, code),
                false => answer(question, WHOLE, 0),
            };
            let (server, asked) = serve(2, refuse);
            assert_eq!(ask(server, "_a.lab"), Ok(record()));
            assert_eq!(asked.join().unwrap(), [true, false]);
            // Who refuses that as well has nothing to tell.
            let (server, asked) = serve(2, move |question| answer(question, WHOLE, code));
            assert_eq!(ask(server, "_a.lab"), Err(format!("the response code is {code}")));
            assert_eq!(asked.join().unwrap(), [true, false]);
        }
        // Something drops what it does not know: here that is an answer to another question.
        let (server, asked) = serve(2, |question| match offers(question) {
            true => vec![0; 12],
            false => answer(question, WHOLE, 0),
        });
        assert_eq!(ask(server, "_a.lab"), Ok(record()));
        assert_eq!(asked.join().unwrap(), [true, false]);
    }

    #[test]
    fn an_answer_that_was_cut_is_asked_for_over_tcp_or_is_none() {
        let (server, asked) = serve(2, |question| answer(question, CUT, 0));
        let Err(reason) = ask(server, "_a.lab") else { panic!("half an answer") };
        assert!(reason.starts_with("over TCP: Connection refused"), "{reason}");
        let listener = TcpListener::bind(server).unwrap();
        let over_tcp = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).unwrap();
            // Something else first, and then the answer in two parts.
            stream.write_all(&[0, 12, 9, 9, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
            let answer = answer(&question, WHOLE, 0);
            let octets = [&u16::try_from(answer.len()).unwrap().to_be_bytes()[..], &answer].concat();
            let (first, second) = octets.split_at(20);
            stream.write_all(first).unwrap();
            stream.write_all(second).unwrap();
            offers(&question)
        });
        assert_eq!(ask(server, "_a.lab"), Ok(record()));
        assert_eq!((over_tcp.join().unwrap(), asked.join().unwrap()), (true, vec![true, true]));
    }
}
