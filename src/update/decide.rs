//! What becomes of an update for one host.

use std::net::IpAddr;

use ipnet::Ipv6Net;

use super::{Outcome, Policy, Report, Said};
use crate::model::{Addresses, Host, Now, Presence};

/// A decision for one host: nothing has happened yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the client is told.
    pub outcome: Outcome,
    /// Where the host stands from then on; `None`: where it stood.
    pub presence: Option<Presence>,
    /// The prefix of the site it is the router of, or that it has none any
    /// more: its members are to follow. `None`: nothing new was said of it.
    pub prefix: Option<Option<Ipv6Net>>,
}

impl Decision {
    /// Says so, and does nothing.
    fn only(outcome: Outcome) -> Decision {
        Decision { outcome, presence: None, prefix: None }
    }
}

/// Decides what a report does to a host that the client may update.
///
/// The family that is not mentioned is left alone (WIRE.md, finding 6); what
/// a host said before its lease ended is not.
pub fn decide(host: &Host, report: &Report, policy: &Policy, now: Now) -> Decision {
    if host.blocked {
        return Decision::only(Outcome::Blocked);
    }
    let served = host.addresses();
    let (v4, v6, prefix) = match *report {
        Report::Addresses { v4, v6, prefix } => (v4, v6, prefix),
        Report::Offline => (Said::Gone, Said::Gone, Said::Nothing),
        Report::Unreadable => return Decision::only(Outcome::BadAddress),
    };
    let (v4, v6) = (v4.without_dummy(policy), v6.without_dummy(policy));
    // What a member of another host's site says of prefixes is its own
    // interface's, and nothing new.
    let prefix = match prefix {
        _ if host.site.is_some() => None,
        Said::Is(prefix) => Some(Some(prefix.trunc())),
        Said::Gone => Some(None),
        Said::Nothing => None,
    };
    if prefix.flatten().is_some_and(|prefix| !policy.allows_prefix(prefix)) {
        return Decision::only(Outcome::BadPrefix);
    }
    let wanted = Addresses { v4: v4.after(served.v4), v6: v6.after(served.v6) };
    if !wanted.iter().all(|address| policy.allows(address)) {
        return Decision::only(Outcome::BadAddress);
    }
    let presence = match host.presence {
        // A router that reports its prefix alone is heard, too.
        _ if wanted.is_empty() && prefix.flatten().is_some() => {
            Some(Presence::Present { addresses: wanted, heard: now.served })
        }
        // Nothing was said of a host that is not there: a loopback address,
        // say, which no-ip scripts send a second before the real one.
        _ if wanted.is_empty() && v4 == Said::Nothing && v6 == Said::Nothing => None,
        Presence::Offline { .. } if wanted.is_empty() => None,
        _ if wanted.is_empty() => Some(Presence::Offline { since: now.wall }),
        _ => Some(Presence::Present { addresses: wanted, heard: now.served }),
    };
    // Said again after a silence, it brings the members back.
    let is_back = !matches!(host.presence, Presence::Present { .. });
    let prefix = prefix.filter(|prefix| is_back || host.prefix != *prefix);
    let is_same = wanted == served && prefix.is_none();
    let outcome = if is_same { Outcome::Kept(served) } else { Outcome::Moved(wanted) };
    Decision { outcome, presence, prefix }
}

impl<A> Said<A> {
    /// What is there once this was said, given what was there before.
    pub(super) fn after(self, before: Option<A>) -> Option<A> {
        match self {
            Said::Nothing => before,
            Said::Is(address) => Some(address),
            Said::Gone => None,
        }
    }
}

impl<A: Copy + Into<IpAddr>> Said<A> {
    /// The same, but for a dummy, which says nothing.
    pub(super) fn without_dummy(self, policy: &Policy) -> Said<A> {
        match self {
            Said::Is(address) if policy.is_dummy(address.into()) => Said::Nothing,
            said => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::model::{Name, Served, Timestamp};
    use crate::update::{Policies, ZonePolicy};

    const NOW: Now = Now { wall: Timestamp(1000), served: Served(50) };

    fn host(presence: Presence) -> Host {
        Host { presence, ..Host::new("home.dyn.example.org".parse().unwrap(), Timestamp(0)) }
    }

    fn at(v4: Option<&str>, v6: Option<&str>) -> Addresses {
        Addresses { v4: v4.map(|a| a.parse().unwrap()), v6: v6.map(|a| a.parse().unwrap()) }
    }

    fn says(v4: Option<&str>, v6: Option<&str>) -> Report {
        let said = at(v4, v6);
        Report::Addresses {
            v4: said.v4.map_or(Said::Nothing, Said::Is),
            v6: said.v6.map_or(Said::Nothing, Said::Is),
            prefix: Said::Nothing,
        }
    }

    #[test]
    fn the_other_family_is_left_alone() {
        let there = at(Some("192.0.2.1"), Some("2001:db8::1"));
        let host = host(Presence::Present { addresses: there, heard: Served(1) });
        let decision = decide(&host, &says(Some("192.0.2.2"), None), &Policy::default(), NOW);
        let after = at(Some("192.0.2.2"), Some("2001:db8::1"));
        assert_eq!(decision.outcome, Outcome::Moved(after));
        assert_eq!(
            decision.presence,
            Some(Presence::Present { addresses: after, heard: Served(50) })
        );
    }

    #[test]
    fn what_was_said_before_the_lease_ended_is_forgotten() {
        let host = host(Presence::Lapsed { since: Timestamp(3) });
        let decision = decide(&host, &says(None, Some("2001:db8::2")), &Policy::default(), NOW);
        assert_eq!(decision.outcome, Outcome::Moved(at(None, Some("2001:db8::2"))));
    }

    #[test]
    fn a_router_that_reports_its_prefix_alone_is_heard() {
        let prefix: Ipv6Net = "2001:db8:1:ff00::/56".parse().unwrap();
        let (v4, v6) = (Said::Nothing, Said::Nothing);
        let report = Report::Addresses { v4, v6, prefix: Said::Is(prefix) };
        let heard = Presence::Present { addresses: Addresses::NONE, heard: NOW.served };
        let first = decide(&host(Presence::Unheard), &report, &Policy::default(), NOW);
        assert_eq!((first.presence, first.prefix), (Some(heard), Some(Some(prefix))));
        let known = Host { prefix: Some(prefix), ..host(first.presence.unwrap()) };
        let again = decide(&known, &report, &Policy::default(), NOW);
        assert_eq!((again.outcome, again.presence), (Outcome::Kept(Addresses::NONE), Some(heard)));
    }

    #[test]
    fn saying_it_again_renews_and_nothing_else() {
        let there = at(Some("192.0.2.1"), None);
        let host = host(Presence::Present { addresses: there, heard: Served(1) });
        let decision = decide(&host, &says(Some("192.0.2.1"), None), &Policy::default(), NOW);
        assert_eq!(decision.outcome, Outcome::Kept(there));
        assert_eq!(
            decision.presence,
            Some(Presence::Present { addresses: there, heard: Served(50) })
        );
    }

    #[test]
    fn nothing_said_of_an_absent_host_leaves_it_absent() {
        let decision = decide(&host(Presence::Unheard), &says(None, None), &Policy::default(), NOW);
        assert_eq!(decision, Decision::only(Outcome::Kept(Addresses::NONE)));
    }

    #[test]
    fn addresses_that_cannot_be_published() {
        for bad in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.1.1"] {
            let report = says(Some(bad), None);
            let decision = decide(&host(Presence::Unheard), &report, &Policy::default(), NOW);
            assert_eq!(decision.outcome, Outcome::BadAddress, "{bad}");
        }
        let zone: Name = "dyn.example.org".parse().unwrap();
        let global_only = ZonePolicy { global_only: true, own_addresses: false };
        let public = Policies::new(HashMap::from([(zone.clone(), global_only)])).of(&zone);
        for private in ["10.0.0.1", "192.168.1.1", "172.31.0.1", "100.64.0.1"] {
            let report = says(Some(private), None);
            let open = decide(&host(Presence::Unheard), &report, &Policy::default(), NOW);
            assert!(matches!(open.outcome, Outcome::Moved(_)), "{private}");
            let strict = decide(&host(Presence::Unheard), &report, &public, NOW);
            assert_eq!(strict.outcome, Outcome::BadAddress, "{private}");
        }
    }

    #[test]
    fn a_blocked_host_stays_where_it_is() {
        let blocked = Host { blocked: true, ..host(Presence::Unheard) };
        let report = says(Some("192.0.2.1"), None);
        let decision = decide(&blocked, &report, &Policy::default(), NOW);
        assert_eq!(decision, Decision::only(Outcome::Blocked));
    }
}
