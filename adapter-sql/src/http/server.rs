//! The server: a thread of its own with a small runtime, so that readers never slow replication.
//!
//! Connections are bounded, and so is what each may hold: [`super::limits`].

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Problem, json, whole};
use super::feed::Feed;
use super::limits::{
    BUFFER_BYTES_MAX, CONNECTIONS_MAX, DATABASE_READERS_MAX, HEAD_PATIENCE, STOP_PATIENCE, WRITE_PATIENCE,
};
use super::metrics::{self, Figures};
use super::node::{Node, Reading};
use super::patience::Patient;
use super::request::{self, Route};
use crate::cli::objects::HealthObject;
use crate::sidecar::Tally;

/// An address that is listened on; connections wait until [`Server::start`].
pub(crate) struct Listener {
    listener: StdListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// If it cannot be had.
    pub(crate) fn bind(address: SocketAddr) -> Result<Listener> {
        let bind = || -> std::io::Result<Listener> {
            let listener = StdListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Listener { listener, address })
        };
        bind().with_context(|| {
            format!("serving HTTP on {address}; --http names another address, `--http off` serves none")
        })
    }

    /// Returns the address, with the port that was found.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A server at work.
pub(crate) struct Server {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// Pause after a connection could not be accepted: file descriptors may be short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Serves what `node` and `tally` tell.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start(listener: Listener, node: Node, tally: Arc<Tally>) -> Result<Server> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(DATABASE_READERS_MAX)
            .thread_name("http-reader")
            .enable_all()
            .build()
            .context("starting the HTTP server")?;
        let stop = CancellationToken::new();
        let reading = Arc::new(Reading::of(node, listener.address));
        let desk = Arc::new(Desk {
            feed: Feed::new(Arc::clone(&reading), Arc::clone(&tally), stop.clone()),
            reading,
            tally,
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            is_loopback: listener.address.ip().is_loopback(),
            stop: stop.clone(),
        });
        let work = move || {
            if let Err(error) = runtime.block_on(accept_all(listener.listener, desk)) {
                tracing::error!(%error, "the HTTP server ended");
            }
            runtime.shutdown_timeout(STOP_PATIENCE);
        };
        let thread = std::thread::Builder::new().name("http".into()).spawn(work).context("starting the HTTP server")?;
        Ok(Server { stop, thread })
    }

    /// Ends streams and waits, lets other answers go out, and closes everything.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        // A panic there has been reported by the panic hook already.
        let _ = self.thread.join();
    }
}

/// What every connection needs.
struct Desk {
    feed: Feed,
    reading: Arc<Reading>,
    tally: Arc<Tally>,
    slots: Arc<Semaphore>,
    is_loopback: bool,
    stop: CancellationToken,
}

async fn accept_all(listener: StdListener, desk: Arc<Desk>) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = desk.stop.cancelled() => break,
            accepted = async { (desk.slots.clone().acquire_owned().await, listener.accept().await) } => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, _))) => {
                let desk = Arc::clone(&desk);
                connections.spawn(async move {
                    serve(stream, desk).await;
                    drop(slot);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "an HTTP connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    connections.close();
    // Whoever is slower is cut off.
    let _ = tokio::time::timeout(STOP_PATIENCE, connections.wait()).await;
    Ok(())
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    // Events are small and wanted now.
    let _ = stream.set_nodelay(true);
    let stop = desk.stop.clone();
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(answer(&desk, &request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_PATIENCE)), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

async fn answer(desk: &Desk, request: &Request<Incoming>) -> Answer {
    let result = match request::read(request.method(), request.uri(), request.headers(), desk.is_loopback) {
        Ok(asked) => match asked.route {
            Route::Rollbacks => desk.feed.page(asked).await,
            Route::Stream => desk.feed.stream(asked).await,
            Route::Status => desk.reading.status().await.map(|status| json(StatusCode::OK, &status)),
            Route::Health => desk.reading.check().await.map(|()| json(StatusCode::OK, &HealthObject { ok: true })),
            Route::Metrics => desk.metrics().await,
        },
        Err(problem) => Err(problem),
    };
    result.unwrap_or_else(|problem| problem.answer())
}

impl Desk {
    async fn metrics(&self) -> Result<Answer, Problem> {
        let figures = Figures {
            status: self.reading.status().await?,
            reasons: self.reading.reason_counts().await?,
            counts: self.tally.counts(),
            connections: CONNECTIONS_MAX.saturating_sub(self.slots.available_permits()),
            waiters: self.feed.waiter_count(),
        };
        Ok(whole(StatusCode::OK, metrics::MEDIA_TYPE, metrics::render(&figures).into_bytes()))
    }
}
