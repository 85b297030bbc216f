//! The control socket: one line of JSON a request, one line of JSON an answer.
//!
//! Root and the configured group may connect; the file's owner and mode see to that. A client that reads nothing of an
//! answer is dropped after [`READ_WITHIN`]; one for which [`OUTBOUND_MAX`] bytes wait when one more answer or event
//! comes; one that keeps others waiting for the next piece of an answer; one that talks nonsense at once.

mod desk;
pub(crate) mod dump;
mod operations;
mod peers;
mod services;
mod sessions;
pub(crate) mod status;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_control::event::{Filter, Record};
use steadfast_control::request::{Answer, Request};
use steadfast_control::status as report;
use steadfast_kernel::process::handover::Kept;
use steadfast_kernel::process::user;
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::Moment;

pub(crate) use self::desk::Desk;
use super::moment;

/// Clients at the same time, at most; a further one is hung up on.
pub(crate) const CLIENTS_MAX: usize = 64;
/// Bytes of a request, at most.
const REQUEST_MAX: usize = 4_096;
/// Bytes that may wait for one client when a further answer comes.
const OUTBOUND_MAX: usize = 16 * 1024 * 1024;
/// Bytes that may wait for one client when the next piece of an answer is asked for.
const OUTBOUND_OF_A_PIECE_MAX: usize = 256 * 1024;
/// How long a client may take to read anything of what waits for it.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Number of a client; never given twice.
pub(crate) type ClientId = u64;

/// The listening socket and everyone connected.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    clients: BTreeMap<ClientId, Client>,
    next: ClientId,
    turned_away: report::Control,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    sent: usize,
    /// The events that it goes on being told.
    following: Option<Filter>,
    closing: bool,
    waits_for_room: bool,
    /// Since when it has read nothing of what waits for it.
    unread_since: Option<Moment>,
}

/// The socket and everyone connected, as they are left to another program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientsLeft {
    listener: Kept,
    path: PathBuf,
    next: ClientId,
    clients: Vec<ClientLeft>,
}

impl ClientsLeft {
    /// Those that have to live on.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = Kept> + '_ {
        std::iter::once(self.listener).chain(self.clients.iter().map(|client| client.stream))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ClientLeft {
    id: ClientId,
    stream: Kept,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    following: Option<Filter>,
    closing: bool,
}

impl Control {
    /// For the program that comes.
    pub(crate) fn left(&self) -> ClientsLeft {
        let client = |(id, client): (&ClientId, &Client)| ClientLeft {
            id: *id,
            stream: Kept::of(&client.stream),
            inbound: client.inbound.clone(),
            outbound: client.outbound.get(client.sent..).unwrap_or_default().to_vec(),
            following: client.following.clone(),
            closing: client.closing,
        };
        ClientsLeft {
            listener: Kept::of(&self.listener),
            path: self.path.clone(),
            next: self.next,
            clients: self.clients.iter().map(client).collect(),
        }
    }

    /// Goes on with the socket that another program left, and with everyone who is connected.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub(crate) fn adopt(
        left: ClientsLeft,
        poller: &Poller,
        token_base: u64,
    ) -> Result<Self, steadfast_kernel::Error> {
        let listener = UnixListener::from(left.listener.take()?);
        let mut clients = BTreeMap::new();
        for ClientLeft { id, stream, inbound, outbound, following, closing } in left.clients {
            let stream = UnixStream::from(stream.take()?);
            let waits_for_room = !outbound.is_empty();
            let interest = if waits_for_room { Interest::Both } else { Interest::Readable };
            poller.add(&stream, token_base + id, interest)?;
            let unread_since = waits_for_room.then(moment);
            let client = Client {
                stream,
                inbound,
                outbound,
                sent: 0,
                following,
                closing,
                waits_for_room,
                unread_since,
            };
            clients.insert(id, client);
        }
        let (path, next) = (left.path, left.next);
        Ok(Self { listener, path, clients, next, turned_away: report::Control::default() })
    }

    /// Listens at `path`, replacing what a dead daemon left there.
    ///
    /// # Errors
    /// In words: a living daemon listens there, or the path cannot be used.
    pub(crate) fn listen(path: &Path, gid: Option<u32>) -> Result<Self, String> {
        if UnixStream::connect(path).is_ok() {
            return Err(format!("another daemon listens at {}", path.display()));
        }
        let in_words = |error: std::io::Error| format!("cannot listen at {}: {error}", path.display());
        match std::fs::symlink_metadata(path) {
            Ok(found) if !is_socket(&found) => {
                return Err(format!(
                    "cannot listen at {}: something that is no socket lies there",
                    path.display()
                ));
            }
            Ok(_) => std::fs::remove_file(path).map_err(in_words)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(in_words(error)),
        }
        let listener = UnixListener::bind(path).map_err(in_words)?;
        let mode = if gid.is_some() { 0o660 } else { 0o600 };
        if gid.is_some() {
            std::os::unix::fs::chown(path, None, gid).map_err(in_words)?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(in_words)?;
        listener.set_nonblocking(true).map_err(in_words)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            clients: BTreeMap::new(),
            next: 0,
            turned_away: report::Control::default(),
        })
    }

    /// For the poller.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Takes everyone who knocks.
    pub(crate) fn accept(&mut self, poller: &Poller, token_base: u64) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() >= CLIENTS_MAX {
                self.turned_away.clients_refused += 1;
                continue;
            }
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let id = self.next;
            if poller.add(&stream, token_base + id, Interest::Readable).is_err() {
                continue;
            }
            self.next += 1;
            let client = Client {
                stream,
                inbound: Vec::new(),
                outbound: Vec::new(),
                sent: 0,
                following: None,
                closing: false,
                waits_for_room: false,
                unread_since: None,
            };
            self.clients.insert(id, client);
        }
    }

    /// How often which bound was reached.
    pub(crate) fn turned_away(&self) -> report::Control {
        self.turned_away
    }

    /// Reads from and writes to a client; its complete requests come back.
    pub(crate) fn ready(&mut self, id: ClientId, poller: &Poller, token_base: u64) -> Vec<Request> {
        let Some(client) = self.clients.get_mut(&id) else { return Vec::new() };
        let requests = client.receive();
        match requests {
            Ok(requests) => {
                self.flush(id, poller, token_base);
                requests
            }
            Err(reason) => {
                if let Some(reason) = reason {
                    self.answer(id, &Answer::Error(reason), poller, token_base);
                    self.finish(id, poller, token_base);
                } else {
                    self.hang_up(id, poller);
                }
                Vec::new()
            }
        }
    }

    /// Sends one answer.
    pub(crate) fn answer(&mut self, id: ClientId, answer: &Answer, poller: &Poller, token_base: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.waiting() > OUTBOUND_MAX {
            return self.cut_off(id, poller);
        }
        client.queue(answer);
        self.flush(id, poller, token_base);
    }

    pub(crate) fn is_connected(&self, id: ClientId) -> bool {
        self.clients.contains_key(&id)
    }

    /// Whether a client has read so much that the next piece of an answer may come.
    pub(crate) fn has_room(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_none_or(|client| client.waiting() <= OUTBOUND_OF_A_PIECE_MAX)
    }

    /// Others do not wait for a client that makes no room for the next piece.
    pub(crate) fn cut_off_without_room(&mut self, id: ClientId, poller: &Poller) {
        if !self.has_room(id) {
            self.cut_off(id, poller);
        }
    }

    /// When a client takes too long to read.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.clients.values().filter_map(Client::read_until).min()
    }

    /// Clients that take too long to read are not waited for.
    pub(crate) fn cut_off_late(&mut self, now: Moment, poller: &Poller) {
        let late = self.clients.iter().filter(|(_, client)| client.read_until().is_some_and(|at| at <= now));
        let late: Vec<ClientId> = late.map(|(id, _)| *id).collect();
        late.into_iter().for_each(|id| self.cut_off(id, poller));
    }

    fn cut_off(&mut self, id: ClientId, poller: &Poller) {
        self.turned_away.clients_too_slow += 1;
        self.hang_up(id, poller);
    }

    /// Whether a client has the daemon's own rights, and not only those of the control group.
    pub(crate) fn is_trusted(&self, id: ClientId) -> bool {
        let uid = self.clients.get(&id).and_then(|client| user::peer_uid(&client.stream).ok());
        uid.is_some_and(|uid| uid == 0 || uid == user::own_ids().0)
    }

    /// Sends every further event that it wants to this client.
    pub(crate) fn follow(&mut self, id: ClientId, filter: Filter) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.following = Some(filter);
        }
    }

    /// Tells an event to everyone who follows.
    pub(crate) fn publish(&mut self, record: &Record, poller: &Poller, token_base: u64) {
        let followers: Vec<ClientId> =
            self.clients.iter().filter(|(_, client)| client.wants(record)).map(|(id, _)| *id).collect();
        for id in followers {
            self.answer(id, &Answer::Event(Box::new(record.clone())), poller, token_base);
        }
    }

    /// Hangs up once everything that waits is sent.
    pub(crate) fn finish(&mut self, id: ClientId, poller: &Poller, token_base: u64) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.closing = true;
            self.flush(id, poller, token_base);
        }
    }

    /// Takes the socket away.
    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn flush(&mut self, id: ClientId, poller: &Poller, token_base: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let sent = client.send();
        let waits = client.waiting() > 0;
        let Ok(sent) = sent else { return self.hang_up(id, poller) };
        if client.closing && !waits {
            return self.hang_up(id, poller);
        }
        if !waits {
            client.unread_since = None;
        } else if sent > 0 || client.unread_since.is_none() {
            client.unread_since = Some(moment());
        }
        if waits != client.waits_for_room {
            client.waits_for_room = waits;
            let interest = if waits { Interest::Both } else { Interest::Readable };
            let _ = poller.modify(&client.stream, token_base + id, interest);
        }
    }

    fn hang_up(&mut self, id: ClientId, poller: &Poller) {
        if let Some(client) = self.clients.remove(&id) {
            let _ = poller.remove(&client.stream);
        }
    }
}

impl Client {
    /// Bytes that wait for it.
    fn waiting(&self) -> usize {
        self.outbound.len() - self.sent
    }

    /// Until when it is to read something. Who follows events may look at them in peace as long as there is room.
    fn read_until(&self) -> Option<Moment> {
        self.unread_since.filter(|_| self.following.is_none()).map(|since| since + READ_WITHIN)
    }

    fn wants(&self, record: &Record) -> bool {
        self.following.as_ref().is_some_and(|filter| filter.admits(record))
    }

    /// Complete requests; `Err(None)` when the client is gone, `Err(Some)` when it talks nonsense. What one read
    /// does not bring comes with the next call, so that nobody is kept waiting by one who goes on asking.
    fn receive(&mut self) -> Result<Vec<Request>, Option<String>> {
        let mut buffer = [0_u8; REQUEST_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(None),
            Ok(count) => self.inbound.extend(buffer.iter().take(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return Err(None),
        }
        let mut requests = Vec::new();
        while let Some(end) = self.inbound.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.inbound.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(request) => requests.push(request),
                Err(error) => return Err(Some(format!("expected a request as one line of JSON: {error}"))),
            }
        }
        if self.inbound.len() > REQUEST_MAX {
            return Err(Some(format!("a request has at most {REQUEST_MAX} bytes")));
        }
        Ok(requests)
    }

    fn queue(&mut self, answer: &Answer) {
        // What was sent goes when it is the larger part: somebody who always lags a little would keep all of it.
        if self.sent > self.outbound.len() / 2 {
            self.outbound.drain(..self.sent);
            self.sent = 0;
        }
        // Writing to memory cannot fail, and every answer can be written as JSON.
        if serde_json::to_writer(&mut self.outbound, answer).is_ok() {
            self.outbound.push(b'\n');
        }
    }

    /// How many bytes went.
    fn send(&mut self) -> std::io::Result<usize> {
        let mut total = 0;
        while let Some(waiting) = self.outbound.get(self.sent..).filter(|waiting| !waiting.is_empty()) {
            match self.stream.write(waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.sent += count;
                    total += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.outbound.capacity() > REQUEST_MAX {
            self.outbound = Vec::new();
            self.sent = 0;
        }
        Ok(total)
    }
}

fn is_socket(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 100;

    fn listening(test: &str) -> (Control, Poller, PathBuf) {
        let path = std::env::temp_dir().join(format!("steadfast-{test}-{}.sock", std::process::id()));
        (Control::listen(&path, None).unwrap(), Poller::open().unwrap(), path)
    }

    #[test]
    fn clients_beyond_the_bound_are_refused_and_counted() {
        let (mut control, poller, path) = listening("refused");
        let callers: Vec<_> = (0..CLIENTS_MAX + 3)
            .map(|_| {
                let caller = UnixStream::connect(&path).unwrap();
                control.accept(&poller, BASE);
                caller
            })
            .collect();
        assert_eq!(control.clients.len(), CLIENTS_MAX);
        assert_eq!(control.turned_away().clients_refused, 3);
        let last = callers.last().unwrap();
        assert_eq!((&*last).read(&mut [0]).unwrap(), 0);
        control.remove();
    }

    #[test]
    fn a_client_that_does_not_read_is_hung_up_on_and_counted() {
        let (mut control, poller, path) = listening("slow");
        let caller = UnixStream::connect(&path).unwrap();
        control.accept(&poller, BASE);
        let answer = Answer::Error("x".repeat(OUTBOUND_MAX / 4));
        let mut answers = 0;
        while control.turned_away().clients_too_slow == 0 {
            control.answer(0, &answer, &poller, BASE);
            answers += 1;
            assert!(answers <= 6, "nothing bounds what waits");
        }
        assert!(control.clients.is_empty() && answers > 3);
        drop(caller);
        control.remove();
    }

    #[test]
    fn a_client_that_reads_nothing_of_an_answer_has_a_bounded_time() {
        let (mut control, poller, path) = listening("unread");
        let mut caller = UnixStream::connect(&path).unwrap();
        control.accept(&poller, BASE);
        assert_eq!(control.wakeup(), None);
        control.answer(0, &Answer::Error("x".repeat(1024 * 1024)), &poller, BASE);
        let until = control.wakeup().expect("it waits to be read");
        assert!(!control.has_room(0));
        control.cut_off_late(until - Duration::from_nanos(1), &poller);
        // What is read is time anew.
        caller.read_exact(&mut [0; 64 * 1024]).unwrap();
        control.ready(0, &poller, BASE);
        control.cut_off_late(until, &poller);
        let later = control.wakeup().unwrap();
        assert!(later > until && control.is_connected(0));
        control.follow(0, Filter::default());
        control.cut_off_late(later, &poller);
        assert!(control.is_connected(0), "who follows may look in peace");
        control.clients.get_mut(&0).unwrap().following = None;
        control.cut_off_late(later, &poller);
        assert_eq!((control.is_connected(0), control.turned_away().clients_too_slow), (false, 1));
        control.remove();
    }

    #[test]
    fn a_client_without_room_for_the_next_piece_is_not_waited_for() {
        let (mut control, poller, path) = listening("piece");
        let mut caller = UnixStream::connect(&path).unwrap();
        control.accept(&poller, BASE);
        let answer = Answer::Error("x".repeat(OUTBOUND_OF_A_PIECE_MAX * 4));
        control.answer(0, &answer, &poller, BASE);
        assert!(!control.has_room(0));
        let mut buffer = vec![0; OUTBOUND_OF_A_PIECE_MAX];
        while !control.has_room(0) {
            assert!(caller.read(&mut buffer).unwrap() > 0);
            control.ready(0, &poller, BASE);
        }
        control.cut_off_without_room(0, &poller);
        assert!(control.is_connected(0));
        control.answer(0, &answer, &poller, BASE);
        control.cut_off_without_room(0, &poller);
        assert_eq!((control.is_connected(0), control.turned_away().clients_too_slow), (false, 1));
        control.remove();
    }

    #[test]
    fn what_a_lagging_client_has_read_is_not_kept() {
        let (mut control, poller, path) = listening("lagging");
        let mut caller = UnixStream::connect(&path).unwrap();
        control.accept(&poller, BASE);
        let answer = Answer::Error("x".repeat(1024 * 1024));
        let mut buffer = vec![0; 1024 * 1024];
        for _ in 0..2 {
            control.answer(0, &answer, &poller, BASE);
        }
        for _ in 0..50 {
            control.answer(0, &answer, &poller, BASE);
            let mut left = buffer.len();
            while left > 0 {
                left -= caller.read(&mut buffer[..left]).unwrap();
                control.ready(0, &poller, BASE);
            }
        }
        let kept = control.clients.get(&0).unwrap().outbound.len();
        assert!((1024 * 1024..8 * 1024 * 1024).contains(&kept), "{kept} bytes are kept");
        control.remove();
    }

    #[test]
    fn one_who_goes_on_asking_is_heard_a_little_at_a_time() {
        let (mut control, poller, path) = listening("asking");
        let mut caller = UnixStream::connect(&path).unwrap();
        control.accept(&poller, BASE);
        let requests = "{\"request\":\"status\"}\n".repeat(1_000);
        caller.write_all(requests.as_bytes()).unwrap();
        let mut heard = Vec::new();
        while heard.iter().sum::<usize>() < 1_000 {
            heard.push(control.ready(0, &poller, BASE).len());
        }
        assert!(heard.iter().all(|count| *count <= REQUEST_MAX / 20), "{heard:?}");
        control.remove();
    }
}
