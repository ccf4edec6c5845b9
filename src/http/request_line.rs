//! Request lines as routers really send them, made into what HTTP allows
//! (RFC 9112 §3).
//!
//! | as sent | as handed on |
//! |---|---|
//! | `GET ddns.example.org HTTP/1.0` | `GET /ddns.example.org HTTP/1.0` |
//! | `GET  /nic/update?hostname=<domain>  HTTP/1.1` | `GET /nic/update?hostname=%3Cdomain%3E HTTP/1.1` |
//! | `GET /nic/update https://x/nic/update HTTP/1.1` | `GET /nic/update%20https://x/nic/update HTTP/1.1` |
//! | `GET /nic/update` | `GET /nic/update HTTP/1.0` |
//!
//! hyper refuses most of the left column with 400, which ends inadyn for good
//! and tells nobody why. The meaning is left alone: which `?` counts and what
//! a literal `<domain>` is, is for those who read the target.

use axum::http::uri::Authority;

/// Appends the clean form of a request line, without its line end. A line that
/// is nothing like a request is appended as it is, for hyper to refuse.
pub fn clean(line: &[u8], out: &mut Vec<u8>) {
    let trimmed = line.trim_ascii();
    match parts(trimmed) {
        Some((method, target, version)) => {
            write_method(method, out);
            out.push(b' ');
            write_target(target, out);
            out.push(b' ');
            out.extend_from_slice(version);
        }
        None => out.extend_from_slice(trimmed),
    }
}

/// Method, target and version; whatever stands between the outer two is the
/// target, blanks and all.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &'static [u8])> {
    let method_end = line.iter().position(is_blank)?;
    let (method, rest) = (&line[..method_end], line[method_end..].trim_ascii_start());
    let last = rest.iter().rposition(is_blank).map_or(0, |blank| blank + 1);
    let Some(version) = Version::read(&rest[last..]) else {
        // No version at all. HTTP/1.0 is the oldest that has headers, and
        // the credentials stand in one.
        return Some((method, rest, b"HTTP/1.0"));
    };
    let version: &[u8] = match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
        Version::Newer => return None,
    };
    Some((method, rest[..last].trim_ascii_end(), version))
}

enum Version {
    Http10,
    Http11,
    /// Another protocol altogether: the preface of HTTP/2 (RFC 9113 §3.4).
    Newer,
}

impl Version {
    fn read(word: &[u8]) -> Option<Version> {
        let (name, number) = word.split_at_checked(5)?;
        if !name.eq_ignore_ascii_case(b"HTTP/") {
            return None;
        }
        match number {
            b"1.1" => Some(Version::Http11),
            b"0.9" | b"1.0" | b"1" => Some(Version::Http10),
            // A recipient treats a higher minor version as the highest one
            // it knows (RFC 9110 §2.5).
            [b'1', b'.', ..] => Some(Version::Http11),
            _ => Some(Version::Newer),
        }
    }
}

fn is_blank(byte: &u8) -> bool {
    byte.is_ascii_whitespace()
}

/// Methods are case-sensitive (RFC 9110 §9.1), but `get` can mean one thing only.
fn write_method(method: &[u8], out: &mut Vec<u8>) {
    let known = [&b"GET"[..], b"POST", b"HEAD"];
    match known.iter().find(|known| known.eq_ignore_ascii_case(method)) {
        Some(known) => out.extend_from_slice(known),
        None => out.extend_from_slice(method),
    }
}

fn write_target(target: &[u8], out: &mut Vec<u8>) {
    if target == b"*" {
        out.push(b'*');
        return;
    }
    let path = match split_absolute(target) {
        Some((scheme, authority, path)) => {
            // The authority tells a checkip host apart; a broken one tells
            // nothing and goes.
            if Authority::try_from(authority).is_ok() {
                out.extend_from_slice(scheme);
                out.extend_from_slice(authority);
            }
            path
        }
        None => target,
    };
    if path.first() != Some(&b'/') {
        out.push(b'/');
    }
    for &byte in path {
        if is_target(byte) {
            out.push(byte);
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// Scheme with `://`, authority and the rest of an absolute-form target
/// (RFC 9112 §3.2.2).
fn split_absolute(target: &[u8]) -> Option<(&'static [u8], &[u8], &[u8])> {
    let schemes = [&b"http://"[..], b"https://"];
    let scheme = schemes.into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })?;
    let rest = &target[scheme.len()..];
    let end = rest.iter().position(|byte| b"/?\\#".contains(byte)).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

/// Whether a byte may stand in a target as it is: RFC 3986 without `#`, which
/// would cut off the rest of a password, and without `[` and `]`.
fn is_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::clean;

    fn cleaned(line: &str) -> String {
        let mut out = Vec::new();
        clean(line.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_clean_line_stays_as_it_is() {
        for line in [
            "GET /nic/update?hostname=a.example.org&myip=192.0.2.1 HTTP/1.0",
            "POST / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET http://members.dyndns.org:80/nic/update?hostname=a HTTP/1.0",
            "GET http://[2001:db8::1]:80/ HTTP/1.0",
            "GET //nic/update?a=%3C HTTP/1.1",
        ] {
            assert_eq!(cleaned(line), line);
        }
    }

    #[test]
    fn odd_lines_become_what_was_meant() {
        for (odd, meant) in [
            ("GET ddns.example.org HTTP/1.0", "GET /ddns.example.org HTTP/1.0"),
            ("GET ?hostname=a HTTP/1.0", "GET /?hostname=a HTTP/1.0"),
            ("GET  HTTP/1.0", "GET / HTTP/1.0"),
            ("GET", "GET"),
            ("GET  /a  HTTP/1.1 ", "GET /a HTTP/1.1"),
            ("get\t/a\tHTTP/1.1", "GET /a HTTP/1.1"),
            ("GET /a", "GET /a HTTP/1.0"),
            ("GET /a http/1.0", "GET /a HTTP/1.0"),
            ("GET /a HTTP/1.3", "GET /a HTTP/1.1"),
            ("GET /\\/nic/update HTTP/1.0", "GET /%5C/nic/update HTTP/1.0"),
            (
                "GET /?h=<d>&x={|^}[#]` HTTP/1.0",
                "GET /?h=%3Cd%3E&x=%7B%7C%5E%7D%5B%23%5D%60 HTTP/1.0",
            ),
            ("GET /a b http://x/ c HTTP/1.0", "GET /a%20b%20http://x/%20c HTTP/1.0"),
            ("GET /größe HTTP/1.0", "GET /gr%C3%B6%C3%9Fe HTTP/1.0"),
            ("GET http://x?a=1 HTTP/1.0", "GET http://x/?a=1 HTTP/1.0"),
            ("GET HTTP://x HTTP/1.0", "GET http://x/ HTTP/1.0"),
            ("GET http://<server>/a HTTP/1.0", "GET /a HTTP/1.0"),
            ("PRI * HTTP/2.0", "PRI * HTTP/2.0"),
        ] {
            assert_eq!(cleaned(odd), meant, "{odd}");
        }
    }
}
