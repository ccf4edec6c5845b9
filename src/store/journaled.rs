//! An engine with a journal before it. A group is durable, and its caller goes
//! on, once it stands in the journal; a thread gives the engine what stands
//! there, many groups as one, and frees their room when the engine's own sync
//! is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::home::{Ready, abort};
use super::journal::{Journal, encode};
use super::pending::{Over, Pending, over};
use super::start::{Kept, panic_words};
use super::tally::{Plan, plan};
use super::{Row, See, Store, StoreError, Write};

/// After so long without a group the engine is given what there is, however
/// little.
const QUIET: Duration = Duration::from_secs(1);

/// How long an engine that could not write is left alone, unless a group needs
/// its room in the journal.
const RETRY: Duration = Duration::from_secs(5);

/// A larger buffer for records is not kept, in bytes.
const BUFFER: usize = 1 << 20;

/// An open store: the engine and what it has yet to be given.
pub struct Journaled {
    shared: Arc<Shared>,
    /// The record that is written; one group at a time.
    record: Mutex<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    kept: Box<dyn Kept>,
    /// `None`: the disk had no room for one, and groups go to the engine
    /// itself.
    journal: Option<Journal>,
    state: Mutex<State>,
    /// For the thread: there is something to do, or to look at.
    wake: Condvar,
    /// For those who wait for room: it was tried.
    tried: Condvar,
}

struct State {
    pending: Pending,
    /// Somebody waits for room.
    urged: bool,
    stopping: bool,
    /// How many times the thread began to give the engine something.
    begun: u64,
    /// The last of those that failed, and why.
    failed: Option<(u64, StoreError)>,
}

impl Journaled {
    /// Before an engine, with what a start found in its journal.
    pub fn start(
        kept: Box<dyn Kept>,
        journal: Option<Journal>,
        pending: Pending,
    ) -> Result<Journaled, StoreError> {
        let state = State { pending, urged: false, stopping: false, begun: 0, failed: None };
        let shared = Arc::new(Shared {
            kept,
            journal,
            state: Mutex::new(state),
            wake: Condvar::new(),
            tried: Condvar::new(),
        });
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn({
            let shared = shared.clone();
            move || {
                // Without this thread the journal fills up and stays so.
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| shared.checkpoint())) {
                    abort("the engine failed", &panic_words(&*panic));
                }
            }
        });
        let thread = thread
            .map_err(|error| StoreError::Broken(format!("no thread can be started: {error}")))?;
        Ok(Journaled { shared, record: Mutex::default(), thread: Some(thread) })
    }

    /// The last group's number.
    pub fn revision(&self) -> u64 {
        self.shared.lock().pending.revision
    }

    /// See [`Kept::start_writes`].
    pub fn start_writes(&self) -> u64 {
        self.shared.kept.start_writes()
    }

    /// What is to be written down while groups may come.
    pub fn ready(&self) -> Ready {
        let journal = self.shared.journal.as_ref().map(Journal::size);
        Ready { revision: self.revision(), journal }
    }

    /// Gives the engine what it has yet to be given, if it can take it, and
    /// says what is to be written down then.
    pub fn stop(&mut self) -> Ready {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let ready = self.ready();
        if self.shared.lock().pending.is_empty() { Ready { journal: None, ..ready } } else { ready }
    }
}

impl Store for Journaled {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        let newest = self.shared.lock().pending.newest(prefix);
        let rows = self.shared.kept.rows(prefix);
        if newest.is_empty() { rows } else { Box::new(over(newest, rows)) }
    }

    fn each(&self, see: See<'_>) -> Result<(), StoreError> {
        let newest = self.shared.lock().pending.newest("");
        if newest.is_empty() {
            return self.shared.kept.each(see);
        }
        let mut over = Over::new(newest);
        self.shared.kept.each(&mut |key, value| over.show(key, value, &mut *see))?;
        over.show_rest(see);
        Ok(())
    }

    fn commit(&self, group: &[Write]) -> Result<(), StoreError> {
        if group.is_empty() {
            return Ok(());
        }
        let plan = plan(group)?;
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = self.shared.lock().pending.revision + 1;
        encode(revision, &plan, &mut record);
        let length = record.len() as u64;
        let done = match &self.shared.journal {
            Some(journal) if length <= journal.size() => {
                self.shared.write(journal, revision, &record, &plan)
            }
            _ => self.shared.write_past(revision, &plan),
        };
        if record.capacity() > BUFFER {
            *record = Vec::new();
        }
        done
    }

    fn is_behind(&self) -> bool {
        let state = self.shared.lock();
        state.failed.is_none() && state.pending.used() > state.pending.size() / 2
    }
}

impl Drop for Journaled {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Gives an engine all that is pending, for a start that goes on without the
/// journal in which it stands.
pub fn replay(kept: &dyn Kept, pending: &mut Pending) -> Result<(), StoreError> {
    while let Some(chunk) = pending.first() {
        kept.write(&chunk.plan(), chunk.revision)?;
        pending.forget_first();
    }
    Ok(())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic leaves it half changed, and one of the thread's ends the
        // process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what was asked for is there, which the thread is to see to.
    ///
    /// # Errors
    /// When the engine could not write, tried after this was called.
    fn wait_for<T>(&self, there: impl Fn(&Pending) -> Option<T>) -> Result<T, StoreError> {
        let mut state = self.lock();
        let first = state.begun + 1;
        loop {
            if let Some(found) = there(&state.pending) {
                return Ok(found);
            }
            if let Some((attempt, error)) = &state.failed
                && *attempt >= first
            {
                return Err(error.clone());
            }
            state.urged = true;
            self.wake.notify_one();
            state = self.tried.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A group into the journal.
    fn write(
        &self,
        journal: &Journal,
        revision: u64,
        record: &[u8],
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let length = record.len() as u64;
        let at = self.wait_for(|pending| pending.place(length))?;
        journal.write(at % journal.size(), record)?;

        let mut state = self.lock();
        let before = (state.pending.is_empty(), state.is_due());
        let rows = plan.iter().map(|(&key, &value)| (key.into(), value.map(<[u8]>::to_vec)));
        state.pending.remember(revision, at, length, rows);
        if before != (false, state.is_due()) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// A group that no journal holds, to the engine itself.
    fn write_past(&self, revision: u64, plan: &Plan) -> Result<(), StoreError> {
        self.wait_for(|pending| pending.is_empty().then_some(()))?;
        // Others who write wait behind us: the thread finds nothing to do.
        self.kept.write(plan, revision)?;
        self.lock().pending.revision = revision;
        Ok(())
    }

    /// The thread.
    fn checkpoint(&self) {
        let mut state = self.lock();
        // At which revision nothing had happened for a while.
        let mut quiet = None;
        loop {
            let Some(chunk) = state.pending.first() else {
                if state.stopping {
                    return;
                }
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = state.pending.revision;
            if !(quiet == Some(now) || state.is_due() || state.urged || state.stopping) {
                drop(chunk);
                let timed_out;
                (state, timed_out) = self.sleep(state, QUIET);
                quiet = (timed_out && state.pending.revision == now).then_some(now);
                continue;
            }

            state.urged = false;
            state.begun += 1;
            let attempt = state.begun;
            drop(state);
            let written = self.kept.write(&chunk.plan(), chunk.revision);
            state = self.lock();
            match written {
                Ok(()) => {
                    let had_failed = state.failed.take().is_some();
                    state.pending.forget_first();
                    self.tried.notify_all();
                    // Taking it apart takes a moment, and so may the log.
                    drop(state);
                    drop(chunk);
                    if had_failed {
                        tracing::info!("the store takes what the journal holds again");
                    }
                    state = self.lock();
                }
                Err(error) => {
                    let news = state.failed.is_none().then(|| error.to_string());
                    state.failed = Some((attempt, error));
                    self.tried.notify_all();
                    drop(chunk);
                    if let Some(error) = news {
                        // Updates need not wait for the log.
                        drop(state);
                        tracing::error!(
                            "the store cannot take what the journal holds: {error}; updates go on until that is full"
                        );
                        state = self.lock();
                    }
                    if state.stopping {
                        return;
                    }
                    let mut timed_out = false;
                    while !(state.urged || state.stopping || timed_out) {
                        (state, timed_out) = self.sleep(state, RETRY);
                    }
                    quiet = Some(state.pending.revision);
                }
            }
        }
    }

    /// Waits for something to do; whether nothing came for so long.
    fn sleep<'a>(
        &self,
        state: MutexGuard<'a, State>,
        most: Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        let waited = self.wake.wait_timeout(state, most);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, waited.timed_out())
    }
}

impl State {
    /// There is enough to begin with: a quarter of the ring, so that there is
    /// room for whatever comes meanwhile.
    fn is_due(&self) -> bool {
        self.pending.used() > self.pending.size() / 4
    }
}
