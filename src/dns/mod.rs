//! DNS on the network: UDP by a thread a core, TCP on tokio, and the slow
//! path for what is no plain question.
//!
//! Every transport asks the same pure function, [`crate::answer::answer`], and
//! differs only in how bytes come and go. What that function will not answer
//! (UPDATE, NOTIFY, transfers, anything signed) goes to [`SlowHandler`].

mod bind;
mod cookie_file;
mod counters;
mod exchange;
mod limits;
mod network;
mod slots;
mod slow;
mod tcp;
mod terms;
mod udp;
mod worker;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::interval;

use self::cookie_file::Renewal;
use crate::answer::{Cookies, MAX_UDP};
use crate::model::Moments;
use crate::registry::Registry;
use crate::zone::Snapshot;

pub use bind::{BindError, Transport};
pub use cookie_file::{CookieFile, CookieFileError};
pub use counters::Counters;
pub use limits::{HeldBack, RateLimit};
pub use network::Prefixes;
pub use slow::SlowHandler;
pub use terms::Terms;

/// Where and how the DNS is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The addresses, each for UDP and TCP. Port 0 takes a free port, the same
    /// for both.
    pub listen: Vec<SocketAddr>,
    /// UDP threads for each address; 0: one a core.
    pub threads: usize,
    /// The most TCP connections at a time, over all addresses. When one more
    /// comes, the one idle for longest is closed, so that however many sit
    /// there doing nothing, a new client is served.
    pub tcp_connections: usize,
    /// The most of them that one network may hold: who comes beyond that takes
    /// the place of one of its own.
    pub tcp_per_client: usize,
    /// How long a TCP connection may be idle between messages.
    pub tcp_idle: Duration,
    /// How long one message over TCP may take to arrive in full, and how long
    /// answers may take to be accepted by the client. Long enough for one
    /// retransmission on a bad line (RFC 6298 §2: a second), short enough
    /// that stalling is no way to hold a connection.
    pub tcp_message: Duration,
    /// How often one network is told something over UDP.
    pub rate_limit: RateLimit,
    /// What one network is, where clients are limited by it.
    pub prefixes: Prefixes,
    /// Networks that no limit concerns.
    pub exempt: Vec<IpNet>,
    /// The longest answer over UDP, in octets.
    pub udp_size: usize,
    /// The longest answer over UDP to a client without a cookie of ours, in
    /// octets: longer ones are cut, and asked for again by TCP. It is what a
    /// client without EDNS gets at most (RFC 1035 §4.2.1), so everybody who
    /// speaks to us can do with it. Answers about hosts are far shorter (two
    /// addresses: below 100 octets), so hardly anybody is ever sent to TCP,
    /// and those who write somebody else's address on a question get no more
    /// out of a long TXT record than was possible in 1987.
    pub unverified_size: usize,
    /// What cookies are made and checked with (RFC 7873).
    pub cookies: Arc<Cookies>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: Vec::new(),
            threads: 0,
            tcp_connections: 1000,
            tcp_per_client: 100,
            tcp_idle: Duration::from_secs(10),
            tcp_message: Duration::from_secs(2),
            rate_limit: RateLimit::default(),
            prefixes: Prefixes::default(),
            exempt: near(),
            udp_size: MAX_UDP,
            unverified_size: 512,
            cookies: cookie_file::by_chance(),
        }
    }
}

/// This machine itself and networks of one's own (RFC 1918, 3927, 4193, 4291):
/// nobody elsewhere has such an address, so none can be flooded at it, and a
/// resolver there asks for everybody.
fn near() -> Vec<IpNet> {
    let v4 = |a, b, prefix| IpNet::new_assert(Ipv4Addr::new(a, b, 0, 0).into(), prefix);
    let v6 = |first, last, prefix| {
        IpNet::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last).into(), prefix)
    };
    vec![
        v4(127, 0, 8),
        v4(10, 0, 8),
        v4(172, 16, 12),
        v4(192, 168, 16),
        v4(169, 254, 16),
        v6(0, 1, 128),
        v6(0xfc00, 0, 7),
        v6(0xfe80, 0, 10),
    ]
}

/// The most datagrams waiting for the slow path; more are dropped, as the
/// network may at any time, and their senders ask again.
const SLOW_QUEUE: usize = 256;

/// How long exchanges in progress may take once the server is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// How often it is looked whether cookies are to have a new secret.
const HOUR: Duration = Duration::from_secs(3600);

/// A DNS server at work. Dropping it stops it without waiting.
pub struct Server {
    addresses: Vec<SocketAddr>,
    bells: Vec<worker::Bell>,
    threads: Vec<JoinHandle<()>>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    counters: Counters,
}

/// The open sockets, on which nothing is answered yet: questions wait in the
/// kernel.
pub struct Bound(Vec<bind::Sockets>);

/// Opens every socket, which may take a privilege that serving does not.
///
/// # Errors
/// When one cannot be opened; then none is.
pub fn bind(options: &Options) -> Result<Bound, BindError> {
    let workers = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let mut listen = options.listen.clone();
    let mut seen = std::collections::HashSet::new();
    listen.retain(|address| address.port() == 0 || seen.insert(*address));
    let sockets = listen.iter().map(|address| bind::bind(*address, workers));
    Ok(Bound(sockets.collect::<Result<_, _>>()?))
}

/// Opens every socket, then serves what is in `snapshot`, as [`serve_on`].
///
/// # Errors
/// When a socket cannot be opened or a thread cannot be started; whatever was
/// opened before is closed again.
pub fn serve(
    options: &Options,
    snapshot: Arc<ArcSwap<Snapshot>>,
    registry: Option<Registry>,
    moments: &Moments,
) -> Result<Server, BindError> {
    serve_on(bind(options)?, options, snapshot, registry, moments)
}

/// Serves what is in `snapshot` on the open sockets. Called inside a tokio
/// runtime, which carries TCP and the slow path. Keys are the `registry`'s,
/// and so are changes by DNS UPDATE; without one there are none. `moments`
/// is what limits count by and cookies are stamped with.
///
/// # Errors
/// When a thread cannot be started; the sockets are closed then.
pub fn serve_on(
    sockets: Bound,
    options: &Options,
    snapshot: Arc<ArcSwap<Snapshot>>,
    registry: Option<Registry>,
    moments: &Moments,
) -> Result<Server, BindError> {
    let Bound(sockets) = sockets;
    let addresses: Vec<SocketAddr> = sockets.iter().map(|sockets| sockets.address).collect();

    let (stop, stopped) = watch::channel(false);
    let terms = Arc::new(Terms::new(options, moments));
    let slow = Arc::new(SlowHandler::new(snapshot.clone(), registry, terms.clone()));
    let (jobs, queue) = mpsc::channel(SLOW_QUEUE);
    let renewal = Renewal::of(&options.cookies, terms.now());
    let renewal = renewal.map(|renewal| renew_cookies(renewal, terms.clone(), stopped.clone()));
    let streams =
        tcp::Streams::new(options, snapshot.clone(), slow.clone(), terms.clone(), stopped);
    let counters = Counters::new(terms.clone(), streams.slots());
    let mut server = Server {
        addresses: addresses.clone(),
        bells: Vec::new(),
        threads: Vec::new(),
        tasks: JoinSet::new(),
        stop,
        counters,
    };
    server.tasks.spawn(worker::answer_slowly(slow, queue));
    if let Some(renewal) = renewal {
        server.tasks.spawn(renewal);
    }
    let mut listeners = Vec::new();
    let own: Arc<[SocketAddr]> = addresses.into();
    for bind::Sockets { address, datagrams, listener } in sockets {
        for (number, socket) in datagrams.into_iter().enumerate() {
            server.bells.push(socket.bell());
            let worker = worker::Worker::new(
                socket,
                own.clone(),
                snapshot.clone(),
                jobs.clone(),
                terms.clone(),
            );
            let thread = std::thread::Builder::new()
                .name(format!("dns-udp-{number}"))
                .spawn(move || worker.run())
                .map_err(|cause| BindError { address, transport: Transport::Udp, cause })?;
            server.threads.push(thread);
        }
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|cause| BindError {
            address,
            transport: Transport::Tcp,
            cause,
        })?;
        listeners.push(listener);
    }
    server.tasks.spawn(tcp::serve(listeners, streams));
    Ok(server)
}

/// Looks whether cookies are to have a new secret, until told to stop.
async fn renew_cookies(mut renewal: Renewal, terms: Arc<Terms>, mut stop: watch::Receiver<bool>) {
    let mut looks = interval(HOUR);
    loop {
        tokio::select! {
            _ = looks.tick() => renewal.look(terms.now()),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

impl Server {
    /// The addresses served, in the order of [`Options::listen`], with the
    /// ports that were taken where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it counts from now on, readable as long as somebody wants it.
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Stops: no new request is read, TCP exchanges in progress get a short
    /// grace, and when it returns no thread, task or socket is left.
    pub async fn stop(mut self) {
        self.ring();
        let threads = std::mem::take(&mut self.threads);
        // A UDP thread ends once its batch is answered; waiting for that
        // blocks, if only for a moment.
        let join = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A worker outlives panics (see `worker::Worker::run`).
                let _ = thread.join();
            }
        });
        let _ = join.await;
        while self.tasks.join_next().await.is_some() {}
    }

    /// Tells every thread and task to end.
    fn ring(&self) {
        self.stop.send_replace(true);
        for bell in &self.bells {
            bell.ring();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ring();
    }
}
