//! `treaty identity`: creates this node's identity if there is none, and prints it; keeps keys of further authors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use treaty_engine::identity::Keypair;

use super::init::random;
use super::objects::IdentityObject;
use super::output::Format;
use super::place::Place;
use crate::home::{Home, HomeLock};
use crate::keystore::Keystore;

/// Creates this node's identity if there is none, and prints it; keeps the keys of further authors
///
/// The identity is an Ed25519 public key in text form: what stands in IDENTITY columns, and what to insert into
/// another node's database so that it admits this one.
///
/// A node whose application acts for many users can sign for each of them: their rows name them in treaty_author. The keys
/// are files of the data directory, authors/IDENTITY.pem. Whoever may write treaty_author speaks for any of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty identity --database sqlite:notes.db
  treaty identity --data /var/lib/treaty --json
  treaty identity --data /var/lib/treaty --add           # a new author; prints its identity
  treaty identity --data /var/lib/treaty --import ben.pem
  treaty identity --data /var/lib/treaty --list")]
pub(crate) struct IdentityArgs {
    #[command(flatten)]
    place: Place,
    /// Make a key for a further author, and print its identity; a running sidecar knows it at once
    #[arg(long, conflicts_with_all = ["import", "list"])]
    add: bool,
    /// Keep a copy of a further author's private key (PKCS#8 PEM, as identity.pem of another node), and print its identity
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    import: Option<PathBuf>,
    /// List this node's identity and those of further authors
    #[arg(long)]
    list: bool,
}

/// Runs the command.
pub(crate) fn run(args: &IdentityArgs, format: Format) -> Result<()> {
    let home = args.place.home()?;
    let keypair = match read_keypair(&home)? {
        Some(keypair) => keypair,
        None => read_or_create_keypair(&home, &home.lock()?)?,
    };
    let mut keys = Keystore::of(Arc::new(keypair), &home);
    let added = match &args.import {
        _ if args.add => Some(keys.add(new_keypair()?)?),
        Some(path) => Some(keys.add(read_pem(path)?)?),
        None => None,
    };
    let object = IdentityObject {
        identity: keys.own().identity().to_string(),
        authors: keys.authors()?.iter().map(ToString::to_string).collect(),
        added: added.map(|added| added.to_string()),
    };
    format.print(&object, |object| if args.list { list(object) } else { one(object) })
}

fn one(object: &IdentityObject) -> String {
    object.added.as_ref().unwrap_or(&object.identity).clone()
}

fn list(object: &IdentityObject) -> String {
    let authors = object.authors.iter().map(|author| format!("author  {author}"));
    std::iter::once(format!("node    {}", object.identity)).chain(authors).collect::<Vec<_>>().join("\n")
}

fn read_pem(path: &Path) -> Result<Keypair> {
    let pem = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Keypair::from_pem(&pem)
        .with_context(|| format!("{} is no private key: an Ed25519 key as PKCS#8 PEM is wanted", path.display()))
}

fn new_keypair() -> Result<Keypair> {
    Ok(Keypair::generate(&random()?))
}

/// Returns the node's keypair; `None` if it has none yet.
pub(crate) fn read_keypair(home: &Home) -> Result<Option<Keypair>> {
    let Some(pem) = home.read_key()? else { return Ok(None) };
    let keypair = Keypair::from_pem(&pem).with_context(|| {
        format!(
            "{} is not a private key; restore it from a backup, or remove it for a new identity",
            home.key_path().display()
        )
    })?;
    Ok(Some(keypair))
}

/// Returns the node's keypair, made of the operating system's randomness if it has none yet.
pub(crate) fn read_or_create_keypair(home: &Home, lock: &HomeLock) -> Result<Keypair> {
    if let Some(keypair) = read_keypair(home)? {
        return Ok(keypair);
    }
    let keypair = new_keypair()?;
    home.write_key(lock, &keypair.to_pem())?;
    Ok(keypair)
}
