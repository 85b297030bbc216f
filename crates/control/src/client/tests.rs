//! Against a real socket, served by a thread that speaks from a script.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use super::*;
use crate::event::{Ending, Happening, Severity, Worker};

/// A daemon that hears one request and then says exactly these bytes.
struct Server {
    path: PathBuf,
    thread: JoinHandle<String>,
}

impl Server {
    fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let path = fresh_path();
        let listener = UnixListener::bind(&path).unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut request = String::new();
            reader.read_line(&mut request).unwrap();
            // The client may hang up first.
            let _ = reader.get_mut().write_all(&bytes);
            request
        });
        Self { path, thread }
    }

    fn client(&self) -> Client {
        Client::connect(&self.path).unwrap()
    }

    /// Ends the server and tells what it was asked.
    fn heard(self) -> String {
        let _ = std::fs::remove_file(&self.path);
        self.thread.join().unwrap()
    }
}

fn fresh_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("steadfast-client-{}-{number}.sock", std::process::id()))
}

fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        pid: 12,
        since: "2026-01-02T03:04:05Z".to_owned(),
        configuration: "/etc/keepalived/keepalived.conf".to_owned(),
        configuration_errors: 0,
        generation: 1,
        refused_reload: None,
        faults: Vec::new(),
        worker: None,
        instances: Vec::new(),
        groups: Vec::new(),
        scripts: Vec::new(),
        sessions: Vec::new(),
        check_worker: None,
        services: Vec::new(),
        flight_recorder_seconds: None,
        not_active: Vec::new(),
        control: crate::status::Control::default(),
    }
}

fn record(sequence: u64) -> Record {
    Record {
        sequence,
        time: "2026-01-02T03:04:05.000006Z".to_owned(),
        severity: Severity::Notice,
        message: "stopping".to_owned(),
        happening: Happening::WorkerDied {
            pid: 3,
            worker: Worker::Vrrp,
            ending: Ending::Signalled { signal: 9 },
            successor: true,
        },
    }
}

fn line(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap() + "\n"
}

#[test]
fn status_is_asked_and_answered_in_one_line_each() {
    let server = Server::saying(line(&Answer::Status(Box::new(status()))));
    assert_eq!(server.client().status().unwrap(), status());
    assert_eq!(server.heard(), "{\"request\":\"status\"}\n");
}

#[test]
fn kept_events_end_with_the_daemons_word() {
    let events = [record(1), record(2)];
    let mut said: String =
        events.iter().map(|record| line(&Answer::Event(Box::new(record.clone())))).collect();
    said += &line(&Answer::End);
    let server = Server::saying(said);
    let got: Vec<Record> =
        server.client().events(false, Filter::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(got, events);
    assert_eq!(server.heard(), "{\"request\":\"events\",\"follow\":false}\n");
}

#[test]
fn a_follower_goes_on_until_the_daemon_ends() {
    let server = Server::saying(line(&Answer::Event(Box::new(record(7)))));
    let got: Vec<Record> =
        server.client().events(true, Filter::default()).unwrap().map(Result::unwrap).collect();
    assert_eq!(got, [record(7)]);
    assert_eq!(server.heard(), "{\"request\":\"events\",\"follow\":true}\n");
}

#[test]
fn events_that_break_off_are_an_error_once() {
    let mut said = line(&Answer::Event(Box::new(record(7))));
    said.push_str("{\"answer\":\"ev");
    for follow in [false, true] {
        let server = Server::saying(said.clone());
        let mut events = server.client().events(follow, Filter::default()).unwrap();
        assert_eq!(events.next().unwrap().unwrap(), record(7));
        assert!(matches!(events.next(), Some(Err(ClientError::HungUp))));
        assert!(events.next().is_none());
        server.heard();
    }
}

#[test]
fn every_bad_answer_has_its_error() {
    type Expect = fn(&ClientError) -> bool;
    let cases: [(String, Expect); 5] = [
        (String::new(), |error| matches!(error, ClientError::HungUp)),
        ("{\"answer\":\"status\"".to_owned(), |error| matches!(error, ClientError::HungUp)),
        ("no json\n".to_owned(), |error| matches!(error, ClientError::Malformed { .. })),
        (line(&Answer::End), |error| matches!(error, ClientError::Unexpected { .. })),
        (
            line(&Answer::Error("the worker starts".to_owned())),
            |error| matches!(error, ClientError::Declined(reason) if reason == "the worker starts"),
        ),
    ];
    for (said, expected) in cases {
        let server = Server::saying(said.clone());
        let error = server.client().status().unwrap_err();
        assert!(expected(&error), "{said:?} gave {error:?}");
        server.heard();
    }
}

#[test]
fn nobody_at_the_socket_is_told_apart() {
    let path = fresh_path();
    assert!(matches!(Client::connect(&path), Err(ClientError::Missing { .. })));
    drop(UnixListener::bind(&path).unwrap());
    let error = Client::connect(&path).unwrap_err();
    assert!(matches!(error, ClientError::NobodyListens { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn who_is_silent_is_told_with_the_time_that_was_waited() {
    let path = fresh_path();
    let _listener = UnixListener::bind(&path).unwrap();
    let mut client = Client::connect(&path).unwrap();
    let patience = Duration::from_millis(20);
    client.wait_for_answers(Some(patience)).unwrap();
    let error = client.status().unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(error, ClientError::Silent(waited) if waited == patience), "{error:?}");
}
