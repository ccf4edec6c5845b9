//! What decides a request, in words, and what to do about it.

use std::net::IpAddr;

use crate::model::{Holder, KeyId, Name, special};

/// What decided what became of a request for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The addresses are others now.
    Moved,
    /// It was so already.
    Kept,
    /// It was not there, and is not: no address was said that is published.
    Absent,
    /// It was withdrawn on request.
    Withdrawn,
    /// Records beside the address are as it asked.
    Records {
        /// Whether they were not before.
        changed: bool,
    },
    /// Data that no record of its type has.
    BadData,
    /// No credentials were sent.
    NoCredentials,
    /// No key has this secret. `length`: characters of it.
    UnknownSecret {
        /// The host or account the client logged in as, if it is one of ours.
        user: Option<Holder>,
        /// How long the secret is, in characters.
        length: usize,
    },
    /// It is not this account's password, and no key's secret.
    WrongPassword(Holder),
    /// The secret is right, but the user names another host or account.
    OtherUser {
        /// As which the client logged in.
        user: Holder,
        /// Whose secret it is.
        holder: Holder,
    },
    /// The secret is right, but not from there.
    WrongNetwork {
        /// The key.
        key: KeyId,
        /// Where it came from.
        client: IpAddr,
    },
    /// The secret is right, but of a key that has ended.
    EndedKey {
        /// The key.
        key: KeyId,
        /// How many seconds ago.
        ago: u64,
    },
    /// The account is blocked by a person.
    AccountBlocked,
    /// Too many slow checks of passwords under way.
    Busy,
    /// A method that updates nothing.
    Method(Method),
    /// A path where nothing is.
    Path,
    /// More hosts than a request may name.
    TooManyHosts {
        /// So many it named.
        asked: usize,
        /// So many it may.
        most: usize,
    },
    /// No host was named, and the key is good for several or none.
    NoHost,
    /// What stands for a host is no name.
    NotAName,
    /// There is no such host.
    NoSuchHost {
        /// Whose secret the client has.
        holder: Holder,
        /// Whether the name is in a zone that is served here.
        in_zone: bool,
    },
    /// There is such a host, and this key is not good for it.
    NotThisKeys(Holder),
    /// The host is blocked by a person.
    HostBlocked,
    /// The account that owns the host is blocked by a person.
    OwnerBlocked,
    /// An address that is none.
    Unreadable,
    /// No address was sent, and the one it comes from is nobody's.
    NoAddress,
    /// An address that no host can have.
    NotPublishable(IpAddr),
    /// An address that means nothing outside somebody's network, in a zone
    /// that wants none such.
    GlobalOnly(IpAddr),
    /// An address of this server, in a zone that wants none such.
    OwnAddress {
        /// The address.
        address: IpAddr,
        /// What makes it this server's.
        why: &'static str,
    },
    /// A prefix that cannot be taken.
    BadPrefix,
    /// The key may not do this.
    NotAllowed,
    /// A signed update that is not later than the one before.
    Replayed,
    /// The store takes nothing now.
    Unavailable,
    /// Octets that are no request where plain HTTP is spoken: TLS, mostly.
    TlsOnPlain,
    /// Plain HTTP where TLS is spoken.
    PlainOnTls,
    /// Anything else an edge decides by, in its own words. The host it is
    /// said of is one that the proof is good for.
    Other {
        /// What decided.
        words: &'static str,
        /// What to do about it.
        advice: Option<&'static str>,
        /// Whether something did not go well.
        trouble: bool,
    },
}

/// A method that updates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It only looks.
    Head,
    /// PUT, DELETE and whatever else there is.
    Other,
}

/// Whose: in words.
fn of(holder: &Holder) -> String {
    match holder {
        Holder::Host(name) => format!("the host {}", name.without_dot()),
        Holder::Account(name) => format!("the account {name}"),
    }
}

fn user(holder: &Holder) -> String {
    match holder {
        Holder::Host(name) => name.without_dot(),
        Holder::Account(name) => name.to_string(),
    }
}

/// What makes a key for somebody.
fn key_add(holder: &Holder) -> String {
    match holder {
        Holder::Host(name) => format!("truename key add {}", name.without_dot()),
        Holder::Account(name) => format!("truename key add --account {name}"),
    }
}

/// Characters of a token made here.
const TOKEN: usize = 32;

impl Rule {
    /// Whether the client did not get what it asked for.
    pub fn is_trouble(&self) -> bool {
        match self {
            Rule::Moved | Rule::Kept | Rule::Withdrawn | Rule::Records { .. } => false,
            Rule::Other { trouble, .. } => *trouble,
            _ => true,
        }
    }

    /// Whether it was decided before anybody looked at the hosts.
    pub fn is_before_hosts(&self) -> bool {
        matches!(
            self,
            Rule::NoCredentials
                | Rule::UnknownSecret { .. }
                | Rule::WrongPassword(_)
                | Rule::OtherUser { .. }
                | Rule::WrongNetwork { .. }
                | Rule::EndedKey { .. }
                | Rule::AccountBlocked
                | Rule::Busy
                | Rule::Method(_)
                | Rule::Path
                | Rule::TlsOnPlain
                | Rule::PlainOnTls
        )
    }

    /// Whether it is said only of a host that the key is good for: not of
    /// what anybody may ask for.
    pub fn is_of_own_host(&self) -> bool {
        matches!(
            self,
            Rule::Moved
                | Rule::Kept
                | Rule::Absent
                | Rule::Withdrawn
                | Rule::Records { .. }
                | Rule::HostBlocked
                | Rule::OwnerBlocked
                | Rule::Unreadable
                | Rule::NoAddress
                | Rule::NotPublishable(_)
                | Rule::GlobalOnly(_)
                | Rule::OwnAddress { .. }
                | Rule::BadPrefix
                | Rule::Other { .. }
        )
    }

    /// What decided, in words.
    pub fn words(&self) -> String {
        match self {
            Rule::Moved => "good: the address is another one now".into(),
            Rule::Kept => "nochg: unchanged, the lease is renewed".into(),
            Rule::Absent => {
                "address: none was sent that is published, and the host has none".into()
            }
            Rule::Withdrawn => "offline: withdrawn, as it asked".into(),
            Rule::Records { changed: true } => "records: set as it asked".into(),
            Rule::Records { changed: false } => "records: they were so already".into(),
            Rule::BadData => "records: what was sent is no data of that type".into(),
            Rule::NoCredentials => "credentials: none were sent".into(),
            Rule::UnknownSecret { user: None, .. } => "credentials: no key has this secret".into(),
            Rule::UnknownSecret { user: Some(user), .. } => {
                format!("credentials: no key has this secret; it logged in as {}", of(user))
            }
            Rule::WrongPassword(holder) => {
                format!("credentials: this is neither a key nor the password of {}", of(holder))
            }
            Rule::OtherUser { user, holder } => format!(
                "credentials: the secret is right and belongs to {}, but the user names {}",
                of(holder),
                of(user)
            ),
            Rule::WrongNetwork { key, client } => {
                format!("credentials: the key {key} may not be used from {client}")
            }
            Rule::EndedKey { key, ago } => {
                format!("credentials: the key {key} ended {} ago", span(*ago))
            }
            Rule::AccountBlocked => "credentials: right, but the account is blocked".into(),
            Rule::Busy => "credentials: too many passwords were to be checked at once".into(),
            Rule::Method(Method::Head) => "method: HEAD only looks, and updates nothing".into(),
            Rule::Method(Method::Other) => "method: only GET and POST update".into(),
            Rule::Path => "path: nothing is there".into(),
            Rule::TooManyHosts { asked, most } => {
                format!("hosts: {asked} in one request, and {most} are allowed")
            }
            Rule::NoHost => "host: none was named, and the key does not say which".into(),
            Rule::NotAName => "host: what was sent is no host name".into(),
            Rule::NoSuchHost { in_zone: true, .. } => "host: there is none of this name".into(),
            Rule::NoSuchHost { in_zone: false, .. } => {
                "host: the name is in none of the zones served here".into()
            }
            Rule::NotThisKeys(holder) => {
                format!("host: the secret belongs to {}, which may not move it", of(holder))
            }
            Rule::HostBlocked => "blocked: a person blocked the host".into(),
            Rule::OwnerBlocked => "blocked: a person blocked the account that owns it".into(),
            Rule::Unreadable => "address: what was sent is no address".into(),
            Rule::NoAddress => "address: none was sent, and whose it came from is not known".into(),
            Rule::NotPublishable(address) => {
                format!("address: no host can have {address} ({})", purpose(*address))
            }
            Rule::GlobalOnly(address) => {
                format!(
                    "address policy: global_only, and {address} is none ({})",
                    purpose(*address)
                )
            }
            Rule::OwnAddress { address, why } => {
                format!("address policy: global_only, and {address} is this server's own ({why})")
            }
            Rule::BadPrefix => "prefix: it cannot be the prefix of this site".into(),
            Rule::NotAllowed => "key: it may not do this".into(),
            Rule::Replayed => "signature: right, but not later than the one before".into(),
            Rule::Unavailable => "store: it takes nothing now".into(),
            Rule::TlsOnPlain => {
                "connection: no HTTP came; probably TLS to the port of plain HTTP".into()
            }
            Rule::PlainOnTls => "connection: plain HTTP was spoken to the port of TLS".into(),
            Rule::Other { words, .. } => (*words).into(),
        }
    }

    /// A sentence for whoever wants it to work. `host` is what it was asked
    /// for.
    pub fn advice(&self, host: Option<&Name>) -> Option<String> {
        Some(match self {
            Rule::Moved | Rule::Kept | Rule::Withdrawn | Rule::Records { .. } => return None,
            Rule::Absent => {
                "a dummy such as 127.0.0.1 is told `good` and not published: if no other address \
                 follows it, let the client ask /checkip for its own, or send none"
                    .into()
            }
            Rule::BadData => {
                "a challenge's value is 43 letters and digits, and a TXT record holds 255 octets at \
                 most"
                    .into()
            }
            Rule::NoCredentials => {
                "this is the usual first request of GNU wget and OpenWrt, which log in when they \
                 are asked to; if none with a password follows, fill in user and password in the \
                 client (or a proxy takes the Authorization header away)"
                    .into()
            }
            Rule::UnknownSecret { user, length } => unknown_secret(user.as_ref(), *length),
            Rule::WrongPassword(holder) => format!(
                "type the password into the client again, or give the client a key of its own \
                 (`{}`): one with odd characters may not survive a router's URL",
                key_add(holder)
            ),
            Rule::OtherUser { user: named, holder } => format!(
                "write {} into the user field of the client, or use a key of {} (`{}`)",
                user(holder),
                user(named),
                key_add(named)
            ),
            Rule::WrongNetwork { key, client } => format!(
                "if the client belongs there, allow it: `truename key set {key} --from {client}` \
                 (repeat --from for the networks it has now: `truename key show {key}`)"
            ),
            Rule::EndedKey { key, .. } => format!(
                "write the password of its successor into the client, or let this one go on: \
                 `truename key set {key} --ends never`"
            ),
            Rule::AccountBlocked | Rule::OwnerBlocked => {
                "`truename account set ACCOUNT --unblock` lets it in again".into()
            }
            Rule::HostBlocked => format!(
                "`truename host set {} --unblock` lets it in again",
                host.map_or("HOST".into(), Name::without_dot)
            ),
            Rule::Busy | Rule::Unavailable => {
                "the client was told 911 and comes back; if it goes on, `truename status` and the \
                 log say more"
                    .into()
            }
            Rule::Method(Method::Head) => {
                "let the client send GET; HEAD comes from monitors and link previews".into()
            }
            Rule::Method(Method::Other) => "let the client send GET, or POST a form".into(),
            Rule::Path => {
                "the path for updates is /nic/update?hostname=HOST&myip=ADDRESS, and /checkip tells \
                 an address"
                    .into()
            }
            Rule::TooManyHosts { most, .. } => format!(
                "spread the hosts over several requests, or raise max_hosts (now {most}) in the \
                 configuration"
            ),
            Rule::NoHost => {
                "write hostname=HOST into the update URL, or give the client a key of that one \
                 host (`truename key add HOST`)"
                    .into()
            }
            Rule::NotAName => {
                "write the whole name, like home.dyn.example.org, into the client".into()
            }
            Rule::NoSuchHost { holder, in_zone } => no_such_host(holder, *in_zone, host),
            Rule::NotThisKeys(holder) => format!(
                "give the client a key of {} (`truename key add {}`), or let it report what its \
                 key is good for: {}",
                host.map_or("the host".into(), Name::without_dot),
                host.map_or("HOST".into(), Name::without_dot),
                of(holder)
            ),
            Rule::Unreadable | Rule::NoAddress => {
                "send an address like 192.0.2.1 or 2001:db8::1, or none at all: then the one it \
                 comes from is taken"
                    .into()
            }
            Rule::NotPublishable(address) if address.is_loopback() => {
                "the client reports its own machine: let it ask /checkip, or send no address".into()
            }
            Rule::NotPublishable(_) => {
                "let the client ask /checkip for its address, or send none".into()
            }
            Rule::GlobalOnly(_) => {
                "the router is itself behind another one, or the client looks at the wrong \
                 interface: let it ask /checkip, or send no address; a zone for private addresses \
                 has global_only = false"
                    .into()
            }
            Rule::OwnAddress { .. } => {
                "a zone of the public Internet names no machine of its own server: if the host \
                 really has this address (its router runs truename, or both are behind one \
                 address), set own_addresses = true for the zone"
                    .into()
            }
            Rule::BadPrefix => {
                "the prefix is to be like 2001:db8:1:ff00::/56, global, and long enough to leave \
                 room for the subnets of the site's hosts (`truename host show` tells them)"
                    .into()
            }
            Rule::NotAllowed => {
                "`truename key show KEY` tells what it may do; make one that may do more with \
                 `truename key add … --may`"
                    .into()
            }
            Rule::Replayed => {
                "the client's clock is behind, or somebody sent a request again that was recorded: \
                 set the clock of the client (NTP)"
                    .into()
            }
            Rule::TlsOnPlain => {
                "write http:// into the client for this port, or use the port of https".into()
            }
            Rule::PlainOnTls => {
                "write https:// into the client for this port, or use the port of http".into()
            }
            Rule::Other { advice, .. } => return advice.map(str::to_owned),
        })
    }
}

/// A span in the largest unit that it has two of.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 => format!("{hours} h"),
        _ => format!("{days} d"),
    }
}

/// What an address is for that is not simply somebody's.
fn purpose(address: IpAddr) -> String {
    special(address)
        .map_or("reserved".into(), |special| format!("{}, {}", special.purpose, special.document))
}

fn unknown_secret(user: Option<&Holder>, length: usize) -> String {
    let make = user.map_or("truename key add HOST".to_owned(), key_add);
    let again = match length {
        TOKEN => "copy the password into the client again".to_owned(),
        // Near enough to a token of ours to be one that lost something.
        TOKEN_SHORTEST..=TOKEN_LONGEST => format!(
            "what it sent has {length} characters and a password made here {TOKEN}: copy it into \
             the client again, whole and without blanks"
        ),
        _ => "the password of a host is the key that `truename host add` or `truename key add` \
              showed once"
            .to_owned(),
    };
    format!("{again}; where it is lost, make another one: `{make}`")
}

const TOKEN_SHORTEST: usize = TOKEN - 6;
const TOKEN_LONGEST: usize = TOKEN + 6;

fn no_such_host(holder: &Holder, in_zone: bool, host: Option<&Name>) -> String {
    let name = host.map_or("HOST".into(), Name::without_dot);
    match (holder, host) {
        (Holder::Host(own), Some(asked)) if super::is_like(own, asked) => {
            format!("{} was probably meant: correct the name in the client", own.without_dot())
        }
        (Holder::Host(own), _) => {
            format!("the key is good for {}: write that name into the client", own.without_dot())
        }
        (Holder::Account(account), _) if in_zone => format!(
            "correct the name in the client, or add the host: `truename host add {name} --owner \
             {account}`"
        ),
        (Holder::Account(account), _) => format!(
            "correct the name in the client: `truename host list --owner {account}` shows those \
             there are"
        ),
    }
}
