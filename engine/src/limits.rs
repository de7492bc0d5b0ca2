//! Every constant bound of the engine, with its unit and its reason.
//!
//! Limits of the format (first part) are the same on every replica for ever: an entry beyond them is refused
//! everywhere. Limits of this replica (second part) bound memory and disk and may differ between versions.

// ---- The format: agreed by all replicas --------------------------------------------------------------------------

/// Largest payload of an entry, in bytes: what a replica is willing to hold in memory at once for one entry.
pub const PAYLOAD_BYTES_MAX: u32 = 16 << 20;

/// Most operations of an entry: an index of one fits 20 bits, so that a store packs two of them into one number.
pub const OPERATIONS_MAX: u32 = 1 << 20;

/// Most parents of an entry. More heads than that are merged stepwise, so headers stay small.
pub const PARENTS_MAX: usize = 32;

/// Bytes of a header besides its parents. See docs/spec/entry.md.
pub const HEADER_BYTES_FIXED: usize = 1 + 1 + 32 + 33 + 1 + 8 + 8 + 32 + 4;

/// Largest encoded header, in bytes.
pub const HEADER_BYTES_MAX: usize = HEADER_BYTES_FIXED + 32 * PARENTS_MAX;

/// Greatest height of an entry: below 2^53, so that every tool prints it exactly.
pub const HEIGHT_MAX: u64 = 1 << 48;

/// Greatest advisory time of an entry, in milliseconds since 1970: the end of year 9999.
pub const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// Most ways of being permitted that verdicts look at, besides the one that admission found: the first in the order of policies
/// and positions of rows. Bounds what rows of an open table can cost others.
pub const ALTERNATIVES_MAX: usize = 256;

const _: () = assert!(PARENTS_MAX <= u8::MAX as usize, "the parent count is one byte");

// ---- This replica: the log ---------------------------------------------------------------------------------------

/// Bytes of a stored payload segment: one operation is read without loading the whole payload.
pub const SEGMENT_BYTES: u32 = 32 << 10;

/// Most entries kept although parents of theirs are missing.
pub const PARKED_COUNT_MAX: u64 = 4096;

/// Most bytes of headers and payloads of such entries.
pub const PARKED_BYTES_MAX: u64 = 64 << 20;

/// Most such entries by one author: one stranger cannot push out everybody else's.
pub const PARKED_AUTHOR_COUNT_MAX: u64 = 1024;

/// Most bytes of such entries by one author.
pub const PARKED_AUTHOR_BYTES_MAX: u64 = 32 << 20;

/// Most ids remembered as refused, so that they are not fetched again. About 100 bytes each.
pub const REFUSED_COUNT_MAX: u64 = 1 << 16;

const _: () = assert!(PARKED_AUTHOR_COUNT_MAX <= PARKED_COUNT_MAX && PARKED_AUTHOR_BYTES_MAX <= PARKED_BYTES_MAX);
const _: () =
    assert!(PAYLOAD_BYTES_MAX as u64 + HEADER_BYTES_MAX as u64 <= PARKED_AUTHOR_BYTES_MAX, "any entry can be parked");

// ---- This replica: relation ----------------------------------------------------------------------------------------

/// Most payload heads (dictionaries) kept decoded in memory.
pub const HEAD_CACHE_COUNT_MAX: usize = 64;

/// Most bytes of them.
pub const HEAD_CACHE_BYTES_MAX: usize = 8 << 20;

/// Largest payload whose operations are all held decoded while it is judged; of larger ones one at a time. A cell of
/// one byte takes some 32 in memory.
pub const ACTS_HELD_BYTES_MAX: usize = 512 << 10;

/// Most entries kept in one write transaction.
pub const INGEST_COUNT_MAX: usize = 1_000;

/// Bytes of payloads after which a write transaction ends.
pub const INGEST_BYTES_MAX: usize = 16 << 20;

/// Bytes of rows after which a batch for tables takes no further entry. A row of it takes some three times as much in memory.
pub const BATCH_BYTES_MAX: u64 = 4 << 20;

/// Most entries that one batch for tables covers, however few rows they write.
pub const BATCH_ENTRIES_MAX: u64 = 10_000;

/// Most entries that a batch takes in besides, so that it ends where no verdict depends on what comes after.
pub const BATCH_DEPENDENCIES_MAX: u64 = 1_000;

/// Rows read at once where a whole table is read.
pub const TABLE_PAGE_ROWS: usize = 256;

/// Most ways of having had access that a farewell looks at.
pub const FAREWELL_ALTERNATIVES_MAX: usize = 256;

// ---- This replica: verdicts ----------------------------------------------------------------------------------------

/// Entries of a chain whose void co-transactions are read at once.
pub const VOID_BLOCK_ENTRIES: u64 = 256;

/// Most void co-transactions of such a block that are remembered; of more, each is looked up.
pub const VOIDS_PER_BLOCK_MAX: usize = 4096;

/// Most blocks remembered while reading.
pub const VOID_BLOCK_COUNT_MAX: usize = 1024;

/// Most rows, lookups or entries remembered of each kind while verdicts are worked out.
pub const EVALUATION_CACHE_MAX: usize = 1 << 16;

/// Bytes of payloads whose conditions are remembered meanwhile.
pub const EVALUATION_BYTES_MAX: usize = 16 << 20;

/// Views whose verdicts are remembered after they were worked out.
pub const VIEWS_MAX: usize = 16;

/// Most verdicts remembered of one such view.
pub const VIEW_VERDICTS_MAX: usize = 1 << 14;

// ---- This replica: causality -------------------------------------------------------------------------------------

/// Bits of the chain in a place. With the sequence they make a positive 63-bit number.
pub const CHAIN_BITS: u32 = 27;

/// Bits of the sequence number in a place.
pub const SEQUENCE_BITS: u32 = 36;

/// Entries of a chain from one full clock (keyframe) to the next.
pub const KEYFRAME_PERIOD: u64 = 32;

/// The same for chains whose full clocks are larger than [`KEYFRAME_BYTES_LARGE`].
pub const KEYFRAME_PERIOD_LARGE: u64 = 256;

/// Bytes of a full clock from which keyframes become rarer.
pub const KEYFRAME_BYTES_LARGE: usize = 4 << 10;

/// Most clock components (8 bytes each) kept decoded in memory, per generation of the cache (there are two).
pub const CLOCK_CACHE_COMPONENTS_MAX: usize = 1 << 20;

/// Most stamps a difference reads ahead, over all chains (about 50 bytes each).
pub const DIFFERENCE_READ_AHEAD: usize = 1 << 14;

const _: () = assert!(CHAIN_BITS + SEQUENCE_BITS == 63);
const _: () = assert!(KEYFRAME_PERIOD_LARGE.is_multiple_of(KEYFRAME_PERIOD));

// ---- This replica: the store -------------------------------------------------------------------------------------

/// SQLite's page cache, in KiB. The whole sidecar stays under 200 MB.
pub const STORE_CACHE_KIB: i64 = 48 << 10;

/// Pages in the write-ahead log before SQLite copies them into the database: 16 MiB of 4 KiB pages.
pub const STORE_WAL_PAGES: i64 = 4096;

/// Prepared statements kept per connection.
pub const STORE_STATEMENTS_MAX: usize = 256;

// ---- This replica: sync ------------------------------------------------------------------------------------------

/// The version of the sync protocol that this program speaks.
pub const SYNC_PROTOCOL_VERSION: u8 = 1;

/// Largest frame (type and body), in bytes: what a peer can make us buffer before we can judge it.
pub const FRAME_BYTES_MAX: usize = 256 << 10;

/// Largest payload that travels with its header, in bytes; larger ones are asked for by those who lack them.
pub const INLINE_PAYLOAD_BYTES_MAX: usize = 4096;

/// Most entries in a frame.
pub const ENTRIES_PER_FRAME_MAX: usize = 512;

/// Bytes of entries from which this side begins another frame, so that frames interleave.
pub const ENTRIES_FRAME_BYTES_TARGET: usize = 64 << 10;

/// Most ids in a list of heads, or of missing entries. Wider frontiers are announced in part.
pub const HEADS_PER_FRAME_MAX: usize = 256;

/// Most prefixes of a locator: 4 KiB.
pub const LOCATOR_PREFIXES_MAX: usize = 512;

/// Most payloads asked for by one frame.
pub const WANTS_PER_FRAME_MAX: usize = 256;

/// Most payloads asked for and not yet delivered, per session.
pub const WANTS_OPEN_MAX: usize = 1024;

/// Bytes of payloads asked for and not yet delivered, per session; a single larger payload is asked for alone.
pub const WANT_BYTES_WINDOW: u64 = 4 << 20;

/// Most bytes of a payload in one frame.
pub const PAYLOAD_CHUNK_BYTES_MAX: usize = 64 << 10;

/// Entries that a peer may send before it is granted more.
pub const CREDIT_ENTRIES: u32 = 1024;

/// Bytes of entries that a peer may send before it is granted more.
pub const CREDIT_BYTES: u32 = 1 << 20;

/// Most credit, of either kind, that a peer may pile up.
pub const CREDIT_GRANTED_MAX: u32 = 1 << 30;

/// Longest text of a BYE, in bytes.
pub const BYE_TEXT_BYTES_MAX: usize = 200;

/// Most entries with unknown parents that a session drops before the peer counts as faulty: everything that can be on
/// its way when the peer learns that it was mistaken about what we hold.
pub const UNKNOWN_PARENT_COUNT_MAX: u64 = CREDIT_ENTRIES as u64 * 2;

/// Most entries refused on their merits, or building on such, before a session ends: honest peers hold none.
pub const REFUSED_PER_SESSION_MAX: usize = 256;

/// Milliseconds without a byte from a peer that owes us something before the session ends.
pub const STALL_MS: u64 = 30_000;

/// Milliseconds that a peer may owe us something and bring nothing of it, though it gives signs of life: it may be judging a
/// large transaction. Others are not asked for the payloads that it owes, so it is not for ever.
pub const PATIENCE_MS: u64 = 300_000;

const _: () = assert!(STALL_MS < PATIENCE_MS);
const _: () =
    assert!(ENTRIES_FRAME_BYTES_TARGET + HEADER_BYTES_MAX + INLINE_PAYLOAD_BYTES_MAX + 128 <= FRAME_BYTES_MAX);
const _: () = assert!(PAYLOAD_CHUNK_BYTES_MAX + 64 <= FRAME_BYTES_MAX, "a chunk fits a frame");
const _: () = assert!(WANTS_PER_FRAME_MAX * 32 + 64 <= FRAME_BYTES_MAX && WANTS_PER_FRAME_MAX <= WANTS_OPEN_MAX);
const _: () = assert!(HEADS_PER_FRAME_MAX * 32 + 64 <= FRAME_BYTES_MAX);
const _: () =
    assert!(CREDIT_BYTES as usize >= 4 * ENTRIES_FRAME_BYTES_TARGET, "one item fits, and a pipeline of frames");
