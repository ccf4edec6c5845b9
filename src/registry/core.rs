//! The registry without its thread: everything that happens to it, one step
//! at a time, with the present moment as an argument.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::command::CommandError;
use super::draft::Draft;
use super::fate::fate;
use super::heard::Heard;
use super::load::Loaded;
use super::pace::Pace;
use super::register;
use super::renewal::Renewal;
use super::request::{Decided, Request};
use super::rows;
use super::secrets::TokenKey;
use super::settings::Settings;
use super::state::State;
use crate::model::{Grant, Name, Now, Served};
use crate::store::{IMPORTED, Opened, Store, StoreError, Write};
use crate::update::{Edited, Outcome, Update};
use crate::zone::{Snapshot, Zone};

/// Lapses written down in one group while nobody else wants anything.
const LAPSES_A_GROUP: usize = 256;

/// The same while updates come: 100,000 leases that end in the same second let
/// them through in between, and each waits for one such group at most.
const LAPSES_BETWEEN_UPDATES: usize = 32;

/// Lapses of one group that get a line each in the log; of more, only their
/// number is told (and each host's history tells of its own).
const LAPSES_TOLD: usize = 16;

/// Heartbeats written down in one group.
const HEARTBEATS_A_GROUP: usize = 1000;

/// How often heartbeats are written down. After a crash the clock of the
/// leases goes on from here too, so that no lease ends early for it.
const HEARTBEATS_EVERY: Duration = Duration::from_secs(300);

/// How often the text dump is written.
const DUMP_EVERY: Duration = Duration::from_secs(86_400);

/// How long what time asks for lets updates go first, at most: one group of it
/// is written down then, however far the store is behind.
const COURTESY: Duration = Duration::from_secs(60);

/// How long a full disk is left alone by what time asks for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is published: read by everybody, written here alone.
#[derive(Clone)]
pub(super) struct Published {
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    pub state: Arc<ArcSwap<State>>,
}

/// What the requests of a group come to.
struct Group {
    draft: Draft,
    renewals: Vec<(Name, Renewal)>,
    /// The hosts that updates and edits change, and how often each.
    changed: Changed,
}

type Changed = HashMap<Name, u64, foldhash::quality::RandomState>;

pub(super) struct Core {
    store: Arc<dyn Store>,
    state: State,
    snapshot: Snapshot,
    settings: Settings,
    published: Published,
    /// What was answered without asking here.
    heard: Arc<Heard>,
    pace: Arc<Pace>,
    /// Hosts heard since heartbeats were last written down, by number.
    renewed: BTreeSet<u32>,
    heartbeats_due: Served,
    dump_due: Served,
    /// Not before this moment what time asks for is tried again.
    patience: Served,
    /// What time asks for lets the store catch up first.
    held_back: bool,
    /// Since when it has done so.
    behind_since: Option<Served>,
    /// Something was decided since leases were last withdrawn.
    among_updates: bool,
    /// Versions that somebody was still reading when they were replaced. They
    /// are let go here: whoever lets go last takes the version apart, and those
    /// who answer questions have no time for it.
    retired: Vec<Arc<Snapshot>>,
}

/// A reload that is refused leaves the old zones; a start has none.
fn not_started(why: CommandError) -> CommandError {
    CommandError(format!(
        "{why}\nThe server does not start with these zone files. Take those records out of them (a \
         `;` in front of the line will do) and start it; with the server running `truename host \
         remove` makes room for such a record, and `truename check` says beforehand whether there \
         is."
    ))
}

impl Core {
    /// Takes the zones in, and writes down what that changed.
    pub fn open(
        opened: Opened,
        loaded: Loaded,
        settings: Settings,
        zones: Vec<Zone>,
    ) -> Result<(Core, Served), CommandError> {
        let broken = |error: StoreError| CommandError(error.to_string());
        let store: Arc<dyn Store> = Arc::from(opened.store);
        let Loaded { state, served, imported } = loaded;
        let mut first = Vec::new();
        let state = state.unwrap_or_else(|| {
            let key = TokenKey::random();
            first.push(rows::put_token_key(key));
            State::new(key, settings.lease, settings.ttl)
        });
        let mut draft = Draft::new(&state, &Snapshot::default());
        let outdated = opened.restored || imported;
        draft.serve_zones(zones, &settings, outdated).map_err(not_started)?;
        settings.policies.set_name_servers(draft.state.name_servers());
        let mut writes = first;
        if outdated {
            // In the group that raises the serials: a crash before it leaves
            // the word for the next start.
            writes.push(Write::Delete(IMPORTED.into()));
        }
        writes.extend(draft.take_writes());
        if !writes.is_empty() {
            store.commit(&writes).map_err(broken)?;
        }
        let published = Published {
            snapshot: Arc::new(ArcSwap::from_pointee(draft.snapshot.clone())),
            state: Arc::new(ArcSwap::from_pointee(draft.state.clone())),
        };
        let core = Core {
            store,
            state: draft.state,
            snapshot: draft.snapshot,
            pace: Arc::new(Pace::new(settings.changes, served)),
            settings,
            published,
            heard: Arc::new(Heard::new()),
            renewed: BTreeSet::new(),
            heartbeats_due: served.plus(HEARTBEATS_EVERY),
            dump_due: served.plus(DUMP_EVERY),
            patience: served,
            held_back: false,
            behind_since: None,
            among_updates: false,
            retired: Vec::new(),
        };
        Ok((core, served))
    }

    pub fn published(&self) -> Published {
        self.published.clone()
    }

    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    pub fn heard(&self) -> Arc<Heard> {
        self.heard.clone()
    }

    pub fn pace(&self) -> Arc<Pace> {
        self.pace.clone()
    }

    /// When time asks for something next.
    pub fn deadline(&self) -> Served {
        let mut next = self.heartbeats_due.min(self.dump_due);
        let State { ending, unused, .. } = &self.state;
        for due in [self.state.next_due(), ending.next(), unused.next()].into_iter().flatten() {
            next = next.min(due);
        }
        next.max(self.patience)
    }

    /// Does what time asks for, a bounded part of it: [`Core::deadline`] says
    /// when there is more. Returns whether the text dump is due.
    pub fn advance(&mut self, now: Now) -> bool {
        if now.served < self.patience {
            return false;
        }
        self.take_heard();
        // Updates wait for nothing but their own fsync as long as the store
        // has room ahead of it: that room is theirs.
        let since = self.store.is_behind().then(|| self.behind_since.unwrap_or(now.served));
        self.held_back = since.is_some_and(|since| now.served.since(since) < COURTESY);
        self.behind_since = since.filter(|_| self.held_back);
        let done = if self.held_back { Ok(()) } else { self.write_what_is_due(now) };
        if let Err(error) = done {
            tracing::error!("leases and heartbeats wait, for {error}");
            self.patience = now.served.plus(PATIENCE);
        }
        let dump = self.dump_due <= now.served;
        if dump {
            self.dump_due = now.served.plus(DUMP_EVERY);
        }
        dump
    }

    fn write_what_is_due(&mut self, now: Now) -> Result<(), StoreError> {
        self.lapse(now)?;
        self.forget_keys(now)?;
        self.end_unused(now)?;
        if self.heartbeats_due <= now.served { self.write_heartbeats(now) } else { Ok(()) }
    }

    /// Whether what time asks for waits for the store to catch up.
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Withdraws hosts whose lease has ended: Changes like any others.
    fn lapse(&mut self, now: Now) -> Result<(), StoreError> {
        if self.state.next_due().is_none_or(|due| due > now.served) {
            return Ok(());
        }
        let mut draft = Draft::new(&self.state, &self.snapshot);
        let mut lapsed = Vec::new();
        let most = match std::mem::take(&mut self.among_updates) {
            true => LAPSES_BETWEEN_UPDATES,
            false => LAPSES_A_GROUP,
        };
        for _ in 0..most {
            let Some(host) = draft.state.take_due(now.served) else { break };
            if draft.state.next_end(&host).is_some_and(|end| end <= now.served) {
                if let Some(name) = draft.expire(host, now) {
                    lapsed.push(name);
                }
            } else {
                // Renewed since it was entered: it goes to its right place.
                draft.state.put_host(&host);
            }
        }
        self.commit(draft)?;
        if lapsed.len() > LAPSES_TOLD {
            tracing::info!("{} hosts withdrawn: their leases ended", lapsed.len());
        } else {
            for host in &lapsed {
                tracing::info!(host = %host.without_dot(), "withdrawn: its lease ended");
            }
        }
        Ok(())
    }

    /// Removes keys that ended long ago.
    fn forget_keys(&mut self, now: Now) -> Result<(), StoreError> {
        let forgotten = self.state.ending.forgotten(now.served);
        if forgotten.is_empty() {
            return Ok(());
        }
        let mut draft = Draft::new(&self.state, &self.snapshot);
        forgotten.iter().for_each(|id| draft.remove_key(id));
        self.commit(draft)
    }

    /// Removes names that were registered and not used in time.
    fn end_unused(&mut self, now: Now) -> Result<(), StoreError> {
        if self.state.unused.next().is_none_or(|end| end > now.served) {
            return Ok(());
        }
        let mut draft = Draft::new(&self.state, &self.snapshot);
        let ended = draft.end_unused(now);
        self.commit(draft)?;
        register::tell_ended(&ended);
        Ok(())
    }

    /// Writes renewals down: nobody waits for it. The clock goes with the
    /// last of them, so that the two never disagree after a crash.
    pub fn write_heartbeats(&mut self, now: Now) -> Result<(), StoreError> {
        let numbers: Vec<u32> = self.renewed.iter().take(HEARTBEATS_A_GROUP).copied().collect();
        let hosts = numbers.iter().filter_map(|number| self.state.host_numbered(*number));
        let mut writes: Vec<Write> = hosts.map(|host| rows::put_host(&host)).collect();
        let last = numbers.len() == self.renewed.len();
        if last {
            writes.push(rows::put_served(now.served));
        }
        self.store.commit(&writes)?;
        for number in &numbers {
            self.renewed.remove(number);
        }
        if last {
            self.heartbeats_due = now.served.plus(HEARTBEATS_EVERY);
        }
        Ok(())
    }

    /// Whether heartbeats wait to be written down.
    pub fn has_heartbeats(&self) -> bool {
        !self.renewed.is_empty()
    }

    /// Decides a group, writes it down, publishes it, and only then replies.
    pub fn group(&mut self, group: Vec<Request>, now: Now) {
        self.take_heard();
        self.among_updates = true;
        let mut done = self.new_group();
        let decided: Vec<Decided> =
            group.iter().map(|request| self.decide(&mut done, request, now)).collect();
        let Group { draft, renewals, changed } = done;
        // Nothing to write down: nothing is published either, and no fsync.
        let done = if draft.is_clean() { Ok(()) } else { self.commit(draft) };
        match done {
            Ok(()) => {
                self.pace.changed(&changed, now);
                self.renew(renewals);
                group.into_iter().zip(decided).for_each(|(request, decided)| request.say(decided));
            }
            Err(error) => {
                tracing::error!("updates are answered 911: {error}");
                for request in group {
                    self.without_writing(request, &error, now);
                }
            }
        }
    }

    fn new_group(&self) -> Group {
        let draft = Draft::new(&self.state, &self.snapshot);
        Group { draft, renewals: Vec::new(), changed: Changed::default() }
    }

    /// What can be said while the store takes nothing: hosts that stay where
    /// they are still renew their leases; everything else is told to wait.
    fn without_writing(&mut self, request: Request, error: &StoreError, now: Now) {
        let mut alone = self.new_group();
        let decided = self.decide(&mut alone, &request, now);
        if alone.draft.is_clean() {
            self.renew(alone.renewals);
            request.say(decided);
        } else {
            request.refuse(error);
        }
    }

    fn decide(&self, group: &mut Group, request: &Request, now: Now) -> Decided {
        let policies = &*self.settings.policies;
        let Group { draft, changed, .. } = group;
        match request {
            Request::Update { grant, updates, stamp, .. } => {
                self.decide_updates(group, grant, updates, *stamp, now)
            }
            Request::Edit { grant, edits, .. } => {
                let hosts = draft.state.hosts_above(&edits.edits);
                if !hosts.iter().all(|host| self.has_left(changed, 0, edits.source, host, now)) {
                    return Decided::TooOften;
                }
                let edited = draft.edit(Some(grant), edits, policies, now);
                if let Edited::Done { changed: true } = edited {
                    hosts.into_iter().for_each(|host| *changed.entry(host).or_default() += 1);
                }
                Decided::Edit(edited)
            }
            Request::Command { command, .. } => {
                let reply = draft.command(command, policies, now);
                Decided::Command(Box::new(reply))
            }
        }
    }

    /// Whether a host may change once more, after what the group has decided
    /// and so many changes beside.
    fn has_left(
        &self,
        changed: &Changed,
        beside: u64,
        source: IpAddr,
        host: &Name,
        now: Now,
    ) -> bool {
        let decided = changed.get(host).copied().unwrap_or_default();
        self.pace.has_left(source, host, decided + beside, now)
    }

    /// Decides the updates of one request, unless one of them would change a
    /// host once too often.
    fn decide_updates(
        &self,
        group: &mut Group,
        grant: &Grant,
        updates: &[Update],
        stamp: Option<u64>,
        now: Now,
    ) -> Decided {
        let policies = &*self.settings.policies;
        let Group { draft, renewals, changed } = group;
        let meant = |update: &Update| draft.state.meant(grant, &update.hosts);
        let meant: Vec<_> = updates.iter().map(meant).collect();
        // A host that the request names more than once may move each time.
        let several = meant.iter().map(Vec::len).sum::<usize>() > 1;
        let mut named: HashMap<&Name, u64> = HashMap::new();
        for (update, hosts) in updates.iter().zip(&meant) {
            for host in hosts.iter().flatten() {
                let before = named.get(host).copied().unwrap_or_default();
                let fate = || fate(&draft.state, host, grant, update, policies, now);
                if !self.has_left(changed, before, update.source, host, now) && fate().moves() {
                    return Decided::TooOften;
                }
                if several {
                    *named.entry(host).or_default() += 1;
                }
            }
        }
        if stamp.is_some_and(|stamp| !draft.stamp(grant, stamp)) {
            let hosts = meant.iter().map(Vec::len).sum();
            return Decided::Update(vec![Outcome::Replayed; hosts]);
        }
        let mut all = Vec::new();
        for (update, hosts) in updates.iter().zip(meant) {
            let outcomes = draft.update(grant, update, policies, now, renewals);
            let is_done =
                !update.protocol.is_all_or_none() || outcomes.iter().all(Outcome::is_done);
            let moved = hosts.into_iter().zip(&outcomes).filter(|_| is_done);
            let moved = moved.filter(|(_, outcome)| matches!(outcome, Outcome::Moved(_)));
            let moved = moved.filter_map(|(host, _)| host);
            moved.for_each(|host| *changed.entry(host).or_default() += 1);
            all.extend(outcomes);
        }
        Decided::Update(all)
    }

    /// Hosts that were heard again where they are: nothing else about them
    /// has changed, so nothing is written now.
    fn renew(&mut self, renewals: impl IntoIterator<Item = (Name, Renewal)>) {
        let mut any = false;
        for (name, renewal) in renewals {
            let Some(known) = self.state.host(&name) else { continue };
            let lease = self.state.lease_of(&known);
            if let Some(host) = renewal.apply(known, lease) {
                self.renewed.insert(self.state.put_host(&host));
                any = true;
            }
        }
        if any {
            self.published.state.store(Arc::new(self.state.clone()));
        }
    }

    /// Takes in what was answered without asking here.
    pub fn take_heard(&mut self) {
        // Nobody finds a version that is no longer published: who has it now
        // is all who will ever have it.
        self.retired.retain(|version| Arc::strong_count(version) > 1);
        let heard = self.heard.take();
        self.renew(heard);
    }

    /// Serves these zones from now on.
    pub fn serve_zones(&mut self, zones: Vec<Zone>) -> Result<String, CommandError> {
        let mut draft = Draft::new(&self.state, &self.snapshot);
        let report = draft.serve_zones(zones, &self.settings, false)?;
        self.commit(draft).map_err(|error| CommandError(error.to_string()))?;
        self.settings.policies.set_name_servers(self.state.name_servers());
        Ok(report)
    }

    /// Whether these zones could be served from now on; nothing is changed.
    pub fn would_serve(&self, zones: Vec<Zone>) -> Result<String, CommandError> {
        Draft::new(&self.state, &self.snapshot).serve_zones(zones, &self.settings, false)
    }

    /// Durable, then visible.
    fn commit(&mut self, mut draft: Draft) -> Result<(), StoreError> {
        let writes = draft.take_writes();
        if !writes.is_empty() {
            self.store.commit(&writes)?;
        }
        self.state = draft.state;
        self.snapshot = draft.snapshot;
        let before = self.published.snapshot.swap(Arc::new(self.snapshot.clone()));
        self.retired.push(before);
        self.published.state.store(Arc::new(self.state.clone()));
        Ok(())
    }
}
