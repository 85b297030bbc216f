//! Being told when processes begin, end and change their program: the kernel's process connector.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::handover::Kept;
use crate::error::{Attempt, Capability, Errno, Result};
use crate::sockopt::{self, BufferSize};

/// Multicast group and connector of process events (CN_IDX_PROC, CN_VAL_PROC of linux/connector.h).
const CONNECTOR: u32 = 1;
/// PROC_CN_MCAST_LISTEN.
const LISTEN: u32 = 1;
/// NLMSG_DONE, the type of every connector message.
const DONE: u16 = 3;
/// struct nlmsghdr and struct cn_msg; struct proc_event begins behind both.
const HEADERS_BYTES: usize = 16 + 20;
/// What happened, which processor, and when; the rest depends on what happened.
const EVENT_HEADER_BYTES: usize = 16;
/// Longest message that the kernel sends, with room to spare.
const MESSAGE_BYTES: usize = 256;
/// A program that is started again and again must not make every start of a process unknown.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// A socket on which the kernel tells of all processes of the machine.
#[derive(Debug)]
pub struct ProcessEvents {
    fd: OwnedFd,
}

/// What the kernel told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The kernel heard that somebody listens, and from now on tells everything; or it refuses.
    Listening(std::result::Result<(), Errno>),
    /// A process has a child that runs the same program.
    Forked {
        /// The old one.
        parent: u32,
        /// The new one.
        child: u32,
    },
    /// A process runs another program.
    Executed(u32),
    /// A process gave itself another name.
    Renamed(u32),
    /// A process ended.
    Ended(u32),
    /// The kernel told more than was taken: something happened that will not be told.
    Lost,
}

impl ProcessEvents {
    /// Asks the kernel to tell. Only the first network namespace of a machine has this; inside another pid or user
    /// namespace the kernel does not answer at all.
    ///
    /// # Errors
    /// EPROTONOSUPPORT where the kernel or the namespace has none, EPERM without CAP_NET_ADMIN.
    pub fn open() -> Result<Self> {
        const ATTEMPTED: &str = "ask for events of processes";
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let protocol = Some(rustix::net::netlink::CONNECTOR);
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)
            .attempt(ATTEMPTED)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, CONNECTOR))
            .attempt(ATTEMPTED)
            .map_err(|error| error.needing(Capability::NetAdmin))?;
        sockopt::grow_receive_buffer(&fd, RECEIVE_BUFFER_BYTES);
        Self { fd }.listening()
    }

    /// Takes over a socket that the program had which this process ran before, and asks anew, so that an answer comes.
    ///
    /// # Errors
    /// When there is no such descriptor, and as [`Self::open`].
    pub fn adopt(kept: Kept) -> Result<Self> {
        Self { fd: kept.take()? }.listening()
    }

    fn listening(self) -> Result<Self> {
        rustix::net::sendto(&self.fd, &listen(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
            .attempt("ask for events of processes")
            .map_err(|error| error.needing(Capability::NetAdmin))?;
        Ok(self)
    }

    /// Asks for a receive buffer, the usual one without a size.
    pub fn resize(&self, wanted: Option<BufferSize>) {
        sockopt::size_receive_buffer(&self.fd, wanted, RECEIVE_BUFFER_BYTES);
    }

    /// The next event. Never waits: `None` when there is none.
    pub fn take(&mut self) -> Option<ProcessEvent> {
        let mut message = [0; MESSAGE_BYTES];
        loop {
            match rustix::net::recvfrom(&self.fd, message.as_mut_slice(), RecvFlags::empty()) {
                Ok((_, length, sender)) => {
                    let from_kernel = sender
                        .and_then(|address| SocketAddrNetlink::try_from(address).ok())
                        .is_some_and(|address| address.pid() == 0);
                    let event = from_kernel.then(|| decode(message.get(..length)?)).flatten();
                    if event.is_some() {
                        return event;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => return Some(ProcessEvent::Lost),
                Err(_) => return None,
            }
        }
    }
}

impl AsFd for ProcessEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn listen() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADERS_BYTES + 4);
    bytes.extend(40_u32.to_ne_bytes());
    bytes.extend(DONE.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(CONNECTOR.to_ne_bytes());
    bytes.extend(CONNECTOR.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(4_u16.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(LISTEN.to_ne_bytes());
    bytes
}

/// What a message tells of a process; threads are passed over.
fn decode(message: &[u8]) -> Option<ProcessEvent> {
    let event = message.get(HEADERS_BYTES..)?;
    let word = |at: usize| {
        let bytes = event.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let data = |place: usize| word(EVENT_HEADER_BYTES + 4 * place);
    // The first of two numbers is the thread's, the second its process's.
    let process = || Some((data(0)?, data(1)?)).filter(|(thread, process)| thread == process);
    match word(0)? {
        0 => {
            let refused = i32::try_from(data(0)?).ok().filter(|number| *number != 0);
            Some(ProcessEvent::Listening(
                refused.map_or(Ok(()), |number| Err(Errno::from_raw_os_error(number))),
            ))
        }
        0x0000_0001 => {
            let (thread, child) = (data(2)?, data(3)?);
            (thread == child).then_some(ProcessEvent::Forked { parent: data(1)?, child })
        }
        0x0000_0002 => process().map(|(_, process)| ProcessEvent::Executed(process)),
        0x0000_0200 => process().map(|(_, process)| ProcessEvent::Renamed(process)),
        0x8000_0000 => process().map(|(_, process)| ProcessEvent::Ended(process)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(what: u32, data: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS_BYTES];
        bytes.extend(what.to_ne_bytes());
        bytes.extend([0; 12]);
        data.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        bytes
    }

    #[test]
    fn events_of_processes_are_told_and_those_of_threads_are_not() {
        let cases = [
            (message(0, &[0]), Some(ProcessEvent::Listening(Ok(())))),
            (message(0, &[1]), Some(ProcessEvent::Listening(Err(Errno::PERM)))),
            (message(1, &[7, 7, 8, 8]), Some(ProcessEvent::Forked { parent: 7, child: 8 })),
            (message(1, &[9, 7, 8, 8]), Some(ProcessEvent::Forked { parent: 7, child: 8 })),
            (message(1, &[7, 7, 8, 7]), None),
            (message(2, &[8, 8]), Some(ProcessEvent::Executed(8))),
            (message(0x200, &[8, 8, 0, 0, 0, 0]), Some(ProcessEvent::Renamed(8))),
            (message(0x200, &[9, 8, 0, 0, 0, 0]), None),
            (message(0x8000_0000, &[8, 8, 0, 0]), Some(ProcessEvent::Ended(8))),
            (message(0x8000_0000, &[9, 8, 0, 0]), None),
            (message(4, &[8, 8, 0, 0]), None),
        ];
        for (bytes, event) in cases {
            assert_eq!(decode(&bytes), event);
            for length in 0..bytes.len() {
                let _ = decode(&bytes[..length]);
            }
        }
    }

    #[test]
    fn the_kernel_tells_of_a_child_where_it_tells_at_all() {
        let Ok(mut events) = ProcessEvents::open() else { return };
        let poller = crate::wait::poll::Poller::open().unwrap();
        poller.add(&events, 0, crate::wait::poll::Interest::Readable).unwrap();
        let deadline = crate::wait::clock::monotonic() + 10_000_000_000;
        let mut await_event = |wanted: &dyn Fn(&ProcessEvent) -> bool| loop {
            match events.take() {
                Some(event) if wanted(&event) => return Some(event),
                Some(_) => {}
                None if crate::wait::clock::monotonic() >= deadline => return None,
                None => {
                    let mut ready = crate::wait::poll::Events::default();
                    poller.wait(&mut ready, Some(deadline)).unwrap();
                }
            }
        };
        // Inside a container there may be a socket and never an answer.
        let listening = await_event(&|event| matches!(event, ProcessEvent::Listening(_)));
        let Some(ProcessEvent::Listening(Ok(()))) = listening else { return };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        assert!(await_event(&|event| *event == ProcessEvent::Executed(pid)).is_some());
        assert!(await_event(&|event| *event == ProcessEvent::Ended(pid)).is_some());
        child.wait().unwrap();
    }
}
