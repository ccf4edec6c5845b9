//! Sockets: listening, accepting, one task a connection, an orderly end.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::remember;
use super::seats::{Seat, Seats};
use super::tolerant::Tolerant;
use super::{Encrypted, Options, peer, router};
use crate::model::Moments;
use crate::recent::Rule;
use crate::registry::Registry;

/// Clients that wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;

/// How long accepting rests when the process has no descriptor left.
const REST: Duration = Duration::from_millis(100);

/// How long requests under way may take once the server is to stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// The largest head of a request, in bytes, line and headers together.
const MAX_HEAD: usize = 64 * 1024;

/// The headers of a request; one more is answered 431.
const MAX_HEADERS: usize = 100;

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
    let acceptor = options.tls.as_ref().map(|tls| TlsAcceptor::from(tls.config.clone()));
    let plain = ports.plain.into_iter().map(|listener| (listener, None));
    let tls = ports.tls.into_iter().map(|listener| (listener, acceptor.clone()));
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for (listener, tls) in plain.chain(tls) {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().unwrap_or(unknown);
        let listener =
            TcpListener::from_std(listener).map_err(|error| BindError { address, error })?;
        addresses.push(address);
        listeners.push((listener, tls));
    }
    let (stop, stopped) = watch::channel(false);
    let service = Service::new(options, registry, moments, stopped);
    let listeners = listeners
        .into_iter()
        .map(|(listener, tls)| tokio::spawn(accept(listener, tls, service.clone())))
        .collect();
    Ok(Server { addresses, stop, listeners })
}

/// Serves one connection that somebody else has accepted, to its end.
pub async fn converse<S>(
    options: &Options,
    registry: Registry,
    moments: &Moments,
    stream: S,
    peer: SocketAddr,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (_stop, stopped) = watch::channel(false);
    let service = Service::new(options, registry, moments, stopped);
    let seat = Arc::new(service.seats.take().await);
    Connection { seat, address: peer, tls: None }.serve(stream, service).await;
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

/// What every connection is served with.
#[derive(Clone)]
struct Service {
    router: Router,
    registry: Registry,
    seats: Seats,
    read_time: Duration,
    life_time: Duration,
    stopped: watch::Receiver<bool>,
}

impl Service {
    fn new(
        options: &Options,
        registry: Registry,
        moments: &Moments,
        stopped: watch::Receiver<bool>,
    ) -> Service {
        Service {
            router: router(options, registry.clone(), moments),
            registry,
            seats: Seats::new(options.connections),
            read_time: options.read_time,
            life_time: options.life_time,
            stopped,
        }
    }
}

/// Accepts until told to stop. No error ends it: a client that is gone again
/// (ECONNABORTED) is its own matter, and descriptors (EMFILE) come back.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, service: Service) {
    let mut stopped = service.stopped.clone();
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let seat = tokio::select! {
                    seat = service.seats.take() => seat,
                    _ = stopped.wait_for(|stopped| *stopped) => break,
                };
                let connection = Connection { seat: Arc::new(seat), address, tls: tls.clone() };
                connections.spawn(connection.run(stream, service.clone()));
            }
            Err(error) if is_clients_own(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept HTTP connections for a moment");
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

/// Whether TLS failed because what came is none at all.
fn is_plain(error: &io::Error) -> bool {
    use rustls::{Error, InvalidMessage};
    let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    matches!(error, Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// A client's connection.
struct Connection {
    seat: Arc<Seat>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Connection {
    async fn run(self, stream: TcpStream, service: Service) {
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.serve(stream, service).await,
            Some(tls) => {
                let mut stopped = service.stopped.clone();
                let stream = tokio::select! {
                    stream = timeout(service.read_time, tls.accept(stream)) => stream,
                    () = self.seat.wanted() => return,
                    _ = stopped.wait_for(|stopped| *stopped) => return,
                };
                match stream {
                    Ok(Ok(stream)) => self.serve(stream, service).await,
                    Ok(Err(error)) => {
                        tracing::debug!(peer = %self.address, %error, "no TLS with this client");
                        if is_plain(&error) {
                            let peer = self.address.ip();
                            remember::no_http(&service.registry, peer, Rule::PlainOnTls);
                        }
                    }
                    Err(_) => {}
                }
            }
        }
    }

    async fn serve<S>(self, stream: S, service: Service)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Service { router, registry, read_time, life_time, mut stopped, .. } = service;
        let peer = peer(self.address);
        let is_tls = self.tls.is_some();
        let seat = self.seat.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let (router, seat) = (router.clone(), seat.clone());
            async move {
                seat.busy();
                request.extensions_mut().insert(peer);
                if is_tls {
                    request.extensions_mut().insert(Encrypted);
                }
                let response = router.oneshot(request.map(Body::new)).await;
                seat.silent();
                response
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(read_time)
            // Old clients and `nc` end their side once they have asked.
            .half_close(true)
            .title_case_headers(true)
            .ignore_invalid_headers(true)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Tolerant::new(stream)), answer);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.seat.wanted() => return,
            () = sleep(life_time) => None,
            _ = stopped.wait_for(|stopped| *stopped) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                match timeout(FAREWELL, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            if error.is_parse() && !is_tls {
                remember::no_http(&registry, self.address.ip(), Rule::TlsOnPlain);
            }
            tracing::debug!(peer = %self.address, %error, "an HTTP connection broke off");
        }
    }
}
