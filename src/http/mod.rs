//! HTTP: how hosts report, and what is my address.
//!
//! Requests are told apart by what they carry rather than by their path,
//! because routers call a dozen paths and misspell them (WIRE.md §1,
//! Endpoint). Each update language has a file with a signature, a reader and a
//! speaker (`language.rs`); what none of the others knows and what names a
//! host or presents credentials is [`dyndns2`]. [`dispatch`] is the way they
//! all go.
//!
//! Every answer has a Content-Length, says `no-store`, and holds no number of
//! four parts but the address asked for: some routers take the first one of
//! the whole answer, headers included.

mod accept;
mod acme_dns;
mod body;
mod challenge;
mod checkip;
mod connection;
mod credentials;
mod desec;
mod dispatch;
mod docker_ddns;
mod duckdns;
mod dyndns1;
mod dyndns2;
mod dynv6;
mod easydns;
mod framing;
mod freedns;
mod gate;
mod he;
mod hosts;
mod httpreq;
mod language;
mod limits;
mod namecheap;
mod noip;
mod parameters;
mod path;
mod proxies;
mod proxy_protocol;
mod records;
mod register;
mod remember;
mod request_line;
mod seats;
mod signed;
mod spelling;
mod struck;
mod token_url;
mod tolerant;
mod waiting;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use ipnet::IpNet;
use rustls::ServerConfig;

pub use accept::{BindError, Bound, Server, bind, converse, serve, serve_on};
pub use dispatch::Protocols;
pub use limits::Limits;
pub use register::Registration;

use crate::model::{Moments, household, is_this_machine, unmapped};
use crate::registry::Registry;
use parameters::Parameters;
use proxies::Source;

/// What the operator says of HTTP.
#[derive(Clone)]
pub struct Options {
    /// Where plain HTTP is served. `[::]` is IPv6 alone: list `0.0.0.0` too.
    pub listen: Vec<SocketAddr>,
    /// Where HTTPS is served, and how.
    pub tls: Option<Tls>,
    /// Proxies of ours, whose word on the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether every connection to [`Options::listen`] begins with a header of
    /// the PROXY protocol; only trusted proxies may connect there then.
    pub proxy_protocol: bool,
    /// Hosts in one request; more is `numhost`. ddclient puts all of its hosts
    /// into one.
    pub max_hosts: usize,
    /// The update languages that are on.
    pub protocols: Protocols,
    /// The realm of the login, shown by browsers.
    pub realm: String,
    /// Connections at once. One more takes the place of a silent one.
    pub connections: usize,
    /// What one client, one network and all of them may have beside that.
    pub limits: Limits,
    /// Who may make names of their own by `/register`; `None`: nobody.
    pub register: Option<Registration>,
}

/// Where HTTPS is served, and how.
#[derive(Clone)]
pub struct Tls {
    /// As [`Options::listen`].
    pub listen: Vec<SocketAddr>,
    /// With which certificate.
    pub config: Arc<ServerConfig>,
    /// As [`Options::proxy_protocol`]: the header comes before TLS.
    pub proxy_protocol: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            max_hosts: 100,
            protocols: Protocols::default(),
            realm: "truename".into(),
            connections: 1000,
            limits: Limits::default(),
            register: None,
        }
    }
}

/// What every request is answered with.
struct Shared {
    registry: Registry,
    trusted_proxies: Vec<IpNet>,
    max_hosts: usize,
    protocols: Protocols,
    challenge: HeaderValue,
    limits: Limits,
    signed_times: signed::Times,
    registrar: register::Registrar,
    gate: gate::Gate,
}

/// Everything HTTP answers, without a socket. The peer's address is expected
/// as [`ConnectInfo`] in the request's extensions; `moments` is what limits
/// count by.
pub fn router(options: &Options, registry: Registry, moments: &Moments) -> Router {
    // What cannot stand in a quoted string (RFC 9110 §5.6.4) is left out.
    let realm: String =
        options.realm.chars().filter(|c| matches!(c, ' '..='~') && !"\"\\".contains(*c)).collect();
    let challenge = HeaderValue::try_from(format!("Basic realm=\"{realm}\""))
        .expect("printable ASCII is a header value");
    let shared = Shared {
        registry,
        trusted_proxies: options.trusted_proxies.clone(),
        max_hosts: options.max_hosts,
        protocols: options.protocols.clone(),
        challenge,
        limits: options.limits.clone(),
        signed_times: signed::Times::default(),
        registrar: register::Registrar::new(options.register.clone()),
        gate: gate::Gate::new(&options.limits, moments),
    };
    Router::new().fallback(respond).with_state(Arc::new(shared))
}

/// Tells requests apart.
async fn respond(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let trusted = &shared.trusted_proxies;
    let is_unnamed = head.extensions.get::<Unnamed>().is_some();
    let source = match is_unnamed {
        false => proxies::source(peer.ip(), &head.headers, trusted),
        true => Source { address: unmapped(peer.ip()), is_client: false },
    };
    let encrypted = head.extensions.get::<Encrypted>().is_some()
        || (!is_unnamed && proxies::encrypted(peer.ip(), &head.headers, trusted));
    let path = path::normal(head.uri.path());
    let is_here = source.is_client && is_this_machine(source.address);
    let admitted = is_here || shared.gate.admits(household(source.address));
    // What the body means is signed, whatever its type says.
    if signed::is_meant(&path) && shared.protocols.has(signed::NAME) {
        let response = signed::respond(&shared, &head, &path, body, source, admitted).await;
        return finish(&head, response);
    }
    let mut parameters = Parameters::default();
    parameters.read(head.uri.query().unwrap_or_default().as_bytes());
    if let Some(packed) = noip::unpacked(&path, head.uri.query().unwrap_or_default()) {
        parameters.read(&packed);
    }
    // Read even where nothing in it counts, so that what follows it is the next
    // request and not a reason to end the connection.
    let sent = match body::read(body, &shared.limits).await {
        Ok(sent) => sent,
        Err(refused) => return finish(&head, refused),
    };
    let kind = body::kind(&head, &sent);
    match kind {
        body::Kind::Form => parameters.read_form(&sent),
        body::Kind::Unknown => parameters.add_unread(),
        body::Kind::Empty | body::Kind::Json => {}
    }
    let host = host(&head);
    let mut request = language::Request {
        body: if kind == body::Kind::Unknown { Vec::new() } else { sent },
        encrypted,
        ..language::Request::new(head, host, parameters, source)
    };
    if kind == body::Kind::Json && !dispatch::has_json_of_its_own(&shared.protocols, &request) {
        read_json(&mut request);
    }
    // Before anything that looks at credentials: a browser that has logged in
    // sends them with its request for the icon, too.
    let response = match beside(&shared, &request) {
        Some(page) => page,
        None => {
            let refused = if admitted { None } else { gate::refusal(&shared, &request) };
            match refused {
                Some(refused) => refused,
                None => page_or_update(&shared, &request).await,
            }
        }
    };
    finish(&request.head, response)
}

/// Takes the object in a body for the form that says the same.
fn read_json(request: &mut language::Request) {
    let Some((form, is_whole)) = body::as_form(&request.body) else {
        return request.parameters.add_unread();
    };
    request.parameters.read(form.as_bytes());
    request.body = form.into();
    if !is_whole {
        request.parameters.add_unread();
    }
}

async fn page_or_update(shared: &Shared, request: &language::Request) -> Response {
    let language = dispatch::language(&shared.protocols, request);
    let by_name_only =
        request.path == "/" && language.is_some() && !request.host.starts_with("checkip");
    if let Some(form) =
        checkip::form(&request.head, &request.parameters, &request.host, &request.path)
        && !by_name_only
    {
        return checkip(form, request.source);
    }
    match language {
        Some(language) => dispatch::respond(shared, language, request).await,
        None if request.path == "/" => content(StatusCode::OK, "text/html; charset=utf-8", WELCOME),
        None => {
            remember::nothing_there(shared, request);
            text(StatusCode::NOT_FOUND, "not found\n")
        }
    }
}

/// What has nothing to do with updates, whatever else the request carries: the
/// paths that browsers, robots and supervisors ask for by themselves.
fn beside(shared: &Shared, request: &language::Request) -> Option<Response> {
    if !matches!(request.head.method, Method::GET | Method::HEAD) {
        return None;
    }
    match request.path.as_str() {
        "/health" => {
            // It answers once the registry has published what it serves.
            let _ = shared.registry.state();
            Some(text(StatusCode::OK, "ok\n"))
        }
        "/robots.txt" => Some(text(StatusCode::OK, "User-agent: *\nDisallow: /\n")),
        "/favicon.ico" => Some(text(StatusCode::NOT_FOUND, "not found\n")),
        _ => None,
    }
}

/// What a browser is shown. No number in it looks like an address.
const WELCOME: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>truename</title></head><body>\n\
    <p>This is truename, a dynamic-DNS server. Routers and scripts report their addresses to \
    <code>/nic/update</code>; <code>/checkip</code> tells you yours. \
    How to set up a client stands in the README that came with it.</p>\n</body></html>\n";

fn checkip(form: checkip::Form, source: Source) -> Response {
    let (kind, body) = form.tell(source.address);
    content(StatusCode::OK, kind, body)
}

/// The host a request is for, in lower case and without port: of an absolute
/// target first (RFC 9112 §3.2.2). Empty when it does not say.
fn host(request: &Parts) -> String {
    let header = || request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri.authority().map(|authority| authority.as_str()).or_else(header);
    let authority = authority.unwrap_or_default().trim();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.find(']') {
        Some(bracket) => &host[..=bracket],
        None => host.split(':').next().unwrap_or_default(),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    content(status, "text/plain", body)
}

fn content(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What every answer gets: a word to HTTP/1.0 clients that the connection
/// ends, since they read until it does.
fn finish(request: &Parts, mut response: Response) -> Response {
    let asked = |word: &str| {
        request.headers.get_all(header::CONNECTION).iter().any(|value| {
            let tokens = value.to_str().unwrap_or_default().split(',');
            tokens.map(str::trim).any(|token| token.eq_ignore_ascii_case(word))
        })
    };
    if asked("close") || (request.version < Version::HTTP_11 && !asked("keep-alive")) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Marks requests that came over TLS, to us or to a proxy of ours that said so
/// of the connection.
#[derive(Clone, Copy)]
struct Encrypted;

/// Marks a request of a connection that a proxy passes on as it is without
/// saying whose it is: what its headers say of that, the client wrote.
#[derive(Clone, Copy)]
struct Unnamed;

/// The peer of a connection, for [`ConnectInfo`].
fn peer(address: SocketAddr) -> ConnectInfo<SocketAddr> {
    let ip: IpAddr = crate::model::unmapped(address.ip());
    ConnectInfo(SocketAddr::new(ip, address.port()))
}
