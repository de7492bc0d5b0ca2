//! docker-compose.yml, read: services, volumes, variables and health checks that agree with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

use super::{root, text};

/// One service, with what it takes over by `<<` already in it.
pub(super) struct Service {
    settings: BTreeMap<String, Yaml>,
}

impl Service {
    /// The service of this name in docker-compose.yml.
    pub(super) fn of(name: &str) -> Service {
        let file = file();
        let own = file["services"][name].as_hash().expect("a service of this name");
        let mut settings = BTreeMap::new();
        let taken = own.iter().filter(|(key, _)| key.as_str() == Some("<<")).filter_map(|(_, all)| all.as_hash());
        for (key, value) in taken.flatten().chain(own) {
            settings.insert(key.as_str().expect("keys are text").to_owned(), value.clone());
        }
        Service { settings }
    }

    /// A list of texts.
    pub(super) fn list(&self, setting: &str) -> Vec<String> {
        let items = self.settings.get(setting).and_then(Yaml::as_vec).map_or(&[][..], Vec::as_slice);
        items.iter().map(|item| item.as_str().expect("a list of texts").to_owned()).collect()
    }

    /// A text.
    pub(super) fn text(&self, setting: &str) -> &str {
        self.settings.get(setting).and_then(Yaml::as_str).expect("a text")
    }

    /// The variables it is given.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let all = self.settings.get("environment").and_then(Yaml::as_hash).expect("variables");
        let word = |yaml: &Yaml| yaml.as_str().expect("a text").to_owned();
        all.iter().map(|(name, value)| (word(name), word(value))).collect()
    }

    /// What is mounted: source and place.
    pub(super) fn mounts(&self) -> Vec<(String, String)> {
        let mount = |line: &String| {
            let mut parts = line.split(':').map(str::to_owned);
            (parts.next().expect("a source"), parts.next().expect("a place"))
        };
        self.list("volumes").iter().map(mount).collect()
    }

    /// Which services it waits for, and until when.
    fn waits(&self) -> Vec<(String, String)> {
        let all = self.settings.get("depends_on").and_then(Yaml::as_hash);
        let wait = |(name, how): (&Yaml, &Yaml)| {
            let condition = how["condition"].as_str().expect("a condition");
            (name.as_str().expect("a service").to_owned(), condition.to_owned())
        };
        all.into_iter().flatten().map(wait).collect()
    }
}

fn file() -> Yaml {
    let mut documents = YamlLoader::load_from_str(&text("docker-compose.yml")).expect("it is YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn names(of: &str) -> BTreeSet<String> {
    let file = file();
    let all = file[of].as_hash().expect("a section of this name");
    all.keys().map(|key| key.as_str().expect("names are text").to_owned()).collect()
}

const NODES: [&str; 2] = ["treaty-a", "treaty-b"];

#[test]
fn there_is_a_server_with_a_node_and_a_second_node() {
    assert_eq!(names("services"), ["admit", "postgres", "treaty-a", "treaty-b"].map(str::to_owned).into());
    let (a, b) = (Service::of("treaty-a"), Service::of("treaty-b"));
    assert!(a.variables()["TREATY_DATABASE"].starts_with("postgres://treaty@postgres:5432/"));
    assert!(b.variables()["TREATY_DATABASE"].starts_with("sqlite:/data/"));
    assert_eq!((a.list("command"), b.list("command")), (vec!["found".into()], vec!["join".into()]));
}

#[test]
fn every_service_waits_for_services_that_can_fulfil_it() {
    let services = names("services");
    for name in &services {
        for (awaited, condition) in Service::of(name).waits() {
            assert!(services.contains(&awaited), "{name} waits for {awaited}");
            let is_known = ["service_healthy", "service_started"].contains(&condition.as_str());
            assert!(is_known, "{name}: {condition}");
            let has_check = Service::of(&awaited).settings.contains_key("healthcheck");
            assert!(condition != "service_healthy" || has_check, "{awaited} never says that it is healthy");
        }
    }
}

#[test]
fn what_must_last_is_on_a_volume_that_is_declared() {
    let volumes = names("volumes");
    let mut used = BTreeSet::new();
    for name in names("services") {
        for (source, place) in Service::of(&name).mounts() {
            match source.strip_prefix("./") {
                Some(path) => assert!(root().join(path).is_file(), "{name} mounts {source}, which is not here"),
                None => assert!(volumes.contains(&source), "{name} mounts {source} at {place}: not declared"),
            }
            used.insert(source);
        }
    }
    assert!(volumes.is_subset(&used), "every volume is mounted");
    for name in NODES {
        let node = Service::of(name);
        let data: Vec<_> = node.mounts().into_iter().filter(|(_, place)| place == "/data").collect();
        assert_eq!(data, [(format!("{name}-data"), "/data".to_owned())], "of its own");
        assert!(node.variables()["TREATY_DATA"].starts_with("/data/"));
        assert!(node.mounts().contains(&("exchange".into(), node.variables()["NODE_EXCHANGE"].clone())));
    }
    assert!(
        Service::of("treaty-a")
            .mounts()
            .iter()
            .any(|(_, place)| *place == Service::of("treaty-a").variables()["NODE_SCHEMA"])
    );
    assert!(Service::of("postgres").mounts().contains(&("postgres-data".into(), "/var/lib/postgresql/data".into())));
    let dockerfile = text("Dockerfile");
    assert!(dockerfile.contains("ENV TREATY_DATA=/data/treaty") && dockerfile.contains("VOLUME /data"));
}

#[test]
fn each_node_is_restarted_watched_and_held_down() {
    for name in NODES {
        let node = Service::of(name);
        assert_eq!(node.text("restart"), "unless-stopped");
        assert_eq!(
            node.settings["healthcheck"]["test"].as_vec().unwrap().last().unwrap().as_str(),
            Some("treaty-healthy")
        );
        assert!(text("Dockerfile").contains("packaging/docker/treaty-healthy"));
        // Of loopback: nobody but the check in the container reaches it.
        assert!(node.variables()["TREATY_HTTP"].starts_with("127.0.0.1:"));
        let listen = node.variables()["TREATY_LISTEN"].clone();
        let port = listen.strip_prefix("0.0.0.0:").expect("every interface of the container");
        let published = node.list("ports");
        assert_eq!(published.len(), 1);
        assert!(published[0].ends_with(&format!(":{port}/udp")), "{published:?} is not UDP {port}");
        assert!(text("Dockerfile").contains(&format!("EXPOSE {port}/udp")));
        assert_eq!(node.settings["read_only"].as_bool(), Some(true));
        assert_eq!(node.settings["init"].as_bool(), Some(true));
        assert_eq!(node.list("cap_drop"), ["ALL"]);
    }
    let address = Service::of("treaty-a").variables()["NODE_ADDRESS"].clone();
    assert_eq!(
        address,
        format!("treaty-a:{}", Service::of("treaty-a").variables()["TREATY_LISTEN"].rsplit_once(':').unwrap().1)
    );
}

#[test]
fn no_password_is_written_down() {
    let file = text("docker-compose.yml");
    for line in file.lines().filter(|line| line.contains("PASSWORD") && !line.trim_start().starts_with('#')) {
        let (_, value) = line.split_once(": ").expect("a variable");
        assert!(
            value.starts_with("${") && value.contains(":?"),
            "{line}: comes from outside, and is missed if it does not"
        );
    }
    let outside = BTreeSet::from(["POSTGRES_PASSWORD", "SIDECAR_PASSWORD", "APPLICATION_PASSWORD"]);
    let asked = file.split(": ${").skip(1).map(|part| part.split(':').next().expect("a name"));
    assert_eq!(asked.collect::<BTreeSet<_>>(), outside);
    assert!(!text("Dockerfile").contains("PASSWORD"));
    assert!(text(".gitignore").lines().any(|line| line == "/.env"), "passwords are not committed");
    assert!(text("packaging/docker/roles.sh").contains("SIDECAR_PASSWORD"));
}

#[test]
fn compose_itself_understands_the_file_where_it_is_installed() {
    let asks = [&["docker", "compose"][..], &["docker-compose"]];
    let is_there = |ask: &&[&str]| {
        let version = Command::new(ask[0]).args(&ask[1..]).arg("version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let Some(compose) = asks.into_iter().find(is_there) else {
        eprintln!("compose is not installed: the file is read by the other tests only");
        return;
    };
    let config = |passwords: &[&str]| {
        let mut command = Command::new(compose[0]);
        command.args(&compose[1..]).args(["--file", "docker-compose.yml", "config", "--quiet"]).current_dir(root());
        command.envs(passwords.iter().map(|name| (name, "secret"))).output().expect("it started before")
    };
    let given = config(&["POSTGRES_PASSWORD", "SIDECAR_PASSWORD", "APPLICATION_PASSWORD"]);
    assert!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    assert!(!config(&[]).status.success() || root().join(".env").exists(), "passwords that are missing are missed");
}
