//! The node as the server reads it: its database on read-only connections of its own, its log through the engine's thread.
//!
//! Reading never holds up the adapter: SQLite's readers do not block the writer in WAL mode, and at most
//! [`DATABASE_READERS_MAX`] read at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::answer::Problem;
use super::limits::{DATABASE_READERS_MAX, PAGE_BYTES_MAX};
use crate::cli::objects::{RollbackObject, StatusObject};
use crate::cli::status::{LogState, NodeName, peer, status_object};
use crate::config::DatabaseUrl;
use crate::home::Home;
use crate::peek::{self, PageMax, Peek, PeekError};
use crate::sidecar::ThreadLink;

/// A running node.
pub(crate) struct Node {
    /// What it is called.
    pub(crate) name: NodeName,
    /// Its database.
    pub(crate) database: DatabaseUrl,
    /// Its data directory.
    pub(crate) home: Home,
    /// The way to its log.
    pub(crate) link: ThreadLink,
}

/// Reports by reason, counted as far as they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct ReasonCounts {
    /// By reason, ascending.
    pub(super) by_reason: BTreeMap<String, u64>,
    /// Cursor of the last report counted.
    through: u64,
}

/// What the server reads.
pub(super) struct Reading {
    node: Node,
    /// The address at which it is served.
    address: SocketAddr,
    /// Connections that nobody reads on now.
    idle: Mutex<Vec<Box<dyn Peek>>>,
    turns: Semaphore,
    counted: Mutex<ReasonCounts>,
}

impl Reading {
    /// Reads `node`, served at `address`; nothing is opened yet.
    pub(super) fn of(node: Node, address: SocketAddr) -> Reading {
        Reading {
            node,
            address,
            idle: Mutex::default(),
            turns: Semaphore::new(DATABASE_READERS_MAX),
            counted: Mutex::default(),
        }
    }

    /// Returns the reports after a cursor.
    ///
    /// # Errors
    /// [`Problem::CursorAhead`], [`Problem::Unavailable`].
    pub(super) async fn rollbacks(self: &Arc<Reading>, after: u64, limit: u64) -> Result<Vec<RollbackObject>, Problem> {
        let page = PageMax { reports: limit, bytes: PAGE_BYTES_MAX };
        self.read(move |_, peek| Ok(peek.rollbacks(after, page)?)).await
    }

    /// Says whether database and engine answer.
    ///
    /// # Errors
    /// [`Problem::Unavailable`].
    pub(super) async fn check(self: &Arc<Reading>) -> Result<(), Problem> {
        self.status().await.map(drop)
    }

    /// Returns where the node stands.
    ///
    /// # Errors
    /// [`Problem::Unavailable`].
    pub(super) async fn status(self: &Arc<Reading>) -> Result<StatusObject, Problem> {
        self.read(|reading, peek| {
            // The database is read before the log: what it shows is in the log by then.
            let database = peek.state()?;
            let node = &reading.node;
            let shown = database.shown.clone();
            let log = node.link.ask(move |link| Ok(LogState::of(link.replica, &shown))).map_err(unavailable)?;
            let running = node.home.running().map_err(unavailable)?;
            let peers = running.iter().flat_map(|running| running.peers.iter().map(peer)).collect();
            let http = Some(reading.address.to_string());
            Ok(StatusObject { http, ..status_object(&node.name, &database, log, peers) })
        })
        .await
    }

    /// Returns how many reports there were by reason; reads on from where it was last time.
    ///
    /// # Errors
    /// [`Problem::Unavailable`].
    pub(super) async fn reason_counts(self: &Arc<Reading>) -> Result<ReasonCounts, Problem> {
        self.read(|reading, peek| {
            let mut counted = reading.counted.lock().unwrap_or_else(PoisonError::into_inner);
            let (news, last) = peek.rollbacks_by_reason(counted.through)?;
            for (reason, count) in news {
                *counted.by_reason.entry(reason).or_default() += count;
            }
            counted.through = last;
            Ok(counted.clone())
        })
        .await
    }

    /// Works with a connection, off the server's own thread.
    async fn read<R: Send + 'static>(
        self: &Arc<Reading>,
        work: impl FnOnce(&Reading, &mut dyn Peek) -> Result<R, Problem> + Send + 'static,
    ) -> Result<R, Problem> {
        let _turn = self.turns.acquire().await.map_err(unavailable)?;
        let reading = Arc::clone(self);
        tokio::task::spawn_blocking(move || reading.read_here(work)).await.map_err(unavailable)?
    }

    fn read_here<R>(&self, work: impl FnOnce(&Reading, &mut dyn Peek) -> Result<R, Problem>) -> Result<R, Problem> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut peek = match kept {
            Some(peek) => peek,
            None => peek::open(&self.node.database)?,
        };
        let result = work(self, &mut *peek);
        // A connection that failed may go on failing: it is not kept.
        if !matches!(result, Err(Problem::Unavailable { .. })) {
            idle().push(peek);
        }
        result
    }
}

impl From<PeekError> for Problem {
    fn from(error: PeekError) -> Problem {
        match error {
            PeekError::Ahead { .. } => Problem::CursorAhead { words: error.to_string() },
            other => unavailable(other),
        }
    }
}

fn unavailable(error: impl Into<anyhow::Error>) -> Problem {
    let words = format!("{:#}", error.into());
    tracing::warn!(words, "an HTTP request cannot be answered");
    Problem::Unavailable { words }
}
