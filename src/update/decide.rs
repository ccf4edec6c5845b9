//! What becomes of an update for one host.

use super::{Outcome, Report};
use crate::model::{Host, Now, Presence};

/// What a zone allows to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Refuse private, link-local and other addresses without a meaning on
    /// the public Internet. Off by default: clubs and families use them.
    pub global_only: bool,
}

/// A decision for one host: nothing has happened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the client is told.
    pub outcome: Outcome,
    /// Where the host stands from then on; `None`: where it stood.
    pub presence: Option<Presence>,
}

/// Decides what an update does to a host that the client may update.
pub fn decide(host: &Host, report: &Report, policy: Policy, now: Now) -> Decision {
    let _ = (host, report, policy, now);
    todo!()
}
