//! Who is asking, by whatever proves it; and what the registry is asked for
//! records.

use std::net::IpAddr;

use tokio::sync::oneshot;

use super::request::Request;
use super::thread::{Job, Shared};
use super::{Auth, Command, Login, Registry, Unavailable};
use crate::model::Grant;
use crate::update::{Edited, Edits};

impl Registry {
    /// Who is asking.
    pub async fn authenticate(&self, login: &Login, source: IpAddr) -> Auth {
        let state = self.state();
        let auth = self.0.passwords.authenticate(&state, login, source).await;
        if let Auth::Granted(Grant { key: Some(id), .. }) = &auth
            && state.key(id).is_some_and(|key| key.foreign.is_some())
        {
            // Nobody waits for it; where the queue is full, the next use will do.
            let digest = state.token_key.digest(&login.secret);
            let command = Command::KeyAdopt { id: id.clone(), digest };
            let (reply, _) = oneshot::channel();
            let on_its_way = self.0.heard.queue([]);
            let request = Request::Command { command, reply, on_its_way };
            let _ = self.ask(Job::Decide(Box::new(request)));
        }
        auth
    }

    /// The same for what can be told quickly: tokens, and passwords that were
    /// right before. `None`: it proves nothing, or not quickly.
    pub fn recognise(&self, login: &Login, source: IpAddr) -> Option<Grant> {
        match self.0.passwords.recognise(&self.state(), login, source) {
            Some(Auth::Granted(grant)) => Some(grant),
            _ => None,
        }
    }

    /// Makes changes of records, all or none; once this returns they are
    /// durable and visible.
    pub async fn edit(&self, grant: Grant, edits: Edits) -> Result<Edited, Unavailable> {
        let Shared { queue, pace, clock, .. } = &*self.0;
        let begun = pace.begin()?;
        let hosts = self.0.published.state.load().hosts_above(&edits.edits);
        pace.may_change(edits.source, hosts.iter(), clock())?;
        let (reply, answer) = oneshot::channel();
        let on_its_way = self.0.heard.queue(&hosts);
        let job = Job::Decide(Box::new(Request::Edit { grant, edits, reply, on_its_way }));
        queue.try_send(job).map_err(|_| Unavailable::Overloaded)?;
        pace.wait(begun, answer).await
    }
}
