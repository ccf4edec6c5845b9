//! The threads that answer datagrams.
//!
//! A thread waits for the first datagram, takes what else is there, answers it
//! all from one Snapshot and sends it together ([`super::udp`]). Nothing is
//! allocated for a packet: every buffer is made when the thread starts. The
//! threads of an address share its port (SO_REUSEPORT); the kernel keeps a
//! client with one of them.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::Socket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::limits::{Counted, Ruling};
use super::udp::{self, BATCH, Batch, WayBack};
use super::{GRACE, SLOW_QUEUE, SlowHandler, Terms, Transport};
use crate::answer::{Asked, Verdict};
use crate::model::Moment;
use crate::tsig;
use crate::zone::{Snapshot, Spot};

/// How often an idle thread looks whether it should stop, should the kernel
/// not wake it ([`Bell::ring`]).
const LOOK: Duration = Duration::from_secs(1);

/// How long a thread rests after an error that is not about a datagram.
const REST: Duration = Duration::from_millis(10);

/// Requests from UDP on the slow path at once. Only those wait long that have
/// a key and wait for the disk; a group of them shares one fsync.
const SLOW_AT_ONCE: usize = 256;

/// A UDP socket made ready for a [`Worker`].
pub struct Datagrams {
    socket: Arc<Socket>,
    stop: Arc<AtomicBool>,
}

/// Stops one worker.
pub struct Bell {
    socket: Arc<Socket>,
    stop: Arc<AtomicBool>,
}

impl Bell {
    /// Tells the worker to end, and wakes it.
    pub fn ring(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // On Linux this wakes who waits in recvmmsg although the socket is not
        // connected, and costs nothing while packets flow; the error says
        // only that it is not connected.
        let _ = self.socket.shutdown(Shutdown::Read);
    }
}

impl Datagrams {
    /// Takes a bound socket and makes it ready.
    pub fn new(socket: Socket) -> io::Result<Datagrams> {
        udp::prepare(&socket)?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Datagrams { socket: Arc::new(socket), stop: Arc::default() })
    }

    /// What stops the worker of this socket.
    pub fn bell(&self) -> Bell {
        Bell { socket: self.socket.clone(), stop: self.stop.clone() }
    }
}

/// A request on its way to the slow path.
pub struct Job {
    request: Vec<u8>,
    peer: SocketAddr,
    way_back: WayBack,
    socket: Arc<Socket>,
}

/// Answers what UDP threads hand over, until they end: [`SLOW_AT_ONCE`] at a
/// time, so that one which waits for the disk is in nobody's way.
pub async fn answer_slowly(slow: Arc<SlowHandler>, mut queue: mpsc::Receiver<Job>) {
    let mut under_way = JoinSet::new();
    while let Some(job) = queue.recv().await {
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= SLOW_AT_ONCE {
            under_way.join_next().await;
        }
        under_way.spawn(job.answer(slow.clone()));
    }
    // What is broken off here was not acknowledged.
    let all = async { while under_way.join_next().await.is_some() {} };
    let _ = timeout(GRACE, all).await;
}

impl Job {
    async fn answer(self, slow: Arc<SlowHandler>) {
        let Job { request, peer, way_back, socket } = self;
        let (replies, mut written) = mpsc::channel(1);
        let work = slow.handle(request, peer, Transport::Udp, replies);
        let send = async {
            while let Some(mut octets) = written.recv().await {
                if let Err(error) = udp::send_one(&socket, &mut octets, &way_back) {
                    tracing::debug!("answering {peer}: {error}");
                }
            }
        };
        tokio::join!(work, send);
    }
}

/// Answers the datagrams of one socket.
pub struct Worker {
    datagrams: Datagrams,
    /// Our own addresses, never answered: that would be a loop.
    own: Arc<[SocketAddr]>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    slow: mpsc::Sender<Job>,
    terms: Arc<Terms>,
}

impl Worker {
    /// Ready to run.
    pub fn new(
        datagrams: Datagrams,
        own: Arc<[SocketAddr]>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        slow: mpsc::Sender<Job>,
        terms: Arc<Terms>,
    ) -> Worker {
        Worker { datagrams, own, snapshot, slow, terms }
    }

    /// Serves until the bell rings. No error ends it, and no panic: a dead
    /// worker's socket would go on taking its share of the clients.
    pub fn run(self) {
        let mut batch = Batch::new();
        let mut asked: Vec<Asked> = (0..BATCH).map(|_| Asked::new()).collect();
        while !self.stopped() {
            // A panic leaves no worse than answers half written, and each is
            // written anew.
            let rounds = AssertUnwindSafe(|| self.serve(&mut batch, &mut asked));
            if catch_unwind(rounds).is_err() {
                tracing::error!("a DNS worker panicked over a request and goes on");
            }
        }
    }

    fn serve(&self, batch: &mut Batch, asked: &mut [Asked]) {
        let fd = self.datagrams.socket.as_raw_fd();
        while !self.stopped() {
            let count = match batch.receive(fd) {
                Ok(count) => count,
                Err(error) => {
                    rest_after(&error);
                    continue;
                }
            };
            let snapshot = self.snapshot.load();
            self.answer_all(&snapshot, batch, &mut asked[..count]);
            // Sending may wait; an old Snapshot need not.
            drop(snapshot);
            batch.send(fd);
        }
    }

    /// Answers a batch, one `asked` for each datagram. What a look-up has to
    /// wait for is memory, so all of them are begun before any is finished:
    /// the whole batch waits about as long as one question would.
    fn answer_all(&self, snapshot: &Snapshot, batch: &mut Batch, asked: &mut [Asked]) {
        let mut spots: [Option<Spot<'_>>; BATCH] = [None; BATCH];
        for (at, asked) in asked.iter_mut().enumerate() {
            asked.read(batch.request(at));
        }
        for (spot, asked) in spots.iter_mut().zip(&*asked) {
            let found = snapshot.spot(asked.name());
            found.fetch_leaf();
            *spot = Some(found);
        }
        spots.iter().flatten().for_each(Spot::fetch_front);
        spots.iter_mut().flatten().for_each(Spot::fetch_entry);
        let now = self.terms.now();
        let limits = self.terms.limits();
        let mut counted: [Option<(IpAddr, Counted)>; BATCH] = [None; BATCH];
        for (at, (asked, spot)) in asked.iter_mut().zip(spots.into_iter().flatten()).enumerate() {
            let answer = |peer: IpAddr, request: &[u8], out: &mut Vec<u8>| {
                let terms = self.terms.datagram(peer, now);
                let verdict = asked.answer(snapshot, spot, request, &terms, out);
                (verdict, asked.is_verified())
            };
            let Some(peer) = self.answer(batch, at, now, answer) else { continue };
            match limits {
                Some(limits) if !asked.is_verified() => {
                    counted[at] = Some((peer, limits.find(peer, asked, batch.reply(at))));
                }
                _ => batch.answered(at),
            }
        }
        let Some(limits) = limits else { return };
        for (at, counted) in counted[..asked.len()].iter().enumerate() {
            let Some((peer, counted)) = *counted else { continue };
            match limits.rule(counted, peer, now) {
                Ruling::Send => {}
                Ruling::Cut => asked[at].cut(batch.exchange(at).1),
                Ruling::Drop => continue,
            }
            batch.answered(at);
        }
    }

    fn stopped(&self) -> bool {
        self.datagrams.stop.load(Ordering::Relaxed)
    }

    /// Answers the datagram at `at`; to whom, if there is something to send.
    #[inline]
    fn answer(
        &self,
        batch: &mut Batch,
        at: usize,
        now: Moment,
        answer: impl FnOnce(IpAddr, &[u8], &mut Vec<u8>) -> (Verdict, bool),
    ) -> Option<IpAddr> {
        let peer = batch.peer(at)?;
        if !is_a_client(peer) || is_ourselves(&self.own, peer, || batch.way_back(at).asked()) {
            return None;
        }
        let (request, out) = batch.exchange(at);
        match answer(peer.ip(), request, out) {
            (Verdict::Sent, _) => Some(peer.ip()),
            (Verdict::Drop, _) => None,
            (Verdict::Slow(_), verified) => {
                self.hand_over(request.to_vec(), peer, batch.way_back(at), now, verified);
                None
            }
        }
    }

    /// Gives a request to the slow path. Without a signature it comes to an
    /// error, whoever sent it, so that the limits apply before it takes the
    /// place of one that has something to say; but for a client that has shown
    /// where it is. What bears one is counted once it is known whether it holds.
    fn hand_over(
        &self,
        request: Vec<u8>,
        peer: SocketAddr,
        way_back: WayBack,
        now: Moment,
        verified: bool,
    ) {
        let claims_key = matches!(tsig::find(&request), Ok(Some(_)));
        let passes = match claims_key {
            // While the queue fills up, each network has so many places and no
            // more: signatures that are made up are found out behind it.
            true => {
                let has_room = self.slow.capacity() >= SLOW_QUEUE / 2;
                has_room || verified || self.terms.lets_signed_in(peer.ip(), now)
            }
            false => verified || self.terms.lets_error_pass(peer.ip(), now),
        };
        if passes {
            let socket = self.datagrams.socket.clone();
            // A full queue drops it, as the network might have.
            let _ = self.slow.try_send(Job { request, peer, way_back, socket });
        }
    }
}

/// Whether a source is one that somebody can have: nothing is ever sent to a
/// multicast or broadcast address, whatever the kernel lets through.
#[inline]
fn is_a_client(peer: SocketAddr) -> bool {
    let ip = peer.ip();
    let nobody = match ip {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    peer.port() != 0 && !nobody && !ip.is_multicast() && !ip.is_unspecified()
}

/// Whether a datagram claims to come from one of our own sockets. `asked` is
/// where a wildcard socket got it, which that socket's address does not tell.
fn is_ourselves(own: &[SocketAddr], peer: SocketAddr, asked: impl Fn() -> Option<IpAddr>) -> bool {
    own.iter().any(|own| {
        own.port() == peer.port() && (own.ip() == peer.ip() || asked() == Some(peer.ip()))
    })
}

/// After an error of recvmmsg: go on at once if it was about time or one
/// datagram, else rest, so that a lasting fault does not spin.
fn rest_after(error: &io::Error) {
    match error.kind() {
        io::ErrorKind::Interrupted
        | io::ErrorKind::WouldBlock
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => {}
        _ => {
            tracing::debug!("receiving: {error}");
            std::thread::sleep(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_ourselves;

    #[test]
    fn a_datagram_from_ourselves_is_known() {
        let own = ["192.0.2.1:53", "0.0.0.0:5300"].map(|own| own.parse().unwrap());
        let check = |peer: &str, asked: Option<&str>| {
            is_ourselves(&own, peer.parse().unwrap(), || asked.map(|ip| ip.parse().unwrap()))
        };
        assert!(check("192.0.2.1:53", None));
        assert!(check("198.51.100.7:5300", Some("198.51.100.7")));
        // Another server asking from the same port, or a client beside us.
        assert!(!check("192.0.2.2:53", None));
        assert!(!check("192.0.2.1:1053", None));
        assert!(!check("198.51.100.8:5300", Some("198.51.100.7")));
    }
}
