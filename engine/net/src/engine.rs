//! The way into the engine's thread: one bounded queue, read in batches.
//!
//! The owner of the replica is one thread, which waits at an [`Inbox`]. Network tasks and everybody else put messages into
//! it; a full inbox makes them wait, and with them, in the end, the peers. Taking all that is there at once is what
//! makes few store transactions of many small frames.

use std::future::Future;

use tokio::sync::mpsc;

use crate::hub::PeerEvent;
use crate::limits::{INBOX_BATCH_BYTES, INBOX_BATCH_MESSAGES, INBOX_MESSAGES_MAX};

/// A handle to the thread that owns the replica.
pub trait Engine: Clone + Send + Sync + 'static {
    /// Hands over an event, waiting while the engine is busy with earlier ones.
    ///
    /// Gives false if the engine is gone.
    fn deliver(&self, event: PeerEvent) -> impl Future<Output = bool> + Send;
}

impl<M: From<PeerEvent> + Send + 'static> Engine for mpsc::Sender<M> {
    async fn deliver(&self, event: PeerEvent) -> bool {
        self.send(M::from(event)).await.is_ok()
    }
}

/// What waits for the engine.
pub trait Message: From<PeerEvent> + Send + 'static {
    /// Bytes that it makes the engine hold: ends a batch before it becomes too large.
    fn held_bytes(&self) -> usize;
}

impl Message for PeerEvent {
    fn held_bytes(&self) -> usize {
        match self {
            PeerEvent::Received { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// The engine's end of its queue.
pub struct Inbox<M> {
    receiver: mpsc::Receiver<M>,
}

/// Makes the queue of an engine: everybody's end, and its own.
#[must_use]
pub fn inbox<M: Message>() -> (mpsc::Sender<M>, Inbox<M>) {
    let (sender, receiver) = mpsc::channel(INBOX_MESSAGES_MAX);
    (sender, Inbox { receiver })
}

impl<M: Message> Inbox<M> {
    /// Waits for a message, and takes it with all that are behind it, up to a bound. None once nobody can send any more.
    ///
    /// To be called in the engine's own thread, never in a task.
    pub fn next_batch(&mut self) -> Option<Vec<M>> {
        let first = self.receiver.blocking_recv()?;
        Some(self.fill(vec![first]))
    }

    /// Takes all messages that are there, up to a bound, perhaps none; for when there is something else to do.
    pub fn batch_at_hand(&mut self) -> Vec<M> {
        self.fill(Vec::new())
    }

    fn fill(&mut self, mut batch: Vec<M>) -> Vec<M> {
        let mut held_bytes: usize = batch.iter().map(Message::held_bytes).sum();
        while batch.len() < INBOX_BATCH_MESSAGES && held_bytes < INBOX_BATCH_BYTES {
            let Ok(next) = self.receiver.try_recv() else { break };
            held_bytes += next.held_bytes();
            batch.push(next);
        }
        batch
    }
}
