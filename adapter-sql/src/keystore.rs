//! The keys of identities that one node signs for: its own, and those of further authors.
//!
//! A further author's key is a file of the data directory, `authors/IDENTITY.pem`, like the node's own in form and mode.
//! A file that was added counts at once, beside a running sidecar too, and one that was removed does not count any more:
//! each question costs one look at one file. Files are written without the directory's lock: each has its own name, and
//! is put in place whole.
//!
//! Whether an author may do what is signed is not asked here, nor whether the application may speak for them: that is
//! the schema's policies and the database's roles (docs/authors.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use treaty_engine::identity::{Identity, Keypair, KeypairError};

use crate::home::{Home, HomeError, create_private, read_private, replace_private};

/// The keys of one node.
#[derive(Debug)]
pub struct Keystore {
    own: Arc<Keypair>,
    directory: PathBuf,
    /// Keys that were read; each counts for as long as its file is there.
    read: BTreeMap<Identity, Arc<Keypair>>,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] HomeError),
    /// Its file holds something else.
    #[error("{} is not a private key; restore it from a backup, or remove it", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: KeypairError,
    },
    /// Its file is named after somebody else.
    #[error("{} holds the key of {found}; remove it, and import it by `treaty identity --import`", path.display())]
    Misnamed {
        /// The file.
        path: PathBuf,
        /// Whose key it is.
        found: Identity,
    },
}

impl Keystore {
    /// Names the keys of the node at `home`; nothing is read yet.
    ///
    /// * `own` - the key of the node's own identity.
    #[must_use]
    pub fn of(own: Arc<Keypair>, home: &Home) -> Keystore {
        Keystore { own, directory: home.authors_path(), read: BTreeMap::new() }
    }

    /// Returns the key of the node's own identity.
    #[must_use]
    pub fn own(&self) -> &Arc<Keypair> {
        &self.own
    }

    /// Returns the key of `author`; none if it is not here.
    ///
    /// # Errors
    /// [`KeystoreError`] if there is a file for it that cannot be used.
    pub fn key_of(&mut self, author: &Identity) -> Result<Option<Arc<Keypair>>, KeystoreError> {
        if *author == self.own.identity() {
            return Ok(Some(self.own.clone()));
        }
        let path = path_of(&self.directory, author);
        if let Some(key) = self.read.get(author).filter(|_| path.exists()) {
            return Ok(Some(key.clone()));
        }
        let key = read_key(&path, author)?.map(Arc::new);
        match &key {
            Some(key) => self.read.insert(*author, key.clone()),
            None => self.read.remove(author),
        };
        Ok(key)
    }

    /// Keeps the key of a further author; nothing changes if it is here already.
    ///
    /// # Errors
    /// [`KeystoreError::File`].
    pub fn add(&mut self, key: Keypair) -> Result<Identity, KeystoreError> {
        let author = key.identity();
        if author != self.own.identity() {
            create_private(&self.directory)?;
            replace_private(&path_of(&self.directory, &author), key.to_pem().as_bytes())?;
            self.read.insert(author, Arc::new(key));
        }
        Ok(author)
    }

    /// Returns the further authors, sorted by their text; each key is read.
    ///
    /// # Errors
    /// [`KeystoreError`] for the first file that cannot be used; files of other names are passed over.
    pub fn authors(&self) -> Result<Vec<Identity>, KeystoreError> {
        let read_directory = |cause| HomeError::Io { action: "reading", path: self.directory.clone(), cause };
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(read_directory(cause).into()),
        };
        let mut authors = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(read_directory)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_key = path.extension().is_some_and(|extension| extension == "pem");
            let Some(author) = Identity::parse(name).ok().filter(|_| is_key) else { continue };
            if read_key(&path, &author)?.is_some() {
                authors.insert(author.to_string(), author);
            }
        }
        Ok(authors.into_values().collect())
    }
}

fn path_of(directory: &Path, author: &Identity) -> PathBuf {
    directory.join(format!("{author}.pem"))
}

/// Reads the key of `author`; none if there is no such file.
fn read_key(path: &Path, author: &Identity) -> Result<Option<Keypair>, KeystoreError> {
    let Some(pem) = read_private(path)? else { return Ok(None) };
    let key = Keypair::from_pem(&pem).map_err(|cause| KeystoreError::NotAKey { path: path.to_owned(), cause })?;
    match key.identity() {
        found if found == *author => Ok(Some(key)),
        found => Err(KeystoreError::Misnamed { path: path.to_owned(), found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> Keypair {
        Keypair::generate(&[seed; 32])
    }

    fn keystore() -> (tempfile::TempDir, Keystore) {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keystore::of(Arc::new(key(1)), &Home::at(directory.path().join("n.treaty")));
        (directory, keys)
    }

    fn signs_for(keys: &mut Keystore, seed: u8) -> bool {
        keys.key_of(&key(seed).identity()).unwrap().is_some()
    }

    #[test]
    fn a_key_that_comes_or_goes_counts_at_once() {
        let (directory, mut keys) = keystore();
        assert!(signs_for(&mut keys, 1) && !signs_for(&mut keys, 2));
        assert_eq!(keys.authors().unwrap(), []);
        // As another process does.
        let mut other = Keystore::of(Arc::new(key(1)), &Home::at(directory.path().join("n.treaty")));
        let author = other.add(key(2)).unwrap();
        assert!(signs_for(&mut keys, 2) && !signs_for(&mut keys, 3));
        assert_eq!(keys.authors().unwrap(), [author]);
        std::fs::remove_file(path_of(&keys.directory, &author)).unwrap();
        assert!(!signs_for(&mut keys, 2));
    }

    #[test]
    fn the_own_key_is_no_further_author() {
        let (_directory, mut keys) = keystore();
        assert_eq!(keys.add(key(1)).unwrap(), key(1).identity());
        assert_eq!(keys.authors().unwrap(), []);
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_private_and_an_exposed_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_directory, mut keys) = keystore();
        let author = keys.add(key(2)).unwrap();
        let path = path_of(&keys.directory, &author);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&keys.directory)), (0o600, 0o700));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        keys.read.clear();
        for refused in [keys.key_of(&author).map(drop), keys.authors().map(drop)] {
            assert!(
                matches!(refused, Err(KeystoreError::File(HomeError::KeyExposed { mode: 0o640, .. }))),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_file_that_holds_another_key_is_refused() {
        let (_directory, mut keys) = keystore();
        let author = keys.add(key(2)).unwrap();
        keys.read.clear();
        replace_private(&path_of(&keys.directory, &author), key(3).to_pem().as_bytes()).unwrap();
        assert!(matches!(keys.key_of(&author), Err(KeystoreError::Misnamed { .. })));
        replace_private(&path_of(&keys.directory, &author), b"nothing").unwrap();
        assert!(matches!(keys.key_of(&author), Err(KeystoreError::NotAKey { .. })));
    }
}
