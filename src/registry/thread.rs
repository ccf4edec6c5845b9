//! The thread that owns the store, and the handle others ask it by.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use data_encoding::{BASE64, HEXLOWER};
use tokio::sync::oneshot;

use super::core::{Core, Published};
use super::dumping::{Dump, write_dump};
use super::heard::Heard;
use super::load::{Loaded, Loading};
use super::operate::{known_account, known_host, known_key};
use super::pace::Pace;
use super::passwords::Passwords;
use super::request::Request;
use super::secrets::{Purpose, hashed};
use super::view;
use super::{Command, CommandError, Reply, Settings, State};
use crate::model::{Holder, Now, Served};
use crate::recent::Recent;
use crate::store::{self, Engine, Opened, Store};
use crate::zone::{Snapshot, Zone};

/// Requests waiting to be decided; one more is answered `911`.
const QUEUE: usize = 4096;

/// Requests decided and written down together.
const GROUP: usize = 256;

/// The longest sleep, so that a clock that was asked too early is asked again.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Groups of requests that go before what time asks for: after so many some of
/// that is done, however many more wait.
const GROUPS_FIRST: u32 = 8;

/// How soon what waits for the store to catch up is tried again.
const CATCH_UP: Duration = Duration::from_millis(10);

/// How long somebody who looks at hosts waits for the thread at most.
const TAKE_IN: Duration = Duration::from_secs(1);

/// The present moment, from whoever owns the clock.
pub type Clock = Box<dyn Fn() -> Now + Send + Sync>;

/// A handle to the registry; clones ask the same one.
#[derive(Clone)]
pub struct Registry(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) queue: SyncSender<Job>,
    pub(super) published: Published,
    pub(super) heard: Arc<Heard>,
    store: Arc<dyn Store>,
    pub(super) settings: Settings,
    pub(super) passwords: Passwords,
    pub(super) pace: Arc<Pace>,
    pub(super) clock: Arc<Clock>,
    started: Served,
    warnings: Mutex<Vec<String>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recent: Recent,
}

/// What the thread is asked.
pub(super) enum Job {
    /// To be decided, in groups.
    Decide(Box<Request>),
    /// Serve these zones from now on.
    Zones(Vec<Zone>, oneshot::Sender<Result<String, CommandError>>),
    /// Say whether these zones could be served.
    Check(Vec<Zone>, oneshot::Sender<Result<String, CommandError>>),
    /// Do what time asks for, now.
    Tick(oneshot::Sender<()>),
    /// Take in what was heard.
    TakeIn(Option<oneshot::Sender<()>>),
    /// Write everything down and end.
    Stop,
}

impl Registry {
    /// Opens the store in a data directory, reads it and the zones, publishes
    /// the first Snapshot, and starts the thread. `clock` takes how long the
    /// store was served before and tells the present moment from then on.
    ///
    /// # Errors
    /// When a zone file or the store is wrong: sentences for the operator.
    pub fn open(
        engine: Engine,
        directory: &Path,
        settings: Settings,
        clock: impl FnOnce(Served) -> Clock,
    ) -> Result<Registry, CommandError> {
        let new = || Loading::new(settings.lease, settings.ttl);
        let opened = store::open_reading(engine, directory, &new);
        let (opened, loading) = opened.map_err(|error| CommandError(error.to_string()))?;
        for warning in &opened.warnings {
            tracing::error!("{warning}");
        }
        Registry::begin(opened, loading.done(), settings, clock)
    }

    /// The same with a store that is open already, which is read once more.
    ///
    /// # Errors
    /// When a zone file or the store is wrong: sentences for the operator.
    pub fn start(
        opened: Opened,
        settings: Settings,
        clock: impl FnOnce(Served) -> Clock,
    ) -> Result<Registry, CommandError> {
        let loading = Loading::new(settings.lease, settings.ttl);
        let loading = store::read(&*opened.store, loading);
        let loading = loading.map_err(|error| CommandError(error.to_string()))?;
        Registry::begin(opened, loading.done(), settings, clock)
    }

    fn begin(
        opened: Opened,
        loaded: Loaded,
        settings: Settings,
        clock: impl FnOnce(Served) -> Clock,
    ) -> Result<Registry, CommandError> {
        let zones = load_zones(&settings)?;
        let warnings = opened.warnings.clone();
        let (core, started) = Core::open(opened, loaded, settings.clone(), zones)?;
        let clock = Arc::new(clock(started));
        let (queue, jobs) = sync_channel(QUEUE);
        let pace = core.pace();
        let shared = Arc::new(Shared {
            queue,
            published: core.published(),
            heard: core.heard(),
            store: core.store(),
            passwords: Passwords::new(settings.guesses, clock.clone()),
            pace: pace.clone(),
            settings,
            clock: clock.clone(),
            started,
            warnings: Mutex::new(warnings),
            thread: Mutex::new(None),
            recent: Recent::default(),
        });
        let dump = shared.settings.dump.clone();
        let thread = std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || {
                // A server that answers but takes no updates helps nobody who
                // watches it: a fault here ends the process, and what
                // supervises it starts it anew from what is on the disk.
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    run(core, &jobs, &clock, dump.as_deref(), &pace);
                }));
                if ended.is_err() {
                    tracing::error!("the registry failed; this is a fault in truename");
                    std::process::abort();
                }
            })
            .map_err(|error| CommandError(format!("no thread can be started: {error}")))?;
        *shared.thread.lock().expect("nothing panics while it is held") = Some(thread);
        Ok(Registry(shared))
    }

    /// What is served; every DNS transport loads it for each request.
    pub fn snapshot(&self) -> &Arc<ArcSwap<Snapshot>> {
        &self.0.published.snapshot
    }

    /// Everything known at this moment.
    pub fn state(&self) -> Arc<State> {
        self.0.published.state.load_full()
    }

    /// The last requests.
    pub fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// The present moment, as the registry has it.
    pub fn now(&self) -> Now {
        (self.0.clock)()
    }

    /// Does what an operator asks.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        if let Command::HostShow { .. } | Command::HostList { .. } | Command::Export { .. } =
            command
        {
            self.take_in().await;
        }
        let state = self.state();
        let now = (self.0.clock)();
        match command {
            Command::HostShow { name } => {
                Ok(Reply::Host(view::host_view(&state, &known_host(&state, &name)?, now)))
            }
            Command::HostList { owner, zone } => {
                if let Some(owner) = &owner {
                    known_account(&state, owner)?;
                }
                Ok(Reply::Hosts(view::host_list(&state, owner.as_ref(), zone.as_ref(), now)))
            }
            Command::AccountShow { name } => {
                Ok(Reply::Account(view::account_view(&state, &known_account(&state, &name)?)))
            }
            Command::AccountList => Ok(Reply::Accounts(view::account_list(&state))),
            Command::KeyShow { id } => {
                Ok(Reply::Key(view::key_view(&known_key(&state, &id)?, now)))
            }
            Command::KeyList { holder } => {
                Ok(Reply::Keys(view::key_list(&state, holder.as_ref(), now)))
            }
            Command::KeySecret { id, purpose } => {
                let key = known_key(&state, &id)?;
                let secret = state.token_key.shared_secret(&key.id, purpose);
                let secret = match purpose {
                    Purpose::Tsig => BASE64.encode(&secret),
                    Purpose::Signed => HEXLOWER.encode(&secret),
                };
                Ok(Reply::Secret { id, purpose, secret })
            }
            Command::Records { host } => {
                let records = known_host(&state, &host)?.records;
                let end_in = view::end_in(&records, now);
                Ok(Reply::Records { records, end_in })
            }
            Command::History { host } => {
                let host = known_host(&state, &host)?;
                Ok(Reply::History(view::history(&*self.0.store, &host)?))
            }
            Command::Why { about: Some(holder), most } => {
                let owner = match &holder {
                    Holder::Account(account) => Some(account),
                    Holder::Host(_) => None,
                };
                let hosts = owner.into_iter().flat_map(|account| state.hosts_of(account));
                let mut views = self.0.recent.of(&holder, hosts.map(|host| host.name));
                views.truncate(most);
                Ok(Reply::Why(views))
            }
            Command::Why { about: None, most } => Ok(Reply::Why(self.0.recent.latest(most))),
            Command::Status => {
                let warnings = self.0.warnings.lock().expect("nothing panics while it is held");
                Ok(Reply::Status(view::status(&state, self.0.started, now, &warnings)))
            }
            Command::Reload => self.reload().await.map(Reply::Done),
            Command::Check => self.check().await.map(Reply::Checked),
            Command::Export { file } => self.export(state, now, file).await,
            Command::AccountAdd { name, password } => {
                let password = hashed(password).await?;
                self.decide(Command::AccountAdd { name, password }).await
            }
            Command::AccountSet { name, password, blocked } => {
                let password = match password {
                    Some(password) if password.is_empty() => Some(password),
                    password => hashed(password).await?,
                };
                self.decide(Command::AccountSet { name, password, blocked }).await
            }
            command => self.decide(command).await,
        }
    }

    /// Has what was heard until now taken in, so that it is seen; not for
    /// long, as the thread may be waiting for a disk that does not answer.
    async fn take_in(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.queue.try_send(Job::TakeIn(Some(reply))).is_ok() {
            let _ = tokio::time::timeout(TAKE_IN, answer).await;
        }
    }

    async fn decide(&self, command: Command) -> Result<Reply, CommandError> {
        let (reply, answer) = oneshot::channel();
        let on_its_way = match &command {
            Command::HostSet { name, .. } => self.0.heard.queue([name]),
            Command::Edit { edits } => self.0.heard.queue(&self.state().hosts_above(edits)),
            _ => self.0.heard.queue([]),
        };
        self.ask(Job::Decide(Box::new(Request::Command { command, reply, on_its_way })))?;
        answer.await.map_err(|_| stopping())?
    }

    pub(super) fn ask(&self, job: Job) -> Result<(), CommandError> {
        self.0.queue.try_send(job).map_err(|_| {
            CommandError("the server has more updates than it can take: try again".into())
        })
    }

    /// Reads the zone files again and serves what they say now, and reads what
    /// else there is to reload; the old zones go on if something is wrong.
    pub async fn reload(&self) -> Result<String, CommandError> {
        let settings = self.0.settings.clone();
        let zones = tokio::task::spawn_blocking(move || {
            if let Some(also) = &settings.also_reload {
                also().map_err(CommandError)?;
            }
            load_zones(&settings)
        });
        let zones = zones.await.map_err(|_| stopping())??;
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Zones(zones, reply))?;
        answer.await.map_err(|_| stopping())?
    }

    async fn export(
        &self,
        state: Arc<State>,
        now: Now,
        file: PathBuf,
    ) -> Result<Reply, CommandError> {
        let store = self.0.store.clone();
        let written = tokio::task::spawn_blocking(move || {
            write_dump(&file, &state, &*store, now.served)
                .map(|rows| Reply::Done(format!("{rows} rows written to {}", file.display())))
        });
        let written = written.await.map_err(|_| stopping())?;
        written.map_err(|error| CommandError(error.to_string()))
    }

    /// Does what time asks for, now, and returns when it is done: for a clock
    /// that is set by hand.
    pub async fn tick(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.queue.try_send(Job::Tick(reply)).is_ok() {
            let _ = answer.await;
        }
    }

    /// Ends the thread after what is queued, and writes the dump. Blocks.
    pub fn stop(&self) {
        let _ = self.0.queue.send(Job::Stop);
        let thread = self.0.thread.lock().expect("nothing panics while it is held").take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

pub(super) fn stopping() -> CommandError {
    CommandError("the server is stopping".into())
}

pub(super) fn load_zones(settings: &Settings) -> Result<Vec<Zone>, CommandError> {
    (settings.zones)().map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        CommandError(lines.join("\n"))
    })
}

/// The thread: sleeps until something is asked or time asks for something.
fn run(mut core: Core, jobs: &Receiver<Job>, clock: &Clock, dump: Option<&Path>, pace: &Pace) {
    let mut dump = Dump::into(dump);
    let mut groups = 0;
    loop {
        let now = clock();
        let mut next = jobs.try_recv().ok();
        groups += 1;
        if next.is_none() || groups > GROUPS_FIRST {
            groups = 0;
            if core.advance(now) {
                dump.begin(&core, now);
            }
        }
        if next.is_none() {
            let mut sleep = core.deadline().since(now.served).min(LONGEST_SLEEP);
            if core.is_held_back() {
                sleep = sleep.max(CATCH_UP);
            }
            next = match jobs.recv_timeout(sleep) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
        }
        let mut group = Vec::new();
        let mut other = None;
        while let Some(job) = next {
            match job {
                Job::Decide(request) => group.push(*request),
                job => {
                    other = Some(job);
                    break;
                }
            }
            next = if group.len() < GROUP { jobs.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            core.group(group, clock());
        }
        match other {
            None | Some(Job::Decide(_)) => {}
            Some(Job::TakeIn(reply)) => {
                core.take_heard();
                if let Some(reply) = reply {
                    let _ = reply.send(());
                }
            }
            Some(Job::Zones(zones, reply)) => {
                let _ = reply.send(core.serve_zones(zones));
            }
            Some(Job::Check(zones, reply)) => {
                let _ = reply.send(core.would_serve(zones));
            }
            Some(Job::Tick(reply)) => {
                let now = clock();
                while core.deadline() <= now.served {
                    if core.advance(now) {
                        dump.begin(&core, now);
                    }
                    if core.is_held_back() {
                        std::thread::sleep(CATCH_UP);
                    }
                }
                let _ = reply.send(());
            }
            Some(Job::Stop) => break,
        }
        pace.round();
    }
    core.heard().close();
    core.take_heard();
    let now = clock();
    loop {
        if let Err(error) = core.write_heartbeats(now) {
            tracing::error!("renewed leases are not written down: {error}");
            break;
        }
        if !core.has_heartbeats() {
            break;
        }
    }
    // The one of the day may be under way, and older.
    dump.end();
    dump.begin(&core, now);
    dump.end();
}
