//! `truename report`

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::Failure;
use super::args::name;
use super::output::Output;
use crate::config::ReportFile;
use crate::daemon;
use crate::model::{Lease, Line, Name};
use crate::report::{self, Mapping, Options, PrefixFrom, Proof, Server, Source};

/// What the command takes. A file given with --config may hold the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The key file holds the host's token alone; or, for signed updates, what
`truename key secret NUMBER --for signed` prints on the server. Over plain HTTP
use the latter: a token would be sent in clear.

Where an address comes from: `auto` (an interface with a public address; for
IPv4 else what the server sees), `interface`, `interface:NAME`, `server`,
`router` (by NAT-PMP, PCP or UPnP), an address, or `none`. Of several IPv6
addresses of an interface a stable one is taken before a temporary one, and
never a deprecated one while there is another.

With --config, FILE holds these options by the same names, as TOML:
  server = \"https://ddns.dyn.example.org\"
  host = [\"home.dyn.example.org\"]
  key-file = \"/etc/truename/report.key\"")]
pub struct Report {
    /// The server, like https://ddns.dyn.example.org
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The host to report for; may be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// The file with the token, or with the number and the secret of a key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The user that goes with a token [default: the first host]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Where the IPv4 address comes from [default: auto]
    #[arg(long, value_name = "SOURCE")]
    v4: Option<String>,
    /// Where the IPv6 address comes from [default: auto]
    #[arg(long, value_name = "SOURCE")]
    v6: Option<String>,
    /// Report the prefix of this interface's network, for the hosts of a site;
    /// with the length that the provider gives, like lan0/56
    #[arg(long, value_name = "INTERFACE[/LENGTH]")]
    prefix_from: Option<String>,
    /// Which one of the host's several lines this is
    #[arg(long, value_name = "LABEL")]
    line: Option<String>,
    /// Ask the router to let this port through as well; 443:8443/tcp is 443
    /// outside and 8443 here. May be repeated
    #[arg(long, value_name = "PORT")]
    map: Vec<String>,
    /// Believe certificates of the authorities in this file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where it is kept what the server acknowledged [default: in
    /// $STATE_DIRECTORY, $XDG_STATE_HOME/truename or ~/.local/state/truename]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Tell the server this often though nothing changed [default: 7d]
    #[arg(long, value_name = "SPAN")]
    refresh: Option<String>,
    /// Look this often though the kernel has no news [default: 5m]
    #[arg(long, value_name = "SPAN")]
    interval: Option<String>,
    /// Look once, report if there is something to report, and end; status 0:
    /// the server has what is there now (with --json: what that is)
    #[arg(long)]
    once: bool,
    /// Report now, whatever was acknowledged or refused before
    #[arg(long)]
    force: bool,
}

impl Report {
    /// Does it; `file` is what `--config` gives.
    pub fn run(self, file: Option<&Path>, json: bool) -> Result<Output, Failure> {
        let once = self.once;
        if json && !once {
            return Err(
                "--json goes with --once: without it, what is reported stands in the log".into()
            );
        }
        let options = self.options(&file.map(ReportFile::load).transpose()?.unwrap_or_default())?;
        if once {
            let standing = report::once(options)?;
            return Output::of(&standing, json, || format!("{standing}\n"));
        }
        daemon::start_log();
        if !options.server.is_tls() && matches!(options.proof, Proof::Token { .. }) {
            tracing::warn!(
                "the token is sent in clear to {}: use https, or a key's secret for signing",
                options.server
            );
        }
        report::daemon(options)?;
        Ok(Output::nothing())
    }

    /// What the command line says, else the file, else what is usual.
    fn options(self, file: &ReportFile) -> Result<Options, Failure> {
        let said = |mine: Vec<String>, files: &[String]| {
            if mine.is_empty() { files.to_vec() } else { mine }
        };
        let hosts = said(self.host, &file.host);
        let hosts: Vec<Name> = hosts.iter().map(|host| name(host)).collect::<Result<_, _>>()?;
        let Some(first) = hosts.first() else {
            return Err("say for which host: --host home.dyn.example.org".into());
        };
        let server: Server = option("--server", self.server, &file.server)?
            .ok_or("say to which server: --server https://ddns.dyn.example.org")?;
        let key_file = self.key_file.or_else(|| file.key_file.clone()).ok_or(
            "say what proves that the host is yours: --key-file FILE (`truename report --help` \
             tells what is in it)",
        )?;
        let text = std::fs::read_to_string(&key_file)
            .map_err(|error| format!("{}: {error}", key_file.display()))?;
        let user = self.user.or_else(|| file.user.clone()).unwrap_or_else(|| first.without_dot());
        let proof =
            Proof::read(&text, user).map_err(|error| format!("{}: {error}", key_file.display()))?;
        let memory = self.state.or_else(|| file.state.clone());
        let memory = memory
            .or_else(|| usual_memory(first))
            .ok_or("say where it is kept what the server acknowledged: --state FILE")?;
        let mappings = said(self.map, &file.map);
        Ok(Options {
            server,
            proof,
            v4: option("--v4", self.v4, &file.v4)?.unwrap_or(Source::Auto),
            v6: option("--v6", self.v6, &file.v6)?.unwrap_or(Source::Auto),
            prefix: option::<PrefixFrom>("--prefix-from", self.prefix_from, &file.prefix_from)?,
            line: option::<Line>("--line", self.line, &file.line)?,
            authorities: self.ca.or_else(|| file.ca.clone()),
            memory,
            refresh: span("--refresh", self.refresh, &file.refresh)?.unwrap_or(report::REFRESH),
            interval: span("--interval", self.interval, &file.interval)?
                .unwrap_or(report::INTERVAL),
            mappings: mappings
                .iter()
                .map(|text| parsed::<Mapping>("--map", text))
                .collect::<Result<_, _>>()?,
            force: self.force,
            hosts,
        })
    }
}

fn option<T: FromStr<Err: std::fmt::Display>>(
    option: &str,
    mine: Option<String>,
    file: &Option<String>,
) -> Result<Option<T>, Failure> {
    mine.as_ref().or(file.as_ref()).map(|text| parsed(option, text)).transpose()
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(option: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| format!("{option} {text}: {error}").into())
}

/// A span as leases have it, a minute at least.
fn span(
    name: &str,
    mine: Option<String>,
    file: &Option<String>,
) -> Result<Option<Duration>, Failure> {
    match option::<Lease>(name, mine, file)? {
        None => Ok(None),
        Some(Lease::For(span)) => Ok(Some(span)),
        Some(Lease::Never) => Err(format!("{name} never: say how often, like 5m or 7d").into()),
    }
}

/// Where a service or a user keeps such things.
fn usual_memory(host: &Name) -> Option<PathBuf> {
    let variable =
        |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("STATE_DIRECTORY")
        .or_else(|| Some(variable("XDG_STATE_HOME")?.join("truename")))
        .or_else(|| Some(variable("HOME")?.join(".local/state/truename")))?;
    Some(directory.join(format!("report-{}.json", host.without_dot())))
}
