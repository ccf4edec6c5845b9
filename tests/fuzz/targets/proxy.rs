//! The PROXY protocol: what a proxy of ours says of a connection is understood
//! as haproxy's `proxy-protocol.txt` says it, read by hand here; whoever says
//! anything else is told nothing.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use truename::http::Options;
use truename::model::unmapped;

use super::http::{exchange, one_answer};
use super::{Target, memory, text};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "proxy", holds, seeds, mutate, longest: 4200, rounds: 100 };

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What follows a header.
const REQUEST: &[u8] = b"GET /ip HTTP/1.0\r\n\r\n";

/// The longest header of version 2 that is read, in octets.
const LONGEST: usize = 4096;

fn seeds() -> Vec<Vec<u8>> {
    let v2 = |head: [u8; 2], payload: &[u8]| {
        let length = (payload.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &head, &length, payload].concat()
    };
    let v4 = [198, 51, 100, 9, 192, 0, 2, 53, 0xdc, 4, 0, 80];
    let mut v6 = [0; 36];
    (v6[0], v6[1], v6[15], v6[33]) = (0x20, 1, 9, 5);
    let tls = [&v4[..], &[0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 0]].concat();
    let mut seeds: Vec<Vec<u8>> = [
        "PROXY TCP4 198.51.100.9 192.0.2.53 56324 80\r\n",
        "PROXY TCP4 192.0.2.77 192.0.2.53 0 65535\r\n",
        "PROXY TCP6 2001:db8::9 2001:db8::53 56324 80\r\n",
        "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.53 1 80\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    .map(|line| line.as_bytes().to_vec())
    .into();
    seeds.extend([
        v2([0x21, 0x11], &v4),
        v2([0x21, 0x12], &v4),
        v2([0x21, 0x21], &v6),
        v2([0x21, 0x11], &tls),
        v2([0x21, 0x31], &[0; 216]),
        v2([0x21, 0], &[1, 2, 3]),
        v2([0x20, 0], &[]),
        v2([0x20, 0x11], &v4),
    ]);
    seeds
}

const PIECES: [&str; 16] = [
    "PROXY ",
    "TCP4 ",
    "TCP6 ",
    "UNKNOWN",
    "\r\n",
    "\r",
    "\n",
    " ",
    "0",
    "65536",
    "+1",
    "192.0.2.1",
    "::1",
    "::ffff:192.0.2.1",
    "\r\n\r\n\0\r\nQUIT\n",
    "\u{21}\u{11}\0\u{c}",
];

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    if octets.starts_with(SIGNATURE) && octets.len() >= 16 && dice.roll(4) > 0 {
        match dice.roll(4) {
            0 => octets[12] = [0x20, 0x21, 0x22, 0x11, 0x2f][dice.roll(5)],
            1 => octets[13] = [0, 0x10, 0x11, 0x12, 0x21, 0x22, 0x31, 0x13, 0x41][dice.roll(9)],
            2 => octets.extend([0x20, 0, dice.roll(9) as u8, dice.roll(8) as u8, 0, 0]),
            _ => octets[14..16].copy_from_slice(&(dice.roll(300) as u16).to_be_bytes()),
        }
        if dice.roll(3) > 0 {
            let length = (octets.len() - 16) as u16;
            octets[14..16].copy_from_slice(&length.to_be_bytes());
        }
    } else {
        text::mutate(octets, dice, &PIECES);
    }
}

/// Of whom a header speaks, if it speaks of somebody, and where it ends.
type Header = (Option<SocketAddr>, usize);

fn header(octets: &[u8]) -> Option<Header> {
    if octets.starts_with(SIGNATURE) { version_2(octets) } else { version_1(octets) }
}

/// §2.1.
fn version_1(octets: &[u8]) -> Option<Header> {
    let end = octets.iter().position(|octet| *octet == b'\n').filter(|end| *end < 107)?;
    let line = octets[..end].strip_suffix(b"\r")?;
    // Whatever else it says is no matter.
    if let Some([] | [b' ', ..]) = line.strip_prefix(b"PROXY UNKNOWN") {
        return Some((None, end + 1));
    }
    let words: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
    let client = match words[..] {
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let [from, to] = [from, to].map(|address| address.parse::<IpAddr>().ok());
            let (from, to) = (from?, to?);
            let is_right = |address: &IpAddr| address.is_ipv4() == (family == "TCP4");
            let port = |word: &str| {
                // `+1` is taken, too, which harms nobody.
                let is_plain = word == "0" || !word.starts_with('0');
                word.parse::<u16>().ok().filter(|_| is_plain)
            };
            let (port, _) = (port(from_port)?, port(to_port)?);
            (is_right(&from) && is_right(&to)).then(|| SocketAddr::new(from, port))?
        }
        _ => return None,
    };
    Some((Some(client), end + 1))
}

/// §2.2.
fn version_2(octets: &[u8]) -> Option<Header> {
    let [how, family, high, low] = *octets.get(12..16)?.first_chunk()?;
    let end = 16 + usize::from(u16::from_be_bytes([high, low]));
    let told = octets.get(16..end).filter(|_| end <= LONGEST)?;
    let client = match (how, family) {
        // The proxy's own, whatever else it says.
        (0x20, _) => None,
        (0x21, 0x00..=0x02) => None,
        (0x21, 0x10..=0x12) => {
            let [a, b, c, d, .., high, low, _, _] = *told.first_chunk::<12>()?;
            let address = IpAddr::from([a, b, c, d]);
            Some(SocketAddr::new(address, u16::from_be_bytes([high, low])))
        }
        (0x21, 0x20..=0x22) => {
            let told = told.first_chunk::<36>()?;
            let address = Ipv6Addr::from(*told.first_chunk::<16>()?);
            Some(SocketAddr::new(address.into(), u16::from_be_bytes([told[32], told[33]])))
        }
        (0x21, 0x30..=0x32) => told.get(..216).map(|_| None)?,
        _ => return None,
    };
    Some((client, end))
}

fn holds(octets: &[u8]) {
    let options = Options {
        trusted_proxies: vec![memory::PEER.into()],
        proxy_protocol: true,
        ..Options::default()
    };
    // What follows the header is ours.
    let header = header(octets);
    let sent = match header {
        Some((_, end)) => [&octets[..end], REQUEST].concat(),
        None => octets.to_vec(),
    };
    let at_once = exchange(&options, &sent, usize::MAX);
    let in_dribs = exchange(&options, &sent, 1 + sent.len() / 200);
    assert_eq!(at_once, in_dribs, "whole, and in pieces: {octets:02x?}");
    match header {
        Some((client, _)) => {
            let client = unmapped(client.map_or(memory::PEER, |client| client.ip()));
            assert_eq!(one_answer(&at_once), Some(&[][..]), "{octets:02x?}");
            let said = format!("\r\n\r\n{client}");
            assert!(at_once.ends_with(said.as_bytes()), "it is not {client}: {octets:02x?}");
        }
        None => assert_eq!(at_once, b"", "that is no header: {octets:02x?}"),
    }
}
