//! The adapter for SQLite over real files and real replicas, without network and processes.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod authors;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod capture;
#[cfg(test)]
mod concurrent;
#[cfg(test)]
mod crash;
mod digits;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod meddle;
#[cfg(test)]
mod node;
#[cfg(test)]
mod random;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod start;
#[cfg(test)]
mod verdicts;
