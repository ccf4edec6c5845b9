//! A whole server in process, with a clock that is set by hand and no socket:
//! updates go through the HTTP router, questions through the answering core.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt;
use ipnet::IpNet;
use tempfile::TempDir;
use tower::ServiceExt;
use truename::clock;
use truename::http;
use truename::model::{Grant, Lease, Name, Now, Served, Timestamp, Ttl};
use truename::registry::{Command, CommandError, Registry, Reply, Settings};
use truename::store::dump::DUMP_FILE;
use truename::store::{self, Engine, Row, Store, StoreError, Write};
use truename::update::{Edited, Edits, Outcome, Own, Policies, Update, ZonePolicy};
use truename::zone::{Identity, Zone};

/// When every world begins: 2026-01-01 00:00:00 UTC.
const DAWN: i64 = 1_767_225_600;

/// A server, its disk and its clock.
pub struct World {
    pub directory: TempDir,
    pub engine: Engine,
    pub zones: Arc<Mutex<Vec<(PathBuf, String)>>>,
    pub policies: HashMap<Name, ZonePolicy>,
    /// Addresses that are this server's own.
    pub machine: Vec<(IpNet, Own)>,
    pub ttl: Ttl,
    pub lease: Lease,
    /// How often a host may change in an hour; `None`: as often as it likes.
    pub changes: Option<u32>,
    /// Seconds since the world began, server up or down.
    clock: Arc<AtomicU64>,
    /// How far the system's own clock is wrong, in seconds.
    pub step: Arc<AtomicI64>,
    /// Whether the disk takes nothing more.
    pub full: Arc<AtomicBool>,
    /// Held: the disk writes nothing down until it is let go.
    pub slow: Arc<Mutex<()>>,
    /// Whether groups come faster than the store can take them.
    pub behind: Arc<AtomicBool>,
    /// Groups the disk was asked to write down, those that wait included.
    pub groups: Arc<AtomicU64>,
    /// Hosts in each group that was written down.
    pub hosts_written: Arc<Mutex<Vec<usize>>>,
    running: Option<(Registry, axum::Router)>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub fn new(engine: Engine, zone: &str) -> World {
        let file = PathBuf::from("dyn.example.zone");
        World {
            directory: tempfile::tempdir().unwrap(),
            engine,
            zones: Arc::new(Mutex::new(vec![(file, zone.to_owned())])),
            policies: HashMap::new(),
            machine: Vec::new(),
            ttl: Ttl::DEFAULT,
            lease: Lease::DEFAULT,
            changes: None,
            clock: Arc::default(),
            step: Arc::default(),
            full: Arc::default(),
            slow: Arc::default(),
            behind: Arc::default(),
            groups: Arc::default(),
            hosts_written: Arc::default(),
            running: None,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    pub fn settings(&self) -> Settings {
        let zones = self.zones.clone();
        let policies = Policies::new(self.policies.clone());
        policies.set_machine(self.machine.clone());
        Settings {
            zones: Arc::new(move || {
                let files = zones.lock().unwrap();
                let zones = files.iter().map(|(file, text)| Zone::parse(text, file));
                zones.collect::<Result<Vec<Zone>, _>>().map_err(|error| vec![error])
            }),
            lease: self.lease,
            ttl: self.ttl,
            policies: Arc::new(policies),
            changes: self.changes,
            guesses: 1_000_000,
            identity: Identity::default(),
            dump: Some(self.directory.path().join("data").join(DUMP_FILE)),
            also_reload: None,
        }
    }

    /// Opens the store and serves; the message when it cannot.
    pub fn start(&mut self) -> Result<(), String> {
        let mut opened = store::open(self.engine, &self.directory.path().join("data"))
            .map_err(|error| error.to_string())?;
        opened.store = Box::new(Disk {
            store: opened.store,
            full: self.full.clone(),
            slow: self.slow.clone(),
            behind: self.behind.clone(),
            groups: self.groups.clone(),
            hosts_written: self.hosts_written.clone(),
        });
        let clock = self.clock.clone();
        let step = self.step.clone();
        let since = clock.load(Ordering::Relaxed);
        let registry = Registry::start(opened, self.settings(), |before| {
            Box::new(move || {
                let elapsed = clock.load(Ordering::Relaxed);
                Now {
                    wall: Timestamp(DAWN + elapsed as i64 + step.load(Ordering::Relaxed)),
                    served: Served(before.0 + elapsed - since),
                }
            })
        })
        .map_err(|error| error.to_string())?;
        let router = http::router(&options(), registry.clone(), &clock::moments());
        self.running = Some((registry, router));
        Ok(())
    }

    pub fn stop(&mut self) {
        let Some((registry, router)) = self.running.take() else { return };
        drop(router);
        registry.stop();
    }

    /// Serves again from what is on the disk at this moment, as after a
    /// kill -9: nothing is told to stop.
    pub fn crash(&mut self) -> Result<(), String> {
        let data = self.directory.path().join("data");
        // Threads write there when they see fit, and a copy takes a while: it
        // is of one moment if nothing was written meanwhile.
        let taken = super::daemon::until("a quiet moment", Duration::from_secs(60), || {
            let taken = tempfile::tempdir().unwrap();
            let before = written(&data);
            let mut copy = std::process::Command::new("cp");
            let copied = copy.arg("-a").arg(&data).arg(taken.path()).output().unwrap();
            (copied.status.success() && written(&data) == before).then_some(taken)
        });
        self.stop();
        self.directory = taken;
        self.start()
    }

    /// The store is gone at the next start; the dump of the last stop is not.
    /// Two starts that end as soon as the store is filled come before the one
    /// that serves it.
    pub fn lose_store(&mut self) -> Result<(), String> {
        self.stop();
        let data = self.directory.path().join("data");
        match self.engine {
            Engine::Sled => std::fs::remove_dir_all(data.join("sled")).unwrap(),
            Engine::Redb => {
                std::fs::remove_file(data.join("redb")).unwrap();
                std::fs::remove_file(data.join("redb.ready")).unwrap();
            }
        }
        for _ in 0..2 {
            store::open(self.engine, &data).map_err(|error| error.to_string())?;
        }
        self.start()
    }

    /// Serves from a new data directory, filled from what is exported now.
    pub fn move_house(&mut self) -> Result<(), String> {
        let new = tempfile::tempdir().unwrap();
        let file = new.path().join("export");
        self.command(Command::Export { file: file.clone() }).map_err(|error| error.to_string())?;
        self.stop();
        store::import(self.engine, &new.path().join("data"), &file)
            .map_err(|error| error.to_string())?;
        self.directory = new;
        self.start()
    }

    /// Time passes; what it asks for is done.
    pub fn wait(&mut self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
        if let Some((registry, _)) = &self.running {
            self.runtime.block_on(registry.tick());
        }
    }

    /// Time passes, and nobody asks for what is due.
    pub fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn registry(&self) -> &Registry {
        &self.running.as_ref().expect("the server runs").0
    }

    pub fn command(&self, command: Command) -> Result<Reply, CommandError> {
        self.runtime.block_on(self.registry().command(command))
    }

    /// An update, past HTTP.
    pub fn update(&self, grant: Grant, update: &Update) -> Vec<Outcome> {
        let outcomes = self.runtime.block_on(self.registry().update(grant, update));
        outcomes.expect("the registry takes updates")
    }

    /// Changes of records, past DNS and HTTP.
    pub fn edit(&self, grant: Grant, edits: Edits) -> Edited {
        let edited = self.runtime.block_on(self.registry().edit(grant, edits));
        edited.expect("the registry takes updates")
    }

    /// All at the same time, as from many people.
    pub fn commands(&self, commands: impl Iterator<Item = Command>) {
        let mut under_way = tokio::task::JoinSet::new();
        for command in commands {
            let registry = self.registry().clone();
            under_way
                .spawn_on(async move { registry.command(command).await }, self.runtime.handle());
        }
        for done in self.runtime.block_on(under_way.join_all()) {
            done.unwrap();
        }
    }

    pub fn reload(&self) -> Result<String, CommandError> {
        self.runtime.block_on(self.registry().reload())
    }

    /// A request through the router: the status and the body.
    pub fn http(
        &self,
        method: &str,
        path: &str,
        login: Option<(&str, &str)>,
        from: IpAddr,
    ) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if let Some((user, password)) = login {
            let basic = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
            request = request.header("authorization", format!("Basic {basic}"));
        }
        self.respond(request.body(Body::empty()).unwrap(), from)
    }

    /// The same with a body.
    pub fn post(&self, path: &str, body: &str, from: IpAddr) -> (u16, String) {
        let request = Request::builder().method("POST").uri(path).header("host", "localhost");
        self.respond(request.body(Body::from(body.to_owned())).unwrap(), from)
    }

    /// Any request; `None` for one that cannot be made.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
        from: IpAddr,
    ) -> Option<(u16, String)> {
        Some(self.respond(built(method, target, headers, body)?, from))
    }

    /// All of an answer: the status, the headers, a blank line, the body.
    pub fn whole(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
        from: IpAddr,
    ) -> String {
        let mut request = built(method, target, headers, body).expect("a request");
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(from, 40_000)));
        let router = self.running.as_ref().expect("the server runs").1.clone();
        self.runtime.block_on(async {
            let (head, body) = router.oneshot(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let mut text = format!("{}\n", head.status.as_u16());
            for (name, value) in &head.headers {
                text += &format!("{name}: {}\n", value.to_str().unwrap());
            }
            text + "\n" + std::str::from_utf8(&body).unwrap()
        })
    }

    fn respond(&self, mut request: Request<Body>, from: IpAddr) -> (u16, String) {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(from, 40_000)));
        let router = self.running.as_ref().expect("the server runs").1.clone();
        self.runtime.block_on(async {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }
}

/// A request; `None` for one that cannot be made.
fn built(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Request<Body>> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).ok()
}

/// When each file below a directory was last written.
fn written(directory: &Path) -> Vec<(PathBuf, Option<SystemTime>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(written(&entry.path()));
        }
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        found.push((entry.path(), changed.ok()));
    }
    found.sort();
    found
}

/// Tests ask more often than people do.
fn options() -> http::Options {
    let limits = http::Limits { requests: None, ..http::Limits::default() };
    http::Options { limits, ..http::Options::default() }
}

/// A store on a disk that can be full or slow. What a real full disk does to each
/// engine is told in `faults/full_disk.rs`.
struct Disk {
    store: Box<dyn Store>,
    full: Arc<AtomicBool>,
    slow: Arc<Mutex<()>>,
    behind: Arc<AtomicBool>,
    groups: Arc<AtomicU64>,
    hosts_written: Arc<Mutex<Vec<usize>>>,
}

impl Store for Disk {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        self.store.rows(prefix)
    }

    fn commit(&self, group: &[Write]) -> Result<(), StoreError> {
        self.groups.fetch_add(1, Ordering::SeqCst);
        let _written = self.slow.lock();
        match self.full.load(Ordering::Relaxed) {
            true => Err(StoreError::Full),
            false => {
                let is_host = |write: &&Write| matches!(write, Write::Put(key, _) if key.starts_with("host/"));
                self.hosts_written.lock().unwrap().push(group.iter().filter(is_host).count());
                self.store.commit(group)
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}
