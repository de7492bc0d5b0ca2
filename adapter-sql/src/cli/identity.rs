//! `treaty identity`: creates this node's identity if there is none, and prints it.

use anyhow::{Context, Result};
use clap::Args;
use treaty_engine::identity::Keypair;

use super::objects::IdentityObject;
use super::output::Format;
use super::place::Place;
use crate::home::{Home, HomeLock};

/// Creates this node's identity if there is none, and prints it
///
/// The identity is an Ed25519 public key in text form: what stands in IDENTITY columns, and what to insert into
/// another node's database so that it admits this one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty identity --database sqlite:notes.db
  treaty identity --data /var/lib/treaty --json")]
pub(crate) struct IdentityArgs {
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(crate) fn run(args: &IdentityArgs, format: Format) -> Result<()> {
    let home = args.place.home()?;
    let keypair = match read_keypair(&home)? {
        Some(keypair) => keypair,
        None => read_or_create_keypair(&home, &home.lock()?)?,
    };
    let object = IdentityObject { identity: keypair.identity().to_string() };
    format.print(&object, |object| object.identity.clone())
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
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("asking the operating system for randomness")?;
    let keypair = Keypair::generate(&seed);
    home.write_key(lock, &keypair.to_pem())?;
    Ok(keypair)
}
