//! A node opened for reading: its log, its configuration, its identity. Works beside a running sidecar.

use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::replica::Replica;
use treaty_engine::store::Sqlite;
use treaty_schema::{Schema, Table};

use super::open::own_identity;
use super::place::Place;
use crate::config::{Config, Settings};
use crate::home::Home;

/// A node opened for reading.
pub(crate) struct NodeView {
    /// Its data directory.
    pub(crate) home: Home,
    /// Its configuration.
    pub(crate) config: Config,
    /// Its own identity.
    pub(crate) identity: Identity,
    /// Its log and what it means; writes fail.
    pub(crate) replica: Replica,
}

impl NodeView {
    /// Opens the node that `place` means.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub(crate) fn open(place: &Place) -> Result<NodeView> {
        let home = place.home_with_space()?;
        let config = place.config(&home, Settings::default())?;
        let identity = own_identity(&home)?;
        let path = home.store_path();
        let store = Sqlite::open_read_only(&path).with_context(|| format!("opening the log {}", path.display()))?;
        let replica = Replica::open(store)
            .with_context(|| format!("reading the log {}", path.display()))?
            .ok_or_else(|| anyhow!("{} holds no space yet; run the interrupted init or join again", path.display()))?;
        Ok(NodeView { home, config, identity, replica })
    }

    /// Reads a version as people write it: `now`, or entry ids joined by commas.
    ///
    /// # Errors
    /// If it is neither, or names an entry that is not here.
    pub(crate) fn version(&self, text: &str) -> Result<Version> {
        if text == "now" {
            return Ok(self.replica.frontier());
        }
        let ids: Result<Vec<EntryId>, _> = text.split(',').map(|id| EntryId::from_str(id.trim())).collect();
        let ids = ids.map_err(|_| {
            anyhow!("'{text}' is no version: write entry ids (64 hex digits) joined by commas, or now; `treaty log` shows them")
        })?;
        let version = Version::new(ids);
        self.replica.index().past_of(self.replica.store(), &version)?;
        Ok(version)
    }
}

/// Finds a table by name.
///
/// # Errors
/// If the schema has none; says which it has.
pub(crate) fn table_named<'s>(schema: &'s Schema, name: &str) -> Result<(usize, &'s Table)> {
    let found = schema.tables().iter().enumerate().find(|(_, table)| table.name.as_str() == name);
    let Some(found) = found else {
        let names: Vec<&str> = schema.tables().iter().map(|table| table.name.as_str()).collect();
        bail!("there is no table {name}; the schema has {}", names.join(", "))
    };
    Ok(found)
}
