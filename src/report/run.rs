//! Once, or until told to stop.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::find::{Found, Known, find};
use super::kernel::News;
use super::memory::{Acknowledged, Memory};
use super::plan::{Plan, note, plan};
use super::router::Open;
use super::standing::Standing;
use super::talk::{Talk, Verdict};
use super::{Mapping, Options};
use crate::clock;
use crate::model::Timestamp;

/// How long the kernel's news must pause until addresses are looked at: they
/// come in flocks when a line is dialled.
const QUIET: Duration = Duration::from_secs(1);

/// How long they are waited out at most.
const FLOCK: Duration = Duration::from_secs(10);

/// How long the router has for a goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// Looks once, and says it if there is something to say.
///
/// # Errors
/// When the server has not acknowledged what is there now: a sentence that
/// tells the owner what to do.
pub fn once(options: Options) -> Result<Standing, String> {
    runtime()?.block_on(async {
        let mut reporter = Reporter::new(options)?;
        reporter.map_ports().await;
        let done = reporter.round().await;
        match (done.result, reporter.port_trouble.join("; ")) {
            (result, trouble) if trouble.is_empty() => result,
            (Ok(standing), trouble) => Err(format!("{standing}; but {trouble}")),
            (Err(text), trouble) => Err(format!("{text}; {trouble}")),
        }
    })
}

/// Looks whenever there are news, until SIGTERM or SIGINT; SIGHUP says it
/// again at once.
///
/// # Errors
/// When it cannot begin: a sentence that tells the owner what to do.
pub fn daemon(options: Options) -> Result<(), String> {
    runtime()?.block_on(watch(options))
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| format!("the runtime cannot start: {error}"))
}

async fn watch(options: Options) -> Result<(), String> {
    let listening =
        |kind| signal(kind).map_err(|error| format!("no signals can be received: {error}"));
    let mut terminate = listening(SignalKind::terminate())?;
    let mut interrupt = listening(SignalKind::interrupt())?;
    let mut hang_up = listening(SignalKind::hangup())?;
    let mut news = News::listen().map_err(|error| format!("the kernel tells no news: {error}"))?;
    let interval = options.interval;
    let mut reporter = Reporter::new(options)?;
    let mut before = String::new();
    let mut ready = false;
    loop {
        let round = async {
            reporter.map_ports().await;
            reporter.round().await
        };
        let done = tokio::select! {
            done = round => done,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        // What is as it was is no news.
        let text = match &done.result {
            Ok(standing) => standing.to_string(),
            Err(text) => text.clone(),
        };
        if text != before {
            match &done.result {
                Ok(_) => tracing::info!("{text}"),
                Err(_) => tracing::warn!("{text}"),
            }
        }
        notify(&[NotifyState::Status(&text)]);
        if !ready {
            notify(&[NotifyState::Ready]);
            ready = true;
        }
        before = text;
        // Not all machines ask the same server in the same second.
        let interval = interval.mul_f64(0.9 + (chance() % 1000) as f64 / 5000.0);
        let pause = done.pause.min(interval).min(reporter.ports_due());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed(&mut news, &reporter.known) => {}
            _ = hang_up.recv() => reporter.options.force = true,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    reporter.close_ports().await;
    Ok(())
}

/// Waits until the kernel has other addresses than these, and talks of them no
/// more for a moment. A router that only says again what it said is no news.
async fn changed(news: &mut News, known: &Known) {
    loop {
        news.next().await;
        let flock = async { while tokio::time::timeout(QUIET, news.next()).await.is_ok() {} };
        let _ = tokio::time::timeout(FLOCK, flock).await;
        if Known::ask().is_ok_and(|now| !now.is_like(known)) {
            return;
        }
    }
}

fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("sd_notify: {error}");
    }
}

struct Reporter {
    options: Options,
    talk: Talk,
    memory: Memory,
    known: Known,
    ports: Vec<Port>,
    port_trouble: Vec<String>,
}

/// A port and when the router is asked for it again.
struct Port {
    mapping: Mapping,
    open: Option<Open>,
    due: Timestamp,
}

/// What came of a look.
struct Done {
    result: Result<Standing, String>,
    /// After how long there is something to do, whatever happens.
    pause: Duration,
}

impl Reporter {
    fn new(options: Options) -> Result<Reporter, String> {
        let memory = Memory::load(&options)
            .map_err(|error| format!("{}: {error}", options.memory.display()))?;
        // Said before anything is done, and not after every report.
        memory.save(&options.memory).map_err(|error| {
            format!(
                "{} cannot be written ({error}): what the server acknowledged is kept there; \
                 give another place with --state",
                options.memory.display()
            )
        })?;
        let ports = options.mappings.iter();
        let ports = ports.map(|mapping| Port { mapping: *mapping, open: None, due: Timestamp(0) });
        Ok(Reporter {
            talk: Talk::new(&options)?,
            ports: ports.collect(),
            port_trouble: Vec::new(),
            known: Known::default(),
            memory,
            options,
        })
    }

    /// Looks, and says what there is to say.
    async fn round(&mut self) -> Done {
        match Known::ask() {
            Ok(known) => self.known = known,
            Err(error) => tracing::warn!("the kernel tells no addresses: {error}"),
        }
        let found = find(&self.options, &self.talk, &self.known, &self.memory.said).await;
        for note in &found.notes {
            tracing::debug!("{note}");
        }
        let now = clock::wall();
        if std::mem::take(&mut self.options.force) {
            self.memory.acknowledged = None;
            self.memory.trouble = None;
        }
        let memory = self.memory.clone();
        let planned = plan(&mut self.memory, &found, now, self.options.refresh);
        let done = match planned {
            Plan::Nothing => Done { result: Err(nothing_found(&found)), pause: Duration::MAX },
            Plan::Content { until } => {
                Done { result: Ok(self.standing(false, &found)), pause: span(now, until) }
            }
            Plan::Wait { until } => {
                let why = self.memory.trouble.as_ref().map_or("", |trouble| &trouble.why);
                let result =
                    Err(format!("{why} (not tried again before {}; --force does)", moment(until)));
                Done { result, pause: span(now, until) }
            }
            Plan::Say(report) => {
                let verdict = self.talk.say(&report).await;
                let now = clock::wall();
                note(&mut self.memory, &report, &verdict, now, chance());
                let pause = self.memory.trouble.as_ref().map(|trouble| span(now, trouble.until));
                let result = match verdict {
                    Verdict::Accepted => Ok(self.standing(true, &found)),
                    Verdict::Partly { why } => Err(why),
                    Verdict::Later { why, .. } | Verdict::Refused { why } => Err(match pause {
                        Some(pause) => format!("{why} (tried again in {})", words(pause)),
                        None => why,
                    }),
                };
                Done { result, pause: pause.unwrap_or(Duration::MAX) }
            }
        };
        if self.memory != memory
            && let Err(error) = self.memory.save(&self.options.memory)
        {
            tracing::warn!("{}: {error}", self.options.memory.display());
        }
        done
    }

    /// What the server has; what is half found is said, and so is what is not.
    fn standing(&self, reported: bool, found: &Found) -> Standing {
        let Acknowledged { v4, v6, prefix } = self.memory.said;
        let (hosts, notes) = (self.options.hosts.clone(), found.notes.clone());
        Standing { hosts, reported, v4, v6, prefix, notes }
    }

    /// Asks the router for each port whose time is half over.
    async fn map_ports(&mut self) {
        let now = clock::wall();
        if self.ports.iter().all(|port| port.due > now) {
            return;
        }
        let router = Known::ask().ok().and_then(|known| known.router());
        let mut troubles = Vec::new();
        for port in &mut self.ports {
            if port.due > now {
                continue;
            }
            match Open::ask(port.mapping, router).await {
                Ok(open) => {
                    if port.open.is_none() {
                        tracing::info!("the router lets {} through", port.mapping);
                    }
                    port.due = Timestamp(now.0 + i64::from(open.renew_after()));
                    port.open = Some(open);
                }
                Err(why) => {
                    port.due = Timestamp(now.0 + 300);
                    port.open = None;
                    troubles.push(why);
                }
            }
        }
        if troubles != self.port_trouble {
            for trouble in &troubles {
                tracing::warn!("{trouble}");
            }
        }
        self.port_trouble = troubles;
    }

    fn ports_due(&self) -> Duration {
        let due = self.ports.iter().map(|port| port.due).min();
        due.map_or(Duration::MAX, |due| span(clock::wall(), due))
    }

    async fn close_ports(&mut self) {
        let goodbye = async {
            for port in &mut self.ports {
                if let Some(open) = port.open.take() {
                    open.close().await;
                }
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

fn nothing_found(found: &Found) -> String {
    match found.notes.is_empty() {
        true => "no address was found to report".into(),
        false => format!("no address was found to report: {}", found.notes.join("; ")),
    }
}

/// From now until then, a second at least.
fn span(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or_default().max(1))
}

fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.0).map_or_else(|_| "long".into(), |at| at.to_string())
}

fn words(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// Any number.
fn chance() -> u64 {
    getrandom::u64().unwrap_or_default()
}
