//! Moving entries between two replicas: one peer's protocol as a state machine without I/O.
//!
//! [`Session`] takes the bytes that a peer wrote and gives the bytes to be written, and between them verified entries in
//! an order in which they can be ingested. It reads the log through [`View`] and never decodes a payload. Whether a
//! peer may sync at all is its caller's knowledge ([`Access`]).
//!
//! Spec: docs/spec/sync.md.

mod frame;
mod locator;
mod receiving;
mod sending;
mod session;
mod view;

pub use frame::{Bye, ByeCode, Credit, EntryItem, Frame, FrameError, FrameReader, Heads, Hello, PayloadChunk};
pub use receiving::ReceivedCounts;
pub use session::{Access, Distance, Role, Session, SessionEvent, bye};
pub use view::{Alone, Fetching, LogView, View};
