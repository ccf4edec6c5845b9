//! `truename report`: a machine tells a truename server where it is. The same
//! program, the other end of it.
//!
//! ```text
//!   interfaces (rtnetlink)   the server   the router (NAT-PMP, PCP, UPnP)
//!                   \             |             /
//!                    find: what the addresses are
//!                                 ▼
//!            plan: is there something to say, may it be said yet      pure
//!                                 ▼
//!                    say it, signed or with a token
//!                                 ▼
//!            memory: what the server acknowledged; what it refused    a file
//! ```
//!
//! It speaks up when something changed since the server last acknowledged it,
//! and every few days, so that a lease does not end. The kernel's news of
//! addresses wake it. A server that does not answer is tried again, ever more
//! slowly; one that refuses (a wrong secret, a host that is not ours) is left
//! alone for hours, for only the owner can mend that.

mod exchange;
mod find;
mod interface;
mod kernel;
mod memory;
mod plan;
mod router;
mod run;
mod standing;
mod talk;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use exchange::{Server, ServerError};
pub use router::{Mapping, MappingError};
pub use run::{daemon, once};
pub use standing::Standing;

use crate::model::{KeyId, Line, Name};
use crate::signed::SharedSecret;
use crate::update::Said;
use ipnet::Ipv6Net;

/// The addresses of this machine's interfaces, as the kernel has them now.
///
/// # Errors
/// When the kernel does not say (rtnetlink(7)).
pub fn machine_addresses() -> std::io::Result<Vec<IpAddr>> {
    let addresses = kernel::addresses()?.into_iter().map(|address| address.address);
    Ok(addresses.collect())
}

/// How often the server is told, though nothing changed: well within the
/// default lease of 35 days.
pub const REFRESH: Duration = Duration::from_secs(7 * 86_400);

/// How often addresses are looked at, though the kernel has no news: what the
/// server and the router say of them changes without news.
pub const INTERVAL: Duration = Duration::from_secs(300);

/// What is reported, of what, to whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub server: Server,
    /// For these hosts; one at least.
    pub hosts: Vec<Name>,
    /// What proves that they are ours.
    pub proof: Proof,
    /// Where the IPv4 address comes from.
    pub v4: Source<Ipv4Addr>,
    /// Where the IPv6 address comes from.
    pub v6: Source<Ipv6Addr>,
    /// Which prefix is reported, for the other hosts of a site.
    pub prefix: Option<PrefixFrom>,
    /// Which line this is, where a host has several.
    pub line: Option<Line>,
    /// Believe certificates of these authorities (PEM) and not the system's.
    pub authorities: Option<PathBuf>,
    /// Where it is kept what the server acknowledged.
    pub memory: PathBuf,
    /// See [`REFRESH`].
    pub refresh: Duration,
    /// See [`INTERVAL`].
    pub interval: Duration,
    /// Ports the router is asked to let through.
    pub mappings: Vec<Mapping>,
    /// Say it now, whatever the memory holds.
    pub force: bool,
}

/// What proves that a host is ours.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A token or password: sent, so best over HTTPS.
    Token {
        /// The user field; the first host's name does for a host's own token.
        user: String,
        /// The token.
        token: crate::model::Secret,
    },
    /// A key's secret for signing, never sent.
    Signed {
        /// The key's public number.
        key: KeyId,
        /// The secret.
        secret: SharedSecret,
    },
}

impl Proof {
    /// Reads what is in a key file: a token alone, or a key's number and its
    /// secret for signing. `user` is the user field of the token.
    pub fn read(text: &str, user: String) -> Result<Proof, ProofError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [token] => Ok(Proof::Token { user, token: crate::model::Secret(token.to_owned()) }),
            // As the command prints them, or bare.
            ["key", key, "secret", secret] | [key, secret] => {
                let secret = secret.parse().map_err(|_| ProofError)?;
                Ok(Proof::Signed { key: KeyId(key.to_owned()), secret })
            }
            _ => Err(ProofError),
        }
    }
}

/// Why a key file holds nothing that proves anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofError;

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a key file holds either a token alone, or what `truename key secret NUMBER --for signed` \
             prints: the number of a key and its secret for signed updates",
        )
    }
}

impl std::error::Error for ProofError {}

/// Where an address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source<A> {
    /// An interface with a public address; for IPv4 else what the server sees.
    Auto,
    /// The interface towards the Internet.
    Interface,
    /// This interface, even if its address means something only at home.
    Named(String),
    /// What the server sees.
    Server,
    /// What the router says.
    Router,
    /// This one.
    Fixed(A),
    /// Nothing is said of this family.
    None,
}

/// Why a text is not where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceError;

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an address comes from `auto`, `interface`, `interface:NAME`, `server`, `router`, or \
             is given; `none` says nothing of this family",
        )
    }
}

impl std::error::Error for SourceError {}

impl<A: FromStr> FromStr for Source<A> {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source<A>, SourceError> {
        match text.split_once(':') {
            Some(("interface", name)) if !name.is_empty() => {
                return Ok(Source::Named(name.to_owned()));
            }
            _ => {}
        }
        match text {
            "auto" => Ok(Source::Auto),
            "interface" => Ok(Source::Interface),
            "server" => Ok(Source::Server),
            "router" => Ok(Source::Router),
            "none" => Ok(Source::None),
            _ => text.parse().map(Source::Fixed).map_err(|_| SourceError),
        }
    }
}

/// The prefix of the network behind an interface: `lan0/56`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixFrom {
    /// The interface.
    pub interface: String,
    /// How long the prefix is that the provider gave; `None`: the
    /// interface's own.
    pub length: Option<u8>,
}

impl FromStr for PrefixFrom {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<PrefixFrom, &'static str> {
        let wrong = "a prefix is taken from an interface: `lan0`, or `lan0/56` with the length \
                     the provider gives (16 to 64)";
        let (interface, length) = match text.split_once('/') {
            None => (text, None),
            Some((interface, length)) => {
                let length = length.parse().ok().filter(|length| (16..=64).contains(length));
                (interface, Some(length.ok_or(wrong)?))
            }
        };
        if interface.is_empty() {
            return Err(wrong);
        }
        Ok(PrefixFrom { interface: interface.to_owned(), length })
    }
}

/// What the server is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Report {
    v4: Said<Ipv4Addr>,
    v6: Said<Ipv6Addr>,
    prefix: Said<Ipv6Net>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn one<A: fmt::Display>(word: &str, said: &Said<A>) -> Option<String> {
            match said {
                Said::Nothing => None,
                Said::Is(value) => Some(value.to_string()),
                Said::Gone => Some(format!("no {word}")),
            }
        }
        let parts = [one("IPv4", &self.v4), one("IPv6", &self.v6), one("prefix", &self.prefix)];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for (text, source) in [
            ("auto", Some(Source::Auto)),
            ("interface", Some(Source::Interface)),
            ("interface:ppp0", Some(Source::Named("ppp0".into()))),
            ("server", Some(Source::Server)),
            ("router", Some(Source::Router)),
            ("none", Some(Source::None)),
            ("2001:db8::1", Some(Source::Fixed("2001:db8::1".parse().unwrap()))),
            ("interface:", None),
            ("192.0.2.1", None),
            ("eth0", None),
        ] {
            assert_eq!(text.parse::<Source<Ipv6Addr>>().ok(), source, "{text}");
        }
    }

    #[test]
    fn prefixes() {
        let from = |interface: &str, length| PrefixFrom { interface: interface.into(), length };
        assert_eq!("lan0".parse(), Ok(from("lan0", None)));
        assert_eq!("lan0/56".parse(), Ok(from("lan0", Some(56))));
        for wrong in ["", "/56", "lan0/", "lan0/65", "lan0/8", "lan0/56/1"] {
            assert!(wrong.parse::<PrefixFrom>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn proofs() {
        let read = |text: &str| Proof::read(text, "home".into());
        assert!(matches!(read("token\n"), Ok(Proof::Token { token, .. }) if token.0 == "token"));
        let secret = "0a".repeat(32);
        for text in
            [format!("k7f3c2xq {secret}\n"), format!("  key     k7f3c2xq\n  secret  {secret}\n")]
        {
            let signed = read(&text);
            assert!(
                matches!(signed, Ok(Proof::Signed { key, .. }) if key.0 == "k7f3c2xq"),
                "{text}"
            );
        }
        for wrong in ["", "k7f3c2xq short", "a b c"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(!format!("{:?}", read("token")).contains("token\""));
    }
}
