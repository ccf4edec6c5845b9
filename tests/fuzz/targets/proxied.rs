//! The requests of many clients on one connection of a proxy of ours: nothing
//! that one of them can send is more requests to us than it was to the proxy,
//! for what is left over would be taken for somebody else's (RFC 9112 §11.2).

use truename::http::Options;

use super::http::{exchange, mutate, one_answer};
use super::{Target, memory};

pub const TARGET: Target =
    Target { name: "proxied", holds, seeds, mutate: mutate_framing, longest: 2048, rounds: 120 };

fn seeds() -> Vec<Vec<u8>> {
    let next = "GET /ip HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.2\r\n\r\n";
    let mut seeds: Vec<Vec<u8>> = [
        "GET /ip HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
        "GET /ip HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "HEAD /ip HTTP/1.1\r\nHost: x\r\nForwarded: for=192.0.2.1\r\n\r\n",
        "POST /nic/update HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na=b&c",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX: y\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\na=b&c\r\n0\r\nX: y\r\n\r\n",
        "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na=b",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "GET /ip HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    .map(|request| format!("{request}{next}").into_bytes())
    .into();
    seeds.push(super::http::seeds()[0].clone());
    seeds
}

const LINES: [&str; 22] = [
    "Content-Length: 5\r\n",
    "content-length:5\t\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 38\r\n",
    "Content-Length : 5\r\n",
    "Content-Length: 5\n",
    "Content_Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: Chunked \r\n",
    "Transfer-Encoding:\u{b}chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding\r\n",
    "X: y\rContent-Length: 5\r\n",
    "X: y\r\n Content-Length: 5\r\n",
    "5\r\na=b&c\r\n",
    "5 \r\na=b&c\r\n",
    "0\r\n\r\n",
    "0\r\nContent-Length: 9\r\n\r\n",
    "00000000000000000005\r\na=b&c\r\n",
    "GET /robots.txt HTTP/1.1\r\nHost: x\r\nX-Swallow: ",
    "GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n",
];

fn mutate_framing(octets: &mut Vec<u8>, dice: &mut crate::dice::Dice) {
    if dice.roll(2) == 0 {
        return mutate(octets, dice);
    }
    // Whole lines at the ends of others.
    let ends: Vec<usize> = (0..octets.len()).filter(|at| octets[*at] == b'\n').collect();
    let at = if ends.is_empty() { 0 } else { ends[dice.roll(ends.len())] + 1 };
    let line = LINES[dice.roll(LINES.len())].bytes();
    octets.splice(at..at, line);
}

/// How many requests a proxy could have taken this for that is as strict as
/// can be, and stops where anything is odd, or at the end of the octets.
fn requests(mut rest: &[u8]) -> usize {
    let mut count = 0;
    loop {
        // Empty lines before a request (§2.2).
        while let Some(more) = rest.strip_prefix(b"\r\n") {
            rest = more;
        }
        if rest.is_empty() {
            return count;
        }
        count += 1;
        match one_request(rest) {
            Some(behind) => rest = behind,
            None => return count,
        }
    }
}

/// What is behind a request whose end is beyond doubt.
fn one_request(octets: &[u8]) -> Option<&[u8]> {
    let (line, mut rest) = line(octets)?;
    // Whatever else a line ends in is taken for the current version.
    let is_current = !line.to_ascii_uppercase().windows(8).any(|word| word == b"HTTP/1.0");
    let (mut length, mut is_chunked) = (None, false);
    loop {
        let (header, behind) = self::line(rest)?;
        rest = behind;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|octet| *octet == b':');
        let (name, value) = header.split_at(colon.unwrap_or(header.len()));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // `Content_Length` is a name like another.
        let is_name = name
            .iter()
            .all(|octet| octet.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(octet));
        let letters = name.iter().filter(|octet| octet.is_ascii_alphabetic());
        let letters: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
        let is = |plain: &str| colon.is_some() && name.eq_ignore_ascii_case(plain.as_bytes());
        match &letters[..] {
            _ if matches!(header[0], b' ' | b'\t') => return None,
            _ if colon.is_some()
                && is_name
                && !is("content-length")
                && !is("transfer-encoding") => {}
            b"contentlength" => {
                let is_number = is("content-length") && value.iter().all(u8::is_ascii_digit);
                let said = std::str::from_utf8(value).ok().filter(|_| is_number)?;
                let said = said.parse::<usize>().ok()?;
                if is_chunked || length.is_some_and(|before| before != said) {
                    return None;
                }
                length = Some(said);
            }
            b"transferencoding" => {
                let is_right = is("transfer-encoding") && value.eq_ignore_ascii_case(b"chunked");
                if !is_right || is_chunked || length.is_some() || !is_current {
                    return None;
                }
                is_chunked = true;
            }
            _ => {}
        }
    }
    if is_chunked { chunks(rest) } else { rest.get(length.unwrap_or(0)..) }
}

/// A line that ends in CR LF and has no other CR, LF or NUL.
fn line(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = octets.iter().position(|octet| *octet == b'\n')?;
    let line = octets[..end].strip_suffix(b"\r")?;
    (!line.contains(&b'\r') && !line.contains(&0)).then_some((line, &octets[end + 1..]))
}

/// RFC 9112 §7.1.
fn chunks(mut octets: &[u8]) -> Option<&[u8]> {
    loop {
        let (size, rest) = line(octets)?;
        let digits = size.iter().position(|octet| *octet == b';').unwrap_or(size.len());
        let digits = std::str::from_utf8(&size[..digits]).ok()?.trim_end_matches([' ', '\t']);
        if !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size > 0 {
            octets = rest.get(size..)?.strip_prefix(b"\r\n")?;
            continue;
        }
        // Trailers.
        octets = rest;
        loop {
            let (trailer, rest) = line(octets)?;
            octets = rest;
            if trailer.is_empty() {
                return Some(octets);
            }
        }
    }
}

fn holds(octets: &[u8]) {
    let options = Options { trusted_proxies: vec![memory::PEER.into()], ..Options::default() };
    let shown = || octets.escape_ascii();
    let all = exchange(&options, octets, usize::MAX);
    let (mut rest, mut answers) = (&all[..], 0);
    while !rest.is_empty() {
        answers += usize::from(!rest.starts_with(b"HTTP/1.1 100 "));
        let said = String::from_utf8_lossy(rest);
        rest = one_answer(rest).unwrap_or_else(|| panic!("{said}\n{}", shown()));
    }
    let most = requests(octets);
    let said = String::from_utf8_lossy(&all);
    assert!(answers <= most, "{answers} answers to {most} requests:\n{said}\n{}", shown());
}
