//! HTTP: how hosts report, and what is my address.
//!
//! Requests are told apart by what they carry and not by their path, because
//! routers call a dozen paths and misspell them (WIRE.md §1, Endpoint): what
//! names a host or presents credentials is [`dyndns2`]. Further protocols come
//! before it in [`respond`], each by its own signature.
//!
//! Every answer has a Content-Length, says `no-store`, and holds no number of
//! four parts but the address asked for: some routers take the first one of
//! the whole answer, headers included.

mod accept;
mod checkip;
mod credentials;
mod dyndns2;
mod parameters;
mod path;
mod proxies;
mod request_line;
mod seats;
mod signed;
mod spelling;
mod tolerant;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use ipnet::IpNet;
use rustls::ServerConfig;

pub use accept::{BindError, Server, converse, serve};

use crate::model::{Grant, Name};
use crate::registry::{Auth, Registry};
use crate::update::{Hosts, Outcome};
use dyndns2::{Answer, Asked};
use parameters::Parameters;
use proxies::Source;

/// The largest request body that is read, in bytes: a form of a hundred hosts
/// with room to spare.
pub const MAX_BODY: usize = 16 * 1024;

/// What the operator says of HTTP.
#[derive(Clone)]
pub struct Options {
    /// Where plain HTTP is served. `[::]` is IPv6 alone: list `0.0.0.0` too.
    pub listen: Vec<SocketAddr>,
    /// Where HTTPS is served, and how.
    pub tls: Option<Tls>,
    /// Proxies of ours, whose word on the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Hosts in one request; more is `numhost`. ddclient puts all of its hosts
    /// into one.
    pub max_hosts: usize,
    /// The realm of the login, shown by browsers.
    pub realm: String,
    /// Connections at once. One more takes the place of the one that has been
    /// silent longest.
    pub connections: usize,
    /// How long a client may take for the head of a request, and for its body;
    /// so also how long a kept connection may be silent.
    pub read_time: Duration,
    /// How long a connection is kept at most; a client just connects again.
    pub life_time: Duration,
}

/// Where HTTPS is served, and how.
#[derive(Clone)]
pub struct Tls {
    /// As [`Options::listen`].
    pub listen: Vec<SocketAddr>,
    /// With which certificate.
    pub config: Arc<ServerConfig>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            max_hosts: 100,
            realm: "truename".into(),
            connections: 1000,
            read_time: Duration::from_secs(15),
            life_time: Duration::from_secs(300),
        }
    }
}

/// What every request is answered with.
struct Shared {
    registry: Registry,
    trusted_proxies: Vec<IpNet>,
    max_hosts: usize,
    challenge: HeaderValue,
    read_time: Duration,
    signed_times: signed::Times,
}

/// Everything HTTP answers, without a socket. The peer's address is expected
/// as [`ConnectInfo`] in the request's extensions.
pub fn router(options: &Options, registry: Registry) -> Router {
    // What cannot stand in a quoted string (RFC 9110 §5.6.4) is left out.
    let realm: String =
        options.realm.chars().filter(|c| matches!(c, ' '..='~') && !"\"\\".contains(*c)).collect();
    let challenge = HeaderValue::try_from(format!("Basic realm=\"{realm}\""))
        .expect("printable ASCII is a header value");
    let shared = Shared {
        registry,
        trusted_proxies: options.trusted_proxies.clone(),
        max_hosts: options.max_hosts,
        challenge,
        read_time: options.read_time,
        signed_times: signed::Times::default(),
    };
    Router::new().fallback(respond).with_state(Arc::new(shared))
}

/// Tells requests apart.
async fn respond(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (request, body) = request.into_parts();
    let source = proxies::source(peer.ip(), &request.headers, &shared.trusted_proxies);
    let path = path::normal(request.uri.path());
    // What the body means is signed, whatever its type says.
    if signed::is_meant(&path) {
        let response = signed::respond(&shared, &request, &path, body, source).await;
        return finish(&request, response);
    }
    let mut parameters = Parameters::default();
    parameters.read(request.uri.query().unwrap_or_default().as_bytes());
    if is_form(&request) {
        match read_body(body, shared.read_time).await {
            Ok(form) => parameters.read(&form),
            Err(status) => return finish(&request, text(status, "")),
        }
    }
    // Before anything that looks at credentials: a browser that has logged in
    // sends them with its request for the icon, too.
    if let Some(page) = beside(&shared, &request.method, &path) {
        return finish(&request, page);
    }
    let host = host(&request);
    let is_update = dyndns2::is_meant(&request, &parameters)
        || !matches!(request.method, Method::GET | Method::HEAD | Method::POST);
    let by_name_only = path == "/" && is_update && !host.starts_with("checkip");

    let response = if let Some(form) = checkip::form(&request, &parameters, &host, &path)
        && !by_name_only
    {
        checkip(form, source)
    } else if is_update || path::is_update(&path) {
        dyndns2(&shared, &request, &parameters, source).await
    } else if path == "/" {
        content(StatusCode::OK, "text/html; charset=utf-8", WELCOME)
    } else {
        text(StatusCode::NOT_FOUND, "not found\n")
    };
    finish(&request, response)
}

/// What has nothing to do with updates, whatever else the request carries: the
/// paths that browsers, robots and supervisors ask for by themselves.
fn beside(shared: &Shared, method: &Method, path: &str) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    match path {
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

/// An update, from the method to the answer, in the order of WIRE.md §1.
async fn dyndns2(
    shared: &Shared,
    request: &Parts,
    parameters: &Parameters,
    source: Source,
) -> Response {
    let asked = dyndns2::read(request, parameters, source);
    let answer = update(shared, &request.method, &asked).await;
    let (status, body) = dyndns2::speak(&answer, &asked.spelling);
    log(request, &asked, &answer, &body);
    let mut response = text(status, body);
    let headers = response.headers_mut();
    match answer {
        Answer::BadAuth => {
            headers.insert(header::WWW_AUTHENTICATE, shared.challenge.clone());
        }
        Answer::BadMethod => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        Answer::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("300"));
        }
        Answer::Outcomes(_) | Answer::Blocked | Answer::TooManyHosts => {}
    }
    response
}

async fn update(shared: &Shared, method: &Method, asked: &Asked) -> Answer {
    if !matches!(*method, Method::GET | Method::POST) {
        return Answer::BadMethod;
    }
    let grant = match authenticate(shared, asked).await {
        Ok(grant) => grant,
        Err(answer) => return answer,
    };
    if matches!(&asked.update.hosts, Hosts::Listed(hosts) if hosts.len() > shared.max_hosts) {
        return Answer::TooManyHosts;
    }
    match shared.registry.update(grant, &asked.update).await {
        Ok(outcomes) => Answer::Outcomes(outcomes),
        Err(_) => Answer::Unavailable,
    }
}

/// Tries each login the request may mean.
async fn authenticate(shared: &Shared, asked: &Asked) -> Result<Grant, Answer> {
    for login in &asked.logins {
        match shared.registry.authenticate(login, asked.update.source).await {
            Auth::Granted(grant) => return Ok(grant),
            Auth::Wrong => {}
            Auth::Blocked => return Err(Answer::Blocked),
            Auth::Busy => return Err(Answer::Unavailable),
        }
    }
    Err(Answer::BadAuth)
}

/// What the owner and the operator want to know. Nothing a stranger sends is
/// logged by default, and never a query: secrets may stand in it.
fn log(request: &Parts, asked: &Asked, answer: &Answer, body: &str) {
    let source = asked.update.source;
    let agent = request.headers.get(header::USER_AGENT);
    let outcome = body.trim_end().replace('\n', "; ");
    if *answer == Answer::BadAuth {
        tracing::debug!(%source, ?agent, credentials = asked.logins.len(), "{outcome}");
        return;
    }
    // A host that is where it was says so every few minutes, all of them: that
    // it does is kept with the host, and not news.
    let kept = |outcome: &Outcome| matches!(outcome, Outcome::Kept(_));
    if matches!(answer, Answer::Outcomes(outcomes) if outcomes.iter().all(kept)) {
        tracing::debug!(%source, ?agent, hosts = %names(&asked.update.hosts), "{outcome}");
    } else {
        tracing::info!(%source, ?agent, hosts = %names(&asked.update.hosts), "{outcome}");
    }
    for hint in &asked.hints {
        tracing::warn!(%source, ?agent, "{}", hint.sentence());
    }
}

/// The hosts asked for, `?` for what is no name.
fn names(hosts: &Hosts) -> String {
    let text = |name: &Option<Name>| name.as_ref().map_or("?".into(), Name::without_dot);
    match hosts {
        Hosts::Implied(name) => format!("(implied) {}", text(name)),
        Hosts::Listed(list) => list.iter().map(text).collect::<Vec<_>>().join(" "),
    }
}

/// Whether the body holds parameters. What does not say what it is, is taken
/// for a form: old clients forget the header.
fn is_form(request: &Parts) -> bool {
    let kind = request.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let form = b"application/x-www-form-urlencoded";
    request.method == Method::POST
        && kind.is_none_or(|kind| {
            kind.get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form))
        })
}

async fn read_body(body: Body, time: Duration) -> Result<Vec<u8>, StatusCode> {
    match tokio::time::timeout(time, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().trim_ascii().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(StatusCode::PAYLOAD_TOO_LARGE)
        }
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
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

/// The peer of a connection, for [`ConnectInfo`].
fn peer(address: SocketAddr) -> ConnectInfo<SocketAddr> {
    let ip: IpAddr = crate::model::unmapped(address.ip());
    ConnectInfo(SocketAddr::new(ip, address.port()))
}
