//! The sidecar: what runs while `treaty up` does.
//!
//! ```text
//!   readers ─ HTTP thread (crate::http) ───── ThreadLink ─┐
//!   application's database ─ adapter thread ─ ThreadLink ─┤
//!   peers ─ QUIC ─ tokio tasks (treaty_net::driver) ──────┴─ inbox ─ engine thread: replica and hub
//! ```
//! Every queue is bounded; each thread waits at one place. The adapter writes one batch into the tables while the engine
//! ingests the next.

mod adapter;
mod core;
mod events;
mod link;
mod pace;
mod signals;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use treaty_net::discovery::{FixedPeers, Target};
use treaty_net::driver::Driver;
use treaty_net::engine::inbox;
use treaty_net::transport::quic::QuicTransport;

pub(crate) use adapter::{Adapter, Bell, Ear};
pub(crate) use core::{Host, Notice, now_ms};
pub(crate) use events::{Events, Printer};
pub(crate) use link::ThreadLink;
pub(crate) use tally::{BATCH_MS_BOUNDS, Counts, Tally};

use crate::keystore::Keystore;

use core::{Core, Message};

/// A node on the network: its engine thread, and the tasks that carry bytes.
pub(crate) struct Online {
    runtime: Runtime,
    engine: mpsc::Sender<Message>,
    thread: JoinHandle<Driver<mpsc::Sender<Message>>>,
}

/// How a node goes online.
pub(crate) struct Going {
    /// Its keys: they sign entries, and its own proves who it is to peers.
    pub(crate) keys: Keystore,
    /// The UDP address to listen on.
    pub(crate) listen: SocketAddr,
    /// Whom to dial.
    pub(crate) targets: Vec<Target>,
}

/// Threads that carry bytes. The engine's and the adapter's threads do the work.
const NETWORK_THREADS: usize = 2;

impl Online {
    /// Goes online: listens, starts the engine's thread around `host`, dials.
    ///
    /// * `attend` - given the address listened on, answers with who is told what happens, in the engine's thread, and
    ///   must not wait.
    ///
    /// # Errors
    /// If the address cannot be had, or no thread started.
    pub(crate) fn go<N>(going: Going, host: impl Host, attend: impl FnOnce(&str) -> N) -> Result<Online>
    where
        N: FnMut(Notice) + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(NETWORK_THREADS)
            .thread_name("network")
            .enable_all()
            .build()
            .context("starting network threads")?;
        let Going { keys, listen, targets } = going;
        let inside = runtime.enter();
        let transport = QuicTransport::listen(listen, keys.own().clone())
            .context("going online; another --listen address helps if this one is taken")?;
        let (engine, inbox) = inbox::<Message>();
        let driver = Driver::start(Arc::new(transport), FixedPeers::new(targets), engine.clone());
        drop(inside);
        let on_notice = attend(&driver.local_address());
        let core = Core { host, keys, driver, on_notice };
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || core.run(inbox))
            .context("starting the engine's thread")?;
        Ok(Online { runtime, engine, thread })
    }

    /// Calls `on_signal` with the signal's name when this process is asked to stop.
    ///
    /// # Errors
    /// If signals cannot be received.
    pub(crate) fn on_signal(&self, on_signal: impl FnOnce(&'static str) + Send + 'static) -> Result<()> {
        signals::wait_for_signal(&self.runtime, on_signal)
    }

    /// Returns a way to the replica.
    pub(crate) fn link(&self) -> ThreadLink {
        ThreadLink::new(self.engine.clone())
    }

    /// Says goodbye to peers and stops everything; returns when all is written and closed.
    ///
    /// # Errors
    /// If the engine's thread panicked.
    pub(crate) fn stop(self) -> Result<()> {
        // A thread that has ended needs no telling.
        let _ = self.engine.blocking_send(Message::Stop);
        let driver = self.thread.join().map_err(|_| anyhow!("the engine's thread panicked; this is a bug"))?;
        self.runtime.block_on(driver.stop());
        Ok(())
    }
}
