//! What an operator should know of the configuration and the zones together,
//! though the server runs with them: `truename check` shows it, and the server
//! logs it at a start and at a reload.

use super::{Config, Scheme};
use crate::model::{Name, Reach, reach};
use crate::update::is_local;
use crate::zone::Zone;

impl Config {
    /// Words of warning about these zones, which are to be served.
    pub fn warnings(&self, zones: &[Zone]) -> Vec<String> {
        let mut warnings: Vec<String> = zones.iter().flat_map(unreached).collect();
        warnings.extend(zones.iter().filter_map(|zone| undelegated(zone, zones)));
        let is_served = |name: &Name| zones.iter().any(|served| served.origin() == name);
        let mut mistyped: Vec<&Name> =
            self.policies.keys().filter(|zone| !is_served(zone)).collect();
        mistyped.sort();
        warnings.extend(mistyped.into_iter().map(|zone| {
            format!(
                "the configuration has settings for {}, which no zone file is about",
                zone.without_dot()
            )
        }));
        if let Some(register) = &self.http.register
            && !is_served(&register.zone)
        {
            warnings.push(format!(
                "`zone` in [http.register] is {}, which no zone file is about: nobody can register",
                register.zone.without_dot()
            ));
        }
        warnings.extend(self.http_warnings());
        warnings
    }

    fn http_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let http = &self.http;
        if http.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            warnings.push(
                "trusted_proxies takes in everybody, so every client can claim to be at any \
                 address"
                    .to_owned(),
            );
        }
        if let Some(public) = &http.public
            && public.scheme == Scheme::Https
            && http.tls.is_none()
            && http.trusted_proxies.is_empty()
        {
            warnings.push(format!(
                "`public` is {public}, and nothing here speaks TLS: give [http.tls] a certificate, \
                 or name the proxy that does in `trusted_proxies`"
            ));
        }
        warnings
    }
}

/// Name servers where nobody outside can ask them.
fn unreached(zone: &Zone) -> Vec<String> {
    let told = zone.name_servers().into_iter().filter_map(|(server, addresses)| {
        let unreached: Vec<String> = addresses
            .iter()
            .filter(|address| reach(**address) == Reach::Never || is_local(**address))
            .map(ToString::to_string)
            .collect();
        (!unreached.is_empty()).then(|| {
            format!(
                "{} is at {}, which the Internet does not reach; put its public address into {} \
                 before the zone is delegated",
                server.without_dot(),
                unreached.join(" and "),
                zone.file().display()
            )
        })
    });
    told.collect()
}

/// A zone of ours above this one that does not delegate it.
fn undelegated(zone: &Zone, zones: &[Zone]) -> Option<String> {
    let above = zones
        .iter()
        .find(|other| other.origin() != zone.origin() && zone.origin().is_within(other.origin()))?;
    above.refuses_host(zone.origin(), false).is_none().then(|| {
        format!(
            "{} does not delegate {}, though both are served here; add its NS records there",
            above.file().display(),
            zone.origin().without_dot()
        )
    })
}
