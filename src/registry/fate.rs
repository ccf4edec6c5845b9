//! What becomes of an update for one host, given everything known.

use std::collections::HashMap;

use super::State;
use crate::model::{Grant, Host, LastReport, Name, Now, Presence, Served};
use crate::update::{Decision, Outcome, Policy, Update, decide};

/// What becomes of an update for one host: nothing has happened yet.
pub(super) enum Fate {
    /// Nothing.
    Nothing(Outcome),
    /// It was heard again where it is: its lease is renewed, and nothing else.
    Renewed {
        outcome: Outcome,
        report: LastReport,
        /// The end of the lease as it is, if it has one.
        end: Option<Served>,
    },
    /// It stands elsewhere from now on: the host as it will be.
    Changed(Outcome, Host),
}

/// Decides for one host, from the rights of whoever asks to what the zone
/// allows.
pub(super) fn fate(
    state: &State,
    name: &Name,
    grant: &Grant,
    update: &Update,
    policies: &HashMap<Name, Policy>,
    now: Now,
) -> Fate {
    let host = state.host(name).filter(|host| state.covers(grant, host));
    let (Some(host), Some((zone, _))) = (host, state.zone_of(name)) else {
        return Fate::Nothing(Outcome::Unknown);
    };
    let owner = host.owner.as_ref().and_then(|owner| state.account(owner));
    if owner.is_some_and(|owner| owner.blocked) {
        return Fate::Nothing(Outcome::Blocked);
    }
    let policy = policies.get(zone).copied().unwrap_or_default();
    let Decision { outcome, presence } = decide(&host, &update.report, policy, now);
    let Some(presence) = presence else { return Fate::Nothing(outcome) };
    let report =
        LastReport { at: now.wall, source: Some(update.source), protocol: update.protocol };
    match (outcome, presence) {
        (Outcome::Kept(_), Presence::Present { .. }) => {
            Fate::Renewed { outcome, report, end: state.lease_end(&host) }
        }
        _ => Fate::Changed(outcome, Host { presence, last_report: Some(report), ..host }),
    }
}
