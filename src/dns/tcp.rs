//! DNS over TCP (RFC 7766): each message behind its length in two octets.
//!
//! A connection answers in the order it is asked, reads no further while its
//! answers are not taken, and may stall neither a message nor an answer for
//! longer than [`Options::tcp_message`]. Whatever is there is read at once,
//! answered, and sent at once ([`super::exchange`]).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::exchange::Connection;
use super::slots::Slots;
use super::{GRACE, Options, SlowHandler, Terms};
use crate::zone::Snapshot;

/// How long accepting rests when the system is short of something.
const REST: Duration = Duration::from_millis(100);

/// How often it is looked whether the last connection has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What all TCP connections share.
pub struct Streams {
    /// What is answered from.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What answers the rest.
    pub slow: Arc<SlowHandler>,
    /// On which terms.
    pub terms: Arc<Terms>,
    slots: Arc<Slots>,
    idle: Duration,
    stop: watch::Receiver<bool>,
}

impl Streams {
    /// No connection yet.
    pub fn new(
        options: &Options,
        snapshot: Arc<ArcSwap<Snapshot>>,
        slow: Arc<SlowHandler>,
        terms: Arc<Terms>,
        stop: watch::Receiver<bool>,
    ) -> Streams {
        let Options { tcp_connections, tcp_per_client, tcp_idle, tcp_message, .. } = *options;
        let slots = Slots::new(tcp_connections, tcp_per_client, tcp_idle, tcp_message);
        Streams { snapshot, slow, terms, slots: slots.into(), idle: tcp_idle, stop }
    }

    /// Who holds connections.
    pub fn slots(&self) -> Arc<Slots> {
        self.slots.clone()
    }

    /// How often a connection that waits for us says so, to be left alone.
    pub fn patience(&self) -> Duration {
        self.slots.pause()
    }
}

/// Serves until told to stop, ends connections whose time is up, and at last
/// all of them, those in the middle of something a little later.
pub async fn serve(listeners: Vec<TcpListener>, streams: Streams) {
    let streams = Arc::new(streams);
    let Streams { slots, stop, .. } = &*streams;
    let _ended = EndAll(slots.clone());
    let mut accepting: JoinSet<()> =
        listeners.into_iter().map(|listener| accept(listener, streams.clone())).collect();
    let mut stop = stop.clone();
    let mut looks = interval(slots.pause());
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => slots.look(),
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    // Nobody comes in while the last ones go.
    while accepting.join_next().await.is_some() {}
    let idle_ones = async {
        while !slots.is_empty() {
            slots.end_idle();
            sleep(LOOK).await;
        }
    };
    if timeout(GRACE, idle_ones).await.is_err() {
        while !slots.is_empty() {
            slots.end_all();
            sleep(LOOK).await;
        }
    }
}

/// Ends all connections when serving is broken off.
struct EndAll(Arc<Slots>);

impl Drop for EndAll {
    fn drop(&mut self) {
        self.0.end_all();
    }
}

/// Accepts until told to stop, whatever goes wrong with single connections.
async fn accept(listener: TcpListener, streams: Arc<Streams>) {
    // Connections inherit both. Answers that the client never takes are the
    // kernel's once written; it keeps them no longer than this, after a close
    // as well (RFC 5482).
    let socket = SockRef::from(&listener);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(streams.idle));
    let mut stop = streams.stop.clone();
    let mut shortages: u64 = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = streams.slots.take(stream, streams.terms.client_of(peer.ip()));
                tokio::spawn(Connection::new(place, peer, streams.clone()).serve());
                // Those let in before get their turn first: in a flood of
                // clients that come and go, they would lose their places
                // before anybody had read what they ask.
                tokio::task::yield_now().await;
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory. The connection stays in the
                // backlog, so trying again at once would only spin. Said at
                // the 1st, 2nd, 4th, 8th … time: it comes in floods.
                shortages += 1;
                if shortages.is_power_of_two() {
                    tracing::warn!("no room for a TCP connection ({shortages} times): {error}");
                }
                streams.slots.make_room();
                sleep(REST).await;
            }
        }
    }
}

/// Whether an error of `accept` is about a connection that died in the
/// backlog (Linux reports its network errors here, see accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | NetworkDown
            | NetworkUnreachable
            | HostUnreachable
            | TimedOut
            | Interrupted
    )
}
