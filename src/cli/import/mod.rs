//! `truename import …`: a dump into a new store, or another program's hosts
//! into the running server.

mod plan;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::name;
use super::output::{Output, facts, table};
use super::{Failure, backup};
use crate::clock;
use crate::config::Config;
use crate::control;
use crate::import::{self, File, Source};
use crate::model::{AccountName, Lease, Name, Timestamp};
use crate::registry::{Command, ImportHost, Imported, Reply, Step};
use plan::{Options, Planned};

/// The largest file that is read, in octets: a million hosts with long names.
const MAX_FILE: u64 = 256 << 20;

/// Hosts that the server is asked to take at once.
const GROUP: usize = 128;

/// Octets of a request that a group may take: well below what the server
/// reads as one.
const GROUP_OCTETS: usize = 128 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --from, FILE is a dump that `truename export` wrote: it fills a new
store, and the server must not run.

With --from, hosts of another program are added to the running server, with
the secrets they had there: their devices need nothing but a new server name.
Doing it again changes nothing. PROGRAM and FILE are

  ddclient.conf  ddclient's configuration
  inadyn.conf    inadyn's configuration, version 2
  duckdns        a script, a crontab, URLs or settings that update DuckDNS
  docker-ddns    dyndns.json or the envfile, and the zone file
  token.list     lines of <token>:<name>
  zonefile       a zone's master file: addresses come over, keys are new
  nsupdate.info  `manage.py dumpdata main`: secrets come over as the hashes
                 that it has of them
  acme-dns       `sqlite3 acme-dns.db .dump`, and config.cfg: so do they")]
pub struct Import {
    /// The file; with docker-ddns and acme-dns also the second one
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The program whose file it is
    #[arg(long, value_name = "PROGRAM")]
    from: Option<Source>,
    /// Put the hosts below this zone: the part of their names that is another
    /// provider's goes, or the last two labels
    #[arg(long, value_name = "ZONE", value_parser = name, requires = "from")]
    zone: Option<Name>,
    /// The part of their names that --zone is to stand in the place of
    #[arg(long, value_name = "SUFFIX", value_parser = name, requires = "zone")]
    instead_of: Option<Name>,
    /// The account that is to own all of them
    #[arg(long, value_name = "ACCOUNT", requires = "from")]
    owner: Option<AccountName>,
    /// Take secrets that can be guessed, too
    #[arg(long, requires = "from")]
    weak: bool,
    /// Make no new keys for hosts whose secrets cannot be taken over
    #[arg(long, requires = "from")]
    no_keys: bool,
    /// Show what would happen, and change nothing
    #[arg(long, requires = "from")]
    dry_run: bool,
}

/// Imports.
pub fn import(config: &Config, what: Import, json: bool) -> Result<Output, Failure> {
    let Some(source) = what.from else {
        let [file] = &what.files[..] else {
            return Err(
                "a dump is one file; for files of another program say --from PROGRAM".into()
            );
        };
        return backup::import(config, file, json)
            .map_err(|failure| hinted(file, &failure.to_string()).into());
    };
    let files: Vec<File> = what.files.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let found = import::read(source, &files)?;
    let options = Options {
        source,
        zone: what.zone,
        instead_of: what.instead_of,
        owner: what.owner,
        new_keys: !what.no_keys,
        served: served(&config.data)?,
        accounts: accounts(&config.data)?,
    };
    let mut remarks = found.remarks;
    let planned = plan::plan(found.hosts, &options);
    let lapsing = match source {
        Source::Zonefile => planned.iter().filter(|host| host.has_addresses()).count(),
        // Somebody reports these.
        _ => 0,
    };
    remarks.extend(will_lapse(lapsing, config.hosts.lease));
    let request = Request { data: &config.data, dry_run: what.dry_run, weak: what.weak };
    let lines = request.send(planned)?;
    report(&lines, remarks, what.dry_run, json)
}

/// What comes of names that nobody reports, as those of a master file.
fn will_lapse(hosts: usize, lease: Lease) -> Option<String> {
    let (Lease::For(_), 1..) = (lease, hosts) else { return None };
    let (are, they) =
        if hosts == 1 { ("1 host is", "it leaves") } else { ("hosts are", "they leave") };
    let many = if hosts == 1 { String::new() } else { format!("{hosts} ") };
    Some(format!(
        "{many}{are} at an address from the file; {they} the DNS in {lease} unless somebody reports \
         until then. For a name that never moves say `truename host set HOST --lease never`, or \
         leave it in the zone file instead"
    ))
}

/// What went wrong with a dump; and where the file is none, what may have been
/// meant.
fn hinted(file: &Path, failure: &str) -> String {
    let begins = std::fs::File::open(file).and_then(|file| {
        let mut start = Vec::new();
        file.take(10).read_to_end(&mut start)?;
        Ok(start)
    });
    match begins {
        Ok(start) if start != b"# truename" => {
            format!("{failure}; if it is another program's file, say which: --from PROGRAM")
        }
        _ => failure.to_owned(),
    }
}

fn read(path: &Path) -> Result<File, Failure> {
    let trouble = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(trouble)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(trouble)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("{} is larger than {} MiB", path.display(), MAX_FILE >> 20).into());
    }
    Ok(File { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned() })
}

fn served(data: &Path) -> Result<Vec<Name>, Failure> {
    match control::ask(data, &Command::Status)? {
        Reply::Status(status) => Ok(status.zones.into_iter().map(|zone| zone.zone).collect()),
        _ => Err("the server did not say which zones it serves; restart it".into()),
    }
}

fn accounts(data: &Path) -> Result<BTreeSet<AccountName>, Failure> {
    match control::ask(data, &Command::AccountList)? {
        Reply::Accounts(views) => Ok(views.into_iter().map(|view| view.name).collect()),
        _ => Err("the server did not say which accounts there are; restart it".into()),
    }
}

/// What became of one host of a file.
#[derive(Debug, Serialize)]
struct Line {
    /// Its name there.
    from: String,
    /// Where it stands.
    place: String,
    /// Whose it is here, when it is an account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    /// What was done; none: it was not even tried.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    done: Option<Imported>,
    /// Why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// How the server is asked.
struct Request<'a> {
    data: &'a Path,
    dry_run: bool,
    weak: bool,
}

impl Request<'_> {
    /// Sends the plan in groups, and says what became of each host.
    fn send(&self, planned: Vec<Planned>) -> Result<Vec<Line>, Failure> {
        let all = planned.len();
        let began = clock::wall();
        let mut lines: Vec<Line> = Vec::with_capacity(all);
        let mut group: Vec<ImportHost> = Vec::new();
        let mut places: Vec<usize> = Vec::new();
        let mut octets = 0;
        let mut shown = false;
        for Planned { from, place, host } in planned {
            let mut line = Line { from, place, owner: None, done: None, refused: None };
            match host {
                Err(why) => line.refused = Some(why),
                Ok(host) => {
                    line.owner.clone_from(&host.owner);
                    octets += serde_json::to_vec(&host)?.len();
                    group.push(host);
                    places.push(lines.len());
                }
            }
            lines.push(line);
            if group.len() >= GROUP || octets >= GROUP_OCTETS {
                self.group(&mut group, &mut places, &mut lines)?;
                octets = 0;
                shown |= progress(began, lines.len(), all);
            }
        }
        self.group(&mut group, &mut places, &mut lines)?;
        if shown {
            eprint!("\r\x1b[K");
        }
        Ok(lines)
    }

    fn group(
        &self,
        group: &mut Vec<ImportHost>,
        places: &mut Vec<usize>,
        lines: &mut [Line],
    ) -> Result<(), Failure> {
        if group.is_empty() {
            return Ok(());
        }
        let hosts = std::mem::take(group);
        let command = Command::Import { hosts, dry_run: self.dry_run, weak: self.weak };
        let Reply::Imported(done) = control::ask(self.data, &command)? else {
            return Err("the server did not say what it imported; restart it".into());
        };
        for (place, done) in places.drain(..).zip(done) {
            lines[place].done = Some(done);
        }
        Ok(())
    }
}

/// Says how far it is, when it takes long and somebody looks.
fn progress(began: Timestamp, done: usize, all: usize) -> bool {
    let show = clock::wall().0 > began.0 && std::io::stderr().is_terminal();
    if show {
        eprint!("\r{done} of {all} hosts");
        let _ = std::io::stderr().flush();
    }
    show
}

fn report(
    lines: &[Line],
    remarks: Vec<String>,
    dry_run: bool,
    json: bool,
) -> Result<Output, Failure> {
    let refused = lines.iter().filter(|line| line.is_refused()).count();
    let mut output = Output::of(&lines, json, || words(lines, dry_run))?;
    output.remarks = remarks;
    output.done = refused == 0;
    Ok(output)
}

impl Line {
    fn is_refused(&self) -> bool {
        self.done.as_ref().is_none_or(|done| done.host == Step::Refused)
    }

    fn cells(&self) -> [String; 5] {
        let none = || "-".to_owned();
        let (name, host, key) = match &self.done {
            Some(done) => {
                (done.name.without_dot(), word(done.host), done.key.map_or(none(), key_word))
            }
            None => (self.from.clone(), word(Step::Refused), none()),
        };
        let mut remarks: Vec<String> = Vec::new();
        remarks.extend(self.owner.as_ref().map(|owner| format!("owner {owner}")));
        if name != self.from.trim_end_matches('.').to_ascii_lowercase() {
            remarks.push(format!("was {}", self.from));
        }
        remarks.extend(self.refused.clone());
        remarks.extend(self.done.as_ref().and_then(|done| done.remark.clone()));
        [name, self.place.clone(), host, key, remarks.join("; ")]
    }
}

fn word(step: Step) -> String {
    match step {
        Step::Added => "new",
        Step::Changed => "changed",
        Step::Exists => "exists",
        Step::Refused => "REFUSED",
    }
    .to_owned()
}

/// The same of a key: one that is good for one host more is extended.
fn key_word(step: Step) -> String {
    match step {
        Step::Changed => "extended".to_owned(),
        step => word(step),
    }
}

fn words(lines: &[Line], dry_run: bool) -> String {
    let rows: Vec<_> = lines.iter().map(Line::cells).collect();
    let mut text = table(["HOST", "PLACE", "HOST", "KEY", "REMARK"], &rows);
    let count = |step| {
        lines.iter().filter(|line| line.done.as_ref().is_some_and(|done| done.host == step)).count()
    };
    let refused = lines.iter().filter(|line| line.is_refused()).count();
    let counted = [
        (count(Step::Added), "new"),
        (count(Step::Changed), "changed"),
        (count(Step::Exists), "there already"),
        (refused, "refused"),
    ];
    let counted: Vec<String> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    text += &format!(
        "\n{}: {}.{}\n",
        if lines.len() == 1 { "1 host".to_owned() } else { format!("{} hosts", lines.len()) },
        if counted.is_empty() { "nothing to do".to_owned() } else { counted.join(", ") },
        if dry_run { " Nothing was changed: this is what would happen." } else { "" },
    );
    let tokens: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.done.as_ref())
        .filter_map(|done| Some((done.name.without_dot(), done.token.clone()?)))
        .collect();
    if !tokens.is_empty() && !dry_run {
        text += "\nNew keys, user and password. They are shown this once; the server keeps no copy \
                 of them.\n\n";
        let tokens: Vec<(&str, String)> =
            tokens.iter().map(|(name, token)| (name.as_str(), token.clone())).collect();
        text += &facts(&tokens);
    }
    text
}
