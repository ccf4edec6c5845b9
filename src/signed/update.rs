//! An update.
//!
//! ```text
//! truename-update-1
//! key k7f3c2xq
//! time 1795275600123
//! host home.dyn.example.org
//! v4 203.0.113.7
//! v6 2001:db8:7::7
//! prefix 2001:db8:7::/56
//! line wan1
//! mac 5b0c…
//! ```

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::Ipv6Net;

use super::lines::Lines;
use super::{Mac, Malformed, SharedSecret, sealed, split};
use crate::model::{KeyId, Line, Name};
use crate::update::Said;

/// The first line.
const TITLE: &str = "truename-update-1";

/// What a client says, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The public number of the key whose secret signs.
    pub key: KeyId,
    /// When it was made, in milliseconds since 1970. Each is later than all
    /// before it by the same key.
    pub time: u64,
    /// For which hosts: one at least.
    pub hosts: Vec<Name>,
    /// Of IPv4.
    pub v4: Said<Ipv4Addr>,
    /// Of IPv6.
    pub v6: Said<Ipv6Addr>,
    /// Of the prefix of the network the host is the router of.
    pub prefix: Said<Ipv6Net>,
    /// Which of the hosts' lines reports.
    pub line: Option<Line>,
}

impl Update {
    /// The message, and its MAC, which the answer repeats.
    pub fn write(&self, secret: &SharedSecret) -> (String, Mac) {
        let mut text = format!("{TITLE}\nkey {}\ntime {}\n", self.key, self.time);
        for host in &self.hosts {
            let _ = writeln!(text, "host {}", host.without_dot());
        }
        say(&mut text, "v4", &self.v4);
        say(&mut text, "v6", &self.v6);
        say(&mut text, "prefix", &self.prefix);
        if let Some(line) = &self.line {
            let _ = writeln!(text, "line {line}");
        }
        sealed(text, secret)
    }

    /// Reads a message. Nothing in it is true yet but which key it claims.
    ///
    /// # Errors
    /// When it is not in the form that `clients/signed.md` specifies.
    pub fn read(message: &[u8]) -> Result<SealedUpdate, Malformed> {
        let (text, mac) = split(message)?;
        let mut lines = Lines::new(text);
        lines.exactly(TITLE)?;
        let key = lines.value("key", "`key` and the public number of a key").map(KeyId)?;
        let time = lines.value("time", "`time` and milliseconds since 1970")?;
        let mut hosts: Vec<Name> = Vec::new();
        let a_host = "`host` and the name of a host";
        while let Some(host) = lines.maybe("host", a_host)? {
            hosts.push(host);
        }
        if hosts.is_empty() {
            return Err(lines.expected(a_host));
        }
        let v4 = said(&mut lines, "v4", "`v4` and an IPv4 address, or `-`")?;
        let v6 = said(&mut lines, "v6", "`v6` and an IPv6 address, or `-`")?;
        let prefix =
            said(&mut lines, "prefix", "`prefix` and an IPv6 prefix like 2001:db8::/56, or `-`")?;
        if v4 == Said::Nothing && v6 == Said::Nothing && prefix == Said::Nothing {
            return Err(lines.expected("`v4`, `v6` or `prefix`"));
        }
        let line = lines.maybe("line", "`line` and the label of a line")?;
        lines.end(
            "no more lines before `mac`, and `host`, `v4`, `v6`, `prefix`, `line` in this order",
        )?;
        let update = Update { key, time, hosts, v4, v6, prefix, line };
        Ok(SealedUpdate { update, text: text.to_owned(), mac })
    }
}

/// A line of one family, unless nothing is said of it.
fn say<A: std::fmt::Display>(text: &mut String, word: &str, said: &Said<A>) {
    let _ = match said {
        Said::Nothing => Ok(()),
        Said::Is(value) => writeln!(text, "{word} {value}"),
        Said::Gone => writeln!(text, "{word} -"),
    };
}

fn said<A: FromStr>(
    lines: &mut Lines<'_>,
    word: &str,
    expected: &'static str,
) -> Result<Said<A>, Malformed> {
    struct Value<A>(Said<A>);

    impl<A: FromStr> FromStr for Value<A> {
        type Err = A::Err;
        fn from_str(text: &str) -> Result<Value<A>, A::Err> {
            Ok(Value(if text == "-" { Said::Gone } else { Said::Is(text.parse()?) }))
        }
    }

    Ok(lines.maybe(word, expected)?.map_or(Said::Nothing, |Value(said)| said))
}

/// An update whose signature has not been looked at.
#[derive(Clone, Debug)]
pub struct SealedUpdate {
    update: Update,
    text: String,
    mac: Mac,
}

impl SealedUpdate {
    /// The key it claims to be signed with.
    pub fn key(&self) -> &KeyId {
        &self.update.key
    }

    /// The update and its MAC, if it is signed with this secret.
    pub fn open(self, secret: &SharedSecret) -> Option<(Update, Mac)> {
        (secret.mac(&self.text) == self.mac).then_some((self.update, self.mac))
    }
}
