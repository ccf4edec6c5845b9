//! The PROXY protocol: what a proxy of ours says of a connection before its
//! first octet (haproxy's `proxy-protocol.txt`, versions 1 and 2).
//!
//! ```text
//! PROXY TCP4 198.51.100.9 192.0.2.53 56324 80\r\n
//! ```
//!
//! Not one octet more than the header is read, for what follows is TLS or HTTP.
//! It is asked for only where the operator says that every connection begins
//! with one, and only of trusted proxies: a server that guesses can be told by
//! anybody to see another client.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest header of version 1, with its line end.
const LONGEST_LINE: usize = 107;

/// The longest header of version 2 that is read: addresses, and what a proxy
/// has to say of TLS.
const LONGEST: usize = 4096;

/// Octets of version 2 before what its length counts.
const FIXED: usize = 16;

/// Octets by which the versions are told apart.
const START: usize = v2::PROTOCOL_PREFIX.len();

/// Version 1 of a client that the proxy does not know: whatever else the line
/// says is to be ignored (§2.1).
const UNKNOWN: &[u8] = b"PROXY UNKNOWN";

/// Version 2, and a connection of the proxy's own, which looks whether we are
/// well: it is to be taken whatever else its header says (§2.2).
const LOCAL: u8 = 0x20;

/// `PP2_CLIENT_SSL`: the client speaks TLS with the proxy.
const CLIENT_SSL: u8 = 0x01;

/// What a proxy says of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whom it speaks for; `None`: for itself, or it does not say.
    pub client: Option<SocketAddr>,
    /// Whether the client speaks TLS with it.
    pub encrypted: bool,
}

/// Reads the header.
///
/// # Errors
/// When what comes is none.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Told> {
    let mut header = vec![0; START];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        header.resize(FIXED, 0);
        stream.read_exact(&mut header[START..]).await?;
        let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
        let whole = FIXED + length;
        if whole > LONGEST {
            return Err(none());
        }
        header.resize(whole, 0);
        stream.read_exact(&mut header[FIXED..]).await?;
        if header[START] == LOCAL {
            return Ok(Told::default());
        }
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        while !header.ends_with(b"\n") {
            if header.len() == LONGEST_LINE {
                return Err(none());
            }
            header.push(stream.read_u8().await?);
        }
        // The parser would take a space for the CR, and some words for too many.
        match header.strip_suffix(b"\r\n").map(|line| line.strip_prefix(UNKNOWN)) {
            None => return Err(none()),
            Some(Some([] | [b' ', ..])) => return Ok(Told::default()),
            Some(_) => {}
        }
    } else {
        return Err(none());
    }
    match HeaderResult::parse(&header) {
        HeaderResult::V1(Ok(header)) => Ok(Told { client: client_v1(&header), encrypted: false }),
        HeaderResult::V2(Ok(header)) => {
            Ok(Told { client: client_v2(&header), encrypted: encrypted(&header) })
        }
        _ => Err(none()),
    }
}

fn none() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is no header of the PROXY protocol")
}

fn at(address: impl Into<IpAddr>, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(crate::model::unmapped(address.into()), port))
}

fn client_v1(header: &v1::Header<'_>) -> Option<SocketAddr> {
    match &header.addresses {
        v1::Addresses::Tcp4(ip) => at(ip.source_address, ip.source_port),
        v1::Addresses::Tcp6(ip) => at(ip.source_address, ip.source_port),
        v1::Addresses::Unknown => None,
    }
}

fn client_v2(header: &v2::Header<'_>) -> Option<SocketAddr> {
    match &header.addresses {
        v2::Addresses::IPv4(ip) => at(ip.source_address, ip.source_port),
        v2::Addresses::IPv6(ip) => at(ip.source_address, ip.source_port),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    }
}

fn encrypted(header: &v2::Header<'_>) -> bool {
    let told = header.tlvs().flatten().find(|told| told.kind == v2::Type::SSL as u8);
    told.and_then(|told| told.value.first().copied()).is_some_and(|said| said & CLIENT_SSL != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is understood of some octets, and what is left of them.
    async fn of(octets: &[u8]) -> (Option<Told>, usize) {
        let mut rest = octets;
        let told = read(&mut rest).await.ok();
        (told, rest.len())
    }

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, payload].concat()
    }

    const V4: [u8; 12] = [198, 51, 100, 9, 192, 0, 2, 53, 0xdc, 4, 0, 80];

    fn told(client: &str, encrypted: bool) -> Option<Told> {
        Some(Told { client: client.parse().ok(), encrypted })
    }

    #[tokio::test]
    async fn version_1() {
        let request = "GET / HTTP/1.0\r\n\r\n";
        for (line, client) in [
            ("PROXY TCP4 198.51.100.9 192.0.2.53 56324 80\r\n", "198.51.100.9:56324"),
            ("PROXY TCP6 2001:db8::9 2001:db8::53 56324 80\r\n", "[2001:db8::9]:56324"),
            ("PROXY TCP6 ::ffff:198.51.100.9 ::ffff:192.0.2.53 1 80\r\n", "198.51.100.9:1"),
            ("PROXY UNKNOWN\r\n", "-"),
            ("PROXY UNKNOWN whatever it is\r\n", "-"),
            ("PROXY UNKNOWN and be it more words than the other lines have\r\n", "-"),
        ] {
            let all = format!("{line}{request}");
            assert_eq!(of(all.as_bytes()).await, (told(client, false), request.len()), "{line}");
        }
    }

    #[tokio::test]
    async fn version_2() {
        let mut v6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9].to_vec();
        v6.extend([0; 16]);
        v6.extend([0, 5, 0, 80]);
        let tls = |bits: u8| [&V4[..], &[0x20, 0, 5, bits, 0, 0, 0, 0]].concat();
        for (header, client, encrypted) in [
            (v2(1, 0x11, &V4), "198.51.100.9:56324", false),
            (v2(1, 0x21, &v6), "[2001:db8::9]:5", false),
            (v2(1, 0x11, &tls(1)), "198.51.100.9:56324", true),
            (v2(1, 0x11, &tls(0)), "198.51.100.9:56324", false),
            (v2(0, 0x11, &V4), "-", false),
            (v2(0, 0, &[]), "-", false),
            (v2(0, 0x22, &[]), "-", false),
            (v2(0, 0x7f, b"?"), "-", false),
            (v2(1, 0, &[]), "-", false),
            (v2(1, 0x31, &[0; 216]), "-", false),
        ] {
            let all = [&header[..], b"GET"].concat();
            assert_eq!(of(&all).await, (told(client, encrypted), 3), "{header:?}");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_a_header() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        let huge = v2(1, 0x11, &[0; 5000]);
        for octets in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"PROXY TCP4 198.51.100.9\r\n",
            b"PROXY TCP4 198.51.100.999 192.0.2.53 1 80\r\n",
            b"PROXY TCP5 198.51.100.9 192.0.2.53 1 80\r\n",
            b"PROXY TCP4 198.51.100.9 192.0.2.53 1 80 \n",
            b"PROXY TCP4 198.51.100.9 192.0.2.53 1 80\n",
            b"PROXY UNKNOWN \n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXYTCP4 198.51.100.9 192.0.2.53 1 80\r\n",
            b"proxy TCP4 198.51.100.9 192.0.2.53 1 80\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00",
            long.as_bytes(),
            &huge,
            &v2(1, 0x11, &V4[..11]),
            &v2(2, 0x11, &V4),
            &v2(1, 0x11, &V4)[..20],
            b"PROXY TCP4 198.51.100.9 192.0.2.53 1",
            b"",
        ] {
            assert_eq!(of(octets).await.0, None, "{:?}", String::from_utf8_lossy(octets));
        }
        // The version is in the upper half of that octet.
        let mut other = v2(1, 0x11, &V4);
        other[12] = 0x11;
        assert_eq!(of(&other).await.0, None);
    }
}
