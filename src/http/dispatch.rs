//! From a request in some update language to its answer: one way for all.
//!
//! ```text
//!  LANGUAGES, in order ──▶ read ──▶ authenticate ──▶ complete names
//!     ──▶ registry ──▶ speak ──▶ noted (request, what was asked, answer, hints)
//! ```

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::language::{Answer, Asked, Language, Names, Request, Spoken, Task};
use super::register::Made;
use super::{Shared, content};
use super::{
    acme_dns, challenge, desec, docker_ddns, duckdns, dyndns1, dyndns2, dynv6, easydns, freedns,
    he, httpreq, namecheap, noip, records, remember, signed, token_url,
};
use crate::model::{Grant, Host, May, Name, Protocol, RecordType};
use crate::registry::{Auth, State, Unavailable};
use crate::update::{Edit, Edited, Edits, Hosts, Outcome, RecordChange, Update};

/// Every update language. The order is WIRE.md's: whoever has a signature of
/// its own comes before those that take what is left, and dyndns2 takes all.
pub const LANGUAGES: &[Language] = &[
    records::LANGUAGE,
    acme_dns::LANGUAGE,
    httpreq::LANGUAGE,
    duckdns::LANGUAGE,
    dynv6::LANGUAGE,
    freedns::LANGUAGE,
    namecheap::LANGUAGE,
    docker_ddns::LANGUAGE,
    dyndns1::LANGUAGE,
    easydns::LANGUAGE,
    noip::LANGUAGE,
    he::LANGUAGE,
    desec::LANGUAGE,
    token_url::LANGUAGE,
    dyndns2::LANGUAGE,
];

/// Characters of a request's text that the log gets.
const LOGGED: usize = 200;

/// The update languages that are on: a bit for each, in the order of
/// [`Protocols::known`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocols(u32);

const _: () = assert!(LANGUAGES.len() < u32::BITS as usize, "a bit for each, and for signed");

impl Default for Protocols {
    fn default() -> Protocols {
        Protocols((1 << Protocols::known().count()) - 1)
    }
}

impl Protocols {
    /// What they are called.
    pub fn known() -> impl Iterator<Item = &'static str> {
        LANGUAGES.iter().map(|language| language.name).chain([signed::NAME])
    }

    /// None of them.
    pub fn none() -> Protocols {
        Protocols(0)
    }

    /// Turns one on; `false`: there is none of that name.
    pub fn add(&mut self, name: &str) -> bool {
        let known = Protocols::known().position(|known| known == name);
        self.0 |= known.map_or(0, |number| 1 << number);
        known.is_some()
    }

    /// Whether this one is on.
    pub fn has(&self, name: &str) -> bool {
        Protocols::known().position(|known| known == name).is_some_and(|number| self.is_on(number))
    }

    fn is_on(&self, number: usize) -> bool {
        self.0 >> number & 1 == 1
    }
}

/// The language of a request, if it is in one that is on.
pub fn language(protocols: &Protocols, request: &Request) -> Option<&'static Language> {
    let on = LANGUAGES.iter().enumerate().filter(|(number, _)| protocols.is_on(*number));
    on.map(|(_, language)| language).find(|language| (language.is_meant)(request))
}

/// Whether a request is in a language whose JSON is no list of parameters.
pub fn has_json_of_its_own(protocols: &Protocols, request: &Request) -> bool {
    let own = [records::LANGUAGE.name, acme_dns::LANGUAGE.name, httpreq::LANGUAGE.name];
    language(protocols, request).is_some_and(|language| own.contains(&language.name))
}

/// Reads a request, does what it asks, and answers.
pub async fn respond(shared: &Shared, language: &Language, request: &Request) -> Response {
    let mut asked = (language.read)(request);
    let mut grant = None;
    let answer = decide(shared, request, &mut asked, &mut grant).await;
    let spoken = (language.speak)(request, &asked, &answer);
    note(language, request, &asked, grant.as_ref(), &answer);
    remember::update(shared, request, &asked, grant.as_ref(), &answer, &spoken);
    let Spoken { status, kind, body } = spoken;
    let mut response = content(status, kind, body);
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, shared.challenge.clone());
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("300"));
        }
        _ => {}
    }
    response
}

/// From the method to the answer, in the order of WIRE.md §1. Nothing before
/// the credentials are right asks the registry for anything.
async fn decide(
    shared: &Shared,
    request: &Request,
    asked: &mut Asked,
    granted: &mut Option<Grant>,
) -> Answer {
    if !matches!(request.head.method, Method::GET | Method::POST) {
        return Answer::BadMethod;
    }
    match &asked.task {
        Task::Nothing => return Answer::Nothing,
        Task::Register(networks) => {
            let networks = networks.clone();
            let Shared { registrar, registry, .. } = shared;
            return Answer::Made(registrar.make(registry, networks, request.source.address).await);
        }
        _ => {}
    }
    let grant = match authenticate(shared, asked, request.source.address).await {
        Ok(grant) => grant,
        Err(answer) => return answer,
    };
    let grant = granted.insert(grant);
    if asked.host_count() > shared.max_hosts {
        return Answer::TooManyHosts;
    }
    let state = shared.registry.state();
    asked.complete(&state, grant);
    match &asked.task {
        Task::Report(updates) => report(shared, grant, updates).await,
        Task::Challenge { hosts, change, protocol } => {
            let names = state.meant(grant, hosts);
            let place = match *protocol == Protocol::AcmeDns && is_for_proofs(&grant.may) {
                true => |host: &Name| Some(host.clone()),
                false => challenge::at,
            };
            match challenges(&names, place, change.as_ref(), *protocol, request.source.address) {
                Ok(edits) => edit(shared, grant.clone(), edits).await,
                Err(edited) => Answer::Edited(edited),
            }
        }
        Task::Edit(edits) => edit(shared, grant.clone(), edits.clone()).await,
        Task::List(hosts) => Answer::Hosts(list(&state, grant, hosts, shared.max_hosts)),
        Task::Nothing | Task::Register(_) => Answer::Nothing,
    }
}

/// Tries each login the request may mean.
async fn authenticate(shared: &Shared, asked: &Asked, source: IpAddr) -> Result<Grant, Answer> {
    for login in &asked.logins {
        match shared.registry.authenticate(login, source).await {
            Auth::Granted(grant) => return Ok(grant),
            Auth::Wrong => {}
            Auth::Blocked => return Err(Answer::Blocked),
            Auth::Busy => return Err(Answer::Unavailable(Unavailable::Overloaded)),
        }
    }
    Err(Answer::BadAuth)
}

async fn report(shared: &Shared, grant: &Grant, updates: &[Update]) -> Answer {
    match shared.registry.updates(grant.clone(), updates).await {
        Ok(outcomes) => Answer::Outcomes(outcomes),
        Err(unavailable) => Answer::Unavailable(unavailable),
    }
}

async fn edit(shared: &Shared, grant: Grant, edits: Edits) -> Answer {
    match shared.registry.edit(grant, edits).await {
        Ok(edited) => Answer::Edited(edited),
        Err(unavailable) => Answer::Unavailable(unavailable),
    }
}

/// Whether a key is of the kind that acme-dns has: its host has no address, and
/// a CNAME from elsewhere points at its own name.
fn is_for_proofs(may: &May) -> bool {
    !may.addresses && may.types.contains(&RecordType::TXT)
}

/// The same change of the challenge of each host, which stands at its `place`.
fn challenges(
    names: &[Option<Name>],
    place: fn(&Name) -> Option<Name>,
    change: Option<&RecordChange>,
    protocol: Protocol,
    source: IpAddr,
) -> Result<Edits, Edited> {
    let change = change.ok_or(Edited::BadData)?;
    let edits = names.iter().map(|name| {
        let name = name.as_ref().and_then(place).ok_or(Edited::Unknown)?;
        Ok(Edit { name, change: change.clone() })
    });
    let edits = edits.collect::<Result<Vec<_>, Edited>>()?;
    Ok(Edits { requires: Vec::new(), edits, protocol, source })
}

/// The hosts of a grant, or those of them that are named; at most `most`.
fn list(state: &State, grant: &Grant, hosts: &Hosts, most: usize) -> Vec<Host> {
    let mut found: Vec<Host> = match hosts {
        Hosts::Listed(names) => {
            let hosts = names.iter().flatten().filter_map(|name| state.host(name));
            hosts.filter(|host| state.covers(grant, host)).collect()
        }
        Hosts::Implied(_) => state.covered(grant).take(most).collect(),
    };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

impl Asked {
    /// Puts names in full in the place of short ones, now that it is known
    /// whose they are.
    fn complete(&mut self, state: &State, grant: &Grant) {
        let short = self.names == Names::Short;
        let complete = |hosts: &mut Hosts| {
            let mut names = state.meant(grant, hosts);
            if short {
                for name in names.iter_mut().flatten() {
                    *name = completed(state, grant, name);
                }
            }
            // That none is named is told apart from a text that is no name.
            if names.iter().any(Option::is_some) {
                *hosts = Hosts::Listed(names);
            }
        };
        match &mut self.task {
            Task::Report(updates) => {
                updates.iter_mut().for_each(|update| complete(&mut update.hosts));
            }
            Task::Challenge { hosts, .. } | Task::List(hosts @ Hosts::Listed(_)) => complete(hosts),
            Task::List(Hosts::Implied(_)) | Task::Edit(_) | Task::Register(_) | Task::Nothing => {}
        }
    }
}

/// A name in full: itself, if the grant is good for it or it is in a zone that
/// is served, else with the zone in which the grant is good for such a host.
fn completed(state: &State, grant: &Grant, name: &Name) -> Name {
    let covers = |name: &Name| state.host(name).is_some_and(|host| state.covers(grant, &host));
    if covers(name) || state.zones().any(|zone| name.is_within(zone)) {
        return name.clone();
    }
    let within = |zone: &Name| {
        name.labels().rev().try_fold(zone.clone(), |below, label| below.child(label)).ok()
    };
    let full: Vec<Name> = state.zones().filter_map(within).collect();
    full.iter().find(|name| covers(name)).or(full.first()).unwrap_or(name).clone()
}

/// The one place where a request, what was understood of it, and what became
/// of it meet: what the owner and the operator want to know. Nothing a
/// stranger sends is logged by default, and never a query: secrets may stand
/// in it.
fn note(
    language: &Language,
    request: &Request,
    asked: &Asked,
    grant: Option<&Grant>,
    answer: &Answer,
) {
    const TARGET: &str = "truename::http";
    // A host that is where it was says so every few minutes, all of them: that
    // it does is kept with the host, and not news.
    let kept = |outcome: &Outcome| matches!(outcome, Outcome::Kept(_));
    let is_news = match answer {
        Answer::Outcomes(outcomes) => !outcomes.iter().all(kept),
        Answer::Edited(Edited::Done { changed }) => *changed,
        Answer::Hosts(_) | Answer::Nothing => false,
        // Whose secret is right, though it opens nothing; a name that was made.
        Answer::Blocked | Answer::Made(Made::Name { .. }) => true,
        _ => grant.is_some(),
    };
    let is_told = match is_news {
        true => tracing::enabled!(target: TARGET, tracing::Level::INFO),
        false => tracing::enabled!(target: TARGET, tracing::Level::DEBUG),
    };
    let source = request.source.address;
    let agent = || agent(&request.head.headers);
    if is_told {
        let agent = agent();
        let protocol = language.name;
        let credentials = asked.logins.len();
        let hosts: Vec<String> = match &asked.task {
            Task::Edit(edits) => edits.edits.iter().map(|edit| edit.name.without_dot()).collect(),
            _ => asked.hosts().into_iter().map(names).collect(),
        };
        let hosts = beginning(&hosts.join(" "));
        // The same words in every language; no secret stands in them.
        let outcome = dyndns2::words(answer, &asked.spelling).1.trim_end().replace('\n', "; ");
        if is_news {
            tracing::info!(target: TARGET, %source, %agent, %hosts, protocol, "{outcome}");
        } else {
            tracing::debug!(target: TARGET, %source, %agent, %hosts, protocol, credentials, "{outcome}");
        }
    }
    for hint in asked.hints.iter().filter(|_| grant.is_some()) {
        tracing::warn!(target: TARGET, %source, agent = %agent(), "{}", hint.advice());
    }
}

/// What the client calls itself, for the log.
pub fn agent(headers: &HeaderMap) -> String {
    beginning(&format!("{:?}", headers.get(header::USER_AGENT)))
}

/// As much of a text as a log has room for: a request may hold 64 KiB of it.
pub fn beginning(text: &str) -> String {
    match text.char_indices().nth(LOGGED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The hosts asked for, `?` for what is no name.
pub fn names(hosts: &Hosts) -> String {
    let text = |name: &Option<Name>| name.as_ref().map_or("?".into(), Name::without_dot);
    match hosts {
        Hosts::Implied(name) => format!("(implied) {}", text(name)),
        Hosts::Listed(list) => list.iter().map(text).collect::<Vec<_>>().join(" "),
    }
}
