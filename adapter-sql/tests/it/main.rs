//! The adapter over real files, a real server and real replicas, without network and processes of its own.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod authors;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod both;
#[cfg(test)]
mod capture;
#[cfg(test)]
mod concurrent;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod interleaved;
#[cfg(test)]
mod meddle;
#[cfg(test)]
mod node;
#[cfg(test)]
mod overlapping;
#[cfg(test)]
mod races;
#[cfg(test)]
mod random;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod server;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod start;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod views;
