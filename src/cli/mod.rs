//! The commands. What an operator types becomes a [`Command`] for the running
//! server, or work that needs none; what comes back is written for people, or
//! as JSON.
//!
//! Exit status: 0 done, 1 refused or failed (a sentence on standard error
//! says what to do), 2 not a command line of ours.

mod account;
mod args;
mod backup;
mod check;
mod clients;
mod host;
mod import;
mod init;
mod key;
mod output;
mod record;
mod report;
mod secret;
mod show;
mod why;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::config::{Config, ConfigError, DEFAULT_FILE};
use crate::model::Name;
use crate::registry::{Command, Reply};
use crate::{clock, control, daemon};
use args::{Args, Verb};
use host::HostVerb;
use output::Output;

/// Why a command ends with status 1: a sentence that says what to do.
type Failure = Box<dyn std::error::Error>;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and the version are errors to clap, with status 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(args) {
        Ok(output) => output.print(),
        Err(failure) => {
            eprintln!("truename: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<Output, Failure> {
    let Args { global, verb } = args;
    let json = global.json;
    let command = match verb.unwrap_or(Verb::Serve) {
        Verb::Serve => {
            daemon::run(global.configuration()?)?;
            return Ok(Output::nothing());
        }
        Verb::Init(init) => return init::init(init, global.config, global.data, json),
        Verb::Check => return check::check(&global.configuration()?, json, clock::wall()),
        Verb::Export { file } => return backup::export(&global.configuration()?, &file, json),
        Verb::Import(what) => return import::import(&global.configuration()?, what, json),
        Verb::Migrate { from, to } => {
            let config = global.configuration()?;
            return backup::migrate(&config, from.unwrap_or(config.engine), to, json);
        }
        Verb::Why(why) => return why::why(&global.data()?, why, json, clock::wall()),
        Verb::Report(report) => return report.run(global.config.as_deref(), json),
        Verb::Completions { shell } => return Ok(Output::text(completions(shell))),
        Verb::Host(HostVerb::Show { host, client }) if client.settings.is_some() => {
            return settings(&global, host, client);
        }
        Verb::Host(verb) => verb.command()?,
        Verb::Account(verb) => verb.command()?,
        Verb::Key(verb) => verb.command(),
        Verb::Record(verb) => verb.command()?,
        Verb::History { host } => Command::History { host },
        Verb::Status => Command::Status,
        Verb::Reload => Command::Reload,
    };
    let reply = control::ask(&global.data()?, &command)?;
    Output::of(&reply, json, || show::reply(&reply, clock::wall(), &global.called()))
}

/// What completes the commands in a shell.
fn completions(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "truename", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The settings of a host's client.
fn settings(
    global: &args::Global,
    host: Name,
    client: clients::SettingsOf,
) -> Result<Output, Failure> {
    let wanted = client.settings.unwrap_or_default();
    if wanted.is_empty() {
        return Ok(Output::text(clients::list()));
    }
    let template = clients::find(&wanted)?;
    let config = global.configuration()?;
    let Reply::Host(view) = control::ask(&config.data, &Command::HostShow { name: host })? else {
        return Err("the server did not say what it knows of the host; restart it".into());
    };
    let password = client.password_stdin.then(clients::password_from_stdin).transpose()?;
    let secret = match (view.keys.first(), clients::signs(template)) {
        (Some(key), Some(purpose)) => {
            let command = Command::KeySecret { id: key.clone(), purpose };
            match control::ask(&config.data, &command)? {
                Reply::Secret { secret, .. } => Some(secret),
                _ => None,
            }
        }
        _ => None,
    };
    let public = config.public();
    let dns = view.zone.as_ref().and_then(|zone| name_server(&config, zone));
    let (password, secret) = (password.as_deref(), secret.as_deref());
    let (text, remarks) =
        clients::settings(template, &view, public.as_ref(), dns, password, secret);
    Ok(Output { text, remarks, done: true })
}

/// Where a zone's name server is, as the zone file says it.
fn name_server(config: &Config, zone: &Name) -> Option<std::net::IpAddr> {
    let zones = config.load_zones().ok()?;
    let servers = zones.iter().find(|served| served.origin() == zone)?.name_servers();
    servers.into_iter().flat_map(|(_, addresses)| addresses).next()
}

/// The usual configuration; the embedded defaults only where there is none. One
/// that this user cannot reach is not none: what it says of the data directory
/// would be passed over.
fn usual() -> Result<Config, Failure> {
    let file = Path::new(DEFAULT_FILE);
    match file.try_exists() {
        Ok(true) => Ok(Config::load(file)?),
        Ok(false) => Ok(Config::embedded()),
        Err(error) => Err(ConfigError::Unreadable { file: file.to_owned(), error }.into()),
    }
}

impl args::Global {
    /// What the operator says: the file given, else the usual one, else the
    /// embedded defaults; `--data` counts more than any.
    fn configuration(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(file) => Config::load(file)?,
            None => usual()?,
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// The program with the options that say which server is meant.
    fn called(&self) -> String {
        let options = [("--config", &self.config), ("--data", &self.data)];
        let given = options.iter().filter_map(|(option, path)| {
            path.as_ref().map(|path| format!(" {option} {}", path.display()))
        });
        std::iter::once("truename".to_owned()).chain(given).collect()
    }

    /// The data directory. `--data` alone needs no configuration.
    fn data(&self) -> Result<std::path::PathBuf, Failure> {
        match (&self.data, &self.config) {
            (Some(data), None) => Ok(data.clone()),
            _ => Ok(self.configuration()?.data),
        }
    }
}
