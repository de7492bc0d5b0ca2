//! Speed of the causality index: append, compare, meet, on a log with many authors who hear of each other now and then.
//!
//! `cargo bench -p treaty-engine --bench causality -- [entries] [authors] [percent of writes that hear of another]`
//! prints one line a figure: name, median, unit, min, max, number of measurements. Signing is not measured.

#![expect(clippy::disallowed_types, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark ends at the first failure")]

use std::time::Instant;

use treaty_engine::causality::{Index, Pos};
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Keypair;
use treaty_engine::log::{Entry, EntryDraft, LogStore};
use treaty_engine::store::{Durability, Sqlite};
use treaty_testkit::Figures;

/// Entries of one write transaction, and of one measurement of appending.
const BATCH: usize = 1000;

/// Payload of each entry: one small operation.
const PAYLOAD_BYTES: usize = 64;

/// A linear congruential generator: the same log on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % count as u64).unwrap()
    }
}

/// What an author has heard of: the entries that the next one is written on.
#[derive(Clone)]
struct Author {
    keypair: std::sync::Arc<Keypair>,
    heads: Vec<(Pos, EntryId, u64)>,
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let entry_count = numbers.first().copied().unwrap_or(100_000);
    let author_count = numbers.get(1).copied().unwrap_or(50);
    let gossip_percent = numbers.get(2).copied().unwrap_or(30);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let mut figures = Figures::default();
    let mut dice = Dice(7);

    let mut store = Sqlite::open(&path, Durability::Normal).unwrap();
    let mut index = Index::load(&store).unwrap();
    let mut authors = found(&mut store, &mut index, author_count);
    while index.entry_count() < entry_count as u64 {
        append_batch(&mut store, &mut index, &mut authors, (&mut dice, gossip_percent), &mut figures);
    }
    figures.add("chains", "count", index.chain_count() as f64);
    figures.add("file per entry", "bytes", std::fs::metadata(&path).unwrap().len() as f64 / entry_count as f64);

    let start = Instant::now();
    let index = Index::load(&store).unwrap();
    figures.add("load", "ms", start.elapsed().as_secs_f64() * 1e3);
    compare(&store, &index, &mut dice, &mut figures);
    meet(&store, &index, &mut dice, &mut figures);
    walk(&store, &index, &mut figures);
    figures.add("memory (peak resident)", "MB", peak_resident_mb());
    figures.print();
}

fn found(store: &mut Sqlite, index: &mut Index, author_count: usize) -> Vec<Author> {
    let draft = EntryDraft { space: None, parents: vec![], height: 0, time_ms: 0 };
    let genesis = Entry::sign(&Keypair::generate(&[0; 32]), draft, vec![]).unwrap();
    let placement = index.place(store, genesis.header()).unwrap();
    let head = (placement.pos(), *genesis.id(), 0);
    let tx = store.begin().unwrap();
    index.write(&tx, &genesis, &placement).unwrap();
    tx.commit().unwrap();
    index.settle(placement);
    let keypair = |number: usize| {
        let mut seed = [1; 32];
        seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        std::sync::Arc::new(Keypair::generate(&seed))
    };
    (0..author_count).map(|number| Author { keypair: keypair(number), heads: vec![head] }).collect()
}

/// Writes one transaction of entries; measures placing and writing, not signing or gossip.
fn append_batch(
    store: &mut Sqlite,
    index: &mut Index,
    authors: &mut [Author],
    (dice, gossip_percent): (&mut Dice, usize),
    figures: &mut Figures,
) {
    let space: SpaceId = index.space().unwrap();
    let start = Instant::now();
    let mut unmeasured = std::time::Duration::ZERO;
    let tx = store.begin().unwrap();
    for number in 0..BATCH {
        let pause = Instant::now();
        let author = dice.below(authors.len());
        if dice.below(100) < gossip_percent {
            let other = dice.below(authors.len());
            let mut heard = [authors[author].heads.clone(), authors[other].heads.clone()].concat();
            let positions: Vec<Pos> = heard.iter().map(|head| head.0).collect();
            let cover = index.minimal_cover(&*tx, &positions).unwrap();
            heard.retain(|head| cover.contains(&head.0));
            heard.sort_unstable();
            heard.dedup();
            heard.truncate(treaty_engine::limits::PARENTS_MAX);
            authors[author].heads = heard;
        }
        let heads = &authors[author].heads;
        let draft = EntryDraft {
            space: Some(space),
            parents: heads.iter().map(|head| head.1).collect(),
            height: heads.iter().map(|head| head.2 + 1).max().unwrap(),
            time_ms: number as u64,
        };
        let entry = Entry::sign(&authors[author].keypair, draft, vec![7; PAYLOAD_BYTES]).unwrap();
        unmeasured += pause.elapsed();
        let placement = index.place(&*tx, entry.header()).unwrap();
        index.write(&tx, &entry, &placement).unwrap();
        authors[author].heads = vec![(placement.pos(), *entry.id(), entry.header().height)];
        index.settle(placement);
    }
    tx.commit().unwrap();
    figures.add("append", "1/s", BATCH as f64 / (start.elapsed() - unmeasured).as_secs_f64());
}

/// Draws a position: of the whole log, or of the last entries of its chains.
fn position(index: &Index, dice: &mut Dice, last: u64) -> Pos {
    let whole = index.whole();
    let tops = whole.tops();
    // Chains by weight: draw again until the sequence number is inside.
    let longest = tops.iter().map(|top| top.sequence()).max().unwrap();
    loop {
        let top = tops[dice.below(tops.len())];
        let back = dice.below(usize::try_from(longest.min(last)).unwrap()) as u64;
        if back < top.sequence() {
            return Pos::new(top.chain(), top.sequence() - back).unwrap();
        }
    }
}

fn compare(store: &Sqlite, index: &Index, dice: &mut Dice, figures: &mut Figures) {
    for (name, last) in [("compare, any two entries", u64::MAX), ("compare, two recent entries", 200)] {
        let pairs: Vec<(Pos, Pos)> =
            (0..2000).map(|_| (position(index, dice, last), position(index, dice, last))).collect();
        for (a, b) in pairs {
            let start = Instant::now();
            std::hint::black_box(index.le(store, a, b).unwrap());
            figures.add(name, "us", start.elapsed().as_secs_f64() * 1e6);
        }
    }
}

fn meet(store: &Sqlite, index: &Index, dice: &mut Dice, figures: &mut Figures) {
    for (name, last) in [("meet and its frontier, any", u64::MAX), ("meet and its frontier, recent", 200)] {
        for _ in 0..300 {
            let (a, b) = (position(index, dice, last), position(index, dice, last));
            let start = Instant::now();
            let meet = index.clock(store, a).unwrap().meet(&index.clock(store, b).unwrap());
            std::hint::black_box(index.frontier(store, &meet).unwrap());
            figures.add(name, "ms", start.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// Walks the last tenth of the log in causal order, as a sync that sends headers does.
fn walk(store: &Sqlite, index: &Index, figures: &mut Figures) {
    let whole = index.whole();
    let recent = |top: &Pos| Pos::new(top.chain(), (top.sequence() / 10 * 9).max(1)).unwrap();
    let positions: Vec<Pos> = whole.tops().iter().map(recent).collect();
    let from = index.past_of_positions(store, &positions).unwrap();
    let start = Instant::now();
    let mut difference = index.difference(&whole, &from);
    let count = difference.left();
    while let Some((pos, _)) = difference.next(store).unwrap() {
        std::hint::black_box(pos);
    }
    figures.add("walk a difference", "1/s", count as f64 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mut difference = index.difference(&whole, &from);
    while let Some((pos, _)) = difference.next(store).unwrap() {
        std::hint::black_box(store.header(pos).unwrap());
    }
    figures.add("walk a difference with headers", "1/s", count as f64 / start.elapsed().as_secs_f64());
}

fn peak_resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()).map_or(f64::NAN, |kb| kb / 1024.0)
}
