//! What became of an update.
//!
//! ```text
//! truename-answer-1
//! update 5b0c…
//! time 1795275600207
//! status done
//! host home.dyn.example.org good 203.0.113.7 2001:db8:7::7
//! host cam.dyn.example.org nohost
//! mac 77e2…
//! ```

use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use super::lines::Lines;
use super::{Mac, SharedSecret, opened, sealed};
use crate::model::{Addresses, Name};
use crate::update::Outcome;

/// The first line.
const TITLE: &str = "truename-answer-1";

/// The answer to one update, and to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The MAC of the update it answers.
    pub update: Mac,
    /// The server's time in milliseconds since 1970.
    pub time: u64,
    /// What became of the update as a whole.
    pub status: Status,
    /// What became of it for each host, in the order asked; nothing unless it
    /// is [`Status::Done`].
    pub hosts: Vec<(Name, Outcome)>,
}

/// What became of an update as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Each host has its own outcome.
    Done,
    /// Its time is not later than that of one accepted before.
    Replayed,
    /// Its time is further than [`super::SKEW`] from the server's.
    Clock,
    /// There are more hosts in it than the server allows.
    TooManyHosts,
    /// The server cannot write it down now: send a new one later.
    Busy,
}

const STATUSES: [(Status, &str); 5] = [
    (Status::Done, "done"),
    (Status::Replayed, "replayed"),
    (Status::Clock, "clock"),
    (Status::TooManyHosts, "numhost"),
    (Status::Busy, "busy"),
];

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = STATUSES.iter().find(|(status, _)| status == self);
        f.write_str(word.map_or("", |(_, word)| word))
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Status, ()> {
        STATUSES.iter().find(|(_, word)| *word == text).map(|(status, _)| *status).ok_or(())
    }
}

/// The words for what becomes of a host, dyndns2's where it has one.
const REFUSALS: [(Outcome, &str); 7] = [
    (Outcome::Unknown, "nohost"),
    (Outcome::NotAName, "notfqdn"),
    (Outcome::Blocked, "abuse"),
    (Outcome::BadAddress, "dnserr"),
    (Outcome::BadPrefix, "badprefix"),
    (Outcome::NotAllowed, "notallowed"),
    (Outcome::Replayed, "replayed"),
];

impl Answer {
    /// The message.
    pub fn write(&self, secret: &SharedSecret) -> String {
        let Answer { update, time, .. } = self;
        let words = self.in_words();
        sealed(format!("{TITLE}\nupdate {update}\ntime {time}\n{words}"), secret).0
    }

    /// What became of it: the lines from `status` to before `mac`.
    pub fn in_words(&self) -> String {
        let mut text = format!("status {}\n", self.status);
        for (host, outcome) in &self.hosts {
            let _ = write!(text, "host {}", host.without_dot());
            match outcome {
                Outcome::Moved(addresses) => word_with(&mut text, "good", addresses),
                Outcome::Kept(addresses) => word_with(&mut text, "nochg", addresses),
                refusal => {
                    let word = REFUSALS.iter().find(|(outcome, _)| outcome == refusal);
                    let _ = writeln!(text, " {}", word.map_or("dnserr", |(_, word)| word));
                }
            }
        }
        text
    }

    /// Reads a message; `None` when it is not by the server, or not the answer
    /// to this update.
    pub fn read(message: &[u8], secret: &SharedSecret, update: Mac) -> Option<Answer> {
        let mut lines = Lines::new(opened(message, secret)?);
        lines.exactly(TITLE).ok()?;
        let about = Mac::read(lines.text("update")?).filter(|mac| *mac == update)?;
        let time = lines.value("time", "").ok()?;
        let status = lines.value("status", "").ok()?;
        let mut hosts = Vec::new();
        while let Some(line) = lines.text("host") {
            let (host, outcome) = line.split_once(' ')?;
            hosts.push((host.parse().ok()?, read_outcome(outcome)?));
        }
        lines.end("").ok()?;
        Some(Answer { update: about, time, status, hosts })
    }
}

fn word_with(text: &mut String, word: &str, addresses: &Addresses) {
    let _ = write!(text, " {word}");
    for address in addresses.iter() {
        let _ = write!(text, " {address}");
    }
    text.push('\n');
}

fn read_outcome(text: &str) -> Option<Outcome> {
    let mut words = text.split(' ');
    let word = words.next()?;
    let mut addresses = Addresses::NONE;
    for address in words {
        match address.parse().ok()? {
            IpAddr::V4(v4) => addresses.v4 = Some(v4),
            IpAddr::V6(v6) => addresses.v6 = Some(v6),
        }
    }
    match word {
        "good" => Some(Outcome::Moved(addresses)),
        "nochg" => Some(Outcome::Kept(addresses)),
        _ => REFUSALS.iter().find(|(_, refusal)| *refusal == word).map(|(outcome, _)| *outcome),
    }
}
