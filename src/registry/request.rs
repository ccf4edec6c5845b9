//! What the registry's thread is asked to decide, and what it says.

use tokio::sync::oneshot;

use super::command::{Command, CommandError, Reply};
use super::heard::OnItsWay;
use super::pace::Unavailable;
use crate::model::Grant;
use crate::store::StoreError;
use crate::update::{Edited, Edits, Outcome, Update};

/// Something to decide.
pub(super) enum Request {
    Update {
        grant: Grant,
        /// In this order, all written down together.
        updates: Vec<Update>,
        /// When a signed update says it was made; only a later one than any
        /// before by the key is taken.
        stamp: Option<u64>,
        reply: oneshot::Sender<Result<Vec<Outcome>, Unavailable>>,
        /// Dropped once the outcome is published.
        on_its_way: OnItsWay,
    },
    Edit {
        grant: Grant,
        edits: Edits,
        reply: oneshot::Sender<Result<Edited, Unavailable>>,
        on_its_way: OnItsWay,
    },
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Reply, CommandError>>,
        on_its_way: OnItsWay,
    },
}

/// What was decided for a request, before it is said.
pub(super) enum Decided {
    Update(Vec<Outcome>),
    Edit(Edited),
    Command(Box<Result<Reply, CommandError>>),
    /// An update or an edit that would change a host once too often.
    TooOften,
}

impl Request {
    /// Whoever asked may have gone: nobody is told then.
    pub(super) fn say(self, decided: Decided) {
        match (self, decided) {
            (Request::Update { reply, on_its_way, .. }, Decided::Update(outcomes)) => {
                drop(on_its_way);
                let _ = reply.send(Ok(outcomes));
            }
            (Request::Edit { reply, on_its_way, .. }, Decided::Edit(edited)) => {
                drop(on_its_way);
                let _ = reply.send(Ok(edited));
            }
            (Request::Update { reply, on_its_way, .. }, Decided::TooOften) => {
                drop(on_its_way);
                let _ = reply.send(Err(Unavailable::TooOften));
            }
            (Request::Edit { reply, on_its_way, .. }, Decided::TooOften) => {
                drop(on_its_way);
                let _ = reply.send(Err(Unavailable::TooOften));
            }
            (Request::Command { reply, on_its_way, .. }, Decided::Command(result)) => {
                drop(on_its_way);
                let _ = reply.send(*result);
            }
            _ => unreachable!("an update is decided as an update"),
        }
    }

    pub(super) fn refuse(self, error: &StoreError) {
        match self {
            Request::Update { reply, on_its_way, .. } => {
                drop(on_its_way);
                let _ = reply.send(Err(Unavailable::Overloaded));
            }
            Request::Edit { reply, on_its_way, .. } => {
                drop(on_its_way);
                let _ = reply.send(Err(Unavailable::Overloaded));
            }
            Request::Command { reply, on_its_way, .. } => {
                drop(on_its_way);
                let _ = reply.send(Err(CommandError(error.to_string())));
            }
        }
    }
}
