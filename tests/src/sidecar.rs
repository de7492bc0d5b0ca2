//! A running `treaty up`: its events, its memory, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::{Node, field, processor_seconds, wait_until};

/// A sidecar process. Dropping it kills the process.
pub struct Sidecar {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    complaints: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    listen: String,
    http: Option<String>,
}

impl Sidecar {
    pub(crate) fn start(node: &Node, arguments: &[&str]) -> Sidecar {
        let mut command = node.command(&["up", "--json", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the sidecar starts");
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let complaints: Arc<Mutex<String>> = Arc::default();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (kept_events, kept_complaints) = (Arc::clone(&events), Arc::clone(&complaints));
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    kept_events.lock().expect("no reader panicked").push(event);
                }
            }),
            std::thread::spawn(move || {
                for line in BufReader::new(err).lines().map_while(Result::ok) {
                    let mut text = kept_complaints.lock().expect("no reader panicked");
                    text.push_str(&line);
                    text.push('\n');
                }
            }),
        ];
        let mut sidecar = Sidecar { child, events, complaints, readers, listen: String::new(), http: None };
        wait_until("the sidecar is ready", || {
            let ended = sidecar.child.try_wait().expect("the child is ours");
            assert!(ended.is_none(), "the sidecar ended with {ended:?}: {}", sidecar.complaints());
            sidecar.count("ready") == 1
        });
        let ready = sidecar.events().into_iter().find(|event| event["event"] == "ready").expect("just counted");
        field(&ready, "listen").clone_into(&mut sidecar.listen);
        sidecar.http = ready["http"].as_str().map(str::to_owned);
        sidecar
    }

    /// The address it listens on.
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// The address at which it serves HTTP.
    pub fn http(&self) -> &str {
        self.http.as_deref().expect("it serves HTTP unless told not to")
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.events.lock().expect("no reader panicked").clone()
    }

    /// How many events of this name there were so far.
    pub fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|line| line["event"] == event).count()
    }

    /// Everything on stderr so far.
    pub fn complaints(&self) -> String {
        self.complaints.lock().expect("no reader panicked").clone()
    }

    /// The most memory it has held so far, in bytes (Linux only; `None` elsewhere).
    pub fn memory_bytes_peak(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// The most memory it has held so far, in MiB (Linux only; not a number elsewhere).
    pub fn mebibytes_peak(&self) -> f64 {
        let kibibytes = self.memory_bytes_peak().and_then(|bytes| u32::try_from(bytes >> 10).ok());
        kibibytes.map_or(f64::NAN, |kibibytes| f64::from(kibibytes) / 1024.0)
    }

    /// The processor time it has used so far, in seconds (Linux only; `None` elsewhere).
    pub fn processor_seconds(&self) -> Option<f64> {
        processor_seconds(self.child.id())
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().expect("the child is ours");
        self.end();
    }

    /// SIGTERM, and waits for the orderly end; the exit code must be 0.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "the sidecar had ended before: {}", self.complaints());
        let status = self.child.wait().expect("the child is ours");
        assert!(status.success(), "the sidecar ended with {status}: {}", self.complaints());
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.end();
        if std::thread::panicking() {
            eprintln!("events of the sidecar on {}: {:#?}", self.listen, self.events());
            eprintln!("its stderr: {}", self.complaints());
        }
    }
}
