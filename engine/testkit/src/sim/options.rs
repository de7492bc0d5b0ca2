//! What a seed draws before anything happens (swarm testing): how many take part, and how likely each thing is.
//!
//! Every option prints as `name=value` and reads back, so that a run is told by its seed and the options that differ.

use std::fmt;

use super::chance::Chance;

/// Where an option's value comes from: drawn from a range, and off in some runs.
struct Range {
    low: u64,
    high: u64,
    /// In how many of 100 runs it is 0.
    off_percent: u64,
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $low:literal..=$high:literal, off $off:literal;)*) => {
        /// The options of one run.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Options {
            /// Everything random comes from it.
            pub seed: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Options {
            /// Draws the options of a seed.
            pub fn drawn(seed: u64) -> Options {
                let mut chance = Chance::of(seed, 1);
                Options { seed, $($name: draw(&mut chance, &Range { low: $low, high: $high, off_percent: $off }),)* }
            }

            /// Sets one option by name. False if there is none of that name.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    "seed" => self.seed = value,
                    $(stringify!($name) => self.$name = value,)*
                    _ => return false,
                }
                true
            }
        }

        impl fmt::Display for Options {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "seed={}", self.seed)?;
                $(write!(f, " {}={}", stringify!($name), self.$name)?;)*
                Ok(())
            }
        }
    };
}

options! {
    /// Things that happen.
    steps: 60..=220, off 0;
    /// Honest replicas.
    replicas: 2..=4, off 0;
    /// Hostile authors with keys.
    hostiles: 1..=4, off 15;
    /// Whether stores are files, so that crashes lose memory: 0 or 1.
    on_disk: 1..=1, off 75;
    /// Co-transactions per entry, at most.
    transactions_max: 1..=3, off 0;
    /// Rows per batch for tables, at most.
    rows_max: 1..=12, off 0;
    /// Weight of honest work.
    work: 10..=40, off 0;
    /// Weight of tables following the log.
    apply: 5..=30, off 0;
    /// Weight of sessions moving bytes.
    sync: 10..=60, off 0;
    /// Weight of entries brought one by one, in any order.
    gossip: 2..=20, off 30;
    /// Weight of hostile work.
    hostile: 5..=40, off 10;
    /// Weight of partitions made and mended.
    partition: 1..=6, off 30;
    /// Weight of connections cut.
    cut: 1..=4, off 40;
    /// Weight of writes that fail, and crashes.
    crash: 1..=6, off 40;
    /// Weight of comparing a replica with the oracle.
    check: 1..=4, off 0;
    /// Of 100 entries brought, how many are lost.
    loss: 1..=40, off 40;
    /// Of 100 entries brought, how many come twice.
    twice: 1..=40, off 40;
    /// Steps that an entry is under way, at most.
    delay: 1..=40, off 30;
    /// Of 100 chunks of bytes between sessions, how many are damaged.
    damage: 1..=5, off 70;
    /// Weight of work on members and other rows that policies read.
    grants: 1..=12, off 10;
    /// Weight of rows inserted.
    inserts: 4..=16, off 0;
    /// Weight of rows updated.
    updates: 1..=10, off 10;
    /// Weight of rows deleted.
    deletes: 1..=10, off 10;
    /// Weight of keys swapped, moved, and freed.
    keys: 1..=10, off 20;
    /// Weight of ids copied and used again.
    ids: 1..=6, off 50;
    /// Weight of several kinds of work in one co-transaction.
    bundles: 1..=8, off 30;
    /// Of 100 new values of a key, how many are one of very few.
    rivalry: 30..=100, off 10;
    /// Weight of hostile work on any past.
    back_date: 2..=10, off 20;
    /// Weight of hostile work beside the entry that ended its author's rights.
    counter: 2..=10, off 20;
    /// Weight of rings: each removes the next, none has seen another.
    ring: 1..=6, off 30;
    /// Weight of different work on the same past.
    equivocate: 1..=5, off 30;
    /// Weight of friends let in by back-dated grants, and what they do.
    puppet: 1..=5, off 30;
    /// Weight of keys claimed, and references made, beside the entry that somebody else wrote.
    snipe: 2..=8, off 20;
    /// Weight of entries whose parents come later, or never.
    withhold: 1..=4, off 40;
    /// Weight of entries that nobody may admit.
    forge: 1..=5, off 40;
    /// Weight of many entries whose parents nobody has.
    flood: 1..=1, off 85;
}

fn draw(chance: &mut Chance, range: &Range) -> u64 {
    // The order of draws is that of the options: each takes two, whatever they are.
    let (is_off, value) = (chance.is_within(range.off_percent), chance.next());
    if is_off { 0 } else { range.low + value % (range.high - range.low + 1) }
}

impl Options {
    /// Reads `name=value` words over the options that the seed among them draws.
    ///
    /// # Errors
    /// The word that cannot be read.
    pub fn read(text: &str) -> Result<Options, String> {
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            let read = word.split_once('=').and_then(|(name, value)| Some((name, value.parse::<u64>().ok()?)));
            words.push(read.ok_or_else(|| format!("{word:?} is no name=value"))?);
        }
        let seed = words.iter().find(|(name, _)| *name == "seed").ok_or("there is no seed=")?.1;
        let mut options = Options::drawn(seed);
        for (name, value) in words {
            if !options.set(name, value) {
                return Err(format!("there is no option {name}"));
            }
        }
        Ok(options)
    }

    /// The options that differ from those that the seed draws.
    pub fn told(&self) -> String {
        let (own, drawn) = (self.to_string(), Options::drawn(self.seed).to_string());
        let drawn: Vec<&str> = drawn.split(' ').collect();
        let differing = own.split(' ').filter(|word| word.starts_with("seed=") || !drawn.contains(word));
        differing.collect::<Vec<_>>().join(" ")
    }
}
