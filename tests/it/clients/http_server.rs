//! A provider with a few hosts, for clients to report to.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use truename::http::{self, Options};
use truename::model::{AccountName, Holder, Lease, Ttl};
use truename::registry::{Command, HostSettings, Registry, Reply, Settings};
use truename::store::{Opened, Row, Store, StoreError, Write};
use truename::zone::{Identity, Zone};

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
/// - `one`, `two` of the account ann, who has a password and a key.
pub struct Provider {
    pub registry: Registry,
    pub server: Option<http::Server>,
    pub options: Options,
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
        let registry = registry();
        let tokens = hosts(&registry).await;
        let listen: Vec<SocketAddr> =
            vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        let options = Options { listen, ..options };
        let server = http::serve(&options, registry.clone()).expect("loopback has free ports");
        Provider { registry, server: Some(server), options, tokens }
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
    for (label, owner) in [
        ("home", None),
        ("cam", None),
        ("xn--gre-6ka8i", None),
        ("one", Some(&ann)),
        ("two", Some(&ann)),
    ] {
        let name = format!("{label}.dyn.example.org").parse().unwrap();
        let settings = HostSettings { owner: Some(owner.cloned()), ..HostSettings::default() };
        let key = owner.is_none();
        if let Reply::HostAdded { key: Some(key), .. } =
            ask(Command::HostAdd { name, settings, key }).await
        {
            tokens.insert(label, key.token);
        }
    }
    let holder = Holder::Account(ann);
    let command = Command::KeyAdd { holder, hosts: vec![], networks: vec![], label: String::new() };
    if let Reply::KeyAdded(key) = ask(command).await {
        tokens.insert("ann", key.token);
    }
    assert_eq!(tokens.len(), 4);
    tokens
}

fn registry() -> Registry {
    let zone = Zone::parse(ZONE, Path::new("dyn.example.org.zone")).expect("the zone is right");
    let settings = Settings {
        zones: Arc::new(move || Ok(vec![zone.clone()])),
        lease: Lease::DEFAULT,
        ttl: Ttl::DEFAULT,
        policies: HashMap::new(),
        identity: Identity::default(),
        dump: None,
    };
    let opened =
        Opened { store: Box::new(Memory::default()), new: true, restored: false, warnings: vec![] };
    Registry::start(opened, settings, truename::clock::system).expect("an empty store is right")
}

/// A store that forgets: these tests are about bytes on the wire.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Store for Memory {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        let rows = self.0.lock().unwrap();
        let found: Vec<Row> = rows
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Box::new(found.into_iter().map(Ok))
    }

    fn commit(&self, group: &[Write]) -> Result<(), StoreError> {
        let mut rows = self.0.lock().unwrap();
        for write in group {
            match write {
                Write::Put(key, value) => rows.insert(key.clone(), value.clone()),
                Write::Delete(key) => rows.remove(key),
            };
        }
        Ok(())
    }
}
