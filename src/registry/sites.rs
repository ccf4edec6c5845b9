//! Sites, as operators set them up.

use ipnet::Ipv6Net;

use super::command::{CommandError, HostSettings, SiteSetting};
use super::draft::Draft;
use super::operate::{known_host, refused};
use super::state::State;
use crate::model::{Cause, Host, InterfaceId, MAX_MEMBERS, Now, Site};
use crate::update::Policies;

impl State {
    /// A host's place in a site, if it can have it.
    pub(super) fn placed(&self, host: &Host, setting: &SiteSetting) -> Result<Site, CommandError> {
        let router = known_host(self, &setting.router)?;
        let name = router.name.without_dot();
        let refused = |why: String| Err(CommandError(why));
        if router.name == host.name {
            return refused(format!("{name} is the router of its site, and needs no place in it"));
        }
        if let Some(site) = &router.site {
            return refused(format!(
                "{name} is in the site of {} itself: name that one's router",
                site.router.without_dot()
            ));
        }
        if self.members(&host.name).next().is_some() {
            return refused(format!(
                "{} is the router of a site: give its members another one first",
                host.name.without_dot()
            ));
        }
        let known = host.site.as_ref().filter(|site| site.router == setting.router);
        if known.is_none() && self.members(&router.name).count() >= MAX_MEMBERS {
            return refused(format!("the site of {name} has {MAX_MEMBERS} hosts: no more fit"));
        }
        let before = known.map(|site| site.suffix.to_bits());
        let interface = match (setting.interface, before) {
            (Some(InterfaceId(id)), _) => u128::from(id),
            (None, Some(suffix)) => suffix & u128::from(u64::MAX),
            (None, None) => {
                return refused(
                    "a place in a site needs an interface id: give `--interface ::1234`, or the \
                     hardware address of the host's interface"
                        .into(),
                );
            }
        };
        let subnet = match (setting.subnet, before) {
            (Some(subnet), _) => u128::from(subnet) << 64,
            (None, suffix) => suffix.unwrap_or(0) & !u128::from(u64::MAX),
        };
        let site = Site { router: setting.router.clone(), suffix: (subnet | interface).into() };
        match router.prefix {
            Some(prefix) if site.address(prefix).is_none() => refused(format!(
                "the subnet id does not fit: the prefix of {name} is {prefix}, which leaves {} bits for subnets",
                64 - prefix.prefix_len().min(64)
            )),
            _ => Ok(site),
        }
    }
}

impl Draft {
    /// Puts a host with new settings in its place, and it or the members of
    /// its site where the prefix says, if that is what was set.
    pub(super) fn put_settled(
        &mut self,
        host: Host,
        settings: &HostSettings,
        policies: &Policies,
        cause: Cause,
        now: Now,
    ) {
        self.together(|draft| {
            draft.put_router(host.clone(), settings.prefix.is_some(), policies, cause, now);
            if settings.site.is_some() {
                draft.settle(&host, policies, now);
            }
        });
    }

    /// Whether a host's site can have this prefix.
    pub(super) fn check_prefix(
        &self,
        host: &Host,
        prefix: Ipv6Net,
        policies: &Policies,
    ) -> Result<(), CommandError> {
        if host.site.is_some() {
            return refused("the host is a member of a site: its router has the prefix".into());
        }
        let zone = self.state.zone_of(&host.name);
        let policy = zone.map(|(zone, _)| policies.of(zone)).unwrap_or_default();
        if !policy.allows_prefix(prefix.trunc()) {
            return refused(format!(
                "{prefix} is no prefix of a site: it is a unicast network of /16 to /64"
            ));
        }
        let unfit =
            |member: &Host| member.site.as_ref().is_some_and(|site| site.address(prefix).is_none());
        match self.state.members(&host.name).find(unfit) {
            Some(member) => refused(format!(
                "the subnet id of {} does not fit behind {prefix}",
                member.name.without_dot()
            )),
            None => Ok(()),
        }
    }

    /// Gives a host that has a new place in a site its address there.
    pub(super) fn settle(&mut self, host: &Host, policies: &Policies, now: Now) {
        let router = host.site.as_ref().and_then(|site| self.state.host(&site.router));
        if let Some(prefix) = router.and_then(|router| router.prefix)
            && let Some(host) = self.state.host(&host.name)
        {
            self.renumber(host, Some(prefix), policies, now);
        }
    }
}
