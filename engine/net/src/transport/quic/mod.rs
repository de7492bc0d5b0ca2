//! QUIC: one UDP socket for both roles, one stream per connection, both keys proven by [`tls`].
//!
//! Strangers may connect, since who may sync is judged above; what they can cost is bounded here: open handshakes,
//! streams, windows, idle time. Under load an address must first be proven by a retry.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Endpoint, IdleTimeout, Incoming, TransportConfig, VarInt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use treaty_engine::identity::{Identity, Keypair};

use super::{BoxFuture, Handshake, Link, LinkError, LinkReader, LinkWriter, Transport};
use crate::limits::{
    CLOSE_MS, HANDSHAKE_MS, HANDSHAKES_OPEN_MAX, HANDSHAKES_OPEN_RETRY, IDLE_MS, KEEP_ALIVE_MS, READ_BYTES_MAX,
    RECEIVE_WINDOW_BYTES, SEND_WINDOW_BYTES, SOCKET_CLOSE_MS,
};
use crate::verifier::{AnyIdentity, IdentityVerifier, PinnedIdentity};

/// What is told to the other side when a connection ends: BYE frames say why, QUIC says nothing.
const NO_REASON: VarInt = VarInt::from_u32(0);

/// The QUIC transport of one node.
pub struct QuicTransport {
    endpoint: Endpoint,
    keypair: Arc<Keypair>,
    handshake_count: Arc<AtomicUsize>,
}

/// Why there is no QUIC transport.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The socket cannot be had.
    #[error("cannot listen on UDP {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        #[source]
        cause: io::Error,
    },
    /// The key cannot be used for TLS.
    #[error("this node's key cannot be used for TLS")]
    Key(#[from] rustls::Error),
}

impl QuicTransport {
    /// Listens on a UDP address (port 0: any free one) and proves `keypair` to whoever connects, in a tokio runtime.
    ///
    /// # Errors
    /// [`QuicError`] if the socket or the key is unusable.
    pub fn listen(address: SocketAddr, keypair: Arc<Keypair>) -> Result<QuicTransport, QuicError> {
        let config = server_config(&keypair)?;
        let endpoint = Endpoint::server(config, address).map_err(|cause| QuicError::Bind { address, cause })?;
        Ok(QuicTransport { endpoint, keypair, handshake_count: Arc::default() })
    }
}

impl Transport for QuicTransport {
    fn dial(&self, address: String, expected: Option<Identity>) -> Handshake {
        let (endpoint, keypair) = (self.endpoint.clone(), self.keypair.clone());
        Box::pin(async move {
            let dialled = dial(&endpoint, &keypair, &address, expected);
            timeout(Duration::from_millis(HANDSHAKE_MS), dialled)
                .await
                .unwrap_or(Err(LinkError::Timeout { address: address.clone(), waited_ms: HANDSHAKE_MS }))
        })
    }

    fn accept(&self) -> BoxFuture<'_, Option<Handshake>> {
        Box::pin(async move {
            loop {
                let incoming = self.endpoint.accept().await?;
                let open = OpenHandshake::count_in(&self.handshake_count);
                if open.count > HANDSHAKES_OPEN_MAX {
                    incoming.refuse();
                } else if open.count > HANDSHAKES_OPEN_RETRY && incoming.may_retry() {
                    // The address is unproven, so the answer may go astray: nothing depends on it.
                    let _ = incoming.retry();
                } else {
                    return Some(Box::pin(answer(incoming, open)) as Handshake);
                }
            }
        })
    }

    fn local_address(&self) -> String {
        self.endpoint.local_addr().map_or_else(|_| String::new(), |address| address.to_string())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.endpoint.close(NO_REASON, b"");
            let _ = timeout(Duration::from_millis(SOCKET_CLOSE_MS), self.endpoint.wait_idle()).await;
        })
    }
}

fn server_config(keypair: &Keypair) -> Result<quinn::ServerConfig, rustls::Error> {
    let tls = tls::server_config(keypair, Arc::new(AnyIdentity))?;
    let tls = QuicServerConfig::try_from(tls).map_err(|e| rustls::Error::General(e.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport_config()));
    config.max_incoming(HANDSHAKES_OPEN_MAX);
    config.incoming_buffer_size(64 << 10);
    config.incoming_buffer_size_total(4 << 20);
    Ok(config)
}

fn client_config(keypair: &Keypair, expected: Option<Identity>) -> Result<quinn::ClientConfig, rustls::Error> {
    let verifier: Arc<dyn IdentityVerifier> = match expected {
        Some(identity) => Arc::new(PinnedIdentity(identity)),
        None => Arc::new(AnyIdentity),
    };
    let tls = tls::client_config(keypair, verifier)?;
    let tls = QuicClientConfig::try_from(tls).map_err(|e| rustls::Error::General(e.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport_config()));
    Ok(config)
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config.max_concurrent_bidi_streams(VarInt::from_u32(1));
    config.max_concurrent_uni_streams(VarInt::from_u32(0));
    config.datagram_receive_buffer_size(None);
    // Searching for larger packets costs more bytes than a reconciliation with nothing new.
    config.mtu_discovery_config(None);
    config.stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES));
    config.receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES));
    config.send_window(SEND_WINDOW_BYTES);
    config.max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))));
    config.keep_alive_interval(Some(Duration::from_millis(KEEP_ALIVE_MS)));
    config
}

/// Tries the addresses that a name stands for, one after the other.
async fn dial(
    endpoint: &Endpoint,
    keypair: &Keypair,
    address: &str,
    expected: Option<Identity>,
) -> Result<Link, LinkError> {
    let unconnected = |cause| LinkError::Connect { address: address.to_owned(), cause };
    let config = client_config(keypair, expected).map_err(|e| unconnected(Box::new(e)))?;
    let is_ipv4 = endpoint.local_addr().is_ok_and(|local| local.is_ipv4());
    let mut last = LinkError::Address { address: address.to_owned() };
    for remote in
        tokio::net::lookup_host(address).await.map_err(|_| LinkError::Address { address: address.to_owned() })?
    {
        if is_ipv4 && remote.is_ipv6() {
            continue;
        }
        // The name is not sent (no SNI) and the key is what counts, but the library wants one.
        let connecting = match endpoint.connect_with(config.clone(), remote, "treaty") {
            Ok(connecting) => connecting,
            Err(quinn::ConnectError::EndpointStopping) => return Err(LinkError::Closed),
            Err(error) => {
                last = unconnected(Box::new(error));
                continue;
            }
        };
        match connecting.await {
            Ok(connection) => {
                let streams = connection.open_bi().await.map_err(|e| unconnected(Box::new(e)))?;
                return link(connection, streams, expected);
            }
            Err(quinn::ConnectionError::TransportError(error)) if is_key_refusal(error.code) => {
                last = LinkError::Identity { address: address.to_owned(), expected };
            }
            Err(error) => last = unconnected(Box::new(error)),
        }
    }
    Err(last)
}

/// Whether this side's verifier ended the handshake: TLS alerts 42 (bad certificate) to 49 (access denied).
fn is_key_refusal(code: quinn::TransportErrorCode) -> bool {
    let code = u64::from(code);
    (0x100 + 42..=0x100 + 49).contains(&code)
}

/// The listening side of a handshake. The stream shows when the other side first writes.
async fn answer(incoming: Incoming, open: OpenHandshake) -> Result<Link, LinkError> {
    let address = incoming.remote_address().to_string();
    let accepted = async {
        let unconnected = |cause| LinkError::Connect { address: address.clone(), cause: Box::new(cause) };
        let connection = incoming.await.map_err(unconnected)?;
        let streams = connection.accept_bi().await.map_err(unconnected)?;
        link(connection, streams, None)
    };
    let answered = timeout(Duration::from_millis(HANDSHAKE_MS), accepted).await;
    drop(open);
    answered.unwrap_or_else(|_| Err(LinkError::Timeout { address: address.clone(), waited_ms: HANDSHAKE_MS }))
}

fn link(
    connection: quinn::Connection,
    (send, receive): (quinn::SendStream, quinn::RecvStream),
    expected: Option<Identity>,
) -> Result<Link, LinkError> {
    let address = connection.remote_address().to_string();
    match tls::proven_identity(&connection) {
        Some(identity) => {
            let is_all_read = CancellationToken::new();
            Ok(Link {
                identity,
                address,
                reader: Box::new(QuicReader { receive, is_all_read: is_all_read.clone() }),
                writer: Box::new(QuicWriter { send, connection, is_all_read }),
            })
        }
        None => Err(LinkError::Identity { address, expected }),
    }
}

/// One of the handshakes that are open at a time.
struct OpenHandshake {
    counter: Arc<AtomicUsize>,
    count: usize,
}

impl OpenHandshake {
    fn count_in(counter: &Arc<AtomicUsize>) -> OpenHandshake {
        let count = counter.fetch_add(1, Ordering::Relaxed) + 1;
        OpenHandshake { counter: counter.clone(), count }
    }
}

impl Drop for OpenHandshake {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

struct QuicReader {
    receive: quinn::RecvStream,
    /// Set once the peer's stream has ended and everything was read.
    is_all_read: CancellationToken,
}

impl LinkReader for QuicReader {
    fn read(&mut self) -> BoxFuture<'_, io::Result<Option<Bytes>>> {
        Box::pin(async move {
            let chunk = self.receive.read_chunk(READ_BYTES_MAX, true).await?;
            if chunk.is_none() {
                self.is_all_read.cancel();
            }
            Ok(chunk.map(|chunk| chunk.bytes))
        })
    }
}

struct QuicWriter {
    send: quinn::SendStream,
    connection: quinn::Connection,
    is_all_read: CancellationToken,
}

impl LinkWriter for QuicWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { Ok(self.send.write_chunk(bytes).await?) })
    }

    /// A peer that learns that the connection is closed drops what it has received and not read yet. So the side that
    /// ends its stream first waits until the other has read the end, ended its own stream, and closed.
    fn finish(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.send.finish().is_ok() {
                let is_taken = async {
                    let _ = self.send.stopped().await;
                    tokio::select! {
                        () = self.is_all_read.cancelled() => {}
                        _ = self.connection.closed() => {}
                    }
                };
                let _ = timeout(Duration::from_millis(CLOSE_MS), is_taken).await;
            }
            let stats = self.connection.stats();
            debug!(sent_bytes = stats.udp_tx.bytes, received_bytes = stats.udp_rx.bytes, "closing a QUIC connection");
            self.connection.close(NO_REASON, b"");
        })
    }
}
