//! One-way lanes between the two threads of a worker.
//!
//! The timing thread must never wait for the effects thread, so a full lane is no error: what does
//! not fit stays with the sender and goes with the next attempt.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use steadfast_kernel::wait::wake::Waker;

/// Batches in flight, at most.
const LANE_BATCHES: usize = 64;

/// Batches with more room than this are given back to the allocator instead of being used again.
const KEPT_ITEMS_MAX: usize = 256;

/// The sending end.
#[derive(Debug)]
pub(super) struct Sender<T> {
    lane: SyncSender<Vec<T>>,
    emptied: Receiver<Vec<T>>,
    waiting: Vec<T>,
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
    let sender =
        Sender { lane: lane_in, emptied: emptied_out, waiting: Vec::new(), waker: Arc::clone(&waker) };
    (sender, Inbox { lane: lane_out, emptied: emptied_in, waker })
}

impl<T> Sender<T> {
    /// Adds to the batch that [`Self::flush`] sends.
    pub(super) fn push(&mut self, item: T) {
        self.waiting.push(item);
    }

    /// Sends what waits, if there is room; never blocks.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let next = self.emptied.try_recv().unwrap_or_default();
        match self.lane.try_send(std::mem::replace(&mut self.waiting, next)) {
            Ok(()) => self.waker.wake(),
            Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => self.waiting = back,
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
