//! The objects that `--json` prints. Scripts rely on these names: they change only with the major version.
//!
//! One object per command, or one per line for streams. Documented in docs/cli.md; a test pins the names.

use serde::Serialize;
use serde_json::value::RawValue;

/// `treaty identity`.
#[derive(Debug, Serialize)]
pub struct IdentityObject {
    /// This node's identity in text form.
    pub identity: String,
    /// Further identities that this node signs for, sorted.
    pub authors: Vec<String>,
    /// The one that was added or imported, if one was.
    pub added: Option<String>,
}

/// `treaty init` and `treaty join`.
#[derive(Debug, Serialize)]
pub struct SpaceObject {
    /// Space id, hex.
    pub space: String,
    /// This node's identity.
    pub identity: String,
    /// Database URL.
    pub database: String,
    /// Entries in this node's log.
    pub entries: u64,
}

/// `treaty invite`.
#[derive(Debug, Serialize)]
pub struct TicketObject {
    /// The ticket.
    pub ticket: String,
}

/// One line of `treaty up`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum UpEvent {
    /// First line: the sidecar is up.
    Ready {
        /// The UDP address it listens on.
        listen: String,
        /// The HTTP address, if it serves HTTP.
        http: Option<String>,
    },
    /// A peer came, went, or was refused.
    Peer {
        /// Its identity, if known.
        identity: Option<String>,
        /// Its address.
        address: String,
        /// Whether it is connected now.
        connected: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// Local changes went into the log.
    Imported {
        /// Operations imported.
        operations: u64,
        /// Co-transactions they came in.
        transactions: u64,
        /// Entries they went into.
        entries: u64,
    },
    /// Received changes were written into the tables.
    Applied {
        /// Rows written or removed.
        rows: u64,
        /// Entries they came from.
        entries: u64,
    },
    /// Something was rolled back.
    Rollback(Box<RollbackObject>),
    /// Last line: the sidecar stops.
    Stopping {
        /// Why.
        reason: String,
    },
}

/// `treaty status`.
#[derive(Debug, Serialize)]
pub struct StatusObject {
    /// Space id, hex.
    pub space: String,
    /// This node's identity.
    pub identity: String,
    /// Database URL.
    pub database: String,
    /// Whether `treaty up` runs on this data directory.
    pub running: bool,
    /// The address at which it serves HTTP, if it does.
    pub http: Option<String>,
    /// Entries in the log.
    pub entries: u64,
    /// The log's newest entries, sorted.
    pub frontier: Vec<String>,
    /// Local changes not in the log yet, plus received ones not in the tables yet.
    pub waiting: u64,
    /// Operations that are rolled back: reports that were not reinstated since.
    pub rollbacks: u64,
    /// Peers as the running sidecar sees them; remembered ones otherwise.
    pub peers: Vec<PeerObject>,
    /// Versions of the software and its formats.
    pub versions: VersionsObject,
}

/// One peer of `treaty status`.
#[derive(Debug, Serialize)]
pub struct PeerObject {
    /// Its identity, if known.
    pub identity: Option<String>,
    /// Its address, if known.
    pub address: Option<String>,
    /// Whether it is connected.
    pub connected: bool,
    /// Entries it has not confirmed; null while unknown.
    pub behind: Option<u64>,
}

/// Versions in `treaty status`.
#[derive(Debug, Serialize)]
pub struct VersionsObject {
    /// Version of this program.
    pub treaty: &'static str,
    /// Version of the SQLite library it contains.
    pub sqlite: &'static str,
}

/// One report of `treaty rollbacks`.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackObject {
    /// Place in the list; pass it to `--after`.
    pub cursor: u64,
    /// The entry that was rolled back, if it was in one.
    pub entry: Option<String>,
    /// Table.
    pub table: String,
    /// Row id.
    pub row: String,
    /// "insert", "update" or "delete".
    pub operation: String,
    /// Who wrote it.
    pub author: String,
    /// The values that were lost, by column.
    pub lost: Box<RawValue>,
    /// Reason code.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// The entry that caused it.
    pub culprit: Option<String>,
    /// When this node noticed.
    pub noticed: String,
    /// When it was reinstated, if it was: a reinstatement is told under a cursor of its own.
    pub reinstated: Option<String>,
}

/// `GET /v1/rollbacks`.
#[derive(Debug, Serialize)]
pub struct RollbacksObject {
    /// Reports, in order.
    pub rollbacks: Vec<RollbackObject>,
    /// The cursor to ask with next: that of the last report, or the one asked with.
    pub next: u64,
}

/// `GET /healthz`.
#[derive(Debug, Serialize)]
pub struct HealthObject {
    /// Whether the database and the engine can be read.
    pub ok: bool,
}

/// One line of `treaty log`: an operation.
#[derive(Debug, Serialize)]
pub struct LogObject {
    /// Entry id.
    pub entry: String,
    /// Height of the entry.
    pub height: u64,
    /// Index of the co-transaction in the entry.
    pub transaction: u32,
    /// Author.
    pub author: String,
    /// The author's clock when it was written; advisory.
    pub time: String,
    /// "insert", "update" or "delete".
    pub operation: &'static str,
    /// Table.
    pub table: String,
    /// Row id, as its insert gave it.
    pub row: String,
    /// The values written, by column.
    pub values: Box<RawValue>,
    /// "live" or "void", by everything that this node holds.
    pub verdict: &'static str,
    /// Why it is void: a stable code.
    pub reason: Option<String>,
    /// The same as a sentence for a person.
    pub message: Option<String>,
    /// The entry that caused it.
    pub culprit: Option<String>,
}

/// `treaty at`: one line per row.
#[derive(Debug, Serialize)]
pub struct RowObject {
    /// Row id.
    pub id: String,
    /// Who wrote its last change.
    pub author: String,
    /// Values by column.
    pub values: Box<RawValue>,
}

/// `treaty verify`.
#[derive(Debug, Serialize)]
pub struct VerifyObject {
    /// Whether everything holds.
    pub ok: bool,
    /// Entries checked.
    pub entries: u64,
    /// Digest of the state, hex.
    pub digest: String,
    /// Who judged everything again: "oracle", the reference evaluator, besides the engine; or "replay", the engine alone.
    pub judged_by: &'static str,
    /// What does not hold, one sentence each.
    pub problems: Vec<String>,
}

/// `treaty uninstall`.
#[derive(Debug, Serialize)]
pub struct UninstalledObject {
    /// Database URL.
    pub database: String,
    /// The space that it was part of.
    pub space: String,
    /// Tables that stay, now the application's alone.
    pub tables: Vec<String>,
    /// Changes that were not in the log yet.
    pub waiting: u64,
}
