//! Where one request ends and the next begins, as far as its headers say; and
//! which headers are refused, because somebody else could read them otherwise.
//!
//! Behind a proxy the requests of many clients come on one connection. If the
//! proxy and this server disagree where a request ends, the rest of one
//! client's request becomes the beginning of another's (RFC 9112 §11.2). So
//! what decides that must be beyond doubt, however tolerant the rest is:
//!
//! | refused with 400 | RFC |
//! |---|---|
//! | a length that is not digits alone, or two that differ | 9112 §6.3 |
//! | a length and a transfer encoding | 9112 §6.1 |
//! | a transfer encoding that is not `chunked` alone | 9112 §6.1 |
//! | either of the two with anything odd in its name, a blank before the colon say | 9112 §5.1 |
//! | a line that goes on in the next one | 9112 §5.2 |
//! | CR within a line, NUL | 9112 §2.2, 9110 §5.5 |
//! | from a proxy of ours: a line that ends in LF alone, a request line with CR or NUL | 9112 §2.2 |
//! | from a proxy of ours: any other line that is no header | 9110 §5.5 |
//!
//! Other lines that are no headers are left out, and the rest is understood. Not
//! so behind a proxy: it adds what it says of its client to the client's own
//! line (`X-Forwarded-For: \x01, 203.0.113.5`), and with that line left out a
//! forged `Forwarded` would be believed.

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The next request.
    None,
    /// So many octets.
    Length(u64),
    /// Chunks, which tell their end themselves.
    Chunked,
}

/// What becomes of a line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// It is one; after it this follows the head.
    Taken(Body),
    /// It is none, and nobody can take it for one that says where the request
    /// ends.
    LeftOut,
    /// The whole request is.
    Refused,
}

/// Judges a line, without its end, of a head that was followed by `body` so
/// far.
pub fn judge(line: &[u8], body: Body) -> Header {
    let goes_on = line.first().is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    if goes_on || line.contains(&b'\r') || line.contains(&0) {
        return Header::Refused;
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return if decides(line) { Header::Refused } else { Header::LeftOut };
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_name = !name.is_empty() && name.iter().all(is_token);
    match () {
        () if name.eq_ignore_ascii_case(b"content-length") => length(value, body),
        () if name.eq_ignore_ascii_case(b"transfer-encoding") => match body {
            Body::None if value.eq_ignore_ascii_case(b"chunked") => Header::Taken(Body::Chunked),
            _ => Header::Refused,
        },
        () if !is_name && decides(name) => Header::Refused,
        () if is_name && value.iter().all(is_visible) => Header::Taken(body),
        () => Header::LeftOut,
    }
}

fn length(value: &[u8], body: Body) -> Header {
    let digits = value.iter().all(u8::is_ascii_digit).then_some(value);
    let length = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match (body, length) {
        (Body::None, Some(length)) => Header::Taken(Body::Length(length)),
        (Body::Length(before), Some(length)) if before == length => Header::Taken(body),
        _ => Header::Refused,
    }
}

/// Whether somebody may read this as the name of a header that says where the
/// request ends.
fn decides(name: &[u8]) -> bool {
    let letters = || name.iter().filter(|byte| byte.is_ascii_alphabetic());
    let is = |word: &[u8]| letters().map(u8::to_ascii_lowercase).eq(word.iter().copied());
    is(b"contentlength") || is(b"transferencoding")
}

/// RFC 9110 §5.6.2.
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// RFC 9110 §5.5, octets above ASCII included.
fn is_visible(byte: &u8) -> bool {
    !byte.is_ascii_control() || *byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::{Body, Header, judge};

    fn of(lines: &[&str]) -> Header {
        let mut body = Body::None;
        for line in lines {
            match judge(line.as_bytes(), body) {
                Header::Taken(after) => body = after,
                Header::LeftOut => {}
                Header::Refused => return Header::Refused,
            }
        }
        Header::Taken(body)
    }

    #[test]
    fn what_says_where_a_request_ends() {
        for (lines, body) in [
            (&["Host: x"][..], Body::None),
            (&["Content-Length: 5"], Body::Length(5)),
            (&["content-length:5 \t"], Body::Length(5)),
            (&["Content-Length: 005", "X: y", "CONTENT-LENGTH: 5"], Body::Length(5)),
            (&["Transfer-Encoding: Chunked"], Body::Chunked),
            (&["Trailing-Encoding: 5"], Body::None),
            // Left out, and no harm done.
            (&["Content-Length: 5", "no header"], Body::Length(5)),
            (&["Host : x", ": y", "(x): y", "X: \u{1}"], Body::None),
        ] {
            assert_eq!(of(lines), Header::Taken(body), "{lines:?}");
        }
    }

    #[test]
    fn what_somebody_may_read_otherwise() {
        for lines in [
            &["Content-Length: 5", "Content-Length: 6"][..],
            &["Content-Length: 5", "Transfer-Encoding: chunked"],
            &["Transfer-Encoding: chunked", "Content-Length: 5"],
            &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            &["Transfer-Encoding: identity"],
            &["Transfer-Encoding: chunked, identity"],
            &["Transfer-Encoding: xchunked"],
            &["Transfer-Encoding: \u{b}chunked"],
            &["Transfer-Encoding:"],
            &["Content-Length: 5, 5"],
            &["Content-Length: +5"],
            &["Content-Length: -0"],
            &["Content-Length: 0x5"],
            &["Content-Length: 5 5"],
            &["Content-Length:"],
            &["Content-Length: 18446744073709551616"],
            &["Content-Length : 5"],
            &["Content-Length\u{b}: 5"],
            &["Content_Length: 5\0"],
            &["\u{1}Transfer-Encoding: chunked"],
            &["Transfer-Encoding : chunked"],
            &["Transfer-Encoding\u{a0}: chunked"],
            &["Transfer-Encoding"],
            &["Host: x", " Content-Length: 5"],
            &["Host: x", "\tmore"],
            &["X: y\rContent-Length: 5"],
            &["X: y\0"],
            &[""],
        ] {
            assert_eq!(of(lines), Header::Refused, "{lines:?}");
        }
    }
}
