//! A request as received, its secrets struck out: for `truename why`.
//!
//! ```text
//! GET /nic/update?hostname=home.dyn.example.org&password=…&myip=192.0.2.1 HTTP/1.0
//! Host: ddns.example.org
//! Authorization: Basic home.dyn.example.org:…
//! ```
//!
//! Clients put secrets anywhere: a dozen parameters, the path, the userinfo of
//! an absolute URL, the user field, a field meant for something else. So not
//! what is known to be secret is struck out, but everything that is not known
//! to be public: values of other parameters than those of hosts, addresses and
//! a few words, users that are none here, parts of a path that are no words.
//! And whatever was tried as a secret is struck out wherever it stands.

use std::borrow::Cow;

use axum::http::Version;
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use data_encoding::BASE64;
use percent_encoding::percent_decode;

use super::parameters::text;
use super::spelling::{self, is_placeholder};
use super::{credentials, hosts};
use crate::model::Secret;

/// What stands in the place of what is struck out.
const STRUCK: &str = "…";

/// Parameters beside hosts and addresses whose values are public.
const PUBLIC: [&str; 27] = [
    "action",
    "alias",
    "backmx",
    "clear",
    "dualstack",
    "force",
    "format",
    "h[]",
    "ip6lanprefix",
    "ip6prefix",
    "ipprefix",
    "ipv6prefix",
    "keepipv4",
    "keepipv6",
    "lanprefix",
    "line",
    "multi",
    "mx",
    "offline",
    "prefix",
    "preserve",
    "started",
    "static",
    "system",
    "v",
    "verbose",
    "wildcard",
];

/// Headers that tell something, in the order shown and as people write them;
/// others are left out.
static HEADERS: [(HeaderName, &str); 7] = [
    (header::HOST, "Host"),
    (header::USER_AGENT, "User-Agent"),
    (header::CONTENT_TYPE, "Content-Type"),
    (HeaderName::from_static("x-forwarded-for"), "X-Forwarded-For"),
    (header::FORWARDED, "Forwarded"),
    (HeaderName::from_static("x-real-ip"), "X-Real-Ip"),
    (header::VIA, "Via"),
];

/// Room for what most requests come to.
const USUAL: usize = 512;

/// Parts of paths that clients call.
const WORDS: [&str; 32] = [
    "api",
    "azure",
    "checkip",
    "checkip.html",
    "checkip.php",
    "cleanup",
    "client",
    "ddns",
    "domains",
    "ducupdate.php",
    "dyn",
    "dynamic",
    "dyndns",
    "dyndns.php",
    "generic.php",
    "health",
    "hosts",
    "index.html",
    "ip",
    "myip",
    "nic",
    "ph",
    "present",
    "register",
    "u",
    "update",
    "update.php",
    "v1",
    "v2",
    "v3",
    "xdyndns.php",
    "xdyndnsserver",
];

/// The longest part of a path, of letters alone, that is taken for a word.
const LONGEST_WORD: usize = 10;

/// The longest value without a dot that is taken for a host's short name.
const LONGEST_LABEL: usize = 20;

/// What is needed to know what is public.
pub struct Known<'a> {
    /// What was tried as a secret.
    pub secrets: &'a [&'a Secret],
    /// Whether a user is a host or an account here.
    pub is_user: &'a dyn Fn(&str) -> bool,
}

/// The request as received: its first line, headers, and the form.
pub fn request(head: &Parts, form: &[u8], known: &Known<'_>) -> String {
    let mut out = String::with_capacity(USUAL);
    out += known.line(head.method.as_str());
    out.push(' ');
    if let Some(authority) = head.uri.authority() {
        out += head.uri.scheme_str().unwrap_or("http");
        out += "://";
        if authority.as_str().contains('@') {
            out += "…:…@";
        }
        out += known.line(authority.as_str().rsplit('@').next().unwrap_or_default());
    }
    known.path(head.uri.path(), &mut out);
    if let Some(query) = head.uri.query() {
        out.push('?');
        known.parameters(query.as_bytes(), &mut out);
    }
    out += if head.version < Version::HTTP_11 { " HTTP/1.0" } else { " HTTP/1.1" };
    for (name, title) in &HEADERS {
        for value in head.headers.get_all(name) {
            let value = shown(value.as_bytes());
            // A userinfo in `Host`, as some firmware copies it from the URL.
            let value = match name {
                &header::HOST => value.rsplit('@').next().unwrap_or_default(),
                _ => &value,
            };
            out.push('\n');
            out += title;
            out += ": ";
            out += known.line(value);
        }
    }
    for value in head.headers.get_all(header::AUTHORIZATION) {
        out += "\nAuthorization: ";
        known.authorization(value.as_bytes(), &mut out);
    }
    if !form.is_empty() {
        out.push('\n');
        known.parameters(form, &mut out);
    }
    out
}

impl Known<'_> {
    /// Whether a text holds something that was tried as a secret.
    fn is_secret(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| {
            // A secret of a letter or two would strike out everything.
            (secret.0.len() > 3 && text.contains(&secret.0)) || text == secret.0
        })
    }

    fn line<'t>(&self, text: &'t str) -> &'t str {
        if self.is_secret(text) { STRUCK } else { text }
    }

    fn authorization(&self, value: &[u8], out: &mut String) {
        let value = shown(value.trim_ascii());
        let known = ["basic", "bearer", "token", "digest"];
        let parts = value.split_once(' ');
        let Some((scheme, rest)) =
            parts.filter(|(scheme, _)| known.iter().any(|one| scheme.eq_ignore_ascii_case(one)))
        else {
            *out += STRUCK;
            return;
        };
        *out += scheme;
        out.push(' ');
        if !scheme.eq_ignore_ascii_case("basic") {
            *out += STRUCK;
            return;
        }
        let decoded = BASE64.decode(rest.trim().as_bytes()).map(text);
        match decoded.as_deref().ok().and_then(|pair| pair.split_once(':')) {
            Some((user, password)) => {
                *out += self.user(user);
                out.push(':');
                *out += if password.is_empty() { " (without a password)" } else { STRUCK };
            }
            None => {
                *out += STRUCK;
                *out += " (not a user and a password)";
            }
        }
    }

    /// A user, if it is one here or nothing at all.
    fn user<'t>(&self, user: &'t str) -> &'t str {
        let is_public = user.is_empty()
            || credentials::NO_PASSWORD.contains(&&*lower(user))
            || is_placeholder(user)
            || (self.is_user)(user);
        if is_public { user } else { STRUCK }
    }

    fn path(&self, path: &str, out: &mut String) {
        for (at, segment) in path.split('/').enumerate() {
            if at > 0 {
                out.push('/');
            }
            let is_public = self.is_public_segment(&percent_decoded(segment.as_bytes()));
            *out += if is_public { segment } else { STRUCK };
        }
    }

    fn is_public_segment(&self, segment: &str) -> bool {
        let lower = lower(segment);
        let is_word = |word: &str| {
            let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic());
            letters && word.len() <= LONGEST_WORD && !self.is_secret(word)
        };
        WORDS.contains(&&*lower)
            || is_word(&lower)
            || lower.bytes().all(|byte| byte == b'\\')
            || segment.parse::<std::net::IpAddr>().is_ok()
            || (is_placeholder(segment) && segment.len() <= LONGEST_LABEL)
            || (self.is_user)(segment)
            || (is_host(segment) && !self.is_secret(segment))
    }

    /// Parameters of a query or a form, each value that is not known to be
    /// public struck out; and whatever has no name.
    fn parameters(&self, query: &[u8], out: &mut String) {
        for (at, pair) in query.split(|&byte| byte == b'&').enumerate() {
            if at > 0 {
                out.push('&');
            }
            let mut next = Some(pair);
            while let Some(pair) = next {
                next = self.pair(pair, out);
            }
        }
    }

    /// A parameter; returns that of a second URL glued to its value, if there
    /// is one.
    fn pair<'q>(&self, pair: &'q [u8], out: &mut String) -> Option<&'q [u8]> {
        let equals = pair.iter().position(|&byte| byte == b'=');
        let name = &pair[..equals.unwrap_or(pair.len())];
        let decoded = decoded(name);
        let lower = lower(decoded.trim());
        let bare = lower.strip_prefix("amp;").unwrap_or(&lower);
        let Some(equals) = equals else {
            let is_word = pair.is_empty() || is_name(bare);
            *out += &if is_word { shown(pair) } else { STRUCK.into() };
            return None;
        };
        let value = &pair[equals + 1..];
        // A name that is none of ours may be half of a password with `&` in it.
        if !is_name(bare) {
            out.push_str(STRUCK);
            out.push_str(if value.is_empty() { "=" } else { "=…" });
            return None;
        }
        *out += &shown(name);
        out.push('=');
        if value.is_empty() {
            return None;
        }
        let is_open = hosts::HOSTS.contains(&bare)
            || spelling::V4.contains(&bare)
            || spelling::V6.contains(&bare)
            || PUBLIC.contains(&bare)
            || bare.starts_with("myipv4:")
            || bare.starts_with("myipv6:");
        if is_open {
            let end = value.iter().position(|&byte| byte == b'?');
            let (own, glued) = value.split_at(end.unwrap_or(value.len()));
            *out += &self.value(own);
            if let Some(glued) = glued.strip_prefix(b"?") {
                out.push('?');
                return Some(glued);
            }
        } else if credentials::USER.contains(&bare) {
            let user = self::decoded(value);
            let is_told = self.user(&user) == user;
            *out += &if is_told { shown(value) } else { STRUCK.into() };
        } else if is_placeholder(&self::decoded(value)) && value.len() <= LONGEST_LABEL {
            *out += &shown(value);
        } else {
            out.push_str(STRUCK);
        }
        None
    }

    /// A value that should be hosts or addresses.
    fn value<'t>(&self, value: &'t [u8]) -> Cow<'t, str> {
        let decoded = decoded(value);
        let is_public = |item: &str| {
            let item = item.trim();
            let is_short = item.len() <= LONGEST_LABEL;
            let is_dotted = item.contains('.') || item.contains(':');
            let has_userinfo = item.contains('@') && item != "@";
            (is_short || is_dotted) && !has_userinfo
        };
        if decoded.split([',', ' ']).all(is_public) && !self.is_secret(&decoded) {
            shown(value)
        } else {
            STRUCK.into()
        }
    }
}

/// Whether it is the name of a parameter that clients send.
fn is_name(name: &str) -> bool {
    hosts::HOSTS.contains(&name)
        || spelling::V4.contains(&name)
        || spelling::V6.contains(&name)
        || PUBLIC.contains(&name)
        || credentials::USER.contains(&name)
        || credentials::SECRET.contains(&name)
        || ["txt", "url", "value", "fqdn", "domains", "h[]", "label"].contains(&name)
        // deSEC: one address a host.
        || name.starts_with("myipv4:")
        || name.starts_with("myipv6:")
}

/// Whether a text is a host's name in full.
fn is_host(text: &str) -> bool {
    text.parse::<crate::model::Name>().is_ok_and(|name| name.is_hostname() && name.depth() > 1)
}

/// Octets as text, as they were sent.
fn shown(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => text(bytes.to_vec()).into(),
    }
}

fn percent_decoded(bytes: &[u8]) -> Cow<'_, str> {
    match bytes.contains(&b'%') {
        true => text(percent_decode(bytes).collect()).into(),
        false => shown(bytes),
    }
}

fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if !bytes.contains(&b'+') {
        return percent_decoded(bytes);
    }
    let spaced: Vec<u8> =
        bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    text(percent_decode(&spaced).collect()).into()
}

fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    const SECRET: &str = "s3cret-t0ken-of-home";

    fn of(uri: &str, headers: &[(&str, &str)], form: &str) -> String {
        let mut builder = Request::builder().uri(uri).version(Version::HTTP_10);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        let secret = Secret(SECRET.into());
        let secrets = [&secret];
        let is_user = |user: &str| user == "ann" || user == "home.example.org";
        request(&head, form.as_bytes(), &Known { secrets: &secrets, is_user: &is_user })
    }

    #[test]
    fn what_is_public_stays_as_it_was_sent() {
        for uri in [
            "/nic/update?hostname=home.example.org&myip=192.0.2.1",
            "//NIC/update?system=dyndns&hostname=%h&myip=%i&wildcard=OFF&",
            "/update?domains=home&ip=&ipv6=2001:db8::1",
            "/nic/update?hostname=a.example.org,b.example.org&myip=1.1.1.1domain2.example.com",
            "/ddns.example.org",
            "/nic/updat?hostname=home.example.org",
            "/nic/update?user=ann&hostname=home.example.org&ip6lanprefix=2001:db8::/56",
            "/nic/update?hostname=%3Cdomain%3E&username=%3Cusername%3E&password=%3Cpass%3E",
        ] {
            assert_eq!(of(uri, &[], ""), format!("GET {uri} HTTP/1.0"));
        }
    }

    #[test]
    fn secrets_are_struck_out_wherever_they_stand() {
        let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair.as_bytes()));
        for (uri, header, form, shown) in [
            ("/?password=abc&hostname=a.b", "", "", "GET /?password=…&hostname=a.b"),
            ("/?hostname=a.b&k=a&b=c", "", "", "GET /?hostname=a.b&k=…&…=…"),
            ("/?pass=a?b=c&hostname=a.b", "", "", "GET /?pass=…&hostname=a.b"),
            ("/?amp;token=abc", "", "", "GET /?amp;token=…"),
            ("/?apikey=abc", "", "", "GET /?…=…"),
            ("/dynamic/update.php?bGV0bWVpbg", "", "", "GET /dynamic/update.php?…"),
            ("/u/bGV0bWVpbg/", "", "", "GET /u/…/"),
            ("/update/home/a1b2c3d4/1.2.3.4", "", "", "GET /update/home/…/1.2.3.4"),
            ("/0123456789abcdef", "", "", "GET /…"),
            ("http://ann:abc@x.example/nic/update", "", "", "GET http://…:…@x.example/nic/update"),
            ("/?user=abcdefgh1", "", "", "GET /?user=…"),
            ("/?hostname=s3cret-t0ken-of-home", "", "", "GET /?hostname=…"),
            ("/?hostname=abcdefghijklmnopqrstuvwxyz234567", "", "", "GET /?hostname=…"),
            (
                "/?hostname=%h/nic/update?password=abc&myip=1",
                "",
                "",
                "GET /?hostname=%h/nic/update?password=…&myip=1",
            ),
            ("/?myip=1.2.3.4+http://ann:abc@x/", "", "", "GET /?myip=…"),
            ("/", "Bearer abc", "", "GET /\nAuthorization: Bearer …"),
            ("/", "abc", "", "GET /\nAuthorization: …"),
            ("/", "abc def", "", "GET /\nAuthorization: …"),
            ("/", &basic("ann:abc"), "", "GET /\nAuthorization: Basic ann:…"),
            ("/", &basic("abc:"), "", "GET /\nAuthorization: Basic …: (without a password)"),
            ("/", &basic("bob:abc"), "", "GET /\nAuthorization: Basic …:…"),
            ("/", "", "hostname=a.b&pw=abc&txt=x", "GET /\nhostname=a.b&pw=…&txt=…"),
        ] {
            let headers = [("authorization", header)];
            let headers = if header.is_empty() { &[][..] } else { &headers[..] };
            let seen = of(uri, headers, form).replacen(" HTTP/1.0", "", 1);
            assert_eq!(seen, shown, "{uri}");
        }
        let agent = of("/", &[("user-agent", "curl s3cret-t0ken-of-home")], "");
        assert_eq!(agent, "GET / HTTP/1.0\nUser-Agent: …");
        let host = of("/", &[("host", "ann:abc@x.example")], "");
        assert_eq!(host, "GET / HTTP/1.0\nHost: x.example");
    }

    /// Every name of a secret, in the query and in a form.
    #[test]
    fn every_spelling_of_a_secret() {
        for name in credentials::SECRET {
            for spelled in [name.to_owned(), name.to_uppercase(), format!("+{name}+")] {
                let pair = format!("hostname=a.b&{spelled}=hunter2&myip=192.0.2.1");
                let seen = of(&format!("/nic/update?{pair}"), &[], &pair);
                assert!(!seen.contains("hunter2"), "{seen}");
                assert_eq!(seen.matches("192.0.2.1").count(), 2, "{seen}");
            }
        }
    }
}
