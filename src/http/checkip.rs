//! "What is my address?", in Dyn's own bytes and bare.
//!
//! ```text
//! GET / HTTP/1.0
//! Host: checkip.dyndns.org
//!
//! HTTP/1.0 200 OK
//! Content-Type: text/html
//! Content-Length: 104
//!
//! <html><head><title>Current IP Check</title></head><body>Current IP Address: 192.0.2.1</body></html>
//! ```
//!
//! Nothing else in an answer looks like an address: DD-WRT takes the first
//! a.b.c.d of the whole answer, inadyn looks for IPv6 first (CLIENTS.md §1.10).

use std::net::{IpAddr, Ipv6Addr};

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::parameters::Parameters;

/// How the address is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Dyn's page.
    Page,
    /// The address alone, without a line end: what is fetched by a script is
    /// put into the next URL as it is (RouterOS, PowerShell).
    Bare,
}

impl Form {
    /// The content type and the body.
    pub fn tell(self, address: IpAddr) -> (&'static str, String) {
        match self {
            Form::Page => ("text/html", page(address)),
            Form::Bare => ("text/plain", address.to_string()),
        }
    }
}

fn page(address: IpAddr) -> String {
    format!(
        "<html><head><title>Current IP Check</title></head>\
         <body>Current IP Address: {address}</body></html>"
    )
}

/// Whether a request asks for its address, and in which form. `host` is its
/// Host without port, `path` as [`super::path::normal`] makes it.
pub fn form(request: &Parts, parameters: &Parameters, host: &str, path: &str) -> Option<Form> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let usual = match (path, last) {
        ("/", _) => by_host(host)?,
        ("/dynamic/check.php", _) | (_, "checkip" | "checkip.html" | "checkip.php") => Form::Page,
        ("/ip" | "/ip.php", _) | (_, "myip" | "detectip") => Form::Bare,
        _ => return None,
    };
    let plain = parameters.all("format").any(|format| format.eq_ignore_ascii_case("plain"))
        || (!is_dyn(host) && wants_plain(&request.headers));
    Some(if plain { Form::Bare } else { usual })
}

fn by_host(host: &str) -> Option<Form> {
    let first = host.split('.').next().unwrap_or_default();
    match first {
        _ if first.starts_with("checkip") => Some(Form::Page),
        "ip1" | "myip" | "api" => Some(Form::Bare),
        // Nobody but old firmware leaves its name out.
        "" => Some(Form::Page),
        // Old pfSense asks the address it has resolved checkip.dyndns.org to.
        _ if is_literal(host) => Some(Form::Page),
        _ => None,
    }
}

/// Dyn's own names, asked by configurations written for Dyn's own bytes:
/// there, curl in a shell script expects the page.
fn is_dyn(host: &str) -> bool {
    host.ends_with(".dyndns.org") || host.ends_with(".dyndns.com")
}

fn is_literal(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

/// People with curl, and whoever asks for text and not for a page.
fn wants_plain(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = text(header::ACCEPT);
    text(header::USER_AGENT).starts_with("curl/")
        || (accept.contains("text/plain") && !accept.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::{Form, form};
    use crate::http::parameters::Parameters;
    use axum::http::Request;

    fn of(host: &str, path: &str, query: &str, agent: &str) -> Option<Form> {
        let request = Request::builder().header("User-Agent", agent);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut parameters = Parameters::default();
        parameters.read(query.as_bytes());
        form(&parts, &parameters, host, path)
    }

    #[test]
    fn by_host_and_by_path() {
        let (page, bare) = (Some(Form::Page), Some(Form::Bare));
        assert_eq!(of("checkip.dyndns.org", "/", "", ""), page);
        assert_eq!(of("checkip.dyndns.org", "/", "", "curl/8"), page);
        assert_eq!(of("checkip.dyndns.org", "/", "format=plain", ""), bare);
        assert_eq!(of("checkipv6.dyndns.com", "/", "", ""), page);
        assert_eq!(of("checkip.dyn.example.org", "/", "", "curl/8"), bare);
        assert_eq!(of("192.0.2.53", "/", "", ""), page);
        assert_eq!(of("[2001:db8::53]", "/", "", ""), page);
        assert_eq!(of("ip1.dynupdate.no-ip.com", "/", "", ""), bare);
        assert_eq!(of("", "/", "", ""), page);
        assert_eq!(of("ddns.example.org", "/", "", ""), None);
        assert_eq!(of("ddns.example.org", "/checkip", "", ""), page);
        assert_eq!(of("ddns.example.org", "/checkip", "", "curl/8"), bare);
        assert_eq!(of("ddns.example.org", "/myip", "", ""), bare);
        assert_eq!(of("ddns.example.org", "/nic/myip", "", ""), bare);
        assert_eq!(of("ddns.example.org", "/detectip", "", ""), bare);
        assert_eq!(of("dynupdate.no-ip.com", "/ip.php", "", ""), bare);
        assert_eq!(of("members.dyndns.org", "/nic/update", "", ""), None);
    }

    #[test]
    fn dyns_bytes() {
        let (kind, body) = Form::Page.tell("203.0.113.7".parse().unwrap());
        assert_eq!(kind, "text/html");
        assert_eq!(
            body,
            "<html><head><title>Current IP Check</title></head><body>Current IP Address: 203.0.113.7</body></html>"
        );
        assert_eq!(
            Form::Bare.tell("2001:db8::1".parse().unwrap()),
            ("text/plain", "2001:db8::1".into())
        );
    }
}
