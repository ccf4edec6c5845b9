//! What the operator decided that concerns hosts.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Lease, Ttl};
use crate::update::Policies;
use crate::zone::{Identity, Zone, ZoneError};

/// Reads the zone files anew, for a start or a reload.
pub type ZoneSource = Arc<dyn Fn() -> Result<Vec<Zone>, Vec<ZoneError>> + Send + Sync>;

/// What the operator decided that concerns hosts.
#[derive(Clone)]
pub struct Settings {
    /// Where the zones come from.
    pub zones: ZoneSource,
    /// The lease of hosts without one of their own.
    pub lease: Lease,
    /// The TTL of hosts without one of their own.
    pub ttl: Ttl,
    /// What may be published, by zone.
    pub policies: Arc<Policies>,
    /// How often one host may change in an hour; `None`: as often as it likes.
    pub changes: Option<u32>,
    /// Passwords of one account that are tried in a minute by those who do not
    /// know it, and by one network.
    pub guesses: u32,
    /// What CHAOS questions are told.
    pub identity: Identity,
    /// Where the text dump is kept; `None`: none is written.
    pub dump: Option<PathBuf>,
    /// What else is read again at a reload, the certificate say. What was
    /// read before goes on when it fails, with a sentence that says why.
    pub also_reload: Option<AlsoReload>,
}

impl Settings {
    /// What [`Settings::changes`] is where an operator says nothing.
    pub const CHANGES: u32 = 120;

    /// What [`Settings::guesses`] is.
    pub const GUESSES: u32 = 30;

    /// What holds where the operator says nothing.
    pub fn new(zones: ZoneSource) -> Settings {
        Settings {
            zones,
            lease: Lease::DEFAULT,
            ttl: Ttl::DEFAULT,
            policies: Arc::default(),
            changes: None,
            guesses: Settings::GUESSES,
            identity: Identity::default(),
            dump: None,
            also_reload: None,
        }
    }
}

/// Something else that is read again at a reload.
pub type AlsoReload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;
