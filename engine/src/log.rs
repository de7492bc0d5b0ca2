//! Entries: encode, hash, sign, check, keep, park. Never compares their places in the graph.
//!
//! Bytes become an entry in steps, each with its own type: [`Header::decode`] checks the format, [`UnverifiedHeader`]
//! becomes a [`SignedHeader`] when its signature is checked, [`Entry`] joins it with the payload that it names, and
//! [`LogWriter::insert_entry`] keeps it at the place ([`Pos`]) that `causality` chose. What a payload means is not known here.
//!
//! Spec: docs/spec/entry.md.

mod entry;
mod header;
mod parking;
mod position;
mod store;

pub use entry::{Entry, EntryDraft, EntryError, SignedHeader, UnverifiedHeader};
pub use header::{FORMAT_VERSION, Header, HeaderError, HeaderFields, Kind};
pub use parking::{Standing, park, refuse, release, standing, unpark};
pub use position::{Pos, Stamp};
pub use store::{LogStore, LogWriter, ParkedTotals};
