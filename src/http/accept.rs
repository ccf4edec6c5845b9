//! Sockets: listening, accepting, one task a connection, an orderly end.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Service, Spoken};
use super::{Options, Tls};
use crate::model::Moments;
use crate::registry::Registry;

/// Clients that wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;

/// How long accepting rests when the process has no descriptor left.
const REST: Duration = Duration::from_millis(100);

/// How long requests under way may take once the server is to stop.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// Octets of answers that the kernel keeps for a client that does not take
/// them; it doubles this for its own bookkeeping. Left to itself it keeps
/// megabytes for each.
const SEND_QUEUE: usize = 16 << 10;

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { address, error } = self;
        write!(f, "cannot serve HTTP on {address}: {error}; ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "another program has the port (`ss -ltnp sport = :{}` shows which): stop it, or \
                 listen elsewhere",
                address.port()
            ),
            io::ErrorKind::PermissionDenied => f.write_str(
                "ports below 1024 need CAP_NET_BIND_SERVICE (the systemd unit gives it), or \
                 listen on a higher one",
            ),
            io::ErrorKind::AddrNotAvailable => {
                f.write_str("this machine has no such address: listen on one of its own")
            }
            _ => f.write_str("listen on another address"),
        }
    }
}

impl std::error::Error for BindError {}

/// A running HTTP server.
pub struct Server {
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
}

impl Server {
    /// Where it listens: plain addresses first, then those of TLS, with the
    /// ports the system chose for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more, lets requests under way end (5 seconds at most),
    /// closes.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
    }
}

/// The open ports, on which nobody is served yet: clients wait in the kernel.
pub struct Bound {
    plain: Vec<StdListener>,
    tls: Vec<StdListener>,
}

/// Opens the ports of plain HTTP and of TLS, which may take a privilege that
/// serving does not.
///
/// # Errors
/// When one of the addresses cannot be listened on; then none is.
pub fn bind(plain: &[SocketAddr], tls: &[SocketAddr]) -> Result<Bound, BindError> {
    let all = |addresses: &[SocketAddr]| {
        let open = |&address| listen(address).map_err(|error| BindError { address, error });
        addresses.iter().map(open).collect::<Result<_, _>>()
    };
    Ok(Bound { plain: all(plain)?, tls: all(tls)? })
}

/// Listens on every address and serves. To be called within a tokio runtime.
/// `moments` is what limits count by.
///
/// # Errors
/// When one of the addresses cannot be listened on; then none is.
pub fn serve(
    options: &Options,
    registry: Registry,
    moments: &Moments,
) -> Result<Server, BindError> {
    let tls = options.tls.as_ref().map_or(&[][..], |tls| &tls.listen);
    serve_on(bind(&options.listen, tls)?, options, registry, moments)
}

/// Serves on the open ports, whatever the options say of addresses. To be
/// called within a tokio runtime.
///
/// # Errors
/// When the runtime does not take a port.
pub fn serve_on(
    ports: Bound,
    options: &Options,
    registry: Registry,
    moments: &Moments,
) -> Result<Server, BindError> {
    let spoken = Spoken { tls: None, proxied: options.proxy_protocol };
    let plain = ports.plain.into_iter().map(|listener| (listener, spoken.clone()));
    let over_tls =
        |tls: &Tls| Spoken { tls: Some(tls.config.clone()), proxied: tls.proxy_protocol };
    let over_tls = options.tls.as_ref().map(over_tls).unwrap_or_default();
    let tls = ports.tls.into_iter().map(|listener| (listener, over_tls.clone()));
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for (listener, spoken) in plain.chain(tls) {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().unwrap_or(unknown);
        let listener =
            TcpListener::from_std(listener).map_err(|error| BindError { address, error })?;
        addresses.push(address);
        listeners.push((listener, spoken));
    }
    let (stop, stopped) = watch::channel(false);
    let service = Service::new(options, registry, moments, stopped);
    let listeners = listeners
        .into_iter()
        .map(|(listener, spoken)| tokio::spawn(accept(listener, spoken, service.clone())))
        .collect();
    Ok(Server { addresses, stop, listeners })
}

/// Serves one connection that somebody else has accepted, to its end, as one
/// to [`Options::listen`] is served.
pub async fn converse<S>(
    options: &Options,
    registry: Registry,
    moments: &Moments,
    mut stream: S,
    peer: SocketAddr,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (_stop, stopped) = watch::channel(false);
    let service = Service::new(options, registry, moments, stopped);
    if let Some(seat) = service.seats.take(service.whose(peer)).await {
        let mut connection = Connection::new(seat, peer, service.trusts(peer));
        let spoken = Spoken { tls: None, proxied: options.proxy_protocol };
        if connection.know_client(&mut stream, &spoken, &service).await.is_some() {
            connection.serve(stream, service).await;
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for the last connections to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Every connection accepted inherits it.
    socket.set_send_buffer_size(SEND_QUEUE)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until told to stop. No error ends it: a client that is gone again
/// (ECONNABORTED) is its own matter, and descriptors (EMFILE) come back.
async fn accept(listener: TcpListener, spoken: Spoken, service: Service) {
    let mut stopped = service.stopped.clone();
    let mut connections = JoinSet::new();
    let mut in_trouble = false;
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                in_trouble = false;
                let seat = tokio::select! {
                    seat = service.seats.take(service.whose(address)) => seat,
                    _ = stopped.wait_for(|stopped| *stopped) => break,
                };
                let Some(seat) = seat else { continue };
                let connection = Connection::new(seat, address, service.trusts(address));
                connections.spawn(connection.run(stream, spoken.clone(), service.clone()));
            }
            Err(error) if is_clients_own(&error) => {}
            Err(error) => {
                // Once, however long it lasts.
                if !in_trouble {
                    tracing::warn!(%error, "cannot accept HTTP connections for a moment");
                }
                in_trouble = true;
                service.seats.make_room();
                sleep(REST).await;
            }
        }
    }
    drop(listener);
    if timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await.is_err()
    {
        connections.shutdown().await;
    }
}

fn is_clients_own(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
