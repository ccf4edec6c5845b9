//! Addresses and prefixes as clients spell them, and as they want to read them
//! back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::parameters::Parameters;
use super::proxies::Source;
use crate::model::unmapped;
use crate::recent::Hint;
use crate::update::{Report, Said};

/// Parameters that mean IPv4, though either family may stand in each.
pub const V4: [&str; 12] = [
    "myip",
    "ip",
    "address",
    "addr",
    "dnsto",
    "ipv4",
    "ip4",
    "myipv4",
    "a",
    "ipv4addr",
    "ipaddr",
    "ip_address",
];

/// Parameters that mean IPv6.
pub const V6: [&str; 7] = ["myipv6", "ipv6", "ip6", "myip6", "aaaa", "ipv6addr", "ip6addr"];

/// Parameters that mean the prefix of the network behind a router: dynv6's,
/// and those of templates for FRITZ!Boxes.
pub const PREFIX: [&str; 4] = ["ipv6prefix", "ip6lanprefix", "ip6prefix", "ipprefix"];

/// The length of a prefix that comes without one: one network's.
const USUAL_LENGTH: u8 = 64;

/// The longest spelling of an address: eight groups of four, or six and
/// dotted quads (RFC 4291 §2.2).
const MAX_SPELLING: usize = 45;

/// What an answer says of the addresses: ddclient compares it with what it
/// sent, letter by letter (WIRE.md, finding 3). Digits, `a` to `f`, dots and
/// colons alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// As the client spelled them, IPv4 first, or the address it came from.
    pub text: String,
    /// The answer is `good` even if nothing changed. Every address was the
    /// client's own machine, which is not published: no-ip scripts send
    /// 127.0.0.1 a second before the real address and end when it is refused.
    /// Or the host was withdrawn, perhaps once more.
    pub always_good: bool,
}

/// What a request says of the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// What is reported.
    pub report: Report,
    /// What the answer repeats.
    pub spelling: Spelling,
    /// A template left unfilled, for a hint.
    pub has_placeholder: bool,
    /// No address was given, and it came from our own machine or proxy, which
    /// did not say for whom.
    pub no_source: bool,
}

impl Addressed {
    /// The same as a request to delete: what it says of a family, whatever it
    /// is, means that there is no address of it any more.
    pub fn deleted(mut self) -> Addressed {
        fn gone<A>(said: Said<A>) -> Said<A> {
            match said {
                Said::Nothing => Said::Nothing,
                Said::Is(_) | Said::Gone => Said::Gone,
            }
        }
        if let Report::Addresses { v4, v6, .. } = self.report {
            self.report = Report::Addresses { v4: gone(v4), v6: gone(v6), prefix: Said::Nothing };
        }
        self.spelling.always_good = true;
        self
    }

    /// What is odd about the addresses.
    pub fn hint(&self, hints: &mut Vec<Hint>) {
        if self.has_placeholder {
            hints.push(Hint::AddressPlaceholder);
        }
        if self.no_source {
            hints.push(Hint::NoSource);
        }
    }
}

/// Reads the addresses of a request.
pub fn read(parameters: &Parameters, source: Source) -> Addressed {
    let mut reading = Reading::default();
    let mut auto = false;
    for (name, value) in parameters.iter() {
        if PREFIX.contains(&name) {
            reading.hear_prefix(value);
            continue;
        }
        let is_v6 = V6.contains(&name);
        if !is_v6 && !V4.contains(&name) {
            continue;
        }
        for part in value.split(|c: char| c == ',' || c.is_whitespace()) {
            match Part::read(part) {
                Part::Nothing => {}
                Part::Auto => auto = true,
                Part::Placeholder => reading.has_placeholder = true,
                Part::Leave if is_v6 => reading.leave_v6 = true,
                Part::Leave => reading.leave_v4 = true,
                Part::Gone if is_v6 => reading.v6 = reading.v6.or(Some(Heard::Gone)),
                Part::Gone => reading.v4 = reading.v4.or(Some(Heard::Gone)),
                Part::Address(address, text, prefix) => {
                    reading.hear(address, text);
                    reading.behind = reading.behind.or(prefix.filter(has_interfaces));
                }
                // `::2/127` of a line between two routers is an address.
                Part::Prefix(prefix, text) => match has_interfaces(&prefix) {
                    true => reading.behind = reading.behind.or(Some(prefix)),
                    false => reading.hear(prefix.network().into(), text),
                },
                Part::Unreadable => reading.unreadable = true,
            }
        }
    }
    let nothing = reading.v4.is_none() && reading.v6.is_none();
    if nothing && !auto && parameters.has_unread() {
        reading.unreadable = true;
    }
    if (auto || nothing) && !reading.unreadable {
        reading.hear_source(source, nothing);
    }
    let offline = parameters.all("offline").any(is_yes);
    reading.end(offline, source)
}

/// Whether machines can have addresses in a prefix: a longer one that comes
/// along with an address says something of a line, and nothing of a site.
fn has_interfaces(prefix: &Ipv6Net) -> bool {
    prefix.prefix_len() <= USUAL_LENGTH
}

fn is_yes(value: &str) -> bool {
    ["yes", "on", "true", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// One item of an address list.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Nothing,
    /// The address the request comes from.
    Auto,
    /// Leave this family alone (deSEC `preserve`, Dynu `no`).
    Leave,
    /// There is none of this family any more (dynv6).
    Gone,
    /// An unfilled template: nothing, with a hint.
    Placeholder,
    /// With the prefix it is in, where its length was given.
    Address(IpAddr, &'a str, Option<Ipv6Net>),
    /// A prefix without a host in it, as a FRITZ!Box sends for
    /// `<ip6lanprefix>`: no address, unless it is too long to be a prefix.
    Prefix(Ipv6Net, &'a str),
    Unreadable,
}

impl Part<'_> {
    fn read(text: &str) -> Part<'_> {
        match text.to_ascii_lowercase().as_str() {
            "" => return Part::Nothing,
            "auto" => return Part::Auto,
            "no" | "preserve" => return Part::Leave,
            "-" => return Part::Gone,
            _ => {}
        }
        let (value, length) = match text.split_once('/') {
            Some((value, length)) => (value, Some(length)),
            None => (text, None),
        };
        let bare = value.strip_prefix('[').unwrap_or(value);
        let bare = bare.strip_suffix(']').unwrap_or(bare);
        let Some(address) = parse(bare) else {
            return if is_placeholder(text) { Part::Placeholder } else { Part::Unreadable };
        };
        let length: Option<u8> = match length.map(str::parse) {
            Some(Ok(length)) => Some(length),
            Some(Err(_)) => return Part::Unreadable,
            None => None,
        };
        match (unmapped(address), length) {
            (address @ IpAddr::V4(_), None | Some(..=32)) => Part::Address(address, bare, None),
            // A mapped address with a length of its own kind.
            (address @ IpAddr::V4(_), Some(..=128)) if bare.contains(':') => {
                Part::Address(address, bare, None)
            }
            (address @ IpAddr::V6(_), None | Some(128)) => Part::Address(address, bare, None),
            (IpAddr::V6(v6), Some(length)) => match Ipv6Net::new(v6, length) {
                Ok(net) if net.trunc() == net => Part::Prefix(net, bare),
                Ok(net) => Part::Address(IpAddr::V6(v6), bare, Some(net.trunc())),
                Err(_) => Part::Unreadable,
            },
            _ => Part::Unreadable,
        }
    }
}

/// An address, leading zeros allowed.
fn parse(text: &str) -> Option<IpAddr> {
    if text.len() > MAX_SPELLING {
        return None;
    }
    if text.contains(':') {
        return text.parse().ok().map(IpAddr::V6);
    }
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // Leading zeros are decimal here, as routers pad; octal is nobody's.
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then_some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// Whether a text is a template that a router should have filled in: `%h`,
/// `<domain>`, `__MYIP__`, `[DOMAIN]`, `{ip}`, `#{ip}`, `###IP###`, `$ip`.
pub fn is_placeholder(text: &str) -> bool {
    let pairs = [("<", ">"), ("__", "__"), ("[", "]"), ("{", "}"), ("###", "###"), ("@", "@")];
    let inside = |&(open, close): &(&str, &str)| {
        text.len() > open.len() + close.len() && text.starts_with(open) && text.ends_with(close)
    };
    text.starts_with(['%', '$', '#']) || pairs.iter().any(inside)
}

/// What was heard of one family.
#[derive(Clone, Debug)]
enum Heard<A> {
    Address(A, String),
    /// The client's own machine.
    Loopback(String),
    Gone,
}

impl<A> Heard<A> {
    fn spelled(&self) -> Option<&str> {
        match self {
            Heard::Address(_, text) | Heard::Loopback(text) => Some(text),
            Heard::Gone => None,
        }
    }

    fn said(self) -> Said<A> {
        match self {
            Heard::Address(address, _) => Said::Is(address),
            Heard::Loopback(_) => Said::Nothing,
            Heard::Gone => Said::Gone,
        }
    }
}

/// What was heard so far. The first of a family counts.
#[derive(Default)]
struct Reading {
    v4: Option<Heard<Ipv4Addr>>,
    v6: Option<Heard<Ipv6Addr>>,
    /// The prefix that was said to be one.
    prefix: Option<Said<Ipv6Net>>,
    /// The prefix that an address was said to be in.
    behind: Option<Ipv6Net>,
    leave_v4: bool,
    leave_v6: bool,
    unreadable: bool,
    no_source: bool,
    has_placeholder: bool,
}

impl Reading {
    fn hear(&mut self, address: IpAddr, text: &str) {
        let text = text.to_owned();
        match address {
            IpAddr::V4(v4) => {
                self.v4.get_or_insert_with(|| match v4.is_loopback() {
                    true => Heard::Loopback(text),
                    false => Heard::Address(v4, text),
                });
            }
            IpAddr::V6(v6) => {
                self.v6.get_or_insert_with(|| match v6.is_loopback() {
                    true => Heard::Loopback(text),
                    false => Heard::Address(v6, text),
                });
            }
        }
    }

    /// The value of a parameter that means a prefix. One without a length is a
    /// whole network's, unless it is an address; IPv4 has none here.
    fn hear_prefix(&mut self, value: &str) {
        for part in value.split(|c: char| c == ',' || c.is_whitespace()) {
            let said = match Part::read(part) {
                Part::Prefix(prefix, _) | Part::Address(_, _, Some(prefix)) => Said::Is(prefix),
                Part::Address(IpAddr::V6(v6), ..) => match Ipv6Net::new(v6, USUAL_LENGTH) {
                    Ok(net) if net.trunc() == net => Said::Is(net),
                    _ => continue,
                },
                Part::Gone => Said::Gone,
                Part::Placeholder => {
                    self.has_placeholder = true;
                    continue;
                }
                Part::Unreadable => {
                    self.unreadable = true;
                    continue;
                }
                Part::Nothing | Part::Auto | Part::Leave | Part::Address(IpAddr::V4(_), ..) => {
                    continue;
                }
            };
            self.prefix.get_or_insert(said);
        }
    }

    /// The address the request comes from, unless its family is to be left
    /// alone. When nothing else was said and the source is a proxy that does
    /// not say for whom it asks, there is no address to be had; nor when it is
    /// our own machine, where such a proxy may run that nobody declared.
    fn hear_source(&mut self, source: Source, nothing_else: bool) {
        let left = if source.address.is_ipv4() { self.leave_v4 } else { self.leave_v6 };
        if left {
            return;
        }
        if source.is_client && !source.address.is_loopback() {
            self.hear(source.address, &source.address.to_string());
        } else if nothing_else && self.prefix.is_none() && self.behind.is_none() {
            self.no_source = true;
            self.unreadable = true;
        }
    }

    fn end(self, offline: bool, source: Source) -> Addressed {
        let spelled: Vec<&str> =
            [self.v4.as_ref().and_then(Heard::spelled), self.v6.as_ref().and_then(Heard::spelled)]
                .into_iter()
                .flatten()
                .collect();
        let text = if spelled.is_empty() { source.address.to_string() } else { spelled.join(",") };
        let is_loopback = !matches!(self.v4, Some(Heard::Address(..) | Heard::Gone))
            && !matches!(self.v6, Some(Heard::Address(..) | Heard::Gone))
            && !spelled.is_empty();
        let report = match offline {
            true => Report::Offline,
            false if self.unreadable => Report::Unreadable,
            false => Report::Addresses {
                v4: self.v4.map_or(Said::Nothing, Heard::said),
                v6: self.v6.map_or(Said::Nothing, Heard::said),
                prefix: self.prefix.or(self.behind.map(Said::Is)).unwrap_or_default(),
            },
        };
        let spelling = Spelling { text, always_good: is_loopback || offline };
        Addressed {
            report,
            spelling,
            has_placeholder: self.has_placeholder,
            no_source: self.no_source && !offline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::http::parameters::Parameters;
    use crate::http::proxies::Source;
    use crate::update::{Report, Said};

    /// What a query from 198.51.100.9 means: IPv4, IPv6, and the spelling.
    fn of(query: &str) -> String {
        from(query, "198.51.100.9", true)
    }

    fn from(query: &str, source: &str, is_client: bool) -> String {
        let mut parameters = Parameters::default();
        parameters.read(query.as_bytes());
        let read = read(&parameters, Source { address: source.parse().unwrap(), is_client });
        fn say<A: ToString>(said: Said<A>) -> String {
            match said {
                Said::Is(address) => address.to_string(),
                Said::Gone => "gone".into(),
                Said::Nothing => "-".into(),
            }
        }
        let report = match read.report {
            Report::Addresses { v4, v6, prefix: Said::Nothing } => {
                format!("{} {}", say(v4), say(v6))
            }
            Report::Addresses { v4, v6, prefix } => {
                format!("{} {} prefix {}", say(v4), say(v6), say(prefix))
            }
            Report::Offline => "offline".into(),
            Report::Unreadable => return "unreadable".into(),
        };
        let good = if read.spelling.always_good { " good" } else { "" };
        format!("{report} \"{}\"{good}", read.spelling.text)
    }

    #[test]
    fn either_family_in_either_parameter() {
        for (query, meaning) in [
            ("myip=192.0.2.1", "192.0.2.1 - \"192.0.2.1\""),
            ("myip=2001:DB8::1", "- 2001:db8::1 \"2001:DB8::1\""),
            ("myip=192.0.2.1,2001:db8::1", "192.0.2.1 2001:db8::1 \"192.0.2.1,2001:db8::1\""),
            ("myip=2001:db8::1, 192.0.2.1", "192.0.2.1 2001:db8::1 \"192.0.2.1,2001:db8::1\""),
            ("myipv6=2001:db8::1&ip4=192.0.2.1", "192.0.2.1 2001:db8::1 \"192.0.2.1,2001:db8::1\""),
            ("myipv6=192.0.2.1", "192.0.2.1 - \"192.0.2.1\""),
            (
                "IPV4ADDR=192.0.2.1&aaaa=2001:db8::1",
                "192.0.2.1 2001:db8::1 \"192.0.2.1,2001:db8::1\"",
            ),
            ("myip=192.0.2.1&myip=2001:db8::1", "192.0.2.1 2001:db8::1 \"192.0.2.1,2001:db8::1\""),
            ("myip=192.0.2.1,192.0.2.2", "192.0.2.1 - \"192.0.2.1\""),
        ] {
            assert_eq!(of(query), meaning, "{query}");
        }
    }

    #[test]
    fn spelled_by_routers() {
        for (query, meaning) in [
            ("myip=+192.0.2.1+", "192.0.2.1 - \"192.0.2.1\""),
            ("myip=192.000.002.010", "192.0.2.10 - \"192.000.002.010\""),
            ("myip=192.0.2.1/24", "192.0.2.1 - \"192.0.2.1\""),
            ("myip=192.0.2.1,", "192.0.2.1 - \"192.0.2.1\""),
            ("myip=[2001:db8::1]", "- 2001:db8::1 \"2001:db8::1\""),
            ("myip=::ffff:192.0.2.1", "192.0.2.1 - \"::ffff:192.0.2.1\""),
            ("myipv6=2001:db8::1/128", "- 2001:db8::1 \"2001:db8::1\""),
            ("myip=192.0.2.1&myipv6=<ip6addr>", "192.0.2.1 - \"192.0.2.1\""),
            ("myip=192.0.2.1&myipv6=", "192.0.2.1 - \"192.0.2.1\""),
            ("myip=192.0.2.1&myipv6=no", "192.0.2.1 - \"192.0.2.1\""),
            ("ip=%i&myip=192.0.2.1", "192.0.2.1 - \"192.0.2.1\""),
        ] {
            assert_eq!(of(query), meaning, "{query}");
        }
    }

    #[test]
    fn prefixes() {
        for (query, meaning) in [
            ("myipv6=2001:db8::1/64", "- 2001:db8::1 prefix 2001:db8::/64 \"2001:db8::1\""),
            (
                "myip=2001:db8:0:7::1/56",
                "- 2001:db8:0:7::1 prefix 2001:db8::/56 \"2001:db8:0:7::1\"",
            ),
            (
                "myip=192.0.2.1&myipv6=2001:db8:1:ff00::/64",
                "192.0.2.1 - prefix 2001:db8:1:ff00::/64 \"192.0.2.1\"",
            ),
            (
                "myip=192.0.2.1&ip6lanprefix=2001:db8:1:ff00::/64",
                "192.0.2.1 - prefix 2001:db8:1:ff00::/64 \"192.0.2.1\"",
            ),
            ("ipv6prefix=2001:db8::/48", "198.51.100.9 - prefix 2001:db8::/48 \"198.51.100.9\""),
            ("ip=192.0.2.1&ip6prefix=2001:db8::", "192.0.2.1 - prefix 2001:db8::/64 \"192.0.2.1\""),
            ("ip=192.0.2.1&ip6prefix=2001:db8::1", "192.0.2.1 - \"192.0.2.1\""),
            ("ip=192.0.2.1&ipprefix=-", "192.0.2.1 - prefix gone \"192.0.2.1\""),
            // What is said of the prefix itself counts more.
            (
                "ip=2001:db8:0:1::7/64&ipv6prefix=2001:db8::/56",
                "- 2001:db8:0:1::7 prefix 2001:db8::/56 \"2001:db8:0:1::7\"",
            ),
            ("ip=192.0.2.1&ipv6prefix=", "192.0.2.1 - \"192.0.2.1\""),
            ("ip=192.0.2.1&ipv6prefix=<ip6lanprefix>", "192.0.2.1 - \"192.0.2.1\""),
            ("ip=192.0.2.1&ipv6prefix=192.0.2.0/24", "192.0.2.1 - \"192.0.2.1\""),
            // Too long for a site: it came along with an address, which counts.
            (
                "myip=192.0.2.1&myipv6=2001:db8::7/120",
                "192.0.2.1 2001:db8::7 \"192.0.2.1,2001:db8::7\"",
            ),
            ("myip=2001:db8::2/127", "- 2001:db8::2 \"2001:db8::2\""),
            ("myip=2001:db8::/65", "- 2001:db8:: \"2001:db8::\""),
            (
                "myip=192.0.2.1&ipv6prefix=2001:db8::/80",
                "192.0.2.1 - prefix 2001:db8::/80 \"192.0.2.1\"",
            ),
            ("ip=192.0.2.1&ipv6prefix=2001:db8::/129", "unreadable"),
            ("ip=192.0.2.1&ipv6prefix=::g/64", "unreadable"),
        ] {
            assert_eq!(of(query), meaning, "{query}");
        }
    }

    #[test]
    fn nothing_given_is_the_source_and_its_family_only() {
        for query in
            ["", "myip=", "myip=,", "myip=&myipv6=", "myip=auto", "myip=<ipaddr>", "myipv6=no"]
        {
            assert_eq!(of(query), "198.51.100.9 - \"198.51.100.9\"", "{query}");
        }
        assert_eq!(from("", "2001:db8::9", true), "- 2001:db8::9 \"2001:db8::9\"");
        assert_eq!(of("myip=preserve"), "- - \"198.51.100.9\"");
        assert_eq!(
            of("ipv4=auto&ipv6=2001:db8::1"),
            "198.51.100.9 2001:db8::1 \"198.51.100.9,2001:db8::1\""
        );
        assert_eq!(of("ipv4=-&ipv6=2001:db8::1"), "gone 2001:db8::1 \"2001:db8::1\"");
        assert_eq!(of("ipv6=-"), "- gone \"198.51.100.9\"");
    }

    #[test]
    fn our_own_machine_is_nobodys_address() {
        assert_eq!(from("", "10.0.0.1", false), "unreadable");
        assert_eq!(from("", "127.0.0.1", true), "unreadable");
        assert_eq!(from("myip=auto", "::1", true), "unreadable");
        assert_eq!(
            from("myip=auto,2001:db8::1", "127.0.0.1", true),
            "- 2001:db8::1 \"2001:db8::1\""
        );
        assert_eq!(
            from("ipv6prefix=2001:db8::/48", "127.0.0.1", true),
            "- - prefix 2001:db8::/48 \"127.0.0.1\""
        );
        assert_eq!(from("myip=192.0.2.1", "10.0.0.1", false), "192.0.2.1 - \"192.0.2.1\"");
        assert_eq!(of("myip=127.0.0.1"), "- - \"127.0.0.1\" good");
        assert_eq!(of("myip=127.000.000.001,::1"), "- - \"127.000.000.001,::1\" good");
        assert_eq!(of("myip=127.0.0.1,2001:db8::1"), "- 2001:db8::1 \"127.0.0.1,2001:db8::1\"");
    }

    #[test]
    fn what_is_no_address_changes_nothing() {
        for part in [
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.1.1.1domain2.example.com",
            "2001:db8::g",
            "home",
            "0x7f.1.1.1",
            "1.2.3.4/x",
            "1.2.3.4/33",
        ] {
            assert_eq!(of(&format!("myip={part}")), "unreadable", "{part}");
            assert_eq!(of(&format!("myip=192.0.2.1,{part}")), "unreadable", "{part}");
        }
        assert_eq!(of("myip=192.0.2.1&offline=YES"), "offline \"192.0.2.1\" good");
        assert_eq!(of("offline=NOCHG&myip=192.0.2.1"), "192.0.2.1 - \"192.0.2.1\"");
    }
}
