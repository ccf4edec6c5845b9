//! One request as it is remembered, and as it is shown.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::shelf::Kept;
use super::{ANSWER, FILED, Hint, Note, OCTETS, Proof, Rule};
use crate::model::{Holder, Name, Protocol, Timestamp};

/// What became of one host of a request, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The host; none when the request named none, or nothing that is a name.
    pub host: Option<Name>,
    /// Why.
    pub rule: Rule,
}

/// A request as it is remembered.
pub struct Seen {
    protocol: Option<Protocol>,
    peer: IpAddr,
    client: IpAddr,
    encrypted: Option<bool>,
    proof: Proof,
    decided: Box<[Decided]>,
    hints: Box<[Hint]>,
    v6: Option<Ipv6Addr>,
    request: Box<str>,
    answer: Box<str>,
}

impl Seen {
    pub fn new(note: &Note<'_>, request: &str) -> Seen {
        Seen {
            protocol: note.protocol,
            peer: note.peer,
            client: note.client,
            encrypted: note.encrypted,
            proof: note.proof.clone(),
            decided: note.decided.iter().take(FILED).cloned().collect(),
            hints: note.hints.iter().copied().collect(),
            v6: note.v6,
            request: bounded(request, OCTETS),
            answer: bounded(note.answer.trim_end(), ANSWER),
        }
    }

    /// Whether who asked proved to be this host or account.
    pub fn is_by(&self, holder: &Holder) -> bool {
        matches!(&self.proof, Proof::Proved(proved) if proved == holder)
    }

    /// Whether the request is about this host.
    pub fn names(&self, host: &Name) -> bool {
        self.decided.iter().any(|decided| decided.host.as_ref() == Some(host))
    }
}

/// A text for a terminal: nothing in it but lines of characters that can be
/// seen, and no more than so many octets.
fn bounded(text: &str, most: usize) -> Box<str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if text.len() <= most && text.bytes().all(is_plain) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len().min(most));
    for (at, c) in text.char_indices() {
        let before = shown.len();
        match c {
            '\n' => shown.push('\n'),
            c if c.is_control() || is_invisible(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        if shown.len() > most {
            shown.truncate(before);
            shown += &format!("… ({} octets more)", text.len() - at);
            break;
        }
    }
    shown.into()
}

/// Characters that turn the direction of a text or hide in it: what is shown
/// would not be what was sent.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A request as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// When it came last.
    pub at: Timestamp,
    /// When the first of its kind came.
    pub since: Timestamp,
    /// How often it came.
    pub times: u32,
    /// By which protocol; none: by none of ours.
    pub protocol: Option<Protocol>,
    /// Who was at the other end of the connection.
    pub peer: IpAddr,
    /// Whom the peer asked for.
    pub client: IpAddr,
    /// Whether nobody on the way could read it; none: that is no matter of it.
    #[serde(default)]
    pub encrypted: Option<bool>,
    /// Whose secret it presented.
    pub proved: Option<Holder>,
    /// As received, secrets struck out.
    pub request: String,
    /// What was answered.
    pub answer: String,
    /// What decided, for each host.
    pub why: Vec<Why>,
    /// What to do about it, a sentence each.
    pub advice: Vec<String>,
    /// The IPv6 address it reported.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub v6: Option<Ipv6Addr>,
    /// Whether all went well.
    pub well: bool,
}

/// What decided for one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The host; none when none was named.
    pub host: Option<Name>,
    /// The rule.
    pub rule: String,
}

/// Repetitions of a report that change nothing before a word is said of it.
const LOOP: u32 = 10;

/// Reports that change nothing, further apart than this many seconds, are a
/// client that keeps its lease alive.
const LOOP_GAP: i64 = 60;

pub fn view(kept: &Kept) -> View {
    let seen = &*kept.seen;
    let advice = advice(seen, kept);
    View {
        at: kept.last,
        since: kept.first,
        times: kept.times,
        protocol: seen.protocol,
        peer: seen.peer,
        client: seen.client,
        encrypted: seen.encrypted,
        proved: match &seen.proof {
            Proof::Proved(holder) => Some(holder.clone()),
            Proof::Claimed(_) | Proof::Nobody => None,
        },
        request: seen.request.to_string(),
        answer: seen.answer.to_string(),
        why: seen
            .decided
            .iter()
            .map(|decided| Why { host: decided.host.clone(), rule: decided.rule.words() })
            .collect(),
        advice,
        v6: seen.v6,
        well: matches!(seen.proof, Proof::Proved(_))
            && !seen.decided.is_empty()
            && seen.decided.iter().all(|decided| !decided.rule.is_trouble()),
    }
}

/// What to do, the most telling first. What a hint explains, its rule need
/// not say once more.
fn advice(seen: &Seen, kept: &Kept) -> Vec<String> {
    let mut advice: Vec<String> = Vec::new();
    let mut say = |sentence: Option<String>| {
        advice.extend(sentence.filter(|sentence| !advice.contains(sentence)));
    };
    let rules = || seen.decided.iter().map(|decided| &decided.rule);
    let hints: Vec<Hint> = seen
        .hints
        .iter()
        .copied()
        .filter(|hint| rules().any(|rule| hint.matters_to(rule)))
        .collect();
    let kept_hints = hints.iter().filter(|hint| !hints.iter().any(|other| other.covers(**hint)));
    for hint in kept_hints {
        say(Some(hint.advice().into_owned()));
    }
    for decided in &seen.decided {
        if !hints.iter().any(|hint| hint.explains(&decided.rule)) {
            say(decided.rule.advice(decided.host.as_ref()));
        }
    }
    let span = kept.last.0.saturating_sub(kept.first.0);
    let kept_still = rules().any(|rule| *rule == Rule::Kept);
    if kept_still && kept.times >= LOOP && span / i64::from(kept.times - 1) < LOOP_GAP {
        say(Some(Hint::Loop.advice().into_owned()));
    }
    advice
}

/// Says what only several requests together show. They are in order, latest
/// first.
pub fn compare(views: &mut [View]) {
    for at in 1..views.len() {
        let (Some(new), Some(old)) = (views[at - 1].v6, views[at].v6) else { continue };
        let same_host = views[at - 1].why.iter().any(|one| {
            one.host.is_some() && views[at].why.iter().any(|other| other.host == one.host)
        });
        if same_host && is_another_temporary(old, new) {
            views[at - 1].advice.push(Hint::Temporary.advice().into_owned());
        }
    }
}

/// Whether two addresses of one network end in what only chance chose, each
/// time anew (RFC 8981).
fn is_another_temporary(old: Ipv6Addr, new: Ipv6Addr) -> bool {
    let (old, new) = (old.to_bits(), new.to_bits());
    let chosen = |address: u128| {
        let interface = address as u64;
        let from_hardware = interface.to_be_bytes()[3..5] == [0xff, 0xfe];
        // A person writes ::1 or ::53:1, with zeros on the left.
        !from_hardware && interface >> 48 != 0
    };
    old != new && old >> 64 == new >> 64 && chosen(old) && chosen(new)
}
