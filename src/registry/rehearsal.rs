//! Whether zone files would be taken, by a reload or by a start, without either.

use std::path::Path;

use tokio::sync::oneshot;

use super::draft::Draft;
use super::load::{Loaded, Loading};
use super::thread::{Job, load_zones, stopping};
use super::{CommandError, Registry, Settings};
use crate::store::{self, Engine, Seen, StoreError};
use crate::zone::{Snapshot, Zone};

impl Registry {
    /// Reads the zone files, and says why a reload would refuse them; nothing:
    /// it would not.
    pub(super) async fn check(&self) -> Result<Vec<String>, CommandError> {
        let settings = self.0.settings.clone();
        let zones = tokio::task::spawn_blocking(move || load_zones(&settings));
        let zones = match zones.await.map_err(|_| stopping())? {
            Ok(zones) => zones,
            Err(why) => return Ok(lines(&why)),
        };
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Check(zones, reply))?;
        let taken = answer.await.map_err(|_| stopping())?;
        Ok(taken.err().as_ref().map(lines).unwrap_or_default())
    }
}

/// Why a start on this data directory, whose server is stopped, would refuse
/// these zones, a line each; none: it would not.
///
/// # Errors
/// When the store is in use, cannot be opened by this user, or is damaged.
pub fn would_start(
    engine: Engine,
    directory: &Path,
    settings: &Settings,
    zones: Vec<Zone>,
) -> Result<Vec<String>, StoreError> {
    let loading = match store::look(engine, directory, Loading::new(settings.lease, settings.ttl))?
    {
        Seen::Nothing => return Ok(Vec::new()),
        Seen::All(loading) => loading,
        Seen::Refused(why) => return Ok(vec![why.to_string()]),
    };
    let Loaded { state: Some(state), .. } = loading.done() else { return Ok(Vec::new()) };
    let taken = Draft::new(&state, &Snapshot::default()).serve_zones(zones, settings, false);
    Ok(taken.err().as_ref().map(lines).unwrap_or_default())
}

fn lines(why: &CommandError) -> Vec<String> {
    why.0.lines().map(str::to_owned).collect()
}
