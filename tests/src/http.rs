//! A small HTTP/1.1 client: requests as they go over the wire, answers as they come, server-sent events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header lines: names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header that must be there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("answers are UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|cause| panic!("{cause}: {}", self.text()))
    }
}

/// Reads `path` of the server at `address`.
pub fn get(address: &str, path: &str) -> Answer {
    request(address, "GET", path, &[("host", address)])
}

/// Sends a request with these headers, and reads the answer to its end.
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut reader = send(address, method, path, headers);
    let (status, headers) = read_head(&mut reader);
    let mut body = Vec::new();
    if method != "HEAD" {
        body_of(reader, &headers).read_to_end(&mut body).expect("the answer ends");
    }
    Answer { status, headers, body }
}

/// A stream of server-sent events.
pub struct Events {
    lines: BufReader<Box<dyn Read + Send>>,
}

/// One event.
#[derive(Debug, PartialEq)]
pub struct Event {
    /// Its id: a cursor.
    pub id: u64,
    /// Its data.
    pub data: Value,
}

impl Events {
    /// Opens the stream of reports, after `last` as a browser says it.
    pub fn open(address: &str, last: Option<u64>) -> Events {
        let last = last.map(|id| id.to_string());
        let mut headers = vec![("host", address), ("accept", "text/event-stream")];
        headers.extend(last.as_deref().map(|id| ("last-event-id", id)));
        let mut reader = send(address, "GET", "/v1/rollbacks/stream", &headers);
        let (status, headers) = read_head(&mut reader);
        assert_eq!(status, 200);
        assert!(headers.contains(&("content-type".to_owned(), "text/event-stream".to_owned())), "{headers:?}");
        Events { lines: BufReader::new(body_of(reader, &headers)) }
    }
}

impl Iterator for Events {
    type Item = Event;

    /// The next event; none if the server ended the stream.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut data) = (None, String::new());
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("the stream goes on or ends") == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("id", value)) => id = Some(value.parse().expect("ids are cursors")),
                Some(("data", value)) => data.push_str(value),
                Some(("retry" | "", _)) => {}
                None if line.is_empty() => {
                    if let Some(id) = id {
                        return Some(Event { id, data: serde_json::from_str(&data).expect("data is JSON") });
                    }
                }
                _ => panic!("no line of an event stream: {line}"),
            }
        }
    }
}

/// Connects and sends a request; the answer is not read yet.
pub fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|cause| panic!("connecting to {address}: {cause}"));
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\n{}connection: close\r\n\r\n", headers.concat());
    stream.write_all(head.as_bytes()).expect("the server reads");
    BufReader::new(stream)
}

fn read_head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the server answers");
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let status = lines.first().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines.iter().skip(1).map(|line| {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}"));
        (name.to_lowercase(), value.to_owned())
    });
    (status.unwrap_or_else(|| panic!("no status line: {lines:?}")), headers.collect())
}

fn body_of(reader: BufReader<TcpStream>, headers: &[(String, String)]) -> Box<dyn Read + Send> {
    let value = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match value("content-length") {
        Some(length) => Box::new(reader.take(length.parse().expect("a length"))),
        None if value("transfer-encoding") == Some("chunked") => Box::new(Chunks { reader, left: 0, is_over: false }),
        None => Box::new(reader),
    }
}

/// A body in chunks.
struct Chunks {
    reader: BufReader<TcpStream>,
    left: u64,
    is_over: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.is_over {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            self.left = u64::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
            self.is_over = self.left == 0;
        }
        if self.is_over {
            return Ok(0);
        }
        let read = (&mut self.reader).take(self.left).read(buffer)?;
        self.left -= read as u64;
        if self.left == 0 {
            let mut end = String::new();
            self.reader.read_line(&mut end)?;
        }
        Ok(read)
    }
}
