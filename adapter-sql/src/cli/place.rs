//! Which node a command means: its data directory, its database, its settings.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::config::{Config, DatabaseUrl, HOME_DEFAULT, Settings};
use crate::home::Home;

/// The flags that name a node, on every command that works on one.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// Data directory [default: the database file's path plus .treaty, or ./treaty-data]
    #[arg(long, env = "TREATY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The application's database, for example sqlite:notes.db or postgresql://treaty@localhost/notes [default: the one
    /// in treaty.toml]
    #[arg(long, env = "TREATY_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
}

impl Place {
    /// Returns the data directory that the flags mean.
    ///
    /// # Errors
    /// If `--database` is not understood.
    pub fn home(&self) -> Result<Home> {
        if let Some(data) = &self.data {
            return Ok(Home::at(data.clone()));
        }
        match &self.database {
            Some(url) => Ok(Home::at(DatabaseUrl::parse(url)?.default_home())),
            None => Ok(Home::at(PathBuf::from(HOME_DEFAULT))),
        }
    }

    /// Returns the data directory, which must hold a space.
    ///
    /// # Errors
    /// If no space was made or joined there; says where one is if the current directory has some.
    pub fn home_with_space(&self) -> Result<Home> {
        let home = self.home()?;
        if home.has_store() {
            return Ok(home);
        }
        let path = home.path().display();
        let near = homes_nearby();
        if self.data.is_none() && self.database.is_none() && !near.is_empty() {
            let near: Vec<String> = near.iter().map(|path| format!("--data {}", path.display())).collect();
            bail!("which node? There is no space in {path}; add {}", near.join(" or "));
        }
        bail!(
            "there is no space in data directory {path}; make one with `treaty init`, join one with `treaty join`, \
             or name another directory with --data"
        )
    }

    /// Returns the checked configuration of the node at `home`: file, then variables, then flags.
    ///
    /// * `flags` - what else flags and variables said; its `database` is taken from this place.
    ///
    /// # Errors
    /// Those of reading and checking; each names what to mend.
    pub fn config(&self, home: &Home, flags: Settings) -> Result<Config> {
        let here = std::env::current_dir().unwrap_or_default();
        let path = home.config_path();
        let path = std::path::absolute(&path).unwrap_or(path);
        let file = Settings::read(&path)?;
        let database = match &self.database {
            Some(url) => {
                let url = DatabaseUrl::parse(url)?.from_directory(&here);
                Some(url.known_as(file.database.as_deref()).with_password())
            }
            None => None,
        };
        Ok(Settings { database, ..flags }.over(file).check(&path)?)
    }
}

/// Data directories in the current directory.
fn homes_nearby() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(".") else { return Vec::new() };
    let mut homes: Vec<PathBuf> = entries
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|path| path.extension().is_some_and(|extension| extension == "treaty"))
        .filter(|path| Home::at(path.clone()).has_store())
        .collect();
    homes.sort();
    homes
}
