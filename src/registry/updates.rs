//! Updates, on the side of whoever asks for them: what changes nothing is
//! answered at once, all else by the thread.

use tokio::sync::oneshot;

use super::request::Request;
use super::thread::{Job, Shared};
use super::{Registry, Unavailable};
use crate::model::{Grant, Name};
use crate::update::{Outcome, Update};

impl Registry {
    /// Applies an update: the outcome of each host, in the order asked, once
    /// it is durable and visible. With [`crate::update::Hosts::Implied`] there
    /// is one outcome ([`Outcome::NotAName`] when no single host is meant).
    pub async fn update(&self, grant: Grant, update: &Update) -> Result<Vec<Outcome>, Unavailable> {
        self.updates(grant, std::slice::from_ref(update)).await
    }

    /// The same for several updates of one request: their outcomes one after
    /// the other. Those that change something are written down together, so
    /// that the disk has all of them or none.
    ///
    /// # Errors
    /// When one host may not change now: none does then.
    pub async fn updates(
        &self,
        grant: Grant,
        updates: &[Update],
    ) -> Result<Vec<Outcome>, Unavailable> {
        let Shared { queue, published, heard, settings, clock, pace, .. } = &*self.0;
        let meant = |update: &Update| published.state.load().meant(&grant, &update.hosts);
        let hosts: Vec<Vec<Option<Name>>> = updates.iter().map(meant).collect();
        let quick: Option<Vec<_>> = hosts
            .iter()
            .zip(updates)
            .map(|(hosts, update)| {
                heard.answer(published, hosts, &grant, update, &settings.policies, clock)
            })
            .collect();
        if let Some(answers) = quick {
            if answers.iter().any(|answer| answer.wake) {
                // A full queue keeps the thread awake.
                let _ = queue.try_send(Job::TakeIn(None));
            }
            return Ok(answers.into_iter().flat_map(|answer| answer.outcomes).collect());
        }
        for (hosts, update) in hosts.iter().zip(updates) {
            pace.may_change(update.source, hosts.iter().flatten(), clock())?;
        }
        let hosts = hosts.concat();
        self.queue_updates(grant, updates.to_vec(), &hosts, None).await
    }

    /// The same for an update that its key signed as made at `stamp`, in
    /// milliseconds since 1970: every outcome is [`Outcome::Replayed`] unless
    /// that is later than in any signed update of the key before. It is on the
    /// disk, whatever the outcome, before this returns.
    pub async fn signed_update(
        &self,
        grant: Grant,
        stamp: u64,
        update: &Update,
    ) -> Result<Vec<Outcome>, Unavailable> {
        let Shared { published, clock, pace, .. } = &*self.0;
        let hosts = published.state.load().meant(&grant, &update.hosts);
        pace.may_change(update.source, hosts.iter().flatten(), clock())?;
        self.queue_updates(grant, vec![update.clone()], &hosts, Some(stamp)).await
    }

    async fn queue_updates(
        &self,
        grant: Grant,
        updates: Vec<Update>,
        hosts: &[Option<Name>],
        stamp: Option<u64>,
    ) -> Result<Vec<Outcome>, Unavailable> {
        let Shared { queue, pace, .. } = &*self.0;
        let begun = pace.begin()?;
        let (reply, answer) = oneshot::channel();
        let on_its_way = self.0.heard.queue(hosts.iter().flatten());
        let job =
            Job::Decide(Box::new(Request::Update { grant, updates, stamp, reply, on_its_way }));
        queue.try_send(job).map_err(|_| Unavailable::Overloaded)?;
        pace.wait(begun, answer).await
    }
}
