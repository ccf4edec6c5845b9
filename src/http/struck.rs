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

/// Headers that tell something, in the order shown; others are left out.
const HEADERS: [HeaderName; 7] = [
    header::HOST,
    header::USER_AGENT,
    header::CONTENT_TYPE,
    HeaderName::from_static("x-forwarded-for"),
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    header::VIA,
];

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
    let mut out = format!("{} ", known.line(head.method.as_str()));
    if let Some(authority) = head.uri.authority() {
        let scheme = head.uri.scheme_str().unwrap_or("http");
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let userinfo = if authority.as_str().contains('@') { "…:…@" } else { "" };
        out += &format!("{scheme}://{userinfo}{}", known.line(host));
    }
    out += &known.path(head.uri.path());
    if let Some(query) = head.uri.query() {
        out.push('?');
        known.parameters(query.as_bytes(), &mut out);
    }
    out += if head.version < Version::HTTP_11 { " HTTP/1.0" } else { " HTTP/1.1" };
    for name in &HEADERS {
        for value in head.headers.get_all(name) {
            let value = text(value.as_bytes().to_vec());
            // A userinfo in `Host`, as some firmware copies it from the URL.
            let value = match name {
                &header::HOST => value.rsplit('@').next().unwrap_or_default(),
                _ => &value,
            };
            out += &format!("\n{}: {}", title(name.as_str()), known.line(value));
        }
    }
    for value in head.headers.get_all(header::AUTHORIZATION) {
        out += &format!("\nAuthorization: {}", known.authorization(value.as_bytes()));
    }
    if !form.is_empty() {
        out.push('\n');
        known.parameters(form, &mut out);
    }
    out
}

/// A header's name as people write it.
fn title(name: &str) -> String {
    let mut start = true;
    let letters = name.chars().map(|c| {
        let shown = if start { c.to_ascii_uppercase() } else { c };
        start = c == '-';
        shown
    });
    letters.collect()
}

impl Known<'_> {
    /// Whether a text holds something that was tried as a secret.
    fn is_secret(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| {
            // A secret of a letter or two would strike out everything.
            (secret.0.len() > 3 && text.contains(&secret.0)) || text == secret.0
        })
    }

    fn line(&self, text: &str) -> String {
        if self.is_secret(text) { STRUCK.into() } else { text.into() }
    }

    fn authorization(&self, value: &[u8]) -> String {
        let value = text(value.trim_ascii().to_vec());
        let Some((scheme, rest)) = value.split_once(' ') else { return STRUCK.into() };
        if !["basic", "bearer", "token", "digest"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return STRUCK.into();
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return format!("{scheme} {STRUCK}");
        }
        let decoded = BASE64.decode(rest.trim().as_bytes()).map(text);
        match decoded.as_deref().ok().and_then(|pair| pair.split_once(':')) {
            Some((user, "")) => format!("{scheme} {}: (without a password)", self.user(user)),
            Some((user, _)) => format!("{scheme} {}:{STRUCK}", self.user(user)),
            None => format!("{scheme} {STRUCK} (not a user and a password)"),
        }
    }

    /// A user, if it is one here or nothing at all.
    fn user(&self, user: &str) -> String {
        let is_public = user.is_empty()
            || credentials::NO_PASSWORD.contains(&user.to_ascii_lowercase().as_str())
            || is_placeholder(user)
            || (self.is_user)(user);
        if is_public { user.into() } else { STRUCK.into() }
    }

    fn path(&self, path: &str) -> String {
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| {
                let decoded = text(percent_decode(segment.as_bytes()).collect());
                if self.is_public_segment(&decoded) { segment.into() } else { STRUCK.into() }
            })
            .collect();
        segments.join("/")
    }

    fn is_public_segment(&self, segment: &str) -> bool {
        let lower = segment.to_ascii_lowercase();
        let is_word = |word: &str| {
            let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic());
            letters && word.len() <= LONGEST_WORD && !self.is_secret(word)
        };
        WORDS.contains(&lower.as_str())
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
            self.pair(pair, out);
        }
    }

    fn pair(&self, pair: &[u8], out: &mut String) {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
            let is_word = pair.is_empty() || self.is_name(pair);
            out.push_str(&if is_word { text(pair.to_vec()) } else { STRUCK.into() });
            return;
        };
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        let decoded = decoded(name).trim().to_ascii_lowercase();
        let bare = decoded.strip_prefix("amp;").unwrap_or(&decoded);
        // A name that is none of ours may be half of a password with `&` in it.
        if !self.is_name(name) {
            out.push_str(STRUCK);
            out.push_str(if value.is_empty() { "=" } else { "=…" });
            return;
        }
        out.push_str(&text(name.to_vec()));
        out.push('=');
        if value.is_empty() {
            return;
        }
        let is_open = hosts::HOSTS.contains(&bare)
            || spelling::V4.contains(&bare)
            || spelling::V6.contains(&bare)
            || PUBLIC.contains(&bare)
            || bare.starts_with("myipv4:")
            || bare.starts_with("myipv6:");
        if is_open {
            // A second URL may be glued to it, with parameters of its own.
            let end = value.iter().position(|&byte| byte == b'?');
            let (own, glued) = value.split_at(end.unwrap_or(value.len()));
            out.push_str(&self.value(own));
            if let Some(glued) = glued.strip_prefix(b"?") {
                out.push('?');
                self.pair(glued, out);
            }
        } else if credentials::USER.contains(&bare) {
            let user = self::decoded(value);
            let shown = self.user(&user);
            out.push_str(&if shown == user { text(value.to_vec()) } else { shown });
        } else if is_placeholder(&self::decoded(value)) && value.len() <= LONGEST_LABEL {
            out.push_str(&text(value.to_vec()));
        } else {
            out.push_str(STRUCK);
        }
    }

    /// Whether it is the name of a parameter that clients send.
    fn is_name(&self, name: &[u8]) -> bool {
        let name = decoded(name).trim().to_ascii_lowercase();
        let name = name.strip_prefix("amp;").unwrap_or(&name);
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

    /// A value that should be hosts or addresses.
    fn value(&self, value: &[u8]) -> String {
        let decoded = decoded(value);
        let is_public = |item: &str| {
            let item = item.trim();
            let is_short = item.len() <= LONGEST_LABEL;
            let is_dotted = item.contains('.') || item.contains(':');
            let has_userinfo = item.contains('@') && item != "@";
            (is_short || is_dotted) && !has_userinfo
        };
        if decoded.split([',', ' ']).all(is_public) && !self.is_secret(&decoded) {
            text(value.to_vec())
        } else {
            STRUCK.into()
        }
    }
}

/// Whether a text is a host's name in full.
fn is_host(text: &str) -> bool {
    text.parse::<crate::model::Name>().is_ok_and(|name| name.is_hostname() && name.depth() > 1)
}

fn decoded(bytes: &[u8]) -> String {
    let spaced: Vec<u8> =
        bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    text(percent_decode(&spaced).collect())
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
