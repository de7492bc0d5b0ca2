//! The beginning of a replica: a new space, a space joined, a store opened.

use std::cell::{Cell, RefCell};

use treaty_schema::{Patch, Schema};

use super::Replica;
use super::admit::{AdmitError, Desk, Judged, undecodable};
use super::error::ReplicaError;
use super::local::Resolver;
use super::source::{LocalSource, PayloadSource};
use super::types::{GenesisDraft, LocalOperation, LocalRow, LocalTransaction};
use crate::causality::{Index, Past};
use crate::cotx::{Findings, Judge, Reason, Refusal, Views};
use crate::hash::SpaceId;
use crate::identity::Keypair;
use crate::log::{Entry, EntryDraft, Kind, LogStore, Pos};
use crate::relation::payload::{GenesisPayload, PayloadBuilder};
use crate::relation::{AllLive, HeadCache, Layout, Sight, View, name};
use crate::store::Sqlite;

/// What genesis sees.
static NOTHING: Sight = Sight { past: Past::EMPTY, height_max: 0, settled_below: 0 };

/// Begins a new space in an empty store.
pub(super) fn create(
    store: Sqlite,
    founder: &Keypair,
    draft: GenesisDraft,
    time_ms: u64,
) -> Result<Replica, ReplicaError> {
    let GenesisDraft { patch, rows, nonce } = draft;
    let layout = Layout::new(schema_of(&patch)?);
    let payload = GenesisPayload::encode(nonce, &patch, encode_rows(&store, &layout, rows)?);
    let entry = Entry::sign(founder, EntryDraft { space: None, parents: Vec::new(), height: 0, time_ms }, payload)?;
    begin(store, &entry)
}

/// Joins a space in an empty store.
pub(super) fn join(store: Sqlite, genesis: &Entry, expected: SpaceId) -> Result<Replica, ReplicaError> {
    if genesis.header().kind != Kind::Genesis || genesis.header().space_id() != expected {
        let message = format!("entry {} is not the genesis of space {expected}", genesis.id());
        return Err(ReplicaError::Refused(Refusal::new(Reason::Header, message)));
    }
    begin(store, genesis)
}

/// Opens the replica that a store holds.
pub(super) fn open(store: Sqlite) -> Result<Option<Replica>, ReplicaError> {
    // What memory says about the log must stay true of what is read beside a writer.
    store.hold_if_read_only()?;
    let index = Index::load(&store)?;
    if index.space().is_none() {
        return Ok(None);
    }
    let payload = GenesisPayload::decode(store.payload(Pos::GENESIS)?);
    let payload = payload.map_err(|cause| ReplicaError::Refused(undecodable(cause)))?;
    let layout = Layout::new(schema_of(&payload.patch)?);
    Ok(Some(Replica {
        store,
        index,
        layout,
        heads: RefCell::default(),
        views: Views::default(),
        evaluations: Cell::new(0),
        is_stale: false,
    }))
}

/// Judges and keeps a genesis entry. Its rows need no permission; everything else they need.
fn begin(mut store: Sqlite, entry: &Entry) -> Result<Replica, ReplicaError> {
    let mut index = Index::load(&store)?;
    if index.space().is_some() {
        return Err(ReplicaError::NotEmpty);
    }
    let decoded = GenesisPayload::decode(entry.payload().to_vec());
    let payload = decoded.map_err(|cause| ReplicaError::Refused(undecodable(cause)))?;
    let layout = Layout::new(schema_of(&payload.patch)?);
    let heads = RefCell::<HeadCache>::default();
    let tx = store.begin()?;
    let placement = index.place(&*tx, entry.header()).map_err(AdmitError::from)?;
    let source = PayloadSource::new(&tx, &layout, &payload.rows).map_err(AdmitError::from)?;
    let mut judge = Judge::new(View::new(&*tx, &layout, &NOTHING, &heads, &AllLive), None);
    for transaction in 0..payload.rows.transaction_count() {
        judge.admit(&source, transaction).map_err(AdmitError::from)?;
    }
    let (views, evaluations) = (Views::default(), Cell::new(0));
    let desk = Desk { layout: &layout, heads: &heads, views: &views, evaluations: &evaluations };
    let judged = Judged { placement, sight: &NOTHING, verdicts: &AllLive, findings: &Findings::default() };
    let placement = desk.keep((&tx, &index), entry, judged, (&payload.rows, &source))?;
    index.settle(placement);
    tx.commit()?;
    Ok(Replica { store, index, layout, heads, views, evaluations, is_stale: false })
}

fn schema_of(patch: &Patch) -> Result<Schema, ReplicaError> {
    Schema::empty().apply(patch).map_err(ReplicaError::Schema)
}

/// Encodes rows as one co-transaction.
fn encode_rows(store: &Sqlite, layout: &Layout, rows: Vec<LocalRow>) -> Result<PayloadBuilder, AdmitError> {
    let mut builder = PayloadBuilder::new();
    if rows.is_empty() {
        return Ok(builder);
    }
    let heads = RefCell::default();
    let judge = Judge::new(View::new(store, layout, &NOTHING, &heads, &AllLive), None);
    let operations = rows.into_iter().map(LocalOperation::Insert).collect();
    let resolver = Resolver { judge: &judge, shown: judge.view(), source: &LocalSource::default(), transaction: 0 };
    let acts = resolver.resolve(&LocalTransaction { operations })?;
    let named =
        acts.iter().map(|act| name(layout, act, &|key| judge.view().name(key))).collect::<Result<Vec<_>, _>>()?;
    builder.push(&named);
    Ok(builder)
}
