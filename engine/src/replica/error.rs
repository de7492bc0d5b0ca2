//! Why a replica could not do something. Refused work is an outcome, not one of these.

use treaty_schema::Violation;

use super::admit::AdmitError;
use crate::causality::VersionError;
use crate::cotx::{JudgeError, Refusal};
use crate::fault::{Fault, StoreError};
use crate::log::EntryError;

/// Why a replica could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The store failed. Nothing of the call's last write transaction is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds a space already.
    #[error("the store holds a space already")]
    NotEmpty,
    /// The patch makes no valid schema.
    #[error("the patch makes no valid schema: {} mistakes, the first: {}", .0.len(), first(.0))]
    Schema(Vec<Violation>),
    /// The genesis, or one of its rows, is refused; or an entry signed here has no place in the log.
    #[error("the entry is refused: {0}")]
    Refused(#[source] Refusal),
    /// A version names an entry that is not held.
    #[error(transparent)]
    Version(VersionError),
    /// What tables are said to show is judged by changes of verdicts that are not here.
    #[error("verdicts as of change {basis} are not here, the last one is {last}")]
    UnknownBasis {
        /// The number asked for.
        basis: u64,
        /// The last one here.
        last: u64,
    },
    /// A version is to be judged from one that does not hold it.
    #[error("the version to judge from does not hold the version to read")]
    NotWithin,
    /// An entry cannot be signed.
    #[error("signing an entry")]
    Entry(#[from] EntryError),
    /// A table, or a number of cells, that the schema lacks.
    #[error("the schema has no table {table}")]
    UnknownTable {
        /// The index asked for.
        table: usize,
    },
}

impl ReplicaError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            ReplicaError::Store(cause) => cause.fault(),
            ReplicaError::Version(cause) => cause.fault(),
            ReplicaError::Entry(cause) => cause.fault(),
            ReplicaError::NotEmpty
            | ReplicaError::Schema(_)
            | ReplicaError::Refused(_)
            | ReplicaError::UnknownBasis { .. }
            | ReplicaError::NotWithin
            | ReplicaError::UnknownTable { .. } => Fault::Local,
        }
    }
}

impl From<VersionError> for ReplicaError {
    fn from(cause: VersionError) -> ReplicaError {
        match cause {
            VersionError::Store(cause) => ReplicaError::Store(cause),
            unknown @ VersionError::Unknown { .. } => ReplicaError::Version(unknown),
        }
    }
}

impl From<AdmitError> for ReplicaError {
    fn from(cause: AdmitError) -> ReplicaError {
        match cause {
            AdmitError::Refused(refusal) => ReplicaError::Refused(refusal),
            AdmitError::Store(cause) => ReplicaError::Store(cause),
        }
    }
}

impl From<JudgeError> for ReplicaError {
    fn from(cause: JudgeError) -> ReplicaError {
        AdmitError::from(cause).into()
    }
}

fn first(violations: &[Violation]) -> &str {
    violations.first().map_or("none", |violation| violation.message.as_str())
}
