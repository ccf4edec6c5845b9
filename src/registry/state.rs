//! Everything the registry knows, as one immutable value.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Account, AccountName, Host, Key, KeyId, Lease, Name, Ttl};
use crate::update::Policy;
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
    /// What may be published, by zone; a zone not listed has the default.
    pub policies: HashMap<Name, Policy>,
    /// What CHAOS questions are told.
    pub identity: Identity,
    /// Where the text dump is kept; `None`: none is written.
    pub dump: Option<PathBuf>,
}

/// Everything the registry knows at one moment. Cheap to clone.
#[derive(Clone)]
pub struct State {}

impl State {
    /// A host by name.
    pub fn host(&self, name: &Name) -> Option<&Host> {
        let _ = name;
        todo!()
    }

    /// Every host, in the order of names.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        std::iter::empty()
    }

    /// An account by name.
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        let _ = name;
        todo!()
    }

    /// A key by its public number.
    pub fn key(&self, id: &KeyId) -> Option<&Key> {
        let _ = id;
        todo!()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}
