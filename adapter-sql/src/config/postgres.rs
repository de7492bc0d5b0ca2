//! The URL of a PostgreSQL database: checked, and never shown with its password.
//!
//! What it may say is what sqlx understands of libpq's URLs; what neither understands is refused, where sqlx would pass
//! over it with a warning that prints it. Whatever could be a password in the wrong place (an unescaped `/`, `?`, `#` or
//! `@` in one) is refused too, so that [`PostgresUrl`]'s `Display` can never show a part of it.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use super::ConfigError;

/// A checked `postgres://…` or `postgresql://…` URL.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
    shown: String,
}

/// The parameters after `?` that are understood, besides `options[NAME]`.
const PARAMETERS: [&str; 17] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "application_name",
    "options",
];

impl PostgresUrl {
    /// Parses a URL. Its errors show nothing of it but names that are known.
    ///
    /// # Errors
    /// [`ConfigError::BadPostgres`].
    pub fn parse(text: &str) -> Result<PostgresUrl, ConfigError> {
        let shown = shown(text).map_err(|what| ConfigError::BadPostgres { what })?;
        let url = PostgresUrl { text: text.to_owned(), shown };
        url.options()?;
        Ok(url)
    }

    /// Returns how to connect; what the URL leaves open is taken from libpq's variables (`PGPASSWORD`, `PGUSER`, …) and
    /// from `~/.pgpass`, both read anew.
    ///
    /// # Errors
    /// [`ConfigError::BadPostgres`], though not for a URL that was parsed.
    pub fn options(&self) -> Result<PgConnectOptions, ConfigError> {
        PgConnectOptions::from_str(&self.text).map_err(|cause| ConfigError::BadPostgres { what: words(&cause) })
    }

    /// Returns the URL with its password: for the configuration file, which nobody else can read, and for nothing else.
    #[must_use]
    pub fn with_password(&self) -> &str {
        &self.text
    }

    /// Says whether the URL holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.text != self.shown
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.shown)
    }
}

/// Returns the words of sqlx for a URL that it refuses, without its prefix.
fn words(cause: &sqlx::Error) -> String {
    match cause {
        sqlx::Error::Configuration(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

/// Returns `text` without its password, or what is wrong with it.
fn shown(text: &str) -> Result<String, String> {
    if text.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err("it holds a space".to_owned());
    }
    if text.contains('#') {
        return Err("it holds a #".to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or("after the colon // is missing")?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    if path.is_some_and(|path| path.contains(['/', '@', ':'])) {
        return Err("the name of the database holds a / or @ or :".to_owned());
    }
    let mut shown = format!("{scheme}://");
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if let Some(user) = user {
        if user.contains('@') {
            return Err("user or password hold an @".to_owned());
        }
        shown.push_str(user.split(':').next().unwrap_or_default());
        shown.push('@');
    }
    if host.contains(',') {
        return Err("it names several servers".to_owned());
    }
    shown.push_str(host);
    if let Some(path) = path {
        shown.push('/');
        shown.push_str(path);
    }
    let kept = query.map(kept_parameters).transpose()?.unwrap_or_default();
    if !kept.is_empty() {
        shown.push('?');
        shown.push_str(&kept.join("&"));
    }
    Ok(shown)
}

/// Returns the parameters that may be shown.
fn kept_parameters(query: &str) -> Result<Vec<&str>, String> {
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        let is_option = name.strip_prefix("options[").is_some_and(|rest| rest.ends_with(']'));
        if !is_option && !PARAMETERS.contains(&name) {
            return Err(unknown(name));
        }
        if pair.contains('@') {
            return Err(format!("parameter {name} holds an @"));
        }
        if name != "password" {
            kept.push(pair);
        }
    }
    Ok(kept)
}

fn unknown(name: &str) -> String {
    // Anything else may be a piece of a password.
    let is_name = name.chars().all(|char| char.is_ascii_lowercase() || char == '_');
    let known = PARAMETERS.join(", ");
    if is_name {
        format!("parameter {name} is not known; those known are {known}")
    } else {
        format!("a parameter is not known; those known are {known}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_of(text: &str) -> String {
        let url = PostgresUrl::parse(text).unwrap();
        assert_eq!(url.with_password(), text);
        assert_eq!(format!("{url:?}"), format!("PostgresUrl({url})"));
        url.to_string()
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://u:secret@h:5433/d", "postgres://u@h:5433/d"),
            ("postgresql://u:secret@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
            ("postgres://:secret@h/d", "postgres://@h/d"),
            ("postgres://u:se:cret%2F%40%23@h/d", "postgres://u@h/d"),
            ("postgres://u@h/d?password=secret", "postgres://u@h/d"),
            ("postgres:///d?user=u&password=secret&host=/run/postgresql", "postgres:///d?user=u&host=/run/postgresql"),
            ("postgres://u@h/d", "postgres://u@h/d"),
        ] {
            assert_eq!(shown_of(text), shown);
            assert_eq!(PostgresUrl::parse(text).unwrap().has_password(), text.contains("se"), "{text}");
        }
    }

    #[test]
    fn a_url_means_what_libpq_means_by_it() {
        let options = |text: &str| PostgresUrl::parse(text).unwrap().options().unwrap();
        let tcp = options("postgres://anna@example.org:5433/notes");
        assert_eq!((tcp.get_host(), tcp.get_port(), tcp.get_username()), ("example.org", 5433, "anna"));
        assert_eq!(tcp.get_database(), Some("notes"));
        let socket = options("postgresql:///notes?host=/run/postgresql&port=5444");
        assert_eq!(socket.get_socket().unwrap().to_str(), Some("/run/postgresql"));
        assert_eq!(socket.get_port(), 5444);
        let encoded = options("postgres://u@%2Frun%2Fpostgresql/d");
        assert_eq!(encoded.get_socket().unwrap().to_str(), Some("/run/postgresql"));
        let set = options("postgres://u@h/d?options[work_mem]=8MB");
        assert_eq!(set.get_options(), Some("-c work_mem=8MB"));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_showing_it() {
        for text in [
            "postgres:d",
            "postgres://u:12#secret@h/d",
            "postgres://u:12/secret@h/d",
            "postgres://u:12?secret@h/d",
            "postgres://u:12/secret:x",
            "postgres://u:secret@x@h/d",
            "postgres://u:sec ret@h/d",
            "postgres://u:sec/ret@h/d",
            "postgres://u@a,b/d?password=secret",
            "postgres://u@h/d?password=1@secret",
            "postgres://u@h/d?passwd=secret",
            "postgres://u@h/d?p%61ssword=secret",
            "postgres://u@h/d?sslmode=perhaps&password=secret",
            "postgres://u@h:port/d",
            "postgres://u@h/d?connect_timeout=3",
        ] {
            let error = PostgresUrl::parse(text).unwrap_err();
            assert!(matches!(error, ConfigError::BadPostgres { .. }), "{text}");
            let (words, debug) = (error.to_string(), format!("{error:?}"));
            assert!(!words.contains("sec") && !words.contains("12") && !debug.contains("sec"), "{text}: {words}");
        }
        let error = PostgresUrl::parse("postgres://u@h/d?connect_timeout=3").unwrap_err().to_string();
        assert!(error.contains("connect_timeout is not known"), "{error}");
    }
}
