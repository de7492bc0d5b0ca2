//! Every constant bound of the network side, with its unit and its reason.

use treaty_engine::limits::STALL_MS;

/// Milliseconds for a handshake, and for the first byte after it.
pub const HANDSHAKE_MS: u64 = 10_000;

/// Handshakes open at a time from which strangers must first prove their address.
pub const HANDSHAKES_OPEN_RETRY: usize = 16;

/// Handshakes open at a time above which new ones are refused.
pub const HANDSHAKES_OPEN_MAX: usize = 256;

/// Milliseconds without a packet after which a connection is dead.
pub const IDLE_MS: u32 = 20_000;

/// Milliseconds between the packets that keep a connection alive.
pub const KEEP_ALIVE_MS: u64 = 6_000;

/// Milliseconds that closing waits for the other side to receive what was written.
pub const CLOSE_MS: u64 = 1_000;

/// Milliseconds that the last packets of closed connections get before the socket is closed.
pub const SOCKET_CLOSE_MS: u64 = 100;

/// Bytes that a peer may send and we have not read, per connection.
pub const RECEIVE_WINDOW_BYTES: u32 = 4 << 20;

/// Bytes that we send and a peer has not acknowledged, per connection.
pub const SEND_WINDOW_BYTES: u64 = 4 << 20;

/// Most bytes handed over by one read.
pub const READ_BYTES_MAX: usize = 256 << 10;

const _: () = assert!(HANDSHAKES_OPEN_RETRY < HANDSHAKES_OPEN_MAX);
const _: () = assert!(KEEP_ALIVE_MS * 3 < IDLE_MS as u64, "three keep-alive packets may be lost");

/// Messages that wait for the engine's thread before their senders wait. With [`READ_BYTES_MAX`] it bounds memory.
pub const INBOX_MESSAGES_MAX: usize = 32;

/// Most messages that the engine takes at once.
pub const INBOX_BATCH_MESSAGES: usize = 64;

/// Bytes of messages from which the engine takes no more at once: about one store transaction.
pub const INBOX_BATCH_BYTES: usize = 4 << 20;

/// Milliseconds that a turn of the engine should take at most: peers and the adapter wait for it.
pub const TURN_MS: u64 = 250;

/// Entries that are judged in the first turn. They may cost a millisecond each, or hundreds.
pub const TURN_ENTRIES_FIRST: usize = 32;

/// Most entries that are judged in a turn: more in one store transaction gain little.
pub const TURN_ENTRIES_MAX: usize = 1_024;

/// Milliseconds of a turn that count as waiting for peers: what came meanwhile has not been looked at.
pub const LISTENED_MS_MAX: u64 = 1_000;

/// Milliseconds between signs of life to peers while the engine is busy with one thing.
pub const LIFE_SIGN_MS: u64 = 5_000;

/// Bytes that a session asks to be written before it hears that they were.
pub const OUTPUT_WINDOW_BYTES: usize = 1 << 20;

/// Bytes that a session writes at once, about.
pub const OUTPUT_BYTES: usize = 256 << 10;

/// Connections at a time. Above it, strangers are turned away unheard.
pub const LINKS_MAX: usize = 256;

/// Peers remembered after they have gone, for `treaty status`.
pub const PEERS_REMEMBERED_MAX: usize = 256;

/// Peers to dial.
pub const TARGETS_MAX: usize = 256;

/// Milliseconds before the first attempt to dial again; doubles with each.
pub const REDIAL_MS_MIN: u64 = 250;

/// Most milliseconds between attempts to dial.
pub const REDIAL_MS_MAX: u64 = 10_000;

/// Milliseconds between ticks of the hub's clock.
pub const TICK_MS: u64 = 250;

/// Most addresses in a ticket.
pub const TICKET_ADDRESSES_MAX: usize = 8;

/// Longest address, in bytes: a DNS name and a port.
pub const ADDRESS_BYTES_MAX: usize = 255;

const _: () = assert!(INBOX_MESSAGES_MAX * READ_BYTES_MAX <= 8 << 20, "a full inbox holds 8 MiB at most");
const _: () = assert!(OUTPUT_BYTES <= OUTPUT_WINDOW_BYTES && (OUTPUT_WINDOW_BYTES as u64) < SEND_WINDOW_BYTES);
const _: () = assert!(REDIAL_MS_MIN < REDIAL_MS_MAX);
const _: () = assert!(TICK_MS <= LISTENED_MS_MAX && TURN_MS <= LISTENED_MS_MAX);
const _: () = assert!(LIFE_SIGN_MS * 4 < STALL_MS, "signs of life may be late");
const _: () = assert!(TURN_ENTRIES_FIRST <= TURN_ENTRIES_MAX);
