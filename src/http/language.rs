//! What an update language is: three functions in a file of its own.
//!
//! ```text
//!  is_meant(request)               whether a request is in this language
//!  read(request) -> Asked          who asks, and for what
//!  speak(request, asked, answer)   the answer in its clients' words
//! ```
//!
//! All three are pure. What happens in between is the same for every language
//! (`dispatch.rs`): authenticate, ask the registry, note it down.

use axum::http::StatusCode;
use axum::http::request::Parts;
use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::parameters::Parameters;
use super::proxies::Source;
use super::register::Made;
use super::spelling::Spelling;
use super::{credentials, hosts, path};
use crate::model::Protocol;
use crate::recent::Hint;
use crate::registry::{Login, Unavailable};
use crate::update::{Edited, Edits, Hosts, Outcome, RecordChange, Report, Update};

/// One update language.
#[derive(Clone, Copy)]
pub struct Language {
    /// What `protocols` in the configuration calls it.
    pub name: &'static str,
    /// Whether a request is in this language. The first of
    /// [`super::dispatch::LANGUAGES`] that says so reads it.
    pub is_meant: fn(&Request) -> bool,
    /// Understands a request.
    pub read: fn(&Request) -> Asked,
    /// Says what came of it.
    pub speak: fn(&Request, &Asked, &Answer) -> Spoken,
}

/// A request, as every language gets it.
pub struct Request {
    /// Method, target, headers.
    pub head: Parts,
    /// The host it is for, in lower case and without port; may be empty.
    pub host: String,
    /// The path in one spelling, as [`path::normal`] makes it.
    pub path: String,
    /// The parts of the path, decoded, letters as they were sent: tokens may
    /// stand in them.
    pub segments: Vec<String>,
    /// Of the query, and of a form or JSON.
    pub parameters: Parameters,
    /// The body, of a POST that says it is a form or JSON, or does not say; a
    /// form in the place of JSON, but for languages whose own the JSON is;
    /// [`super::Limits::body_size`] octets at most.
    pub body: Vec<u8>,
    /// Where it comes from.
    pub source: Source,
    /// Whether it came over TLS, to us or to a proxy of ours.
    pub encrypted: bool,
}

impl Request {
    /// A request in clear and without a body.
    pub fn new(head: Parts, host: String, parameters: Parameters, source: Source) -> Request {
        let path = path::normal(head.uri.path());
        let segments = path::segments(head.uri.path());
        Request {
            head,
            host,
            path,
            segments,
            parameters,
            body: Vec::new(),
            source,
            encrypted: false,
        }
    }

    /// A header, where there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// An update by this request. `line=` or `label=` says which of the hosts'
    /// lines reports; what is no label says nothing.
    pub fn update(&self, protocol: Protocol, hosts: Hosts, report: Report) -> Update {
        let line = self.parameters.first(&["line", "label"]);
        let line = line.and_then(|text| text.to_ascii_lowercase().parse().ok());
        Update { hosts, report, line, protocol, source: self.source.address }
    }

    /// Whether it names a host and presents credentials beside: nothing in its
    /// path is a token then (`/update/nic/update`, as some firmware glues its
    /// own path to the one it is given).
    pub fn logs_in_for_a_host(&self) -> bool {
        hosts::HOSTS.iter().any(|name| self.parameters.has(name))
            && credentials::presented(&self.head.headers, &self.parameters)
    }

    /// The body as JSON, whatever it says it is: curl calls everything a form.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is asked for.
    pub task: Task,
    /// Who may be asking, likeliest first; empty: nobody says.
    pub logins: Vec<Login>,
    /// How its names are meant.
    pub names: Names,
    /// How the addresses are repeated in the answer.
    pub spelling: Spelling,
    /// What is odd about it.
    pub hints: Vec<Hint>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// To report addresses. Several updates where the hosts of one request
    /// have different addresses, in the order of their hosts in the answer.
    Report(Vec<Update>),
    /// To change the TXT record at `_acme-challenge` of these hosts, and
    /// nothing else; `None`: to what no record can hold.
    Challenge {
        /// In the order asked.
        hosts: Hosts,
        /// What becomes of it.
        change: Option<RecordChange>,
        /// By which protocol.
        protocol: Protocol,
    },
    /// To change records, all or none.
    Edit(Edits),
    /// To make a name of one's own, whoever asks; its key is to be good from
    /// these networks, or from anywhere.
    Register(Vec<IpNet>),
    /// Which of these hosts the login is good for, and where they are; all of
    /// them when none is named.
    List(Hosts),
    /// Nothing of the registry: the language answers by itself, whoever asks.
    Nothing,
}

/// How the names of a request are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// As they stand.
    #[default]
    Absolute,
    /// Perhaps without a zone (`home` for `home.dyn.example.org`): completed
    /// with the served zone in which the login is good for such a host.
    Short,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The outcome of each host, in the order asked. The hosts themselves
    /// stand in [`Task::Report`], completed.
    Outcomes(Vec<Outcome>),
    /// What became of changes of records.
    Edited(Edited),
    /// The hosts asked for, in the order of their names.
    Hosts(Vec<crate::model::Host>),
    /// What became of [`Task::Register`].
    Made(Made),
    /// [`Task::Nothing`] was done.
    Nothing,
    /// No credentials, or none of ours.
    BadAuth,
    /// The account is blocked by a person.
    Blocked,
    /// More hosts than one request may name.
    TooManyHosts,
    /// A method that updates nothing.
    BadMethod,
    /// We cannot say now: come back later.
    Unavailable(Unavailable),
}

/// An answer in its client's words. The headers that go with a status (a
/// challenge with 401, `Allow` with 405, `Retry-After` with 503) are added by
/// `dispatch.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The status.
    pub status: StatusCode,
    /// The `Content-Type`.
    pub kind: &'static str,
    /// The body.
    pub body: String,
}

impl Spoken {
    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<String>) -> Spoken {
        Spoken { status, kind: "text/plain", body: body.into() }
    }

    /// JSON.
    pub fn json(status: StatusCode, body: &serde_json::Value) -> Spoken {
        Spoken { status, kind: "application/json", body: body.to_string() }
    }
}

impl Asked {
    /// One report for some hosts.
    pub fn report(update: Update, logins: Vec<Login>, spelling: Spelling) -> Asked {
        Asked {
            task: Task::Report(vec![update]),
            logins,
            names: Names::Absolute,
            spelling,
            hints: Vec::new(),
        }
    }

    /// The same in another language than it was read as.
    pub fn spoken_as(mut self, protocol: Protocol) -> Asked {
        if let Task::Report(updates) = &mut self.task {
            updates.iter_mut().for_each(|update| update.protocol = protocol);
        }
        self
    }

    /// How many hosts it names; one that is implied counts.
    pub fn host_count(&self) -> usize {
        let named = |hosts: &Hosts| match hosts {
            Hosts::Listed(names) => names.len(),
            Hosts::Implied(_) => 1,
        };
        self.hosts().into_iter().map(named).sum()
    }

    /// The hosts it names, in the order asked.
    pub fn hosts(&self) -> Vec<&Hosts> {
        match &self.task {
            Task::Report(updates) => updates.iter().map(|update| &update.hosts).collect(),
            Task::Challenge { hosts, .. } | Task::List(hosts) => vec![hosts],
            Task::Edit(_) | Task::Register(_) | Task::Nothing => Vec::new(),
        }
    }
}

#[cfg(test)]
impl Request {
    /// A request from 198.51.100.9, for the tests of readers: method and
    /// target, headers a line each, the body.
    pub fn of(line: &str, headers: &str, body: &str) -> Request {
        let (method, target) = line.split_once(' ').unwrap();
        let mut builder = axum::http::Request::builder().method(method).uri(target);
        for header in headers.lines() {
            let (name, value) = header.split_once(": ").unwrap();
            builder = builder.header(name, value);
        }
        let (head, ()) = builder.body(()).unwrap().into_parts();
        let mut parameters = Parameters::default();
        parameters.read(head.uri.query().unwrap_or_default().as_bytes());
        parameters.read(body.as_bytes());
        let host = super::host(&head);
        let source = Source { address: "198.51.100.9".parse().unwrap(), is_client: true };
        Request { body: body.into(), ..Request::new(head, host, parameters, source) }
    }
}
