//! Answers: JSON objects, text, streams of frames, and problems with a code and a sentence.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use super::limits::{PAGE_REPORTS_MAX, WAITERS_MAX};

/// What is sent back.
pub(super) type Answer = Response<Content>;

/// The body of an answer.
pub(super) enum Content {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece, until the sender goes away. A piece is asked for when the one before is on its way.
    Pieces(Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}

/// Why a request gets no answer of its route.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// No such route.
    #[error("there is nothing at this path; GET /v1/status, /v1/rollbacks, /v1/rollbacks/stream, /healthz or /metrics")]
    NoRoute,
    /// Another method than GET or HEAD.
    #[error("this path is only read: use GET")]
    NotRead,
    /// The request came under a name that is not this machine's own.
    #[error(
        "this server listens on loopback and answers to localhost, 127.0.0.1 and [::1] only, not to the host named"
    )]
    ForeignHost,
    /// A parameter that the route does not have.
    #[error("unknown parameter '{name}'; this path takes {known}")]
    UnknownParameter { name: String, known: String },
    /// A parameter that is given twice.
    #[error("parameter '{name}' is given twice")]
    RepeatedParameter { name: &'static str },
    /// A cursor that is no cursor.
    #[error("'{text}' is no cursor: a cursor is a whole number, 0 for the beginning, or what `next` or `id:` said")]
    BadCursor { text: String },
    /// A cursor from elsewhere, or from later.
    #[error("{words}")]
    CursorAhead { words: String },
    /// A wait that is no number.
    #[error("'{text}' is no waiting time: write whole seconds")]
    BadWait { text: String },
    /// A page size that is no number.
    #[error("'{text}' is no limit: write a number from 1 to {PAGE_REPORTS_MAX}")]
    BadLimit { text: String },
    /// Too many wait already.
    #[error("{WAITERS_MAX} readers are waiting for reports already; come back in a second, or poll without wait")]
    Crowded,
    /// The database or the engine cannot be read now.
    #[error("{words}")]
    Unavailable { words: String },
}

/// The JSON of a problem.
#[derive(Serialize)]
struct ProblemObject {
    error: &'static str,
    message: String,
}

impl Problem {
    /// Returns its status, and its name for programs.
    pub(super) fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Problem::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Problem::NotRead => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Problem::ForeignHost => (StatusCode::FORBIDDEN, "foreign_host"),
            Problem::UnknownParameter { .. } => (StatusCode::BAD_REQUEST, "unknown_parameter"),
            Problem::RepeatedParameter { .. } => (StatusCode::BAD_REQUEST, "repeated_parameter"),
            Problem::BadCursor { .. } => (StatusCode::BAD_REQUEST, "bad_cursor"),
            Problem::BadWait { .. } => (StatusCode::BAD_REQUEST, "bad_wait"),
            Problem::BadLimit { .. } => (StatusCode::BAD_REQUEST, "bad_limit"),
            Problem::CursorAhead { .. } => (StatusCode::CONFLICT, "cursor_ahead"),
            Problem::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "too_many_waiting"),
            Problem::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    /// Returns the answer that tells of it.
    pub(super) fn answer(&self) -> Answer {
        let (status, error) = self.code();
        let mut answer = json(status, &ProblemObject { error, message: self.to_string() });
        let extra = match status {
            StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "GET, HEAD")),
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            set(&mut answer, name, value);
        }
        answer
    }
}

/// Answers with an object.
pub(super) fn json<T: Serialize>(status: StatusCode, object: &T) -> Answer {
    match serde_json::to_vec(object) {
        Ok(bytes) => whole(status, "application/json", bytes),
        Err(cause) => {
            tracing::error!(%cause, "an object cannot be written as JSON; this is a bug");
            whole(StatusCode::INTERNAL_SERVER_ERROR, "application/json", Vec::new())
        }
    }
}

/// Answers with bytes of a media type.
pub(super) fn whole(status: StatusCode, media_type: &'static str, bytes: Vec<u8>) -> Answer {
    answer(status, media_type, Content::Whole(bytes.into()))
}

/// Answers with server-sent events.
pub(super) fn events(pieces: Receiver<Bytes>) -> Answer {
    let mut answer = answer(StatusCode::OK, "text/event-stream", Content::Pieces(pieces));
    // Some proxies collect an answer before they pass it on, unless told not to.
    set(&mut answer, HeaderName::from_static("x-accel-buffering"), "no");
    answer
}

fn answer(status: StatusCode, media_type: &'static str, content: Content) -> Answer {
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, media_type);
    set(&mut answer, CACHE_CONTROL, "no-store");
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}
