//! Opening a node for work: key, log and database, checked to belong together. The caller holds the lock.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::replica::Replica;
use treaty_engine::store::{Durability, Sqlite};

use super::database;
use super::identity::read_keypair;
use crate::application::{Application, Place};
use crate::config::Config;
use crate::database::Node;
use crate::home::Home;
use crate::keystore::Keystore;
use crate::link::ReplicaLink;
use crate::sidecar::now_ms;

/// A node that can work.
pub(crate) struct OpenNode {
    /// Sign for it.
    pub(crate) keys: Keystore,
    /// Its log and what it means.
    pub(crate) replica: Replica,
    /// Its application's database.
    pub(crate) application: Application,
}

impl OpenNode {
    /// Opens the node at `home`.
    ///
    /// # Errors
    /// If a part is missing, or the parts do not belong together; says what to do.
    pub(crate) fn open(home: &Home, config: &Config, place: Place) -> Result<OpenNode> {
        let mut keys = Keystore::of(Arc::new(own_keypair(home)?), home);
        let mut replica = open_replica(home)?.ok_or_else(|| {
            anyhow!("{} holds no space yet; run the interrupted init or join again", home.path().display())
        })?;
        let schema = replica.schema().clone();
        let node = Node {
            schema: &schema,
            space: replica.space(),
            identity: keys.own().identity(),
            gap_ms: i64::try_from(config.tx_gap.as_millis()).unwrap_or(i64::MAX),
        };
        let mut link = ReplicaLink { replica: &mut replica, keys: &mut keys, now_ms: now_ms() };
        let application = database::open(config, &node, place, &mut link)?;
        Ok(OpenNode { keys, replica, application })
    }
}

/// Opens the log of `home` for writing; none if it holds no space yet.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn open_replica(home: &Home) -> Result<Option<Replica>> {
    let path = home.store_path();
    let store = open_store(home)?;
    Replica::open(store).with_context(|| format!("reading the log {}", path.display()))
}

/// Opens the store of `home` for writing, and makes it if it is missing.
///
/// # Errors
/// If it cannot be used.
pub(crate) fn open_store(home: &Home) -> Result<Sqlite> {
    let path = home.store_path();
    Sqlite::open(&path, Durability::Full).with_context(|| format!("opening the log {}", path.display()))
}

/// Returns the node's keypair, which must be there.
///
/// # Errors
/// If it is not.
pub(crate) fn own_keypair(home: &Home) -> Result<Keypair> {
    let keypair = read_keypair(home)?;
    keypair.with_context(|| format!("{} is missing; restore it from a backup", home.key_path().display()))
}

/// Returns the node's identity.
///
/// # Errors
/// If its key is missing.
pub(crate) fn own_identity(home: &Home) -> Result<Identity> {
    Ok(own_keypair(home)?.identity())
}
