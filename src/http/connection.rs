//! One client's connection, from its first octet to its end.
//!
//! ```text
//!  socket ── Patient ──[PROXY header]──[TLS]── Tolerant ── hyper ── router
//!            write_time   head_time  handshake_time  head_time, body_time
//! ```

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::accept::FAREWELL;
use super::limits::Limits;
use super::proxy_protocol::{self, Told};
use super::seats::{Seat, Seats};
use super::tolerant::Tolerant;
use super::waiting::{Awaited, Patient};
use super::{Encrypted, Options, Unnamed, peer, remember, router};
use crate::model::{Moments, household, is_this_machine, unmapped};
use crate::recent::Rule;
use crate::registry::Registry;

/// The headers of a request; one more is answered 431.
const MAX_HEADERS: usize = 100;

/// What every connection is served with.
#[derive(Clone)]
pub struct Service {
    router: Router,
    registry: Registry,
    /// Who may be connected.
    pub seats: Seats,
    limits: Arc<Limits>,
    trusted: Arc<[IpNet]>,
    /// A turn to compute a handshake.
    handshakes: Arc<Semaphore>,
    /// Whether the server is to stop.
    pub stopped: watch::Receiver<bool>,
}

/// What is spoken on a port.
#[derive(Clone, Default)]
pub struct Spoken {
    /// TLS, as this says.
    pub tls: Option<Arc<ServerConfig>>,
    /// The PROXY protocol first.
    pub proxied: bool,
}

/// A client's connection.
pub struct Connection {
    seat: Arc<Seat>,
    address: SocketAddr,
    /// Whether what it says is encrypted, here or as far as a proxy of ours.
    encrypted: bool,
    /// Whether it is encrypted here.
    is_tls: bool,
    /// Whether requests of many may come on it.
    behind_proxy: bool,
    /// Whether a proxy has not said who the client is.
    is_unnamed: bool,
}

impl Service {
    /// As the operator says, until `stopped` is true.
    pub fn new(
        options: &Options,
        registry: Registry,
        moments: &Moments,
        stopped: watch::Receiver<bool>,
    ) -> Service {
        let limits = &options.limits;
        Service {
            router: router(options, registry.clone(), moments),
            registry,
            seats: Seats::new(options.connections, limits.network_connections),
            limits: Arc::new(limits.clone()),
            trusted: options.trusted_proxies.clone().into(),
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            stopped,
        }
    }

    /// Whose share of the connections a client has; `None`: it is a proxy of
    /// ours, or this machine.
    pub fn whose(&self, address: SocketAddr) -> Option<IpNet> {
        let is_ours = self.trusts(address) || is_this_machine(address.ip());
        (!is_ours).then(|| household(address.ip()))
    }

    /// Whether it is a proxy of ours.
    pub fn trusts(&self, address: SocketAddr) -> bool {
        let ip = unmapped(address.ip());
        self.trusted.iter().any(|net| net.contains(&ip))
    }
}

impl Connection {
    /// Of a client that has just connected, or of a proxy of ours.
    pub fn new(seat: Seat, address: SocketAddr, behind_proxy: bool) -> Connection {
        let seat = Arc::new(seat);
        Connection {
            seat,
            address,
            encrypted: false,
            is_tls: false,
            behind_proxy,
            is_unnamed: false,
        }
    }

    /// Serves it, whatever is to be spoken first.
    pub async fn run(mut self, stream: TcpStream, spoken: Spoken, service: Service) {
        let _ = stream.set_nodelay(true);
        let mut stream = Patient::new(stream, service.limits.write_time);
        let mut stopped = service.stopped.clone();
        let seat = self.seat.clone();
        tokio::select! {
            () = seat.wanted() => return,
            _ = stopped.wait_for(|stopped| *stopped) => return,
            known = self.know_client(&mut stream, &spoken, &service) => {
                if known.is_none() {
                    return;
                }
            }
        }
        let Some(tls) = spoken.tls else { return self.serve(stream, service).await };
        let stream = tokio::select! {
            () = seat.wanted() => return,
            _ = stopped.wait_for(|stopped| *stopped) => return,
            stream = timeout(service.limits.handshake_time, handshake(stream, tls, &service)) => stream,
        };
        match stream {
            Ok(Ok(stream)) => {
                (self.encrypted, self.is_tls) = (true, true);
                self.serve(stream, service).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(peer = %self.address, %error, "no TLS with this client");
                if is_plain(&error) {
                    remember::no_http(&service.registry, self.address.ip(), Rule::PlainOnTls);
                }
            }
            Err(_) => {}
        }
    }

    /// Where a proxy stands in front, it says who the client is; `None`: the
    /// connection is to end.
    pub async fn know_client<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        spoken: &Spoken,
        service: &Service,
    ) -> Option<()> {
        if !spoken.proxied {
            return Some(());
        }
        let proxy = self.address;
        let told = match service.trusts(proxy) {
            true => timeout(service.limits.head_time, proxy_protocol::read(stream)).await.ok(),
            false => None,
        };
        let Some(Ok(Told { client, encrypted })) = told else {
            tracing::debug!(peer = %proxy, "no PROXY header of a trusted proxy");
            remember::no_http(&service.registry, proxy.ip(), NOT_PROXIED);
            return None;
        };
        self.encrypted = encrypted;
        if let Some(client) = client {
            self.address = client;
            // This connection is one client's alone.
            self.behind_proxy = service.trusts(client);
            let whose = service.whose(client);
            return whose.is_none_or(|whose| self.seat.belongs_to(whose)).then_some(());
        }
        self.is_unnamed = true;
        Some(())
    }

    /// Serves what carries HTTP.
    pub async fn serve<S>(self, stream: S, service: Service)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Service { router, registry, limits, mut stopped, .. } = service;
        let (peer, encrypted, seat) = (peer(self.address), self.encrypted, self.seat.clone());
        let is_unnamed = self.is_unnamed;
        let most = limits.connection_requests;
        let requests = Arc::new(AtomicUsize::new(0));
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let (router, seat) = (router.clone(), seat.clone());
            let is_last = requests.fetch_add(1, Ordering::Relaxed) + 1 >= most;
            async move {
                seat.busy();
                request.extensions_mut().insert(peer);
                if encrypted {
                    request.extensions_mut().insert(Encrypted);
                }
                if is_unnamed {
                    request.extensions_mut().insert(Unnamed);
                }
                let request = request.map(|body| Body::new(Awaited::new(body, seat.clone())));
                let mut response: Response = router.oneshot(request).await?;
                if is_last {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                seat.silent();
                Ok::<_, Infallible>(response)
            }
        });
        let tolerant = Tolerant::new(stream, limits.head_size, self.behind_proxy);
        let refused = tolerant.refused();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            // Old clients and `nc` end their side once they have asked.
            .half_close(true)
            .title_case_headers(true)
            .max_headers(MAX_HEADERS)
            .max_buf_size(limits.head_size)
            .serve_connection(TokioIo::new(tolerant), answer);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            // In this order: a request that is there counts.
            biased;
            ended = connection.as_mut() => Some(ended),
            () = self.seat.wanted() => return,
            () = sleep(limits.life_time) => None,
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
            if refused.load(Ordering::Relaxed) {
                remember::no_http(&registry, self.address.ip(), DOUBTFUL);
            } else if error.is_parse() && !self.is_tls {
                remember::no_http(&registry, self.address.ip(), Rule::TlsOnPlain);
            }
            tracing::debug!(peer = %self.address, %error, "an HTTP connection broke off");
        }
    }
}

/// Begins TLS. What costs is the answer to the client's first message: a key
/// exchange and a signature. A turn is taken for that alone, so that clients
/// which say nothing, or nothing more, take nobody's.
async fn handshake<S>(
    stream: S,
    config: Arc<ServerConfig>,
    service: &Service,
) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let rest = {
        let _turn = service.handshakes.acquire().await;
        start.into_stream(config)
    };
    rest.await
}

const DOUBTFUL: Rule = Rule::Other {
    words: "request: where it ends is in doubt, or a line of it is broken",
    advice: Some(
        "no client is known that sends such requests; behind a proxy they would be a way to speak \
         in the name of others. `truename why --recent` tells from where they come",
    ),
    trouble: true,
};

const NOT_PROXIED: Rule = Rule::Other {
    words: "connection: it came without a PROXY header of a trusted proxy, which this port wants",
    advice: Some(
        "if it is a proxy of yours, put its address into trusted_proxies and turn its PROXY \
         protocol on (haproxy: `send-proxy-v2`); clients without one need a port without \
         proxy_protocol",
    ),
    trouble: true,
};

/// Whether TLS failed because what came is none at all.
fn is_plain(error: &std::io::Error) -> bool {
    use rustls::{Error, InvalidMessage};
    let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    matches!(error, Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}
