//! A transport inside one process, for tests: the same links without sockets.
//!
//! Identities are what the endpoints were given; nothing is proven, because nothing can be forged.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use treaty_engine::identity::Identity;

use super::{BoxFuture, Handshake, Link, LinkError, LinkReader, LinkWriter, Transport};

/// Chunks in flight per direction before a writer waits.
const CHUNKS_IN_FLIGHT: usize = 16;

/// Connections waiting to be accepted before a dialler waits.
const DIALS_WAITING: usize = 16;

/// The network that endpoints of one test share.
#[derive(Clone, Default)]
pub struct MemoryNetwork {
    listeners: Arc<Mutex<BTreeMap<String, Listener>>>,
}

#[derive(Clone)]
struct Listener {
    identity: Identity,
    dials: mpsc::Sender<Link>,
}

impl MemoryNetwork {
    /// Adds an endpoint that can be dialled at `address`.
    #[must_use]
    pub fn listen(&self, address: &str, identity: Identity) -> MemoryTransport {
        let (dials, incoming) = mpsc::channel(DIALS_WAITING);
        self.listeners().insert(address.to_owned(), Listener { identity, dials });
        MemoryTransport {
            network: self.clone(),
            identity,
            address: address.to_owned(),
            incoming: tokio::sync::Mutex::new(incoming),
        }
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Listener>> {
        self.listeners.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// An endpoint of a [`MemoryNetwork`].
pub struct MemoryTransport {
    network: MemoryNetwork,
    identity: Identity,
    address: String,
    incoming: tokio::sync::Mutex<mpsc::Receiver<Link>>,
}

impl Transport for MemoryTransport {
    fn dial(&self, address: String, expected: Option<Identity>) -> Handshake {
        let listener = self.network.listeners().get(&address).cloned();
        let (identity, from) = (self.identity, self.address.clone());
        Box::pin(async move {
            let refused = |word: &'static str| LinkError::Connect { address: address.clone(), cause: word.into() };
            let Some(listener) = listener else { return Err(refused("nobody listens there")) };
            if expected.is_some_and(|expected| expected != listener.identity) {
                return Err(LinkError::Identity { address: address.clone(), expected });
            }
            let (ours, theirs) = (mpsc::channel(CHUNKS_IN_FLIGHT), mpsc::channel(CHUNKS_IN_FLIGHT));
            listener
                .dials
                .send(end(identity, from, ours.0, theirs.1))
                .await
                .map_err(|_| refused("listener is gone"))?;
            Ok(end(listener.identity, address.clone(), theirs.0, ours.1))
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Handshake>> {
        Box::pin(async move {
            let link = self.incoming.lock().await.recv().await?;
            Some(Box::pin(async move { Ok(link) }) as Handshake)
        })
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.network.listeners().remove(&self.address);
        Box::pin(async {})
    }
}

fn end(identity: Identity, address: String, write: mpsc::Sender<Bytes>, read: mpsc::Receiver<Bytes>) -> Link {
    let closed = CancellationToken::new();
    Link {
        identity,
        address,
        reader: Box::new(MemoryReader { read, closed: closed.clone() }),
        writer: Box::new(MemoryWriter { write: Some(write), closed }),
    }
}

struct MemoryReader {
    read: mpsc::Receiver<Bytes>,
    /// Whether this end was closed: nothing is read any more then.
    closed: CancellationToken,
}

impl LinkReader for MemoryReader {
    fn read(&mut self) -> BoxFuture<'_, io::Result<Option<Bytes>>> {
        Box::pin(async move { Ok(self.closed.run_until_cancelled(self.read.recv()).await.flatten()) })
    }
}

struct MemoryWriter {
    write: Option<mpsc::Sender<Bytes>>,
    closed: CancellationToken,
}

impl LinkWriter for MemoryWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let lost = || io::Error::from(io::ErrorKind::BrokenPipe);
            self.write.as_ref().ok_or_else(lost)?.send(bytes).await.map_err(|_| lost())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, ()> {
        self.write = None;
        self.closed.cancel();
        Box::pin(async {})
    }
}
