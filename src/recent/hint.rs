//! What is odd about a request, and what the owner of the client should do.

use std::borrow::Cow;

use super::Rule;
use super::rule::span;

/// Something odd about a request, whatever became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A host such as `%h`.
    HostPlaceholder,
    /// An address such as `<ip6addr>`.
    AddressPlaceholder,
    /// A user or password such as `<pass>`.
    LoginPlaceholder,
    /// No address, and none to be seen.
    NoSource,
    /// The address taken is one of a container's bridge or of the own network.
    LocalSource,
    /// A proxy that nobody declared.
    UndeclaredProxy,
    /// Something glued to an address.
    GluedAddress,
    /// The key that was used ends: it has a successor, or was made for a while.
    EndingKey {
        /// In so many seconds.
        ends_in: u64,
    },
    /// The same report over and over.
    Loop,
    /// An address that is another one every day.
    Temporary,
}

impl Hint {
    /// Whether it has to do with what decided: of an address nothing need be
    /// said to whom nobody listened.
    pub fn matters_to(self, rule: &Rule) -> bool {
        match self {
            Hint::LoginPlaceholder => {
                matches!(rule, Rule::UnknownSecret { .. } | Rule::WrongPassword(_))
            }
            Hint::HostPlaceholder | Hint::EndingKey { .. } => !rule.is_before_hosts(),
            Hint::AddressPlaceholder | Hint::Loop | Hint::Temporary => !rule.is_before_hosts(),
            Hint::NoSource => *rule == Rule::NoAddress,
            Hint::GluedAddress => *rule == Rule::Unreadable,
            Hint::LocalSource | Hint::UndeclaredProxy => {
                rule.is_of_own_host() && !matches!(rule, Rule::HostBlocked | Rule::OwnerBlocked)
            }
        }
    }

    /// Whether it says all that the rule's own advice could.
    pub fn explains(self, rule: &Rule) -> bool {
        match self {
            Hint::HostPlaceholder => {
                matches!(rule, Rule::NotAName | Rule::NoHost | Rule::NoSuchHost { .. })
            }
            Hint::AddressPlaceholder
            | Hint::NoSource
            | Hint::GluedAddress
            | Hint::LocalSource
            | Hint::UndeclaredProxy => {
                matches!(
                    rule,
                    Rule::Unreadable
                        | Rule::NoAddress
                        | Rule::NotPublishable(_)
                        | Rule::GlobalOnly(_)
                )
            }
            Hint::LoginPlaceholder => {
                matches!(rule, Rule::UnknownSecret { .. } | Rule::WrongPassword(_))
            }
            Hint::Loop | Hint::Temporary | Hint::EndingKey { .. } => false,
        }
    }

    /// Whether it says what another one says, and more.
    pub fn covers(self, other: Hint) -> bool {
        matches!(
            (self, other),
            (Hint::AddressPlaceholder | Hint::UndeclaredProxy, Hint::NoSource)
                | (Hint::UndeclaredProxy, Hint::LocalSource)
        )
    }

    /// What the owner of the client should do.
    pub fn advice(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Hint::EndingKey { ends_in } => {
                return Cow::Owned(format!(
                    "it used a key that ends {} after this: write the password of the key's \
                     successor into the client (`truename key list` shows both)",
                    span(ends_in)
                ));
            }
            Hint::HostPlaceholder => {
                "the router sent its template for the host (like %h or <domain>) unfilled: write \
                 the host name into its update URL"
            }
            Hint::AddressPlaceholder => {
                "the router sent its template for an address (like %i or <ip6addr>) unfilled: take \
                 the parameter out of its update URL"
            }
            Hint::LoginPlaceholder => {
                "the router sent its template for the user or the password (like <pass> or \
                 __PASSWORD__) unfilled: fill in its fields for them, or write them into the URL"
            }
            Hint::NoSource => {
                "no address was given, and the request came from this machine or a trusted proxy \
                 that did not say for whom: set trusted_proxies, and X-Forwarded-For in the proxy; \
                 a client on this machine must say its address with myip="
            }
            Hint::LocalSource => {
                "no address was given, so the one it came from was taken, and that is a local one: \
                 truename in a container sees its bridge (give it the host's network, or put a \
                 proxy that sends X-Forwarded-For into trusted_proxies); a client in the same \
                 network must say its public address with myip="
            }
            Hint::UndeclaredProxy => {
                "a proxy passed it on that is not trusted, so its word on the client's address did \
                 not count: if the proxy is yours, put its address into trusted_proxies"
            }
            Hint::GluedAddress => {
                "something is glued to the address: put `&` or a comma between the address and \
                 what follows it in the update URL"
            }
            Hint::Loop => {
                "it reports again and again though nothing changes; no harm is done. A FRITZ!Box \
                 does this until its own resolver shows the new address: see what that answers \
                 (`nslookup HOST` behind the router), and whether the delegation is right \
                 (`truename check`)"
            }
            Hint::Temporary => {
                "its IPv6 address is another one each time in the same network: that is a \
                 temporary address for privacy. Let the client report the stable one (in ddclient \
                 `usev6=ifv6` with a stable address, on Linux the one without `temporary` in `ip \
                 -6 addr`)"
            }
        })
    }
}
