//! What becomes of an update for one host, given everything known.

use super::State;
use super::renewal::Renewal;
use crate::model::{Grant, Host, LastReport, Line, Name, Now, Presence, Served, suffix_of};
use crate::update::{
    Decision, LineDecision, Outcome, Policies, Policy, Report, Said, Update, decide, decide_line,
    line_end,
};

/// What becomes of an update for one host: nothing has happened yet.
pub(super) enum Fate {
    /// Nothing.
    Nothing(Outcome),
    /// It was heard again where it is: its lease is renewed, and nothing else.
    Renewed {
        outcome: Outcome,
        renewal: Renewal,
        /// The end of the lease as it is, if it has one.
        end: Option<Served>,
    },
    /// It stands elsewhere from now on.
    Changed {
        outcome: Outcome,
        /// The host as it will be.
        host: Host,
        /// Whether the members of its site are to follow its prefix.
        renumber: bool,
    },
}

impl Fate {
    /// What the client is told.
    pub fn outcome(&self) -> Outcome {
        match self {
            Fate::Nothing(outcome)
            | Fate::Renewed { outcome, .. }
            | Fate::Changed { outcome, .. } => *outcome,
        }
    }

    /// Whether it has other addresses from now on.
    pub fn moves(&self) -> bool {
        matches!(self, Fate::Changed { outcome: Outcome::Moved(_), .. })
    }
}

/// Decides for one host, from the rights of whoever asks to what the zone
/// allows.
pub(super) fn fate(
    state: &State,
    name: &Name,
    grant: &Grant,
    update: &Update,
    policies: &Policies,
    now: Now,
) -> Fate {
    let host = state.host(name).filter(|host| state.covers(grant, host));
    let (Some(host), Some((zone, _))) = (host, state.zone_of(name)) else {
        return Fate::Nothing(Outcome::Unknown);
    };
    if state.is_blocked(&host) {
        return Fate::Nothing(Outcome::Blocked);
    }
    if !grant.may.addresses {
        return Fate::Nothing(Outcome::NotAllowed);
    }
    let policy = policies.of(zone);
    let report =
        LastReport { at: now.wall, source: Some(update.source), protocol: update.protocol };
    let renewal = Renewal { heard: now.served, report, line: None };
    match &update.line {
        None => whole(state, host, &update.report, &policy, renewal, now),
        Some(line) => of_line(state, host, line, &update.report, &policy, renewal),
    }
}

/// A report of the host itself.
fn whole(
    state: &State,
    host: Host,
    report: &Report,
    policy: &Policy,
    renewal: Renewal,
    now: Now,
) -> Fate {
    let Decision { outcome, presence, prefix } = decide(&host, report, policy, now);
    if presence.is_none() && prefix.is_none() {
        return Fate::Nothing(outcome);
    }
    let end = state.lease_end(&host);
    if let (Outcome::Kept(_), Some(Presence::Present { .. })) = (outcome, presence) {
        return Fate::Renewed { outcome, renewal, end };
    }
    let mut host = Host {
        presence: presence.unwrap_or(host.presence),
        prefix: prefix.unwrap_or(host.prefix),
        last_report: Some(renewal.report),
        ..host
    };
    if prefix.flatten().is_some_and(|prefix| {
        state
            .members(&host.name)
            .any(|member| member.site.is_some_and(|site| site.address(prefix).is_none()))
    }) {
        return Fate::Nothing(Outcome::BadPrefix);
    }
    if let Report::Addresses { v6: Said::Is(address), .. } = *report
        && let Some(site) = &mut host.site
        && let Some(prefix) = state.host(&site.router).and_then(|router| router.prefix)
    {
        // A member says where in its site it is, not that it has left.
        if !prefix.contains(&address) {
            return Fate::Nothing(Outcome::BadPrefix);
        }
        site.suffix = suffix_of(address, prefix);
    }
    Fate::Changed { outcome, host, renumber: prefix.is_some() }
}

/// A report of one of its lines.
fn of_line(
    state: &State,
    host: Host,
    line: &Line,
    report: &Report,
    policy: &Policy,
    renewal: Renewal,
) -> Fate {
    let until = state.lease_of(&host).end(renewal.heard);
    let ttl = state.ttl_of(&host).seconds();
    let LineDecision { outcome, records } = decide_line(&host, line, report, policy, ttl, until);
    match (outcome, records) {
        (_, Some(records)) => {
            let last_report = Some(renewal.report);
            let host = Host { records, last_report, ..host };
            Fate::Changed { outcome, host, renumber: false }
        }
        (Outcome::Kept(addresses), None) if !addresses.is_empty() => {
            let end = line_end(&host, line);
            Fate::Renewed { outcome, renewal: Renewal { line: Some(line.clone()), ..renewal }, end }
        }
        _ => Fate::Nothing(outcome),
    }
}
