//! `treaty verify`: checks everything again, from the bytes.
//!
//! 1. Every entry is read raw, hashed, and its signature verified anew.
//! 2. A fresh store takes the entries in, judging each as if a peer had sent it: all must stand, with the same digest.
//! 3. The reference evaluator ([`rejudge`](super::rejudge)) judges everything once more, if the log is small or it is told
//!    to: admission, verdicts with reason and culprit, rows and digest must be the ones that the engine keeps.
//! 4. The database's tables are compared, row by row, with the log's state at the version that they show.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use treaty_engine::codec::Reader;
use treaty_engine::log::{Entry, LogStore, Pos, UnverifiedHeader};
use treaty_engine::replica::{IngestOutcome, Replica};
use treaty_engine::store::{Durability, Sqlite};

use super::database;
use super::objects::VerifyObject;
use super::open::own_keypair;
use super::output::{Format, Progress};
use super::place::Place;
use super::rejudge::{ORACLE_OPERATIONS_MAX, ORACLE_TRANSACTIONS_MAX, Size, rejudge};
use super::view::NodeView;
use crate::audit::Snapshot;
use crate::config::Settings;
use crate::home::Home;
use crate::keystore::Keystore;
use crate::link::ReplicaLink;
use crate::sidecar::now_ms;

/// Checks every hash and signature, recomputes the state, and compares it with the database
///
/// Replays the log from its first entry in a fresh store, compares the state with the engine's and with the
/// application's tables, and prints the state's digest. Equal digests on two nodes mean equal states. A small log is also
/// judged by the reference evaluator, which shares no judgement with the engine and needs time that grows faster than the
/// square of the log. Exit code 1 if anything does not hold.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty verify --database sqlite:notes.db
  treaty verify --database sqlite:notes.db --oracle")]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// Have the reference evaluator judge the log, however large it is
    #[arg(long)]
    oracle: bool,
}

/// Entries ingested at a time.
const BATCH_ENTRIES: usize = 500;
/// Payload bytes from which no more entries are added to a batch.
const BATCH_BYTES: usize = 8 << 20;
/// Problems that are listed.
const PROBLEMS_MAX: usize = 100;

/// What does not hold, one sentence each; the first ones.
#[derive(Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Notes one.
    pub(crate) fn note(&mut self, problem: String) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem);
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, format: Format) -> Result<ExitCode> {
    let home = args.place.home_with_space()?;
    let config = args.place.config(&home, Settings::default())?;
    // In this order: what the database shows is in the log by then.
    let mut snapshot = database::snapshot(&config.database)?;
    let mut node = NodeView::open(&args.place)?;
    let scratch = Scratch::in_home(&home);
    let mut problems = Problems::default();
    let mut size = Size::default();
    let replayed = replay(&node.replica, &scratch, &mut size, &mut problems)?;
    let is_by_oracle = args.oracle || size.is_small();
    let digest = node.replica.digest().context("computing the digest of the state")?;
    if let Some(replayed) = replayed {
        compare_states(&node.replica, &replayed, &mut problems)?;
        if is_by_oracle {
            rejudge(&node.replica, &mut problems)?;
        }
        // By verdicts as of a moment, which only the log kept can tell.
        compare_tables(&home, &mut snapshot, &mut node.replica, &mut problems)?;
    }
    let object = VerifyObject {
        ok: problems.0.is_empty(),
        entries: node.replica.entry_count(),
        digest: data_encoding::HEXLOWER.encode(&digest),
        judged_by: if is_by_oracle { "oracle" } else { "replay" },
        problems: problems.0,
    };
    format.print(&object, text)?;
    Ok(if object.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Replays a log into a fresh store, and measures it; none if not even the genesis stands.
fn replay(replica: &Replica, scratch: &Scratch, size: &mut Size, problems: &mut Problems) -> Result<Option<Replica>> {
    let index = replica.index();
    let mut walk = index.difference(&index.whole(), &index.past_of_positions(replica.store(), &[])?);
    let (total, mut done) = (walk.left(), 0);
    let mut progress = Progress::begin("entries verified");
    let mut replayed: Option<Replica> = None;
    let (mut batch, mut batch_bytes) = (Vec::new(), 0);
    while let Some((pos, _)) = walk.next(replica.store())? {
        done += 1;
        let entry = match verified(replica, pos) {
            Ok(entry) => entry,
            Err(error) => {
                problems.note(format!("{error:#}"));
                continue;
            }
        };
        size.add(&entry);
        if replayed.is_none() {
            match Replica::join(scratch.store()?, entry, replica.space()) {
                Ok(joined) => replayed = Some(joined),
                Err(error) => {
                    problems.note(format!("the genesis does not stand: {error}"));
                    break;
                }
            }
            continue;
        }
        batch_bytes += entry.payload().len();
        batch.push(entry);
        if batch.len() >= BATCH_ENTRIES || batch_bytes >= BATCH_BYTES {
            ingest(&mut replayed, std::mem::take(&mut batch), problems)?;
            batch_bytes = 0;
            progress.update(done, Some(total));
        }
    }
    ingest(&mut replayed, batch, problems)?;
    progress.finish();
    Ok(replayed)
}

/// Reads an entry as if it had come from a stranger.
///
/// # Errors
/// If its bytes, hash or signature do not hold.
pub(crate) fn verified(replica: &Replica, pos: Pos) -> Result<Entry> {
    let header = replica.store().header(pos)?;
    let (id, bytes) = (*header.id(), header.encode_signed());
    let mut reader = Reader::new(&bytes);
    let header = UnverifiedHeader::read(&mut reader)
        .map_err(anyhow::Error::from)
        .and_then(|header| Ok(header.verify()?))
        .with_context(|| format!("entry {id}"))?;
    Entry::new(header, replica.store().payload(pos)?).with_context(|| format!("entry {id}"))
}

fn ingest(replayed: &mut Option<Replica>, batch: Vec<Entry>, problems: &mut Problems) -> Result<()> {
    let Some(replica) = replayed.as_mut().filter(|_| !batch.is_empty()) else { return Ok(()) };
    let IngestOutcome { parked, refused, .. } = replica.ingest(batch).context("replaying entries")?;
    for id in parked {
        problems.note(format!("entry {id} has parents that are not in the log"));
    }
    for (id, refusal) in refused {
        problems.note(format!("entry {id} does not stand: {refusal}"));
    }
    Ok(())
}

fn compare_states(kept: &Replica, replayed: &Replica, problems: &mut Problems) -> Result<()> {
    if kept.frontier() != replayed.frontier() {
        problems.note("the replayed log ends elsewhere than the one kept".to_owned());
    } else if kept.digest()? != replayed.digest()? {
        problems.note("the state recomputed from the log differs from the state kept".to_owned());
    }
    Ok(())
}

fn compare_tables(home: &Home, snapshot: &mut Snapshot, kept: &mut Replica, problems: &mut Problems) -> Result<()> {
    if !kept.knows(snapshot.shown())? {
        problems.note("the tables show a version that the log does not hold".to_owned());
        return Ok(());
    }
    let mut keys = Keystore::of(Arc::new(own_keypair(home)?), home);
    let schema = kept.schema().clone();
    let mut link = ReplicaLink { replica: kept, keys: &mut keys, now_ms: now_ms() };
    for difference in snapshot.compare(&schema, &mut link, PROBLEMS_MAX)? {
        problems.note(format!("table {}, row {}: differs from the log", difference.table, difference.row));
    }
    Ok(())
}

fn text(object: &VerifyObject) -> String {
    let mut lines = vec![format!("{} entries", object.entries), format!("digest {}", object.digest)];
    if object.ok {
        lines.push("every hash, signature and judgement holds; state and tables are what the log says".to_owned());
        lines.push(match object.judged_by {
            "oracle" => "judged again by the engine and by the reference evaluator".to_owned(),
            _ => format!(
                "judged again by the engine alone: the log has more than {ORACLE_TRANSACTIONS_MAX} transactions or \
                 {ORACLE_OPERATIONS_MAX} operations; --oracle takes the time to judge it by the reference evaluator"
            ),
        });
    }
    lines.extend(object.problems.iter().map(|problem| format!("problem: {problem}")));
    lines.join("\n")
}

/// A store of its own, removed afterwards.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Names a file in the data directory: it grows as large as the log.
    fn in_home(home: &Home) -> Scratch {
        Scratch { path: home.path().join(format!("verify-{}.sqlite", uuid::Uuid::new_v4().simple())) }
    }

    fn store(&self) -> Result<Sqlite> {
        Sqlite::open(&self.path, Durability::Normal).map_err(|error| anyhow!(error).context("making a scratch store"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.path.clone().into_os_string();
            name.push(suffix);
            // What is missing needs no removing.
            let _ = std::fs::remove_file(name);
        }
    }
}
