//! Whether there is something to say, and whether it may be said yet. Pure.

use std::time::Duration;

use super::Report;
use super::find::Found;
use super::memory::{Memory, Trouble};
use super::talk::Verdict;
use crate::model::Timestamp;
use crate::update::Said;

/// How long a family must be missing, with the other one there, until the
/// server is told that it is gone: a line that is dialled anew is back before.
const GONE: Duration = Duration::from_secs(3600);

/// The first pause after a server that did not answer, and the longest.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// The same after one that refused: only the owner can mend that.
const REST: Duration = Duration::from_secs(3600);
const LONGEST_REST: Duration = Duration::from_secs(86_400);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Say this.
    Say(Report),
    /// Nothing is to be said; `until` there is something anyway.
    Content {
        /// When the server is told again though nothing changed.
        until: Timestamp,
    },
    /// There is something to say, but not before.
    Wait {
        /// When it may be said.
        until: Timestamp,
    },
    /// No address was found.
    Nothing,
}

/// Compares what was found with what the server acknowledged, and notes which
/// family is missing.
pub fn plan(memory: &mut Memory, found: &Found, now: Timestamp, refresh: Duration) -> Plan {
    if found.is_empty() {
        return Plan::Nothing;
    }
    let said = memory.said;
    let v4 = compare(found.v4, said.v4, &mut memory.missing.v4, now);
    let v6 = compare(found.v6, said.v6, &mut memory.missing.v6, now);
    let prefix = found.prefix.map_or(Said::Nothing, Said::Is);
    let is_new = |changed: bool| changed || memory.acknowledged.is_none();
    let changed = is_new(v4.is_news(said.v4) || v6.is_news(said.v6) || prefix.is_news(said.prefix));
    // A clock that was set back must not keep us silent for years.
    let next = memory.acknowledged.map(|last| if last > now { now } else { plus(last, refresh) });
    let due = next.is_none_or(|next| next <= now);
    if !changed && !due {
        return Plan::Content { until: next.unwrap_or(now) };
    }
    match &memory.trouble {
        Some(trouble) if trouble.until > now && trouble.until <= plus(now, 2 * LONGEST_REST) => {
            Plan::Wait { until: trouble.until }
        }
        _ => Plan::Say(Report { v4, v6, prefix }),
    }
}

/// What is said of a family.
fn compare<A: Copy + PartialEq>(
    found: Option<A>,
    said: Option<A>,
    missing: &mut Option<Timestamp>,
    now: Timestamp,
) -> Said<A> {
    match (found, said) {
        (Some(address), _) => {
            *missing = None;
            Said::Is(address)
        }
        (None, None) => {
            *missing = None;
            Said::Nothing
        }
        (None, Some(_)) => {
            let since = *missing.get_or_insert(now);
            // A clock that was set back counts anew.
            *missing = Some(since.min(now));
            if plus(since, GONE) <= now { Said::Gone } else { Said::Nothing }
        }
    }
}

trait News<A> {
    /// Whether this is not what the server has.
    fn is_news(&self, said: Option<A>) -> bool;
}

impl<A: PartialEq> News<A> for Said<A> {
    fn is_news(&self, said: Option<A>) -> bool {
        match self {
            Said::Nothing => false,
            Said::Is(address) => said.as_ref() != Some(address),
            Said::Gone => said.is_some(),
        }
    }
}

/// Notes what the server answered. `chance` is any number: pauses are longer
/// or shorter by up to a third, so that machines that lost the same server do
/// not all come back at the same moment.
pub fn note(memory: &mut Memory, report: &Report, verdict: &Verdict, now: Timestamp, chance: u64) {
    let times = memory.trouble.as_ref().map_or(0, |trouble| trouble.times);
    let trouble = |why: &str, refused, first: Duration, longest: Duration, least: Duration| {
        // Refusals and silence are counted apart.
        let before = memory.trouble.as_ref().is_some_and(|trouble| trouble.refused == refused);
        let times = if before { times.saturating_add(1) } else { 1 };
        let pause = first.saturating_mul(1 << (times - 1).min(16)).min(longest);
        let pause = pause.mul_f64(2.0 / 3.0 + (chance % 1000) as f64 / 1500.0).max(least);
        Trouble { why: why.to_owned(), times, refused, until: plus(now, pause) }
    };
    match verdict {
        Verdict::Accepted | Verdict::Partly { .. } => {
            keep(&report.v4, &mut memory.said.v4);
            keep(&report.v6, &mut memory.said.v6);
            keep(&report.prefix, &mut memory.said.prefix);
            memory.acknowledged = Some(now);
            memory.trouble = None;
        }
        Verdict::Later { why, after } => {
            let least = after.unwrap_or_default();
            memory.trouble = Some(trouble(why, false, PAUSE, LONGEST_PAUSE, least));
        }
        Verdict::Refused { why } => {
            memory.trouble = Some(trouble(why, true, REST, LONGEST_REST, REST / 2));
        }
    }
}

fn keep<A: Copy>(said: &Said<A>, known: &mut Option<A>) {
    match said {
        Said::Nothing => {}
        Said::Is(address) => *known = Some(*address),
        Said::Gone => *known = None,
    }
}

/// The moment a span later, at least a second.
fn plus(time: Timestamp, span: Duration) -> Timestamp {
    let seconds = i64::try_from(span.as_secs().max(1)).unwrap_or(i64::MAX);
    Timestamp(time.0.saturating_add(seconds))
}

#[cfg(test)]
mod tests;
