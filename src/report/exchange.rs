//! One question to the server and its answer: HTTP/1.1, a connection each.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::model::Family;

/// How long one address of the server is tried.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a question takes in all at most.
const WHOLE: Duration = Duration::from_secs(45);

/// The longest answer that is read, in octets.
const LONGEST: usize = 64 * 1024;

/// The longest time a server may ask to be left alone for.
const LONGEST_REST: Duration = Duration::from_secs(86_400);

/// A server by its URL: `https://ddns.example.org`, `http://192.0.2.53:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    is_tls: bool,
    host: String,
    port: u16,
}

/// Why a text is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerError;

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a server is given as https://NAME or http://NAME, with :PORT if need be, and no path",
        )
    }
}

impl std::error::Error for ServerError {}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Server, ServerError> {
        let (is_tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(ServerError),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let usual = if is_tls { 443 } else { 80 };
        let (host, port) = match rest.rsplit_once(':') {
            // A colon within brackets is an IPv6 address's.
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| ServerError)?)
            }
            _ => (rest, usual),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let fits = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            }
        };
        match fits {
            true => Ok(Server { is_tls, host: bare.unwrap_or(host).to_ascii_lowercase(), port }),
            false => Err(ServerError),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl Server {
    /// Whether nobody on the path reads what is said.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// A question.
pub struct Question<'a> {
    /// Path and query.
    pub target: &'a str,
    /// The value of `Authorization`.
    pub authorization: Option<&'a str>,
    /// Sent by POST; without one it is a GET.
    pub body: Option<String>,
    /// Only over this family.
    pub family: Option<Family>,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// For how long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks one server.
pub struct Client {
    server: Server,
    tls: Option<TlsConnector>,
}

impl Client {
    /// With certificates checked against the system's authorities, or those in
    /// a file.
    ///
    /// # Errors
    /// When there is none: a sentence for the owner.
    pub fn new(server: Server, authorities: Option<&Path>) -> Result<Client, String> {
        let tls = server.is_tls.then(|| connector(authorities)).transpose()?;
        Ok(Client { server, tls })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Asks.
    ///
    /// # Errors
    /// When there is no answer: a sentence for the owner.
    pub async fn ask(&self, question: Question<'_>) -> Result<Answer, String> {
        let asked = timeout(WHOLE, self.ask_any(question)).await;
        asked.unwrap_or_else(|_| Err(format!("{} does not answer in time", self.server)))
    }

    async fn ask_any(&self, question: Question<'_>) -> Result<Answer, String> {
        let Server { host, port, .. } = &self.server;
        let found = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(|error| {
            format!(
                "{host} cannot be looked up ({error}): is this machine online, is the name right?"
            )
        })?;
        let fits = |address: &SocketAddr| {
            question.family.is_none_or(|family| family == Family::of(address.ip()))
        };
        let mut trouble = match question.family {
            Some(Family::V4) => format!("{host} has no IPv4 address"),
            Some(Family::V6) => format!("{host} has no IPv6 address"),
            None => format!("{host} has no address"),
        };
        for address in found.filter(fits).take(4) {
            match self.connect(address).await {
                Ok(stream) => return self.exchange(stream, &question).await,
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    async fn connect(&self, address: SocketAddr) -> Result<Box<dyn Stream>, String> {
        let stream = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(format!("{} at {address}: {error}; does the server run?", self.server));
            }
            Err(_) => {
                return Err(format!(
                    "{} at {address}: no answer; is a firewall between?",
                    self.server
                ));
            }
        };
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.server.host.clone());
        let name = name.map_err(|error| format!("{}: {error}", self.server.host))?;
        match timeout(CONNECT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(format!(
                "{}: {error}; if its certificate is of an authority of your own, give that with --ca",
                self.server
            )),
            Err(_) => {
                Err(format!("{}: TLS does not begin; is this the port of HTTPS?", self.server))
            }
        }
    }

    async fn exchange(
        &self,
        stream: Box<dyn Stream>,
        question: &Question<'_>,
    ) -> Result<Answer, String> {
        let trouble = |error: &dyn fmt::Display| format!("{} broke off: {error}", self.server);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| trouble(&error))?;
        let answered = async {
            let response = sender.send_request(self.request(question)?).await;
            read(response.map_err(|error| trouble(&error))?).await.map_err(|error| trouble(&error))
        };
        tokio::pin!(answered, connection);
        tokio::select! {
            answer = &mut answered => answer,
            // The server may close at once; what it said before is there.
            _ = &mut connection => answered.await,
        }
    }

    fn request(&self, question: &Question<'_>) -> Result<Request<Full<Bytes>>, String> {
        let method = if question.body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder()
            .method(method)
            .uri(question.target)
            .header(HOST, self.server.authority())
            .header(USER_AGENT, concat!("truename-report/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = question.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        if question.body.is_some() {
            request = request.header(CONTENT_TYPE, "text/plain");
        }
        let body = question.body.clone().unwrap_or_default();
        request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn read(
    response: Response<hyper::body::Incoming>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let status = response.status().as_u16();
    let seconds =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_REST));
    let body = Limited::new(response.into_body(), LONGEST).collect().await?.to_bytes().to_vec();
    Ok(Answer { status, retry_after, body })
}

fn connector(authorities: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(file) => {
            let there = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| there(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| there(&error))?;
                roots.add(certificate).map_err(|error| there(&error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no authority to check certificates by; install your system's \
                    (ca-certificates), or give one with --ca"
            .into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn servers() {
        for (text, shown) in [
            ("https://ddns.example.org", "https://ddns.example.org"),
            ("HTTP://DDNS.example.org/", "http://ddns.example.org"),
            ("https://ddns.example.org:443", "https://ddns.example.org"),
            ("http://192.0.2.53:8080", "http://192.0.2.53:8080"),
            ("http://[2001:db8::53]", "http://[2001:db8::53]"),
            ("http://[2001:db8::53]:8080/", "http://[2001:db8::53]:8080"),
        ] {
            assert_eq!(text.parse::<Server>().map(|server| server.to_string()), Ok(shown.into()));
        }
        for wrong in [
            "",
            "ddns.example.org",
            "ftp://x",
            "http://",
            "http://x/path",
            "http://x:y",
            "http://a@b",
            "http://[x]",
            "http://x y",
        ] {
            assert!(wrong.parse::<Server>().is_err(), "{wrong}");
        }
    }
}
