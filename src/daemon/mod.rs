//! The running server: starts its parts from the ground up, sleeps until a
//! signal, stops them in the opposite order.

mod banner;
mod log;
mod place;
mod ports;
mod secrecy;
mod watch;

use std::fmt;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use log::start as start_log;

use ports::Ports;
use watch::Watch;

use crate::config::Config;
use crate::dns::CookieFile;
use crate::model::Served;
use crate::registry::{AlsoReload, Command, CommandError, HostSettings, NewKey, Registry, Reply};
use crate::tls::Certificate;
use crate::update::Policies;
use crate::{clock, control, dns, http};

/// Why the server does not run: sentences that say what to do.
#[derive(Debug)]
pub struct DaemonError(String);

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DaemonError {}

fn failed(error: impl fmt::Display) -> DaemonError {
    DaemonError(error.to_string())
}

/// Runs the server until SIGTERM or SIGINT; SIGHUP reads the zones and the
/// certificate again.
///
/// # Errors
/// When it cannot start: a wrong zone file, a data directory in use, a port
/// in use. Nothing is left running then.
pub fn run(config: Config) -> Result<(), DaemonError> {
    let config = &config;
    log::start();
    raise_descriptors();
    config.look().map_err(failed)?;
    // Before there is a second thread, which would keep what is given up here.
    let ports = Ports::open(config)?;
    secrecy::keep(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format_args!("the runtime cannot start: {error}")))?;
    // From here on a SIGHUP is a reload: one that comes while the store is opened
    // is done once the server runs. (SIGTERM goes on to end it at once.)
    let hang_up = {
        let _within = runtime.enter();
        signal(SignalKind::hangup()).map_err(failed)?
    };
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    let certificate = config.http.tls.as_ref().map(|tls| Certificate::load(tls.files.clone()));
    let certificate = certificate.transpose().map_err(failed)?;
    let cookies = config.dns.cookie_secrets.as_deref().map(CookieFile::load);
    let cookies = cookies.transpose().map_err(failed)?.map(Arc::new);
    let mut settings = config.settings();
    settings.policies.set_machine(place::machine(config));
    let watch = Arc::new(Watch::new(config, certificate.clone()));
    watch.look();
    settings.also_reload =
        Some(also_reload(config, &settings.policies, certificate, cookies.clone(), watch.clone()));
    let mut before = Served(0);
    let registry = Registry::open(config.engine, &config.data, settings, |served| {
        before = served;
        clock::system(served)
    })
    .map_err(failed)?;
    let result = runtime.block_on(serve(
        config,
        ports,
        &registry,
        cookies.as_deref(),
        before,
        hang_up,
        watch,
    ));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    // The store last: everything acknowledged is in it, and the dump is written.
    registry.stop();
    result
}

/// Reads again what is not the registry's: where this machine is, the
/// certificate, the secrets of cookies.
fn also_reload(
    config: &Config,
    policies: &Arc<Policies>,
    certificate: Option<Arc<Certificate>>,
    cookies: Option<Arc<CookieFile>>,
    watch: Arc<Watch>,
) -> AlsoReload {
    let (config, policies) = (config.clone(), policies.clone());
    Arc::new(move || {
        policies.set_machine(place::machine(&config));
        if let Some(certificate) = &certificate {
            certificate.reload().map_err(|error| error.to_string())?;
        }
        if let Some(cookies) = &cookies {
            cookies.reload().map_err(|error| error.to_string())?;
        }
        watch.look();
        Ok(())
    })
}

/// Takes as many file descriptors as the system gives: the usual soft limit
/// of 1024 is less than the connections that DNS and HTTP may hold together.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("the limit of file descriptors stays as it is: {error}");
    }
}

/// Serves on the open ports, says so, and waits for the end.
async fn serve(
    config: &Config,
    ports: Ports,
    registry: &Registry,
    cookies: Option<&CookieFile>,
    before: Served,
    hang_up: Signal,
    watch: Arc<Watch>,
) -> Result<(), DaemonError> {
    let moments = clock::moments();
    let (snapshot, updates) = (registry.snapshot().clone(), Some(registry.clone()));
    let dns = dns::serve_on(ports.dns, &config.dns.options(cookies), snapshot, updates, &moments)
        .map_err(failed)?;
    let options = config.http.options(watch.certificate.as_ref());
    let http = http::serve_on(ports.http, &options, registry.clone(), &moments).map_err(failed)?;
    let counts: control::Counts = {
        let dns = dns.counters();
        Arc::new(move || dns.read())
    };
    let warnings: control::Warnings = Arc::new(move || watch.warnings());
    let control = control::serve(&config.data, registry.clone(), counts, warnings);
    let control = control.await.map_err(failed)?;
    let mut signals = Signals::new(hang_up).map_err(failed)?;

    let first = first_host(config, registry, before).await.map_err(failed)?;
    banner::print(config, registry, dns.addresses(), http.addresses(), first.as_ref());
    notify(&[sd_notify::NotifyState::Ready]);

    while let Asked::Reload = signals.next().await {
        notify(&[sd_notify::NotifyState::Reloading, monotonic_now()]);
        match registry.reload().await {
            Ok(report) => tracing::info!("reload: {report}"),
            Err(error) => tracing::error!("reload refused, the old zones go on:\n{error}"),
        }
        notify(&[sd_notify::NotifyState::Ready]);
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping");
    control.stop().await;
    http.stop().await;
    dns.stop().await;
    Ok(())
}

/// At the very first start on the embedded defaults: a host to try things
/// with, and its key.
async fn first_host(
    config: &Config,
    registry: &Registry,
    before: Served,
) -> Result<Option<NewKey>, CommandError> {
    let state = registry.state();
    let untouched = before == Served(0) && state.host_count() == 0 && state.account_count() == 0;
    let zone = state.zones().next().cloned();
    let (true, true, Some(zone)) = (config.first_host, untouched, zone) else { return Ok(None) };
    let Ok(name) = zone.child(b"home") else { return Ok(None) };
    let command = Command::HostAdd { name, settings: HostSettings::default(), key: true };
    match registry.command(command).await? {
        Reply::HostAdded { key, .. } => Ok(key),
        _ => Ok(None),
    }
}

/// What a signal asks for.
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new(hang_up: Signal) -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }
}

/// Tells systemd, when it started us; nobody else listens.
fn notify(states: &[sd_notify::NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("sd_notify: {error}");
    }
}

/// The moment of a reload, as systemd wants to know it.
fn monotonic_now() -> sd_notify::NotifyState<'static> {
    sd_notify::NotifyState::monotonic_usec_now().unwrap_or(sd_notify::NotifyState::Reloading)
}
