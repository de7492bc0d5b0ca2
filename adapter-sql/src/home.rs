//! The data directory: where one node keeps its identity key, its engine store, its configuration and what it learned.
//!
//! ```text
//! notes.db.treaty/
//!   identity.pem   the private key, PKCS#8, mode 0600; written once, atomically
//!   authors/       private keys of further identities that this node signs for: IDENTITY.pem, as above
//!   log.sqlite     the engine's store
//!   treaty.toml    configuration; written by init and join, then the operator's own
//!   peers.json     peers that were joined or named before
//!   running.json   what the running sidecar says of itself; rewritten by `treaty up`
//!   lock           held by whoever writes here
//! ```
//! Files are replaced whole (written aside, synced, renamed), so a crash leaves the old or the new one. A directory is
//! written by one process at a time: [`Home::lock`]. Reading needs no lock.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A data directory, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// Proof that this process is the only writer of a data directory; dropped, it lets the next one in.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

/// A peer that this node knows how to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPeer {
    /// Its identity in text form, if known.
    pub identity: Option<String>,
    /// Addresses it was reached at or invited with.
    pub addresses: Vec<String>,
}

/// What the running sidecar says of itself, for `treaty status` and `treaty invite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The UDP address it really listens on.
    pub listen: String,
    /// The address at which it serves HTTP, if it does.
    #[serde(default)]
    pub http: Option<String>,
    /// Peers, connected or not.
    pub peers: Vec<RunningPeer>,
}

/// One peer as the running sidecar sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningPeer {
    /// Its identity in text form, once known.
    pub identity: Option<String>,
    /// The address it was last reached at.
    pub address: Option<String>,
    /// Whether a connection stands.
    pub connected: bool,
    /// Entries it has not confirmed yet; `None` while unknown.
    pub behind: Option<u64>,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file operation failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried, e.g. "reading".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        cause: std::io::Error,
    },
    /// Somebody else writes here.
    #[error(
        "data directory {} is in use by another treaty process; stop that one first, or give this one its own --data",
        path.display()
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The private key can be read by others.
    #[error("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that Treaty wrote does not parse.
    #[error("{} is damaged; remove it, it is rebuilt", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it fails to parse.
        #[source]
        cause: serde_json::Error,
    },
}

impl Home {
    /// Names the data directory at `path`; nothing is touched.
    #[must_use]
    pub fn at(path: PathBuf) -> Home {
        Home { path }
    }

    /// Returns the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `treaty.toml`.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("treaty.toml")
    }

    /// Returns the path of the engine's store.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.path.join("log.sqlite")
    }

    /// Returns the path of the private key.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.path.join("identity.pem")
    }

    /// Returns the directory of further authors' private keys.
    #[must_use]
    pub fn authors_path(&self) -> PathBuf {
        self.path.join("authors")
    }

    /// Returns whether a space was made or joined here.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.store_path().exists()
    }

    /// Creates the directory (mode 0700) if it is missing.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn create(&self) -> Result<(), HomeError> {
        create_private(&self.path)
    }

    /// Becomes the only writer of the directory, creating it if it is missing.
    ///
    /// # Errors
    /// [`HomeError::InUse`] if somebody else still is after [`LOCK_PATIENCE`]; [`HomeError::Io`].
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        self.create()?;
        let path = self.path.join("lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(io("opening", &path))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(HomeLock { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_RETRY),
                Err(TryLockError::WouldBlock) => return Err(HomeError::InUse { path: self.path.clone() }),
                Err(TryLockError::Error(cause)) => return Err(HomeError::Io { action: "locking", path, cause }),
            }
        }
    }

    /// Reads the private key's PEM text; `None` if there is none yet.
    ///
    /// # Errors
    /// [`HomeError::KeyExposed`] if its mode lets others read it; [`HomeError::Io`].
    pub fn read_key(&self) -> Result<Option<String>, HomeError> {
        read_private(&self.key_path())
    }

    /// Writes the private key's PEM text, mode 0600. The caller holds the lock and found no key.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn write_key(&self, _lock: &HomeLock, pem: &str) -> Result<(), HomeError> {
        replace_private(&self.key_path(), pem.as_bytes())
    }

    /// Writes a configuration that names `database` and `listen`, unless there is a configuration already.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn write_config(&self, _lock: &HomeLock, database: &str, listen: &str) -> Result<(), HomeError> {
        let path = self.config_path();
        if path.exists() {
            return Ok(());
        }
        let database = toml::Value::from(database);
        let listen = toml::Value::from(listen);
        let text = format!(
            "# Treaty's configuration. Variables (TREATY_...) and flags win over this file.\n\n\
             database = {database}\n\
             # The UDP address that peers connect to.\n\
             listen = {listen}\n\
             # Addresses to put into tickets, if those of this machine are not reachable from outside.\n\
             # advertise = [\"example.org:4433\"]\n\
             # Peers to connect to, besides those that were joined before.\n\
             # peers = [\"192.0.2.7:4433\"]\n"
        );
        replace(&path, text.as_bytes(), Durability::Synced)
    }

    /// Reads the remembered peers; none if nothing was remembered.
    ///
    /// # Errors
    /// [`HomeError::Damaged`], [`HomeError::Io`].
    pub fn peers(&self) -> Result<Vec<KnownPeer>, HomeError> {
        Ok(self.read_json("peers.json")?.unwrap_or_default())
    }

    /// Remembers `peer`: new addresses of a known identity are added to it, newest first.
    ///
    /// # Errors
    /// [`HomeError::Damaged`], [`HomeError::Io`].
    pub fn remember_peer(&self, _lock: &HomeLock, peer: &KnownPeer) -> Result<(), HomeError> {
        let mut peers = self.peers()?;
        merge_peer(&mut peers, peer);
        self.write_json("peers.json", &peers, Durability::Synced)
    }

    /// Reads what the sidecar last said of itself; `None` if none ever ran. It may have stopped since.
    ///
    /// # Errors
    /// [`HomeError::Damaged`], [`HomeError::Io`].
    pub fn running(&self) -> Result<Option<Running>, HomeError> {
        self.read_json("running.json")
    }

    /// Returns whether some process holds the lock now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.path.join("lock")) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Writes what the sidecar says of itself.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn write_running(&self, _lock: &HomeLock, running: &Running) -> Result<(), HomeError> {
        self.write_json("running.json", running, Durability::Rebuilt)
    }

    /// Forgets what the sidecar said of itself, when it ends.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn clear_running(&self, _lock: &HomeLock) -> Result<(), HomeError> {
        let path = self.path.join("running.json");
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(HomeError::Io { action: "removing", path, cause }),
            _ => Ok(()),
        }
    }

    fn read_json<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, HomeError> {
        let path = self.path.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|cause| HomeError::Damaged { path, cause }),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(HomeError::Io { action: "reading", path, cause }),
        }
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T, durability: Durability) -> Result<(), HomeError> {
        let path = self.path.join(name);
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(|cause| HomeError::Damaged { path: path.clone(), cause })?;
        bytes.push(b'\n');
        replace(&path, &bytes, durability)
    }
}

/// Merges `peer` into `peers`: by identity, else by a common address; its addresses come first.
pub(crate) fn merge_peer(peers: &mut Vec<KnownPeer>, peer: &KnownPeer) {
    let same = |known: &KnownPeer| match (&known.identity, &peer.identity) {
        (Some(known), Some(new)) => known == new,
        _ => known.addresses.iter().any(|address| peer.addresses.contains(address)),
    };
    let Some(known) = peers.iter_mut().find(|known| same(known)) else {
        peers.push(peer.clone());
        return;
    };
    known.identity = known.identity.take().or_else(|| peer.identity.clone());
    let mut addresses = peer.addresses.clone();
    addresses.extend(known.addresses.drain(..).filter(|address| !peer.addresses.contains(address)));
    addresses.truncate(PEER_ADDRESSES_MAX);
    known.addresses = addresses;
}

/// How long [`Home::lock`] waits: a reader that looks whether a sidecar runs holds the lock for an instant, and a
/// sidecar that was just stopped may still be letting go.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Addresses kept for one peer; the oldest are forgotten.
const PEER_ADDRESSES_MAX: usize = 8;

/// Whether a replaced file must survive a power cut at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// It is synced, and so is the directory.
    Synced,
    /// It is rebuilt if it is lost; writing it must be cheap.
    Rebuilt,
}

/// Creates a directory (mode 0700), and those above it, if they are missing.
pub(crate) fn create_private(path: &Path) -> Result<(), HomeError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io("creating", path))
}

/// Reads a file that holds a private key; `None` if there is none. One that others can read is refused.
pub(crate) fn read_private(path: &Path) -> Result<Option<String>, HomeError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(HomeError::Io { action: "reading", path: path.to_owned(), cause }),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).map_err(io("reading", path))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(HomeError::KeyExposed { path: path.to_owned(), mode });
        }
    }
    Ok(Some(text))
}

/// Replaces the file at `path` by `bytes`, mode 0600, so that it survives a power cut.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    replace(path, bytes, Durability::Synced)
}

/// Replaces the file at `path` by `bytes`, mode 0600: written aside, then renamed.
fn replace(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), HomeError> {
    let aside = path.with_extension("new");
    match std::fs::remove_file(&aside) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(HomeError::Io { action: "removing", path: aside, cause });
        }
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside).map_err(io("creating", &aside))?;
    file.write_all(bytes).map_err(io("writing", &aside))?;
    if durability == Durability::Synced {
        file.sync_all().map_err(io("syncing", &aside))?;
    }
    std::fs::rename(&aside, path).map_err(io("replacing", path))?;
    if durability == Durability::Rebuilt {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|file| file.sync_all()).map_err(io("syncing", directory))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> HomeError {
    let path = path.to_owned();
    move |cause| HomeError::Io { action, path, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path().join("n.treaty"));
        (directory, home)
    }

    #[test]
    fn a_second_writer_is_refused_until_the_first_lets_go() {
        let (_directory, home) = home();
        assert!(!home.is_locked());
        let lock = home.lock().unwrap();
        assert!(matches!(home.lock(), Err(HomeError::InUse { .. })));
        assert!(home.is_locked());
        drop(lock);
        assert!(!home.is_locked());
        home.lock().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_private_and_an_exposed_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_directory, home) = home();
        assert_eq!(home.read_key().unwrap(), None);
        let lock = home.lock().unwrap();
        home.write_key(&lock, "secret").unwrap();
        let mode = std::fs::metadata(home.key_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(home.read_key().unwrap().as_deref(), Some("secret"));
        std::fs::set_permissions(home.key_path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(home.read_key(), Err(HomeError::KeyExposed { mode: 0o644, .. })));
    }

    #[test]
    fn peers_are_merged_by_identity_or_address() {
        let peer = |identity: Option<&str>, addresses: &[&str]| KnownPeer {
            identity: identity.map(Into::into),
            addresses: addresses.iter().map(|&text| text.into()).collect(),
        };
        let mut peers = Vec::new();
        merge_peer(&mut peers, &peer(None, &["a:1"]));
        merge_peer(&mut peers, &peer(Some("x"), &["a:1"]));
        merge_peer(&mut peers, &peer(Some("x"), &["b:2"]));
        merge_peer(&mut peers, &peer(Some("y"), &["a:1"]));
        assert_eq!(peers, [peer(Some("x"), &["b:2", "a:1"]), peer(Some("y"), &["a:1"])]);
    }

    #[test]
    fn an_existing_configuration_is_left_alone() {
        let (_directory, home) = home();
        let lock = home.lock().unwrap();
        home.write_config(&lock, "sqlite:/a \"b\".db", "0.0.0.0:1").unwrap();
        let settings = crate::config::Settings::read(&home.config_path()).unwrap();
        assert_eq!(settings.database.as_deref(), Some("sqlite:/a \"b\".db"));
        home.write_config(&lock, "sqlite:/other.db", "0.0.0.0:2").unwrap();
        assert_eq!(crate::config::Settings::read(&home.config_path()).unwrap(), settings);
    }

    #[test]
    fn what_a_sidecar_said_is_forgotten_when_it_ends() {
        let (_directory, home) = home();
        let lock = home.lock().unwrap();
        let running = Running { listen: "127.0.0.1:1".into(), http: None, peers: Vec::new() };
        home.write_running(&lock, &running).unwrap();
        assert_eq!(home.running().unwrap(), Some(running));
        home.clear_running(&lock).unwrap();
        home.clear_running(&lock).unwrap();
        assert_eq!(home.running().unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let (_directory, home) = home();
        home.create().unwrap();
        std::fs::write(home.path().join("peers.json"), "[{").unwrap();
        assert!(matches!(home.peers(), Err(HomeError::Damaged { .. })));
    }
}
