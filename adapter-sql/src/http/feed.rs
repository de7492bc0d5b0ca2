//! Reports for whoever follows them: a page now, a page once there is one, or a stream.
//!
//! A reader says how far it is, in every request; the server remembers nothing of it. Reports come in the order in which
//! they were committed, none is left out, and one comes again only if it is asked for again: the reader that keeps its
//! cursor with what it did handles each exactly once.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Problem, events, json};
use super::limits::{KEEP_ALIVE_EVERY, PAGE_REPORTS_DEFAULT, STREAM_RETRY_MS, WAITERS_MAX};
use super::node::Reading;
use super::request::Asked;
use crate::cli::objects::{RollbackObject, RollbacksObject};
use crate::sidecar::Tally;

/// Where reports are had.
#[derive(Clone)]
pub(super) struct Feed {
    reading: Arc<Reading>,
    tally: Arc<Tally>,
    waiters: Arc<Semaphore>,
    stop: CancellationToken,
}

/// What ended a wait.
enum Woken {
    /// There may be new reports.
    News,
    /// It was long enough.
    Late,
    /// The server stops.
    Stopping,
}

impl Feed {
    /// Feeds from what `reading` reads, until `stop`.
    pub(super) fn new(reading: Arc<Reading>, tally: Arc<Tally>, stop: CancellationToken) -> Feed {
        Feed { reading, tally, waiters: Arc::new(Semaphore::new(WAITERS_MAX)), stop }
    }

    /// Returns how many readers wait.
    pub(super) fn waiter_count(&self) -> usize {
        WAITERS_MAX.saturating_sub(self.waiters.available_permits())
    }

    /// Answers with a page: at once if it has reports or the reader will not wait, else when there are some, or empty.
    ///
    /// # Errors
    /// [`Problem`].
    pub(super) async fn page(&self, asked: Asked) -> Result<Answer, Problem> {
        let mut news = self.tally.reports();
        let mut rollbacks = self.reading.rollbacks(asked.after, asked.limit).await?;
        if rollbacks.is_empty() && !asked.wait.is_zero() {
            let _place = self.place()?;
            let deadline = Instant::now() + asked.wait;
            while rollbacks.is_empty() {
                let look = deadline.min(Instant::now() + KEEP_ALIVE_EVERY);
                let woken = self.wait(&mut news, look).await;
                if matches!(woken, Woken::Stopping) {
                    break;
                }
                rollbacks = self.reading.rollbacks(asked.after, asked.limit).await?;
                if Instant::now() >= deadline {
                    break;
                }
            }
        }
        let next = rollbacks.last().map_or(asked.after, |last| last.cursor);
        Ok(json(StatusCode::OK, &RollbacksObject { rollbacks, next }))
    }

    /// Answers with reports as they come.
    ///
    /// # Errors
    /// [`Problem`], before the stream begins.
    pub(super) async fn stream(&self, asked: Asked) -> Result<Answer, Problem> {
        let place = self.place()?;
        let news = self.tally.reports();
        let first = self.reading.rollbacks(asked.after, PAGE_REPORTS_DEFAULT).await?;
        // One event is on its way and one ready: a reader that does not read makes the server wait, not grow.
        let (sender, pieces) = mpsc::channel(1);
        let stream = Stream { feed: self.clone(), news, sender, cursor: asked.after, _place: place };
        tokio::spawn(stream.run(first));
        Ok(events(pieces))
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.waiters.clone().try_acquire_owned().map_err(|_| Problem::Crowded)
    }

    async fn wait(&self, news: &mut watch::Receiver<u64>, until: Instant) -> Woken {
        tokio::select! {
            () = self.stop.cancelled() => Woken::Stopping,
            changed = news.changed() => if changed.is_ok() { Woken::News } else { Woken::Stopping },
            () = sleep_until(until) => Woken::Late,
        }
    }
}

/// One reader's stream.
struct Stream {
    feed: Feed,
    news: watch::Receiver<u64>,
    sender: mpsc::Sender<Bytes>,
    /// The last report sent.
    cursor: u64,
    _place: OwnedSemaphorePermit,
}

/// The reader went away.
struct Gone;

impl Stream {
    /// Sends until the reader goes away, the server stops, or nothing can be read: then the reader comes back.
    async fn run(mut self, first: Vec<RollbackObject>) {
        let mut page = first;
        if self.send(format!("retry: {STREAM_RETRY_MS}\n\n")).await.is_err() {
            return;
        }
        loop {
            if page.is_empty() {
                if self.wait().await.is_err() {
                    return;
                }
            } else if self.send_page(page).await.is_err() {
                return;
            }
            page = match self.feed.reading.rollbacks(self.cursor, PAGE_REPORTS_DEFAULT).await {
                Ok(page) => page,
                Err(_) => return,
            };
        }
    }

    async fn send_page(&mut self, page: Vec<RollbackObject>) -> Result<(), Gone> {
        for report in page {
            let Ok(data) = serde_json::to_string(&report) else { return Err(Gone) };
            // A line end would end the field; in JSON it stands between values only, where a blank says the same.
            let data = data.replace(['\n', '\r'], " ");
            self.send(format!("id: {}\ndata: {data}\n\n", report.cursor)).await?;
            self.cursor = report.cursor;
        }
        Ok(())
    }

    /// Waits for news, and says now and then that the stream is alive.
    async fn wait(&mut self) -> Result<(), Gone> {
        let late = Instant::now() + KEEP_ALIVE_EVERY;
        let woken = tokio::select! {
            woken = self.feed.wait(&mut self.news, late) => woken,
            () = self.sender.closed() => return Err(Gone),
        };
        match woken {
            Woken::News => Ok(()),
            Woken::Late => self.send(": still here\n\n".to_owned()).await,
            Woken::Stopping => Err(Gone),
        }
    }

    async fn send(&self, text: String) -> Result<(), Gone> {
        tokio::select! {
            sent = self.sender.send(text.into()) => sent.map_err(|_| Gone),
            () = self.feed.stop.cancelled() => Err(Gone),
        }
    }
}
