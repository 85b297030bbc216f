//! One-way lanes between the two threads of a worker.
//!
//! The timing thread must never wait for the effects thread, so a full lane is no error: what does
//! not fit stays with the sender and goes with the next attempt.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use steadfast_kernel::wait::wake::Waker;

/// Batches in flight, at most.
const LANE_BATCHES: usize = 64;

/// News that wait at the sender, at most. Whoever does not take any for so long loses them, and nothing else.
const WAITING_NEWS_MAX: usize = 4_096;

/// Batches with more room than this are given back to the allocator instead of being used again.
const KEPT_ITEMS_MAX: usize = 256;

/// The sending end.
#[derive(Debug)]
pub(super) struct Sender<T> {
    lane: SyncSender<Vec<T>>,
    emptied: Receiver<Vec<T>>,
    waiting: Vec<T>,
    dropped: u64,
    waker: Arc<Waker>,
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    lane: Receiver<Vec<T>>,
    emptied: SyncSender<Vec<T>>,
    waker: Arc<Waker>,
}

/// A lane whose receiver is woken through `waker`.
pub(super) fn lane<T>(waker: Arc<Waker>) -> (Sender<T>, Inbox<T>) {
    let (lane_in, lane_out) = sync_channel(LANE_BATCHES);
    let (emptied_in, emptied_out) = sync_channel(LANE_BATCHES);
    let sender = Sender {
        lane: lane_in,
        emptied: emptied_out,
        waiting: Vec::new(),
        dropped: 0,
        waker: Arc::clone(&waker),
    };
    (sender, Inbox { lane: lane_out, emptied: emptied_in, waker })
}

impl<T> Sender<T> {
    /// Adds to the batch that [`Self::flush`] sends.
    pub(super) fn push(&mut self, item: T) {
        self.waiting.push(item);
    }

    /// The same for what the receiver can do without: it is dropped and counted when too much waits.
    pub(super) fn push_news(&mut self, item: T) {
        if self.waiting.len() < WAITING_NEWS_MAX {
            self.waiting.push(item);
        } else {
            self.dropped += 1;
        }
    }

    /// News dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends what waits, if there is room; never blocks.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let next = self.emptied.try_recv().unwrap_or_default();
        match self.lane.try_send(std::mem::replace(&mut self.waiting, next)) {
            Ok(()) => self.waker.wake(),
            Err(TrySendError::Full(back)) => self.waiting = back,
            // Nobody is left to tell.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Something waits because the lane was full.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl<T> Inbox<T> {
    /// Takes everything that has arrived, in order.
    pub(super) fn drain(&mut self, mut take: impl FnMut(T)) {
        self.waker.drain();
        while let Ok(mut batch) = self.lane.try_recv() {
            batch.drain(..).for_each(&mut take);
            // The emptied vector goes back so that the sender need not allocate; losing it is harmless.
            if batch.capacity() <= KEPT_ITEMS_MAX {
                let _ = self.emptied.try_send(batch);
            }
        }
    }

    /// Becomes readable when something arrives.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Sender<usize>, Inbox<usize>) {
        lane(Arc::new(Waker::open().unwrap()))
    }

    #[test]
    fn what_does_not_fit_goes_later_and_in_order() {
        let (mut sender, mut inbox) = pair();
        for item in 0..LANE_BATCHES + 10 {
            sender.push(item);
            sender.flush();
        }
        assert!(sender.is_behind());
        let mut taken = Vec::new();
        inbox.drain(|item| taken.push(item));
        sender.flush();
        inbox.drain(|item| taken.push(item));
        assert!(!sender.is_behind());
        assert_eq!(taken, (0..LANE_BATCHES + 10).collect::<Vec<_>>());
    }

    #[test]
    fn news_are_dropped_at_their_bound_and_nothing_else_is() {
        let (mut sender, mut inbox) = pair();
        for item in 0..LANE_BATCHES {
            sender.push(item);
            sender.flush();
        }
        for item in 0..WAITING_NEWS_MAX + 5 {
            sender.push_news(item);
        }
        sender.push(usize::MAX);
        assert_eq!((sender.waiting.len(), sender.dropped()), (WAITING_NEWS_MAX + 1, 5));
        inbox.drain(|_| {});
        sender.flush();
        let mut last = 0;
        inbox.drain(|item| last = item);
        assert_eq!(last, usize::MAX);
    }

    #[test]
    fn without_a_receiver_nothing_waits() {
        let (mut sender, inbox) = pair();
        drop(inbox);
        sender.push(1);
        sender.flush();
        assert!(!sender.is_behind());
    }
}
