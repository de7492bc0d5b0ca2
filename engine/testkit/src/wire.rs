//! A wire to a server that can be cut without a word: nothing arrives any more, and neither end is told.

#![expect(clippy::disallowed_methods, reason = "bytes are carried while the test works")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What listens on a port of 127.0.0.1 and carries bytes between whoever connects and a server on another one. Its threads end
/// with the process.
pub struct Wire {
    port: u16,
    /// Counts cuts and mends: even while it is whole. A connection carries bytes only in the era in which it was made.
    era: Arc<AtomicU64>,
}

impl Wire {
    /// Lays a wire to a port of 127.0.0.1.
    pub fn to(server: u16) -> Wire {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let era = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&era);
        std::thread::spawn(move || {
            let mut unheard = Vec::new();
            for near in listener.incoming().flatten() {
                let made = now.load(Ordering::Acquire);
                match TcpStream::connect(("127.0.0.1", server)) {
                    Ok(far) if made.is_multiple_of(2) => join(near, far, &now, made),
                    // Kept, so that nobody learns of it.
                    _ => unheard.push(near),
                }
            }
        });
        Wire { port, era }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it: nothing passes on any connection, and new ones get no answer.
    pub fn cut(&self) {
        self.era.fetch_or(1, Ordering::AcqRel);
    }

    /// Makes it whole for new connections. Those that were cut stay so.
    pub fn mend(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Cuts the connections that there are, as a router does that forgets them: new ones are carried.
    pub fn forget(&self) {
        self.cut();
        self.mend();
    }
}

/// Carries bytes both ways.
fn join(near: TcpStream, far: TcpStream, now: &Arc<AtomicU64>, made: u64) {
    let other = |stream: &TcpStream| stream.try_clone().expect("a socket has two handles");
    for (from, to) in [(other(&near), other(&far)), (far, near)] {
        let now = Arc::clone(now);
        std::thread::spawn(move || carry(from, to, &now, made));
    }
}

/// Carries bytes one way, until an end is closed. Once the wire was cut, `to` learns of nothing: the other direction holds it.
fn carry(mut from: TcpStream, mut to: TcpStream, now: &AtomicU64, made: u64) {
    let mut bytes = [0; 16 << 10];
    let is_whole = || now.load(Ordering::Acquire) == made;
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        let is_over = count == 0 || (is_whole() && to.write_all(&bytes[..count]).is_err());
        if is_over {
            if is_whole() {
                // It may be closed already.
                let _ = to.shutdown(Shutdown::Both);
            }
            return;
        }
    }
}
