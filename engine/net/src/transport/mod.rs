//! Transports: how two nodes get a pair of byte streams between them, each knowing the other's key.
//!
//! A [`Link`] is one bidirectional stream to a peer whose identity has been proven. What flows over it is the
//! business of `treaty_engine::sync`. One plug-in per file: [`quic`] for networks, [`memory`] for tests.

pub mod memory;
pub mod quic;

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use treaty_engine::identity::Identity;

/// A future that can be kept in a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection that is still proving who it is.
pub type Handshake = BoxFuture<'static, Result<Link, LinkError>>;

/// A way to reach nodes and to be reached.
pub trait Transport: Send + Sync + 'static {
    /// Connects to `address`, and refuses whoever does not prove to be `expected`, if anybody is.
    fn dial(&self, address: String, expected: Option<Identity>) -> Handshake;

    /// Waits for the next connection from outside; none once the transport is closed.
    fn accept(&self) -> BoxFuture<'_, Option<Handshake>>;

    /// The address at which others can dial this node.
    fn local_address(&self) -> String;

    /// Ends all connections and waits until the other sides can have heard of it.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A pair of byte streams to a peer that has proven its identity.
pub struct Link {
    /// Who is at the other end.
    pub identity: Identity,
    /// Where the other end is, for people to read.
    pub address: String,
    /// What the peer writes.
    pub reader: Box<dyn LinkReader>,
    /// What the peer reads.
    pub writer: Box<dyn LinkWriter>,
}

/// The incoming half of a [`Link`].
pub trait LinkReader: Send {
    /// Waits for bytes; none at the end of the stream.
    ///
    /// # Errors
    /// The connection is lost.
    fn read(&mut self) -> BoxFuture<'_, io::Result<Option<Bytes>>>;
}

/// The outgoing half of a [`Link`].
pub trait LinkWriter: Send {
    /// Writes all bytes, waiting for as long as the peer's window is full.
    ///
    /// # Errors
    /// The connection is lost.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>>;

    /// Ends the stream, waits (not for ever) until the peer has everything, and closes the connection.
    fn finish(&mut self) -> BoxFuture<'_, ()>;
}

/// Why there is no [`Link`].
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address is none.
    #[error("{address:?} is no address: write HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody answers, or the connection broke before the keys were proven.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: String,
        /// The transport's words.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody answers, but not whom we expect; or it shows no usable key.
    #[error("{address} did not prove to be {}", expected.map_or_else(|| "anybody".to_owned(), |identity| identity.to_string()))]
    Identity {
        /// Where.
        address: String,
        /// Who was expected.
        expected: Option<Identity>,
    },
    /// The handshake took too long.
    #[error("no answer from {address} within {waited_ms} ms")]
    Timeout {
        /// Where.
        address: String,
        /// How long it was waited.
        waited_ms: u64,
    },
    /// This side is shutting down.
    #[error("the transport is closed")]
    Closed,
}
