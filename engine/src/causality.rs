//! Before, after, concurrent: which entries are in whose past, and what two versions have in common.
//!
//! The index is an online chain decomposition with clocks: every entry gets a place in a chain ([`Pos`]), a
//! downward-closed set is a prefix of every chain ([`Past`]), so meet and join are component-wise, and "is it in the
//! past" is one comparison. Clocks are stored as differences along their chain, with a full one (keyframe) now and
//! then. Payloads are never read. Forks by one author are further chains, nothing else.
//!
//! Spec: docs/spec/causality.md. Oracle in tests: `testkit::Oracle`.
//! Source: Felsner, On-line chain partitions of orders (1997); Jagadish, A compression technique to materialize
//! transitive closure (1990).

mod cache;
mod clock;
mod difference;
mod index;
mod past;
mod place;
mod store;
mod version;

pub use crate::log::{Pos, Stamp};
pub use difference::Difference;
pub use index::{Index, Order};
pub use past::Past;
pub use place::{PlaceError, Placement};
pub use store::{ClockStore, ClockWriter};
pub use version::{Version, VersionError};
