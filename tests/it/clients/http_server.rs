//! A provider with a few hosts, for clients to report to.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use truename::clock;
use truename::http::{self, Options};
use truename::model::{AccountName, Holder, May};
use truename::registry::{Command, HostSettings, Registry, Reply, Settings};
use truename::store::{Opened, Row, Store, StoreError, Write};
use truename::zone::Zone;

const ZONE: &str = "\
$ORIGIN dyn.example.org.
@ 3600 SOA ns1 hostmaster 1 3600 600 604800 60
@ 3600 NS ns1
ns1 3600 A 192.0.2.53
";

/// ann's password.
pub const PASSWORD: &str = "correct:horse battery";

/// A server with these hosts of `dyn.example.org`:
/// - `home`, `cam`, `größe`: each with a key of its own;
/// - `one`, `two` of the account ann, who has a password and a key;
/// - `blocked`, blocked by a person, with a key;
///
/// and bob, whose account is blocked, with a key.
pub struct Provider {
    pub registry: Registry,
    pub server: Option<http::Server>,
    pub options: Options,
    /// True: the disk writes nothing down until it is false again.
    pub stuck: Arc<AtomicBool>,
    /// Host or account to token.
    pub tokens: HashMap<&'static str, String>,
}

impl Provider {
    pub async fn start() -> Provider {
        Provider::with(Options {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Options::default()
        })
        .await
    }

    pub async fn with(options: Options) -> Provider {
        let stuck = Arc::default();
        let registry = registry(&stuck);
        let tokens = hosts(&registry).await;
        let listen: Vec<SocketAddr> =
            vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        let options = Options { listen, ..options };
        let server = http::serve(&options, registry.clone(), &clock::moments())
            .expect("loopback has free ports");
        Provider { registry, server: Some(server), options, stuck, tokens }
    }

    /// The IPv4 address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.as_ref().expect("it runs").addresses()[0]
    }

    pub async fn stop(mut self) {
        self.server.take().expect("it runs").stop().await;
        let registry = self.registry.clone();
        tokio::task::spawn_blocking(move || registry.stop()).await.unwrap();
    }
}

async fn hosts(registry: &Registry) -> HashMap<&'static str, String> {
    let ask = async |command| registry.command(command).await.expect("it can be done");
    let ann: AccountName = "ann".parse().unwrap();
    ask(Command::AccountAdd { name: ann.clone(), password: Some(PASSWORD.into()) }).await;
    let mut tokens = HashMap::new();
    for (label, owner, blocked) in [
        ("home", None, false),
        ("cam", None, false),
        ("xn--gre-6ka8i", None, false),
        ("blocked", None, true),
        ("one", Some(&ann), false),
        ("two", Some(&ann), false),
    ] {
        let name = format!("{label}.dyn.example.org").parse().unwrap();
        let settings = HostSettings {
            owner: Some(owner.cloned()),
            blocked: Some(blocked),
            ..HostSettings::default()
        };
        let command = Command::HostAdd { name, settings, key: owner.is_none() };
        if let Reply::HostAdded { key: Some(key), .. } = ask(command).await {
            tokens.insert(label, key.token);
        }
    }
    let bob: AccountName = "bob".parse().unwrap();
    ask(Command::AccountAdd { name: bob.clone(), password: None }).await;
    for (label, name) in [("ann", &ann), ("bob", &bob)] {
        let holder = Holder::Account(name.clone());
        let command = Command::KeyAdd {
            holder,
            hosts: vec![],
            networks: vec![],
            label: String::new(),
            may: May::default(),
            ends: None,
        };
        if let Reply::KeyAdded(key) = ask(command).await {
            tokens.insert(label, key.token);
        }
    }
    ask(Command::AccountSet { name: bob, password: None, blocked: Some(true) }).await;
    assert_eq!(tokens.len(), 6);
    tokens
}

fn registry(stuck: &Arc<AtomicBool>) -> Registry {
    let zone = Zone::parse(ZONE, Path::new("dyn.example.org.zone")).expect("the zone is right");
    let settings = Settings::new(Arc::new(move || Ok(vec![zone.clone()])));
    let store = Memory { rows: Mutex::default(), stuck: stuck.clone() };
    let opened = Opened { store: Box::new(store), new: true, restored: false, warnings: vec![] };
    Registry::start(opened, settings, truename::clock::system).expect("an empty store is right")
}

/// A store that forgets: these tests are about bytes on the wire.
struct Memory {
    rows: Mutex<BTreeMap<String, Vec<u8>>>,
    stuck: Arc<AtomicBool>,
}

impl Store for Memory {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        let rows = self.rows.lock().unwrap();
        let found: Vec<Row> = rows
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Box::new(found.into_iter().map(Ok))
    }

    fn commit(&self, group: &[Write]) -> Result<(), StoreError> {
        while self.stuck.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut rows = self.rows.lock().unwrap();
        for write in group {
            match write {
                Write::Put(key, value) => rows.insert(key.clone(), value.clone()),
                Write::Delete(key) => rows.remove(key),
            };
        }
        Ok(())
    }
}
