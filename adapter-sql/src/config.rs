//! Configuration: `treaty.toml` in the data directory, then `TREATY_…` variables, then flags.
//!
//! Flags and variables arrive merged (clap reads both); [`Settings::over`] lays them over the file. The result,
//! [`Config`], is checked: addresses parse, the database URL is one this version can open.
//! Unknown keys are refused, so a misspelt setting never passes silently.
//! A password in the database URL is written to that file alone: nothing here shows it.

mod postgres;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use postgres::PostgresUrl;

/// Gap between two writes after which a backlog of SQLite changes is split, unless configured.
pub const TX_GAP_DEFAULT_MS: u64 = 250;

/// What a configuration file, the environment or flags may say; nothing is required here.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The application's database, e.g. `sqlite:/srv/notes.db`; may hold a password.
    pub database: Option<String>,
    /// The UDP address that peers connect to, e.g. `0.0.0.0:4433`.
    pub listen: Option<String>,
    /// The TCP address that HTTP is served on, e.g. `127.0.0.1:7070`, or `off`.
    pub http: Option<String>,
    /// Whether HTTP may be served to other machines.
    pub http_public: Option<bool>,
    /// Addresses written into tickets instead of those of this machine's interfaces.
    #[serde(default)]
    pub advertise: Vec<String>,
    /// Peers to connect to besides the remembered ones: tickets or addresses.
    #[serde(default)]
    pub peers: Vec<String>,
    /// What is special to SQLite.
    #[serde(default)]
    pub sqlite: SqliteSettings,
    /// What is special to PostgreSQL.
    #[serde(default)]
    pub postgres: PostgresSettings,
}

/// Section `[sqlite]` of `treaty.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteSettings {
    /// Gap in milliseconds at which a backlog is split into transactions.
    pub tx_gap_ms: Option<u64>,
}

/// Section `[postgres]` of `treaty.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    /// Whether writers wake the sidecar by NOTIFY when it waits.
    pub notify: Option<bool>,
}

/// The checked configuration of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The application's database.
    pub database: DatabaseUrl,
    /// The UDP address to listen on.
    pub listen: SocketAddr,
    /// The TCP address to serve HTTP on; none if not at all.
    pub http: Option<SocketAddr>,
    /// Addresses for tickets; empty means those of this machine.
    pub advertise: Vec<String>,
    /// Peers to connect to, as written.
    pub peers: Vec<String>,
    /// Gap at which a backlog is split into transactions.
    pub tx_gap: Duration,
    /// Whether writers of a PostgreSQL database wake the sidecar by NOTIFY when it waits.
    pub postgres_notify: bool,
}

/// A database that Treaty can work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server.
    Postgres(PostgresUrl),
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The configuration file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not valid.
    #[error("{} is not a valid configuration; mend or remove line {line}", path.display())]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong; with the line itself, unless it may hold a password.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// The file holds a password and can be read by others.
    #[error("{} holds a password and can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The configuration file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Neither the file nor the environment nor a flag names a database.
    #[error("no database is configured: run `treaty init` or `treaty join` first, or set `database` in {}", path.display())]
    NoDatabase {
        /// The configuration file.
        path: PathBuf,
    },
    /// The database URL is not understood.
    #[error(
        "database URL '{url}' is not understood: write sqlite:PATH, for example sqlite:notes.db, or \
         postgresql://USER@HOST/DATABASE"
    )]
    UnknownDatabase {
        /// The URL as written, up to where a password may be.
        url: String,
    },
    /// The database URL is PostgreSQL's, and not understood.
    #[error(
        "the PostgreSQL URL is not understood: {what}; write postgresql://USER@HOST:PORT/DATABASE, or \
         postgresql:///DATABASE?host=/run/postgresql, with all but letters and digits of a name or password as %XX"
    )]
    BadPostgres {
        /// What is wrong with it, without a word of its own.
        what: String,
    },
    /// The HTTP address does not parse.
    #[error("'{text}' is no HTTP address: write IP:PORT, for example 127.0.0.1:7070, a port of loopback, or off")]
    BadHttp {
        /// What was configured.
        text: String,
    },
    /// Other machines would reach the HTTP address, and nobody said that they may.
    #[error(
        "HTTP on {address} would let everybody who reaches this machine read what was rolled back, with the lost values: \
         it asks for no password. Serve on 127.0.0.1 and put a proxy in front that does, or say --http-public"
    )]
    PublicHttp {
        /// The address.
        address: SocketAddr,
    },
    /// The listen address is not an address.
    #[error("listen address '{text}' is not understood: write IP:PORT, for example 0.0.0.0:4433 or [::]:4433")]
    BadListen {
        /// The address as written.
        text: String,
    },
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The database's URL may hold a password.
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads `path`; a missing file is empty settings.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Syntax`] (also for unknown keys).
    pub fn read(path: &Path) -> Result<Settings, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(cause) => return Err(ConfigError::Read { path: path.to_owned(), cause }),
        };
        let settings: Settings = toml::from_str(&text).map_err(|cause| syntax(path, &text, cause))?;
        settings.refuse_exposed(path)?;
        Ok(settings)
    }

    /// Refuses a file that holds a password and that others can read.
    fn refuse_exposed(&self, path: &Path) -> Result<(), ConfigError> {
        #[cfg(unix)]
        if self.database.as_deref().and_then(|url| PostgresUrl::parse(url).ok()).is_some_and(|url| url.has_password()) {
            use std::os::unix::fs::PermissionsExt;
            let metadata = std::fs::metadata(path);
            let mode =
                metadata.map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?.permissions().mode()
                    & 0o777;
            if mode & 0o077 != 0 {
                return Err(ConfigError::Exposed { path: path.to_owned(), mode });
            }
        }
        Ok(())
    }

    /// Returns these settings laid over `file`: what is set here wins, peers add up.
    #[must_use]
    pub fn over(self, file: Settings) -> Settings {
        let advertise = if self.advertise.is_empty() { file.advertise } else { self.advertise };
        let mut peers = file.peers;
        peers.extend(self.peers);
        Settings {
            database: self.database.or(file.database),
            listen: self.listen.or(file.listen),
            http: self.http.or(file.http),
            http_public: self.http_public.or(file.http_public),
            advertise,
            peers,
            sqlite: SqliteSettings { tx_gap_ms: self.sqlite.tx_gap_ms.or(file.sqlite.tx_gap_ms) },
            postgres: PostgresSettings { notify: self.postgres.notify.or(file.postgres.notify) },
        }
    }

    /// Checks the settings.
    ///
    /// * `path` - the configuration file, for messages, and the place that relative database paths start from.
    ///
    /// # Errors
    /// Every [`ConfigError`] but those of reading.
    pub fn check(self, path: &Path) -> Result<Config, ConfigError> {
        let url = self.database.ok_or_else(|| ConfigError::NoDatabase { path: path.to_owned() })?;
        Ok(Config {
            database: DatabaseUrl::parse(&url)?.from_directory(path.parent().unwrap_or(Path::new("."))),
            listen: parse_listen(self.listen.as_deref().unwrap_or(LISTEN_DEFAULT))?,
            http: parse_http(self.http.as_deref().unwrap_or(HTTP_DEFAULT), self.http_public.unwrap_or(false))?,
            advertise: self.advertise,
            peers: self.peers,
            tx_gap: Duration::from_millis(self.sqlite.tx_gap_ms.unwrap_or(TX_GAP_DEFAULT_MS)),
            postgres_notify: self.postgres.notify.unwrap_or(false),
        })
    }
}

/// Where a sidecar listens if nothing says otherwise: any free port of every interface.
pub const LISTEN_DEFAULT: &str = "0.0.0.0:0";

/// Parses a listen address.
///
/// # Errors
/// [`ConfigError::BadListen`].
pub fn parse_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| ConfigError::BadListen { text: text.to_owned() })
}

/// Where HTTP is served if nothing says otherwise: any free port of loopback, which the ready event names.
pub const HTTP_DEFAULT: &str = "127.0.0.1:0";

/// Parses an HTTP address: `IP:PORT`, `localhost:PORT`, a port of loopback, or `off`.
///
/// * `is_public` - whether other machines may read.
///
/// # Errors
/// [`ConfigError::BadHttp`], [`ConfigError::PublicHttp`].
pub fn parse_http(text: &str, is_public: bool) -> Result<Option<SocketAddr>, ConfigError> {
    if text == "off" {
        return Ok(None);
    }
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    let address = match port {
        Ok(port) => SocketAddr::from(([127, 0, 0, 1], port)),
        Err(_) => text.parse().map_err(|_| ConfigError::BadHttp { text: text.to_owned() })?,
    };
    if !address.ip().is_loopback() && !is_public {
        return Err(ConfigError::PublicHttp { address });
    }
    Ok(Some(address))
}

impl DatabaseUrl {
    /// Parses `sqlite:PATH` (also `sqlite://PATH`), `postgres://…` or `postgresql://…`.
    ///
    /// # Errors
    /// [`ConfigError::BadPostgres`], [`ConfigError::UnknownDatabase`].
    pub fn parse(url: &str) -> Result<DatabaseUrl, ConfigError> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(DatabaseUrl::Postgres(PostgresUrl::parse(url)?));
        }
        let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        match path {
            Some(path) if !path.is_empty() && path != ":memory:" => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
            _ => Err(ConfigError::UnknownDatabase { url: before_password(url) }),
        }
    }

    /// Returns the data directory used when none is named: a SQLite file's path plus `.treaty`, or `treaty-data` in the
    /// current directory.
    #[must_use]
    pub fn default_home(&self) -> PathBuf {
        match self {
            DatabaseUrl::Sqlite(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(".treaty");
                PathBuf::from(name)
            }
            DatabaseUrl::Postgres(_) => PathBuf::from(HOME_DEFAULT),
        }
    }

    /// Returns the URL with the relative path of a file made absolute from `directory`.
    #[must_use]
    pub fn from_directory(&self, directory: &Path) -> DatabaseUrl {
        match self {
            DatabaseUrl::Sqlite(path) => {
                let joined = directory.join(path);
                DatabaseUrl::Sqlite(std::path::absolute(&joined).unwrap_or(joined))
            }
            DatabaseUrl::Postgres(url) => DatabaseUrl::Postgres(url.clone()),
        }
    }

    /// Returns the URL to be used where the configuration file has `known`: that one, if it is the same but for a password
    /// that this one lacks. So what commands print can be given to the next command.
    #[must_use]
    pub fn known_as(self, known: Option<&str>) -> DatabaseUrl {
        match (&self, known.map(DatabaseUrl::parse)) {
            (DatabaseUrl::Postgres(url), Some(Ok(known)))
                if !url.has_password() && known.to_string() == url.to_string() =>
            {
                known
            }
            _ => self,
        }
    }

    /// Returns the URL as the configuration file holds it: with its password. `Display` leaves it out.
    #[must_use]
    pub fn with_password(&self) -> String {
        match self {
            DatabaseUrl::Sqlite(_) => self.to_string(),
            DatabaseUrl::Postgres(url) => url.with_password().to_owned(),
        }
    }
}

impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => url.fmt(f),
        }
    }
}

/// The data directory where none is named and the database is not a file.
pub const HOME_DEFAULT: &str = "treaty-data";

/// Says where a file is not valid; a line that may hold a password is not shown.
fn syntax(path: &Path, text: &str, mut cause: toml::de::Error) -> ConfigError {
    let span = cause.span().unwrap_or(0..text.len());
    let line_at = |end: usize| text.bytes().take(end).filter(|byte| *byte == b'\n').count() + 1;
    let line = line_at(span.start);
    if text.lines().skip(line - 1).take(line_at(span.end) - line + 1).any(|line| line.contains("://")) {
        cause.set_input(None);
    }
    ConfigError::Syntax { path: path.to_owned(), line, cause: Box::new(cause) }
}

/// Cuts a URL that nobody understands where it may hold a password.
fn before_password(url: &str) -> String {
    match url.split_once(':') {
        Some((scheme, rest)) if rest.contains('@') => format!("{scheme}:…"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, Box<toml::de::Error>> {
        toml::from_str(text).map_err(Box::new)
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = settings("listne = '0.0.0.0:1'").unwrap_err().to_string();
        assert!(error.contains("listne"), "{error}");
        let error = settings("[sqlite]\ngap = 3").unwrap_err().to_string();
        assert!(error.contains("gap"), "{error}");
    }

    #[test]
    fn flags_win_over_the_file_and_peers_add_up() {
        let file = settings("database = 'sqlite:a.db'\nlisten = '127.0.0.1:1'\npeers = ['x:1']").unwrap();
        let flags = Settings { listen: Some("127.0.0.1:2".into()), peers: vec!["y:2".into()], ..Settings::default() };
        let config = flags.over(file).check(Path::new("/d/treaty.toml")).unwrap();
        assert_eq!(config.listen, "127.0.0.1:2".parse().unwrap());
        assert_eq!(config.peers, ["x:1", "y:2"]);
        assert_eq!(config.database, DatabaseUrl::Sqlite("/d/a.db".into()));
        assert_eq!(config.tx_gap, Duration::from_millis(TX_GAP_DEFAULT_MS));
    }

    #[test]
    fn http_is_served_on_loopback_unless_told_otherwise() {
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            settings("database = 'sqlite:a.db'").unwrap().check(Path::new("/d/treaty.toml")).unwrap().http,
            at(HTTP_DEFAULT)
        );
        assert_eq!(parse_http("off", false).unwrap(), None);
        assert_eq!(parse_http("7070", false).unwrap(), at("127.0.0.1:7070"));
        assert_eq!(parse_http("localhost:7070", false).unwrap(), at("127.0.0.1:7070"));
        assert_eq!(parse_http("[::1]:7070", false).unwrap(), at("[::1]:7070"));
        for address in ["0.0.0.0:7070", "192.0.2.1:7070", "[::]:7070"] {
            assert!(matches!(parse_http(address, false), Err(ConfigError::PublicHttp { .. })), "{address}");
            assert_eq!(parse_http(address, true).unwrap(), at(address));
        }
        for text in ["", "on", "example.org:80", "127.0.0.1", "99999"] {
            assert!(matches!(parse_http(text, true), Err(ConfigError::BadHttp { .. })), "{text}");
        }
    }

    #[test]
    fn database_urls_are_parsed_or_refused_with_a_remedy() {
        assert_eq!(DatabaseUrl::parse("sqlite:a.db").unwrap().default_home(), PathBuf::from("a.db.treaty"));
        assert_eq!(DatabaseUrl::parse("sqlite:///a.db").unwrap(), DatabaseUrl::Sqlite("/a.db".into()));
        for url in ["mysql://x", "a.db", "sqlite:", "sqlite::memory:"] {
            assert!(matches!(DatabaseUrl::parse(url), Err(ConfigError::UnknownDatabase { .. })), "{url}");
        }
        for url in ["postgres://localhost/x", "postgresql://localhost/x"] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.default_home(), PathBuf::from("treaty-data"));
            assert_eq!(parsed.from_directory(Path::new("/d")).to_string(), url);
        }
        let error = DatabaseUrl::parse("postgress://u:secret@h/d").unwrap_err().to_string();
        assert!(error.contains("'postgress:…'"), "{error}");
    }

    #[test]
    fn a_url_as_it_is_printed_means_the_one_with_its_password() {
        let known_as =
            |url: &str, known: Option<&str>| DatabaseUrl::parse(url).unwrap().known_as(known).with_password();
        let known = "postgres://u:secret@h/d";
        assert_eq!(known_as("postgres://u@h/d", Some(known)), known);
        for (url, known) in [
            ("postgres://u@h/e", Some(known)),
            ("postgres://u:new@h/d", Some(known)),
            ("postgres://u@h/d", None),
            ("postgres://u@h/d", Some("nonsense")),
            ("sqlite:/d", Some(known)),
        ] {
            assert_eq!(known_as(url, known), url);
        }
    }

    #[test]
    fn notify_is_off_unless_told_otherwise() {
        let check = |text: &str| settings(text).unwrap().check(Path::new("/d/treaty.toml")).unwrap();
        assert!(!check("database = 'postgres://h/d'").postgres_notify);
        assert!(check("database = 'postgres://h/d'\n[postgres]\nnotify = true").postgres_notify);
        let flags = Settings { postgres: PostgresSettings { notify: Some(true) }, ..Settings::default() };
        let file = settings("database = 'postgres://h/d'\n[postgres]\nnotify = false").unwrap();
        assert!(flags.over(file).check(Path::new("/d/treaty.toml")).unwrap().postgres_notify);
    }

    #[test]
    fn a_mistake_in_the_line_of_the_url_does_not_show_its_password() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("treaty.toml");
        std::fs::write(&path, "listen = '127.0.0.1:1'\ndatabase = 'postgres://u:secret@h/d\n").unwrap();
        let error = Settings::read(&path).err().unwrap();
        let debug = format!("{error:?}");
        let chain = format!("{debug} {:#}", anyhow::Error::new(error));
        assert!(chain.contains("line 2") && !chain.contains("secret"), "{chain}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_a_password_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("treaty.toml");
        for (url, is_refused) in
            [("postgres://u:secret@h/d", true), ("postgres://u@h/d", false), ("sqlite:a.db", false)]
        {
            std::fs::write(&path, format!("database = '{url}'\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(
                matches!(Settings::read(&path), Err(ConfigError::Exposed { mode: 0o644, .. })),
                is_refused,
                "{url}"
            );
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(Settings::read(&path).unwrap().database.as_deref(), Some(url));
        }
    }
}
