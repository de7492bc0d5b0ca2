//! Limits of the HTTP server: what a reader may hold of it, and for how long.

use std::time::Duration;

/// Connections open at once; more wait in the operating system's backlog.
pub const CONNECTIONS_MAX: usize = 128;
/// Readers that wait for reports at once, in long polls and streams; more are told to come back. The rest of the
/// connections stay free for status, health and metrics.
pub const WAITERS_MAX: usize = 96;
/// Longest wait of one long poll, in seconds. Proxies tend to give up after 60.
pub const WAIT_SECONDS_MAX: u64 = 55;
/// Reports in an answer unless the reader says otherwise.
pub const PAGE_REPORTS_DEFAULT: u64 = 100;
/// Reports in an answer, at most.
pub const PAGE_REPORTS_MAX: u64 = 1_000;
/// Bytes of reports from which an answer takes no more of them; one report is never cut. With every connection stalled
/// on a full answer, that is 32 MiB.
pub const PAGE_BYTES_MAX: usize = 256 << 10;
/// Bytes of a request's head, and of an answer on its way out, that a connection buffers.
pub const BUFFER_BYTES_MAX: usize = 16 << 10;
/// Database connections, and so reads going on at once.
pub const DATABASE_READERS_MAX: usize = 4;
/// How long a request's head may take to arrive, and a connection may idle between two.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// How long a write may make no progress before the connection is closed.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Silence after which a stream says that it is alive. Also how often a waiting reader looks without being told to.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Pause before a reader of a stream that ended comes back, in milliseconds; sent with every stream.
pub const STREAM_RETRY_MS: u64 = 1_000;
/// How long open answers may take to end once the server stops.
pub const STOP_PATIENCE: Duration = Duration::from_secs(2);

const _: () = assert!(WAITERS_MAX < CONNECTIONS_MAX, "waiting readers must leave room for status and metrics");
const _: () = assert!(PAGE_REPORTS_DEFAULT <= PAGE_REPORTS_MAX);
const _: () = assert!(BUFFER_BYTES_MAX >= 8 << 10, "hyper refuses smaller buffers");
