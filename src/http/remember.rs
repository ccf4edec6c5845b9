//! What is handed over for `truename why`: each request, what it was answered,
//! and why. After the answer is made; clients see nothing of it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};

use super::language::{Answer, Asked, Request, Spoken, Task};
use super::register::Made;
use super::spelling::{self, is_placeholder};
use super::{Shared, hosts, proxies, struck};
use crate::model::{AccountName, Grant, Name, Protocol, Secret};
use crate::recent::{self, Decided, Hint, Note, Proof, Rule};
use crate::registry::Unavailable;
use crate::update::{Edited, Hosts, Outcome, Report, Said, is_local};

/// Hosts of a request that was not let in of which something is said.
pub const NAMED: usize = 8;

/// Remembers an update.
pub fn update(
    shared: &Shared,
    request: &Request,
    asked: &Asked,
    grant: Option<&Grant>,
    answer: &Answer,
    spoken: &Spoken,
) {
    let secrets: Vec<&Secret> = asked.logins.iter().map(|login| &login.secret).collect();
    let (proof, decided) = decided(shared, request, asked, grant, answer);
    let mut hints = hints(shared, request, asked, &decided);
    let registry = &shared.registry;
    hints.extend(grant.and_then(|grant| registry.state().ending_key(grant, registry.now())));
    let note = Entry {
        proof,
        hints,
        decided,
        protocol: protocol(asked),
        v6: v6(asked),
        secrets: &secrets,
    };
    note.take(shared, request, spoken.status, &spoken.body);
}

/// Remembers a request for something that is not there.
pub fn nothing_there(shared: &Shared, request: &Request) {
    let entry = Entry {
        proof: Proof::Nobody,
        decided: vec![Decided { host: None, rule: Rule::Path }],
        hints: Vec::new(),
        protocol: None,
        v6: None,
        secrets: &[],
    };
    entry.take(shared, request, StatusCode::NOT_FOUND, "not found");
}

/// Remembers a client that speaks TLS to the plain port, or the other way
/// round: nothing of it can be shown.
pub fn no_http(registry: &crate::registry::Registry, peer: IpAddr, rule: Rule) {
    let recent = registry.recent();
    let peer = crate::model::unmapped(peer);
    let words = rule.words();
    recent.note(
        &Note {
            at: registry.now().wall,
            protocol: None,
            peer,
            client: peer,
            encrypted: None,
            proof: Proof::Nobody,
            decided: vec![Decided { host: None, rule }],
            hints: Vec::new(),
            v6: None,
            answer: "nothing it can read",
            fingerprint: recent.fingerprint(&[peer.to_string().as_bytes(), words.as_bytes()]),
        },
        || "(not readable)".into(),
    );
}

/// What is remembered, but for what every request has.
pub struct Entry<'a> {
    /// Who proved to be asking.
    pub proof: Proof,
    /// What decided, for each host.
    pub decided: Vec<Decided>,
    /// What else is odd about it.
    pub hints: Vec<Hint>,
    /// In which language.
    pub protocol: Option<Protocol>,
    /// The IPv6 address reported.
    pub v6: Option<std::net::Ipv6Addr>,
    /// What must not be shown.
    pub secrets: &'a [&'a Secret],
}

impl Entry<'_> {
    /// Hands it over, with what it was answered.
    pub fn take(self, shared: &Shared, request: &Request, status: StatusCode, body: &str) {
        let registry = &shared.registry;
        let (recent, head) = (registry.recent(), &request.head);
        let client = request.source.address;
        let said = said(status, body, self.secrets);
        let note = Note {
            at: registry.now().wall,
            protocol: self.protocol,
            peer: peer(head).unwrap_or(client),
            client,
            encrypted: Some(request.encrypted),
            proof: self.proof,
            decided: self.decided,
            hints: self.hints,
            v6: self.v6,
            answer: &said,
            fingerprint: fingerprint(recent, request, &said),
        };
        recent.note(&note, || {
            let state = registry.state();
            let is_user = |user: &str| {
                let account = user.parse().ok().and_then(|name: AccountName| state.account(&name));
                let host = || user.parse().ok().and_then(|name: Name| state.host(&name));
                account.is_some() || host().is_some()
            };
            let known = struck::Known { secrets: self.secrets, is_user: &is_user };
            struck::request(head, &request.body, &known)
        });
    }
}

/// Who was at the other end of the connection.
fn peer(head: &Parts) -> Option<IpAddr> {
    head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}

/// All that makes a request what it is, and its answer.
fn fingerprint(recent: &recent::Recent, request: &Request, said: &str) -> u64 {
    let head = &request.head;
    let header = |name| head.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let client = match request.source.address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    recent.fingerprint(&[
        head.method.as_str().as_bytes(),
        head.uri.authority().map_or("", |authority| authority.as_str()).as_bytes(),
        head.uri.path_and_query().map_or("", |target| target.as_str()).as_bytes(),
        header(header::AUTHORIZATION),
        header(header::USER_AGENT),
        header(header::HOST),
        &request.body,
        &client,
        &[u8::from(request.encrypted)],
        said.as_bytes(),
    ])
}

/// The answer, without secrets: a list of hosts may hold the token it was
/// asked with, and whoever registers is told a password.
fn said(status: StatusCode, body: &str, secrets: &[&Secret]) -> String {
    let mut said = String::with_capacity(32 + body.len());
    said += status.as_str();
    if let Some(reason) = status.canonical_reason() {
        said.push(' ');
        said += reason;
    }
    if body.is_empty() {
        return said;
    }
    said.push('\n');
    let is_told = body.contains("password")
        || secrets.iter().any(|secret| secret.0.len() > 3 && body.contains(&secret.0));
    if is_told { said + "…" } else { said + body }
}

fn protocol(asked: &Asked) -> Option<Protocol> {
    match &asked.task {
        Task::Report(updates) => updates.first().map(|update| update.protocol),
        Task::Challenge { protocol, .. } => Some(*protocol),
        Task::Edit(edits) => Some(edits.protocol),
        Task::Register(_) => Some(Protocol::AcmeDns),
        Task::List(_) | Task::Nothing => None,
    }
}

/// The IPv6 address reported, for whoever compares it with the one before.
fn v6(asked: &Asked) -> Option<std::net::Ipv6Addr> {
    let Task::Report(updates) = &asked.task else { return None };
    updates.iter().find_map(|update| match update.report {
        Report::Addresses { v6: Said::Is(v6), .. } => Some(v6),
        _ => None,
    })
}

/// Who proved to be asking, and what decided.
fn decided(
    shared: &Shared,
    request: &Request,
    asked: &Asked,
    grant: Option<&Grant>,
    answer: &Answer,
) -> (Proof, Vec<Decided>) {
    let registry = &shared.registry;
    let proved = |grant: &Grant| Proof::Proved(grant.holder.clone());
    // Of all its hosts at once.
    let named = |rule: Rule| -> Vec<Decided> {
        let hosts = asked.hosts().into_iter().flat_map(|hosts| match hosts {
            Hosts::Implied(name) => name.iter().collect::<Vec<_>>(),
            Hosts::Listed(names) => names.iter().flatten().collect(),
        });
        let each = hosts.take(NAMED);
        let mut decided: Vec<Decided> =
            each.map(|name| Decided { host: Some(name.clone()), rule: rule.clone() }).collect();
        if decided.is_empty() {
            decided.push(Decided { host: None, rule });
        }
        decided
    };
    let none = Hosts::Implied(None);
    let first = || asked.hosts().into_iter().next().unwrap_or(&none);
    let claimed = || registry.why_refused(&[], first(), request.source.address).0;
    match (answer, grant) {
        (Answer::Outcomes(list), Some(grant)) => {
            (proved(grant), outcomes(shared, request, asked, grant, list))
        }
        (Answer::Edited(done), Some(grant)) => (proved(grant), edited(shared, asked, grant, done)),
        (Answer::TooManyHosts, Some(grant)) => {
            let rule = Rule::TooManyHosts { asked: asked.host_count(), most: shared.max_hosts };
            (proved(grant), vec![Decided { host: None, rule }])
        }
        (Answer::Hosts(_), Some(grant)) => {
            let rule =
                Rule::Other { words: "list: the hosts it asked for", advice: None, trouble: false };
            (proved(grant), vec![Decided { host: None, rule }])
        }
        (Answer::Unavailable(Unavailable::TooOften), Some(grant)) => {
            (proved(grant), named(TOO_OFTEN))
        }
        (Answer::Unavailable(_), Some(grant)) => (proved(grant), named(Rule::Unavailable)),
        (Answer::Unavailable(_), None) => (claimed(), named(Rule::Busy)),
        (Answer::Blocked, _) => {
            let holder = registry.holder(&asked.logins);
            (holder.map_or(Proof::Nobody, Proof::Proved), named(Rule::AccountBlocked))
        }
        (Answer::BadMethod, _) => {
            let method = match request.head.method {
                Method::HEAD => recent::Method::Head,
                _ => recent::Method::Other,
            };
            (claimed(), named(Rule::Method(method)))
        }
        (Answer::BadAuth, _) => {
            let (proof, rule) =
                registry.why_refused(&asked.logins, first(), request.source.address);
            // Any long word in the path is tried as a token.
            let is_path = protocol(asked) == Some(Protocol::Token) && proof == Proof::Nobody;
            (proof, named(if is_path { Rule::Path } else { rule }))
        }
        (Answer::Made(made), _) => {
            (Proof::Nobody, vec![Decided { host: None, rule: of_made(made) }])
        }
        _ => {
            let rule =
                Rule::Other { words: "nothing was to be decided", advice: None, trouble: false };
            (Proof::Nobody, vec![Decided { host: None, rule }])
        }
    }
}

const TOO_OFTEN: Rule = Rule::Other {
    words: "limits: the host has changed as often as it may in an hour",
    advice: Some(
        "find out what reports two addresses in turn: two clients with one host, or a router \
         beside a program; `changes` under [hosts] is how many changes there may be",
    ),
    trouble: true,
};

const UNREAD_BODY: Rule = Rule::Other {
    words: "address: none was sent, but a body that cannot be read",
    advice: Some(
        "send a form (application/x-www-form-urlencoded) or a JSON object without others in it, \
         or write hostname= and myip= into the URL",
    ),
    trouble: true,
};

/// What decided about a name for whoever asks.
fn of_made(made: &Made) -> Rule {
    let (words, advice, trouble) = match made {
        Made::Name { .. } => ("register: a name was made for whoever asked", None, false),
        Made::Disabled => (
            "register: nobody may make names, or not from there",
            Some("set `zone`, and perhaps `from`, under [http.register] if that was a friend"),
            false,
        ),
        Made::TooMany => ("register: as many as one network may make in an hour", None, false),
        Made::Refused(_) => (
            "register: no name was made; the answer says why",
            Some("remove names (`truename host list --owner acme-dns`) or allow more"),
            true,
        ),
    };
    Rule::Other { words, advice, trouble }
}

/// What decided for each host of an update.
fn outcomes(
    shared: &Shared,
    request: &Request,
    asked: &Asked,
    grant: &Grant,
    outcomes: &[Outcome],
) -> Vec<Decided> {
    let Task::Report(updates) = &asked.task else { return Vec::new() };
    let state = shared.registry.state();
    let names_none = request.parameters.first(&hosts::HOSTS).is_none();
    let has_no_source = asked.hints.contains(&Hint::NoSource);
    let each = updates.iter().flat_map(|update| {
        let names = match &update.hosts {
            Hosts::Implied(name) => std::slice::from_ref(name),
            Hosts::Listed(names) => names.as_slice(),
        };
        names.iter().map(move |name| (update, name.as_ref()))
    });
    let each = each.zip(outcomes).map(|((update, name), outcome)| {
        let Decided { host, rule } = shared.registry.why(&state, grant, update, name, *outcome);
        let rule = match rule {
            Rule::NotAName if names_none => Rule::NoHost,
            Rule::Unreadable if has_no_source => Rule::NoAddress,
            Rule::Unreadable if request.parameters.has_unread() => UNREAD_BODY,
            rule => rule,
        };
        Decided { host, rule }
    });
    each.collect()
}

/// What decided about records beside the address.
fn edited(shared: &Shared, asked: &Asked, grant: &Grant, edited: &Edited) -> Vec<Decided> {
    let state = shared.registry.state();
    let hosts: Vec<Option<&Name>> = match &asked.task {
        Task::Challenge { hosts: Hosts::Listed(names), .. } => {
            names.iter().map(Option::as_ref).collect()
        }
        Task::Edit(edits) => edits.edits.iter().map(|edit| Some(&edit.name)).collect(),
        _ => vec![None],
    };
    let each = hosts.into_iter().map(|name| {
        let rule = shared.registry.why_edited(&state, grant, name, edited);
        let host = name.and_then(|name| state.host_above(name)).map(|host| host.name);
        Decided { host: host.or(name.cloned()), rule }
    });
    each.collect()
}

/// What else is odd about a request.
fn hints(shared: &Shared, request: &Request, asked: &Asked, decided: &[Decided]) -> Vec<Hint> {
    let mut hints = asked.hints.clone();
    let is_refused = |decided: &Decided| {
        matches!(decided.rule, Rule::UnknownSecret { .. } | Rule::WrongPassword(_))
    };
    if decided.iter().any(is_refused) {
        let unfilled = |login: &crate::registry::Login| {
            is_placeholder(&login.user) || is_placeholder(&login.secret.0)
        };
        hints.extend(asked.logins.iter().any(unfilled).then_some(Hint::LoginPlaceholder));
    }
    let addresses = || {
        let of = |name: &'static &'static str| request.parameters.all(name);
        spelling::V4.iter().chain(&spelling::V6).flat_map(of).filter(|value| !value.is_empty())
    };
    if decided.iter().any(|decided| decided.rule == Rule::Unreadable) {
        hints.extend(addresses().any(is_glued).then_some(Hint::GluedAddress));
    }
    let address = request.source.address;
    if is_local(address) || address.is_loopback() {
        let headers = &request.head.headers;
        let is_trusted = shared.trusted_proxies.iter().any(|net| net.contains(&address));
        let is_proxied = !is_trusted
            && peer(&request.head) == Some(address)
            && proxies::PROXIED.iter().any(|name| headers.contains_key(*name));
        let is_taken = addresses().next().is_none() && !request.parameters.has_unread();
        let is_refused = decided.iter().any(|decided| matches!(decided.rule, Rule::GlobalOnly(_)));
        if is_taken && is_proxied {
            hints.push(Hint::UndeclaredProxy);
        } else if is_taken && (is_containers(address) || is_refused) {
            hints.push(Hint::LocalSource);
        }
    }
    hints
}

/// Whether an address is of the networks that Docker gives to containers.
fn is_containers(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 172 && (16..32).contains(&v4.octets()[1]))
}

/// Whether a text begins with an IPv4 address that something sticks to.
fn is_glued(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (address, rest) = text.split_at(end);
    let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic() || "-_".contains(c));
    begins && address.trim_end_matches('.').parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_glued;

    #[test]
    fn what_sticks_to_an_address() {
        for (text, glued) in [
            ("1.1.1.1domain2.example.com", true),
            ("192.0.2.1hostname=home", true),
            ("192.0.2.1", false),
            ("192.0.2", false),
            ("home", false),
            ("192.0.2.1/24", false),
        ] {
            assert_eq!(is_glued(text), glued, "{text}");
        }
    }
}
