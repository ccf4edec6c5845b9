//! What is handed over for `truename why`: every UPDATE, and every message
//! whose signature does not hold.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::model::{Grant, Key, KeyId, Name, Protocol, unmapped};
use crate::recent::{Decided, Hint, Note, Proof, Rule};
use crate::registry::Registry;
use crate::tsig::{Tsig, error};
use crate::update::{Edited, Edits, RecordChange, Requirement};
use crate::wire::{Question, rcode};
use crate::zone::data_to_text;

/// Prerequisites and updates of one message that are told.
const TOLD: usize = 16;

/// A message from which something was to be done, and what was answered.
pub struct Heard<'a> {
    /// Who remembers.
    pub registry: &'a Registry,
    /// Where it came from.
    pub source: IpAddr,
    /// Without its signature.
    pub request: &'a [u8],
    /// The code it was answered with.
    pub rcode: u16,
}

impl Heard<'_> {
    /// An UPDATE that was decided; `edited` is missing where the registry could
    /// not say.
    pub fn update(&self, grant: &Grant, edits: &Edits, edited: Option<&Edited>) {
        let state = self.registry.state();
        let why = |name: Option<&Name>| match edited {
            Some(edited) => self.registry.why_edited(&state, grant, name, edited),
            None => Rule::Unavailable,
        };
        let mut decided: Vec<Decided> = Vec::new();
        for name in edits.edits.iter().map(|edit| &edit.name) {
            let host = state.host_above(name).map_or_else(|| name.clone(), |host| host.name);
            if decided.iter().all(|known| known.host.as_ref() != Some(&host)) {
                decided.push(Decided { rule: why(Some(name)), host: Some(host) });
            }
        }
        if decided.is_empty() {
            let rule = match edited {
                Some(Edited::Done { .. }) => self.nothing_done(),
                _ => why(None),
            };
            decided.push(Decided { host: None, rule });
        }
        let hints = state.ending_key(grant, self.registry.now());
        let proof = Proof::Proved(grant.holder.clone());
        self.note_with(proof, decided, hints, || told(grant, edits));
    }

    /// An UPDATE that is at fault before anything is decided, or asks for
    /// nothing.
    fn nothing_done(&self) -> Rule {
        let (words, advice) = match self.rcode {
            rcode::NOERROR => ("update: nothing in it to be done", None),
            rcode::NOTZONE => (
                "update: a name in it lies outside the zone (NOTZONE)",
                Some("let the client name the zone that the host lies in"),
            ),
            rcode::NOTAUTH => (
                "zone: none that is served here (NOTAUTH)",
                Some("let the client name the zone, and not the host, as its zone"),
            ),
            _ => ("update: something in it is not well formed (FORMERR)", None),
        };
        Rule::Other { words, advice, trouble: self.rcode != rcode::NOERROR }
    }

    /// An UPDATE whose zone section is at fault.
    pub fn elsewhere(&self, grant: &Grant) {
        let decided = vec![Decided { host: None, rule: self.nothing_done() }];
        let proof = Proof::Proved(grant.holder.clone());
        self.note(proof, decided, || {
            let zone = Question::read(self.request).map(|zone| Name::from_wire(zone.name));
            match zone {
                Some(Ok(zone)) => format!("DNS UPDATE of {}", zone.without_dot()),
                _ => "DNS UPDATE of no zone, or of several".to_owned(),
            }
        });
    }

    /// An UPDATE that nobody signed.
    pub fn unsigned(&self) {
        let rule = Rule::Other {
            words: "signature: there is none",
            advice: Some(
                "sign with a key: `truename key secret KEY --for tsig` prints what `nsupdate -k` \
                 takes; Windows sends such updates by itself, and nothing is to be done about it",
            ),
            trouble: true,
        };
        let decided = vec![Decided { host: None, rule }];
        self.note(Proof::Nobody, decided, || "DNS UPDATE, not signed".into());
    }

    /// A signature that is right, but for its time.
    pub fn late(&self, grant: &Grant, tsig: &Tsig, now: u64) {
        let rule = Rule::Other {
            words: "signature: right, but signed too long ago, or in the future (BADTIME)",
            advice: Some("set the clock of the client (NTP), or of this machine"),
            trouble: true,
        };
        let decided = vec![Decided { host: None, rule }];
        let proof = Proof::Proved(grant.holder.clone());
        let away = i128::from(tsig.time) - i128::from(now);
        self.note(proof, decided, || {
            let key = tsig.key.without_dot();
            format!("signed by {key}, whose clock is {away} seconds from ours")
        });
    }

    /// A signature that is not right. `key` is the key it claims to be of, if
    /// it can be one of ours.
    pub fn bad(&self, tsig: &Tsig, key: Option<KeyId>, fault: u16) {
        let state = self.registry.state();
        let key = key.and_then(|id| state.key(&id));
        let now = self.registry.now().served;
        let rule = match &key {
            Some(Key { id, until: Some(until), .. }) if *until <= now => {
                Rule::EndedKey { key: id.clone(), ago: now.since(*until).as_secs() }
            }
            Some(key) if !key.allows_source(self.source) => {
                Rule::WrongNetwork { key: key.id.clone(), client: self.source }
            }
            _ if fault == error::BADSIG => Rule::Other {
                words: "signature: not by this key's secret (BADSIG)",
                advice: Some(
                    "copy the secret again: `truename key secret KEY --for tsig`; it is not the \
                     password",
                ),
                trouble: true,
            },
            _ => Rule::Other {
                words: "signature: no such key (BADKEY)",
                advice: Some(
                    "the key's name is its public number (`truename key list`), its algorithm \
                     hmac-sha256, hmac-sha384 or hmac-sha512",
                ),
                trouble: true,
            },
        };
        let decided = vec![Decided { host: None, rule }];
        let proof = key.map_or(Proof::Nobody, |key| Proof::Claimed(key.holder));
        self.note(proof, decided, || {
            format!("signed by {} with {}", tsig.key.without_dot(), tsig.algorithm.without_dot())
        });
    }

    fn note(&self, proof: Proof, decided: Vec<Decided>, request: impl FnOnce() -> String) {
        self.note_with(proof, decided, None, request);
    }

    fn note_with(
        &self,
        proof: Proof,
        decided: Vec<Decided>,
        hint: Option<Hint>,
        request: impl FnOnce() -> String,
    ) {
        let recent = self.registry.recent();
        let client = unmapped(self.source);
        let note = Note {
            at: self.registry.now().wall,
            protocol: Some(Protocol::DnsUpdate),
            peer: client,
            client,
            encrypted: None,
            proof,
            decided,
            hints: hint.into_iter().collect(),
            v6: None,
            answer: word(self.rcode),
            // But for its id, which is another one each time.
            fingerprint: recent.fingerprint(&[
                self.request.get(2..).unwrap_or_default(),
                client.to_string().as_bytes(),
                &self.rcode.to_be_bytes(),
            ]),
        };
        recent.note(&note, request);
    }
}

/// An UPDATE in words like those of nsupdate, a line each.
fn told(grant: &Grant, edits: &Edits) -> String {
    let mut text = "DNS UPDATE".to_owned();
    if let Some(key) = &grant.key {
        let _ = write!(text, " signed by {key}");
    }
    let more = (edits.requires.len() + edits.edits.len()).saturating_sub(TOLD);
    for required in edits.requires.iter().take(TOLD) {
        let _ = match required {
            Requirement::NameInUse(name) => write!(text, "\nprereq yxdomain {name}"),
            Requirement::NameNotInUse(name) => write!(text, "\nprereq nxdomain {name}"),
            Requirement::SetExists { name, rtype } => {
                write!(text, "\nprereq yxrrset {name} {rtype}")
            }
            Requirement::SetAbsent { name, rtype } => {
                write!(text, "\nprereq nxrrset {name} {rtype}")
            }
            Requirement::SetIs { name, rtype, rdata } => {
                let data = rdata.iter().map(|data| data_to_text(*rtype, data));
                let data: Vec<String> = data.take(TOLD).collect();
                write!(text, "\nprereq yxrrset {name} {rtype} {}", data.join(", "))
            }
        };
    }
    for edit in edits.edits.iter().take(TOLD.saturating_sub(edits.requires.len())) {
        let name = &edit.name;
        let _ = match &edit.change {
            RecordChange::Add { rtype, ttl, rdata, .. } => {
                let data = data_to_text(*rtype, rdata);
                write!(text, "\nadd {name} {} {rtype} {data}", ttl.unwrap_or_default())
            }
            RecordChange::Remove { rtype, rdata } => {
                write!(text, "\ndelete {name} {rtype} {}", data_to_text(*rtype, rdata))
            }
            RecordChange::RemoveSet { rtype } => write!(text, "\ndelete {name} {rtype}"),
            RecordChange::RemoveName => write!(text, "\ndelete {name}"),
        };
    }
    if more > 0 {
        let _ = write!(text, "\n… and {more} more");
    }
    text
}

/// A response code as dig and nsupdate write it.
fn word(rcode: u16) -> &'static str {
    const WORDS: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    WORDS.get(usize::from(rcode)).copied().unwrap_or("BADVERS")
}
