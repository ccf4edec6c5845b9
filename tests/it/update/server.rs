//! A whole server in process whose DNS is on a socket, with a key.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truename::clock;
use truename::dns::{self, Options};
use truename::model::{Addresses, Holder, KeyId, Moments, Name};
use truename::registry::{Command, HostSettings, Purpose, Reply};
use truename::store::Engine;

use crate::world::World;

pub const ZONE: &str = "\
$ORIGIN dyn.example.org.
$TTL 300
@   SOA ns1 hostmaster 1 3600 600 86400 60
@   NS  ns1
ns1 A   192.0.2.53
www A   192.0.2.80
";

/// See [`Server::hold`].
pub struct Held {
    _release: std::sync::mpsc::Sender<()>,
}

/// A server with its clock at the real time, for programs that know no other.
pub struct Server {
    pub world: World,
    runtime: tokio::runtime::Runtime,
    dns: Option<dns::Server>,
    options: Options,
    moments: Moments,
}

impl Server {
    pub fn new() -> Server {
        Server::with(ZONE)
    }

    pub fn with(zone: &str) -> Server {
        // Short, so that a test can see it end.
        let tcp_message = Duration::from_millis(500);
        let options = Options { tcp_message, ..Options::default() };
        Server::serving(zone, options, clock::moments())
    }

    /// With these options, on an address of its own, and this clock for limits
    /// and cookies.
    pub fn serving(zone: &str, options: Options, moments: Moments) -> Server {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let options = Options { listen, threads: 1, ..options };
        let mut world = World::new(Engine::Redb, zone);
        world.start().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut server = Server { world, runtime, dns: None, options, moments };
        server.clock_is_off_by(0);
        server.open();
        server
    }

    fn open(&mut self) {
        let registry = self.world.registry().clone();
        let _inside = self.runtime.enter();
        let snapshot = registry.snapshot().clone();
        let (options, moments) = (&self.options, &self.moments);
        self.dns = Some(dns::serve(options, snapshot, Some(registry), moments).unwrap());
    }

    /// The server's clock is that many seconds ahead of everybody else's.
    pub fn clock_is_off_by(&self, seconds: i64) {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        self.world.step.store(0, Ordering::Relaxed);
        let own = self.world.registry().now().wall.0;
        self.world.step.store(real - own + seconds, Ordering::Relaxed);
    }

    pub fn address(&self) -> SocketAddr {
        self.dns.as_ref().unwrap().addresses()[0]
    }

    /// Nothing on the slow path goes on until what this returns is dropped.
    pub fn hold(&self) -> Held {
        let (release, released) = std::sync::mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let workers = self.runtime.metrics().num_workers();
        let held = Arc::new(AtomicUsize::new(0));
        for _ in 0..workers {
            let (released, held) = (released.clone(), held.clone());
            self.runtime.spawn(async move {
                held.fetch_add(1, Ordering::SeqCst);
                let _ = released.lock().unwrap().recv();
            });
        }
        while held.load(Ordering::SeqCst) < workers {
            std::thread::yield_now();
        }
        Held { _release: release }
    }

    /// What the limits have held back.
    pub fn held_back(&self) -> dns::HeldBack {
        self.dns.as_ref().unwrap().counters().held_back()
    }

    /// Starts again from what is on the disk, as after a kill -9.
    pub fn crash(&mut self) {
        self.runtime.block_on(self.dns.take().unwrap().stop());
        self.world.crash().unwrap();
        self.open();
    }

    /// A host, at these addresses if there are any.
    pub fn host(&self, name: &str, addresses: &[&str], owner: Option<&str>) {
        let mut at = Addresses::NONE;
        for address in addresses {
            let more: Addresses = address.parse::<IpAddr>().unwrap().into();
            at = Addresses { v4: more.v4.or(at.v4), v6: more.v6.or(at.v6) };
        }
        let owner = owner.map(|owner| Some(owner.parse().unwrap()));
        let addresses = (!addresses.is_empty()).then_some(at);
        let settings = HostSettings { addresses, owner, ..HostSettings::default() };
        let command = Command::HostAdd { name: name.parse().unwrap(), settings, key: false };
        self.world.command(command).unwrap();
    }

    pub fn account(&self, name: &str) {
        let command = Command::AccountAdd { name: name.parse().unwrap(), password: None };
        self.world.command(command).unwrap();
    }

    /// A key of a host or an account that may do this, its name and its secret.
    pub fn key(&self, holder: &str, may: &str) -> (KeyId, [u8; 32]) {
        let holder = match holder.contains('.') {
            true => Holder::Host(holder.parse::<Name>().unwrap()),
            false => Holder::Account(holder.parse().unwrap()),
        };
        let (hosts, networks, label) = (vec![], vec![], String::new());
        let command = Command::KeyAdd {
            holder,
            hosts,
            networks,
            label,
            may: may.parse().unwrap(),
            ends: None,
        };
        let Ok(Reply::KeyAdded(key)) = self.world.command(command) else { panic!("no key") };
        let id = key.key.id;
        let source = Ipv4Addr::LOCALHOST.into();
        let secret = self.world.registry().shared_secret(&id, Purpose::Tsig, source);
        (id, secret.expect("a key has a secret").1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(dns) = self.dns.take() {
            self.runtime.block_on(dns.stop());
        }
    }
}
