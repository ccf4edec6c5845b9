//! The thread that owns the store, and the handle others ask it by.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Auth, Command, CommandError, Login, Reply, Settings, State};
use crate::model::{Grant, Now};
use crate::store::Opened;
use crate::update::{Outcome, Update};
use crate::zone::Snapshot;

/// A handle to the registry; clones ask the same one.
#[derive(Clone)]
pub struct Registry {
    snapshot: Arc<ArcSwap<Snapshot>>,
}

/// The registry cannot say now: its queue or its disk is full. The client is
/// told `911` and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the registry cannot take updates now")
    }
}

impl std::error::Error for Unavailable {}

impl Registry {
    /// Reads the store and the zones, publishes the first Snapshot, and starts
    /// the thread. `clock` takes how long the store was served before and
    /// tells the present moment from then on.
    ///
    /// # Errors
    /// When a zone file or the store is wrong: sentences for the operator.
    pub fn start(
        opened: Opened,
        settings: Settings,
        clock: impl Fn(crate::model::Served) -> Box<dyn Fn() -> Now + Send + Sync>,
    ) -> Result<Registry, CommandError> {
        let _ = (opened, settings, clock);
        todo!()
    }

    /// What is served; every DNS transport loads it for each request.
    pub fn snapshot(&self) -> &Arc<ArcSwap<Snapshot>> {
        &self.snapshot
    }

    /// Everything known at this moment.
    pub fn state(&self) -> Arc<State> {
        todo!()
    }

    /// Who is asking.
    pub async fn authenticate(&self, login: &Login, source: IpAddr) -> Auth {
        let _ = (login, source);
        todo!()
    }

    /// Applies an update: the outcome of each host, in the order asked, once
    /// it is durable and visible. With [`crate::update::Hosts::Implied`] there
    /// is one outcome ([`Outcome::NotAName`] when no single host is meant).
    pub async fn update(&self, grant: Grant, update: Update) -> Result<Vec<Outcome>, Unavailable> {
        let _ = (grant, update);
        todo!()
    }

    /// Does what an operator asks.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let _ = command;
        todo!()
    }

    /// Stops the thread after what is queued; writes the dump. Blocks.
    pub fn stop(&self) {
        todo!()
    }
}
