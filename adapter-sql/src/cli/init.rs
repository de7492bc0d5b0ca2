//! `treaty init`: a new space from a schema file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use treaty_ddl::{GenesisRow, SchemaFile};
use treaty_engine::hash::SpaceId;
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::replica::{GenesisDraft, LocalRow, Replica};
use treaty_schema::{Schema, Timestamp};

use super::database;
use super::identity::read_or_create_keypair;
use super::objects::SpaceObject;
use super::open::open_store;
use super::output::Format;
use super::place::Place;
use crate::application::Installed;
use crate::config::{Config, DatabaseUrl, LISTEN_DEFAULT, Settings};
use crate::database::{Existing, Node};
use crate::home::{Home, HomeLock};
use crate::keystore::Keystore;
use crate::link::ReplicaLink;
use crate::sidecar::now_ms;

/// Makes a new space from a schema file, in a database
///
/// Signs the schema and its first rows as the space's genesis, and installs the generated SQL in the database: tables,
/// triggers and bookkeeping. Tables of the schema that exist already are kept; their rows become this node's first
/// changes. Prints the space id.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty init --schema notes.sql --database sqlite:notes.db
  treaty init --schema notes.sql --database sqlite:notes.db --data /var/lib/treaty --json")]
pub(crate) struct InitArgs {
    /// The schema file
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    #[command(flatten)]
    new: NewNodeArgs,
}

/// The flags of commands that make a node.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewNodeArgs {
    /// The application's database, for example sqlite:notes.db (made if it is missing) or
    /// postgresql://treaty@localhost/notes
    #[arg(long, env = "TREATY_DATABASE", hide_env_values = true, value_name = "URL")]
    database: String,
    /// Data directory [default: the database file's path plus .treaty, or ./treaty-data]
    #[arg(long, env = "TREATY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The UDP address for peers, written into treaty.toml; port 0 chooses a free one
    #[arg(long, env = "TREATY_LISTEN", value_name = "ADDR", default_value = LISTEN_DEFAULT)]
    listen: String,
}

/// A node in the making.
pub(crate) struct NewNode {
    /// Its data directory.
    pub(crate) home: Home,
    /// Held for as long as the command runs.
    pub(crate) lock: HomeLock,
    /// Its configuration.
    pub(crate) config: Config,
    /// Its key.
    pub(crate) keypair: Arc<Keypair>,
}

impl NewNodeArgs {
    /// Makes data directory, key and configuration where they are missing.
    ///
    /// # Errors
    /// If the directory belongs to another database, or cannot be written.
    pub(crate) fn prepare(&self) -> Result<NewNode> {
        let place = Place { data: self.data.clone(), database: Some(self.database.clone()) };
        let home = place.home()?;
        let settings = Settings { listen: Some(self.listen.clone()), ..Settings::default() };
        let config = place.config(&home, settings)?;
        let lock = home.lock()?;
        refuse_other_database(&home, &config.database)?;
        let keypair = Arc::new(read_or_create_keypair(&home, &lock)?);
        home.write_config(&lock, &config.database.with_password(), &fixed_port(config.listen)?.to_string())?;
        Ok(NewNode { home, lock, config, keypair })
    }
}

impl NewNode {
    /// Returns its keys.
    pub(crate) fn keys(&self) -> Keystore {
        Keystore::of(self.keypair.clone(), &self.home)
    }

    /// Describes the node for its database.
    pub(crate) fn node<'s>(&self, schema: &'s Schema, space: SpaceId) -> Node<'s> {
        let gap_ms = i64::try_from(self.config.tx_gap.as_millis()).unwrap_or(i64::MAX);
        Node { schema, space, identity: self.keypair.identity(), gap_ms }
    }

    /// Returns the command that runs it: what names its data directory in the shortest way.
    pub(crate) fn next(&self) -> String {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if absolute(self.home.path()) == absolute(&self.config.database.default_home()) {
            return format!("treaty up --database {}", self.config.database);
        }
        format!("treaty up --data {}", self.home.path().display())
    }

    /// Returns what is printed of the new node.
    pub(crate) fn object(&self, space: String, entries: u64) -> SpaceObject {
        SpaceObject {
            space,
            identity: self.keypair.identity().to_string(),
            database: self.config.database.to_string(),
            entries,
        }
    }
}

/// Refuses a data directory whose configuration names another database; its password may be another one.
fn refuse_other_database(home: &Home, database: &DatabaseUrl) -> Result<()> {
    let Some(known) = Settings::read(&home.config_path())?.database else { return Ok(()) };
    let known = DatabaseUrl::parse(&known)?.from_directory(home.path()).to_string();
    if known == database.to_string() {
        return Ok(());
    }
    bail!(
        "data directory {} belongs to {known}, not to {database}; name another one with --data",
        home.path().display()
    )
}

/// Runs the command.
pub(crate) fn run(args: &InitArgs, format: Format) -> Result<()> {
    let schema = read_schema(&args.schema)?;
    let new = args.new.prepare()?;
    if new.home.has_store() {
        bail!(
            "data directory {} holds a space already (perhaps of an interrupted init, or of before an uninstall); \
             remove it to start over, or name another one with --data",
            new.home.path().display()
        );
    }
    let founded = found(&new, schema);
    if founded.is_err() {
        remove_store(&new.home);
    }
    let (replica, installed) = founded?;
    let object = new.object(replica.space().to_string(), replica.entry_count());
    format.print(&object, |object| text(object, &installed, &new.next()))
}

fn read_schema(path: &Path) -> Result<SchemaFile> {
    match treaty_ddl::command::read(path)? {
        Ok(file) => Ok(file),
        Err(diagnostics) => {
            for diagnostic in &diagnostics {
                eprintln!("{diagnostic}");
            }
            bail!("{} is not a valid schema; mend what is listed above", path.display())
        }
    }
}

/// Signs the genesis and installs the database.
fn found(new: &NewNode, schema: SchemaFile) -> Result<(Replica, Installed)> {
    let identity = new.keypair.identity();
    let draft = GenesisDraft { rows: genesis_rows(&schema, &identity)?, patch: schema.patch, nonce: random()? };
    let store = open_store(&new.home)?;
    let mut replica = Replica::create(store, &new.keypair, draft, now_ms()).context("making the space")?;
    let (schema, instance) = (replica.schema().clone(), hex(&random()?));
    let node = new.node(&schema, replica.space());
    let mut keys = new.keys();
    let mut link = ReplicaLink { replica: &mut replica, keys: &mut keys, now_ms: now_ms() };
    let (_, installed) = database::install(&new.config.database, &node, Existing::Adopt, &instance, &mut link)?;
    Ok((replica, installed))
}

fn genesis_rows(file: &SchemaFile, founder: &Identity) -> Result<Vec<LocalRow>> {
    let now = i64::try_from(now_ms()).ok().and_then(|now_ms| Timestamp::from_micros(now_ms.checked_mul(1_000)?));
    let now = now.context("the clock shows a time that no calendar has; set it")?;
    let mut random_uuid = || *uuid::Uuid::new_v4().as_bytes();
    let resolve = |row: &GenesisRow| LocalRow { table: row.table, cells: row.resolve(founder, now, &mut random_uuid) };
    Ok(file.genesis_rows.iter().map(resolve).collect())
}

/// Returns bytes of the operating system's randomness.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("asking the operating system for randomness")?;
    Ok(bytes)
}

/// Returns the text that binds a database and a data directory to each other.
pub(crate) fn hex(bytes: &[u8; 16]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Chooses a free port if none is given: it is written into treaty.toml, so that tickets stay true.
fn fixed_port(listen: SocketAddr) -> Result<SocketAddr> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    let socket = std::net::UdpSocket::bind(listen).with_context(|| format!("listening on UDP {listen}"))?;
    Ok(socket.local_addr()?)
}

/// Removes the store of a space that was not founded in the end.
fn remove_store(home: &Home) {
    let path = home.store_path();
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        // What is left is named by the next init.
        let _ = std::fs::remove_file(name);
    }
}

fn text(object: &SpaceObject, installed: &Installed, next: &str) -> String {
    let mut lines = vec![format!("space {}", object.space)];
    if !installed.created.is_empty() {
        lines.push(format!("made tables {}", installed.created.join(", ")));
    }
    if !installed.adopted.is_empty() {
        lines.push(format!("adopted {} rows of {}", installed.adopted_row_count, installed.adopted.join(", ")));
    }
    lines.push(format!("next: {next}"));
    lines.join("\n")
}
