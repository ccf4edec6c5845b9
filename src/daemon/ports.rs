//! What only a privilege opens, and giving that up.

use super::DaemonError;
use crate::config::Config;
use crate::privilege::{self, Confined};
use crate::{dns, http};

/// Every port of the configuration, open before anything is served there.
pub(super) struct Ports {
    pub(super) dns: dns::Bound,
    pub(super) http: http::Bound,
}

impl Ports {
    /// Opens them, and then gives up what only that took: root, capabilities,
    /// and the rest of the file system.
    pub(super) fn open(config: &Config) -> Result<Ports, DaemonError> {
        let plan = privilege::plan(config.user.as_ref(), &config.data).map_err(super::failed)?;
        let dns = dns::bind(&config.dns.options(None)).map_err(super::failed)?;
        let tls = config.http.tls.as_ref().map_or(&[][..], |tls| &tls.listen);
        let http = http::bind(&config.http.listen, tls).map_err(super::failed)?;
        privilege::drop(&plan).map_err(super::failed)?;
        if let privilege::Plan::StayRoot = plan {
            tracing::warn!(
                "this runs as root, and whoever takes it over has all that root owns; write \
                 user = \"truename\" (or another of this machine's users) into the configuration"
            );
        }
        if config.confine {
            privilege::make(&config.data).map_err(super::failed)?;
            match privilege::confine(&config.data, &config.reads()).map_err(super::failed)? {
                confined @ Confined::Not => tracing::warn!("{confined}"),
                confined => tracing::info!("{confined}"),
            }
        }
        Ok(Ports { dns, http })
    }
}
