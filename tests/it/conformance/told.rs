//! Answers of the table, from octets to words.
//!
//! Code, flags (`op=N` for an operation other than QUERY), `question` if it
//! came back octet by octet, each section's records by owner, TTL and type,
//! then EDNS: size, flags, options (`cookie`: with the client's own at its
//! front, and sixteen octets behind).

use std::fmt::Write as _;

use crate::parsed::{Record, parsed};

pub fn told(request: &[u8], answer: Option<&[u8]>) -> String {
    let Some(answer) = answer else { return "silence".to_owned() };
    if answer.len() < 12 {
        return format!("{} octets", answer.len());
    }
    if answer[..2] != request[..2] || answer[2] & 0x80 == 0 {
        return "something else".to_owned();
    }
    let flags = u16::from_be_bytes([answer[2], answer[3]]);
    let Ok(message) = std::panic::catch_unwind(|| parsed(answer)) else {
        return format!("{} unreadable", code(flags & 15));
    };
    let opt = message.sections[2].iter().find(|record| record.rtype.0 == 41);
    let upper = opt.map_or(0, |opt| (opt.ttl >> 24) as u16);
    let mut text = code(upper << 4 | flags & 15);
    if flags >> 11 & 15 != 0 {
        write!(text, " op={}", flags >> 11 & 15).unwrap();
    }
    for (flag, bit) in [("aa", 10), ("tc", 9), ("rd", 8), ("ra", 7), ("z", 6), ("ad", 5), ("cd", 4)]
    {
        if flags >> bit & 1 == 1 {
            write!(text, " {flag}").unwrap();
        }
    }
    match &message.question {
        Some(question) if request[12..].starts_with(question) => text += " question",
        Some(_) => text += " another question",
        None => {}
    }
    for (name, records) in ["answer", "authority", "additional"].iter().zip(&message.sections) {
        let mut records: Vec<String> =
            records.iter().filter(|record| record.rtype.0 != 41).map(record).collect();
        records.sort();
        if !records.is_empty() {
            write!(text, " {name}({})", records.join(", ")).unwrap();
        }
    }
    if let Some(opt) = opt {
        write!(text, " edns={}", opt.class).unwrap();
        if opt.ttl >> 16 & 0xff != 0 {
            write!(text, " version={}", opt.ttl >> 16 & 0xff).unwrap();
        }
        if opt.ttl & 0x8000 != 0 {
            text += " do";
        }
        if opt.ttl & 0x7fff != 0 {
            write!(text, " ednsflags={:04x}", opt.ttl & 0x7fff).unwrap();
        }
        for (code, holds) in options(&opt.data) {
            text += &option(code, holds, request);
        }
    }
    text
}

/// What the COOKIE option of an answer holds.
pub fn cookie(answer: &[u8]) -> Vec<u8> {
    let message = parsed(answer);
    let opt = message.sections[2].iter().find(|record| record.rtype.0 == 41);
    let options = opt.map(|opt| options(&opt.data)).unwrap_or_default();
    let cookie = options.into_iter().find(|(code, _)| *code == 10);
    cookie.expect("a cookie").1.to_vec()
}

fn options(mut data: &[u8]) -> Vec<(u16, &[u8])> {
    let mut options = Vec::new();
    while let [c1, c2, l1, l2, rest @ ..] = data {
        let (holds, rest) = rest.split_at(u16::from_be_bytes([*l1, *l2]).into());
        options.push((u16::from_be_bytes([*c1, *c2]), holds));
        data = rest;
    }
    assert!(data.is_empty(), "options that are not whole");
    options
}

fn option(code: u16, holds: &[u8], request: &[u8]) -> String {
    let number = || u16::from_be_bytes([holds[0], holds[1]]);
    match code {
        3 => format!(" nsid={}", String::from_utf8_lossy(holds)),
        10 if holds.len() == 24 && request.windows(8).any(|part| *part == holds[..8]) => {
            " cookie".to_owned()
        }
        11 if holds.len() == 2 => format!(" keepalive={}", number()),
        // With words, which are the server's own.
        15 if holds.len() >= 2 => format!(" ede={}", number()),
        _ => format!(" option={code}:{}", data_encoding::HEXLOWER.encode(holds)),
    }
}

fn record(record: &Record) -> String {
    let Record { owner, ttl, class, rtype, .. } = record;
    match class {
        1 => format!("{owner} {ttl} {rtype}"),
        class => format!("{owner} {ttl} class{class} {rtype}"),
    }
}

fn code(code: u16) -> String {
    let name = match code {
        0 => "noerror",
        1 => "formerr",
        2 => "servfail",
        3 => "nxdomain",
        4 => "notimp",
        5 => "refused",
        9 => "notauth",
        10 => "notzone",
        16 => "badvers",
        23 => "badcookie",
        _ => return format!("code {code}"),
    };
    name.to_owned()
}
