//! What becomes of an update for one host, given everything known.

use std::collections::HashMap;

use super::State;
use crate::model::{Grant, LastReport, Name, Now, Presence};
use crate::update::{Decision, Outcome, Policy, Update, decide};

/// What becomes of an update for one host: nothing has happened yet.
pub(super) enum Decided {
    /// Nothing.
    Nothing(Outcome),
    /// It was heard again where it is: its lease is renewed, and nothing else.
    Renewed(Outcome, LastReport),
    /// It stands elsewhere from now on.
    Changed(Outcome, Presence, LastReport),
}

/// Decides for one host, from the rights of whoever asks to what the zone
/// allows.
pub(super) fn decided(
    state: &State,
    name: &Name,
    grant: &Grant,
    update: &Update,
    policies: &HashMap<Name, Policy>,
    now: Now,
) -> Decided {
    let host = state.host(name).filter(|host| state.covers(grant, host));
    let (Some(host), Some((zone, _))) = (host, state.zone_of(name)) else {
        return Decided::Nothing(Outcome::Unknown);
    };
    let owner = host.owner.as_ref().and_then(|owner| state.account(owner));
    if owner.is_some_and(|owner| owner.blocked) {
        return Decided::Nothing(Outcome::Blocked);
    }
    let policy = policies.get(zone).copied().unwrap_or_default();
    let Decision { outcome, presence } = decide(&host, &update.report, policy, now);
    let Some(presence) = presence else { return Decided::Nothing(outcome) };
    let report =
        LastReport { at: now.wall, source: Some(update.source), protocol: update.protocol };
    match (outcome, presence) {
        (Outcome::Kept(_), Presence::Present { .. }) => Decided::Renewed(outcome, report),
        _ => Decided::Changed(outcome, presence, report),
    }
}
