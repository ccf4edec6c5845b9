//! Whole stories: `tests/scenarios/*.scenario`. A line with `>` happens, the
//! lines below it are what is seen, `#` is prose. The clock belongs to the
//! script. `UPDATE=1` writes down what was seen: read the diff.
//!
//! | line | what happens |
//! |---|---|
//! | `> zone` + indented lines | another zone file (the first: in place of the default) |
//! | `> zone away`, `> zone back` | the last zone file is taken away; put back |
//! | `> static TEXT` | a line more in the first zone file |
//! | `> reload` | the zone files are read again |
//! | `> account NAME [PASSWORD]` | a new account |
//! | `> host NAME [of A] [for LEASE] [ttl N] [wildcard]` | a new host with a key |
//! | `> set NAME [of A] [for LEASE] [ttl N] [wildcard on/off] [block/unblock] [at IP…] [offline] [site HOST/none] [interface ID] [subnet N] [prefix NET]` | settings |
//! | `> record add NAME TYPE DATA [for SPAN]`, `> record remove NAME [TYPE [DATA]]` | the operator's records |
//! | `> records NAME` | what a host has beside its addresses |
//! | `> report NAME [line L] [prefix NET] [at IP…] [offline]` | an update by the host, past HTTP |
//! | `> edit NAME [only-if NAME TYPE] [add/remove NAME TYPE DATA] [may WHAT]` | changes of records by the host's key |
//! | `> remove NAME` | the host is removed |
//! | `> key NAME [of A] [from NET…] [only HOST…]` | a key; NAME is what the script calls it |
//! | `> rotate NAME NEW [for SPAN]` | a key's successor, called NEW; the key itself is good for SPAN more |
//! | `> keys` | how many keys there are, and in how many seconds those end that do |
//! | `> get/post/head PATH [as U] [with KEY] [from IP]` | an update; U alone logs in with U's own key |
//! | `> dig NAME TYPE` | a question |
//! | `> wait SPAN`, `> down SPAN` | time passes, with the server up or down |
//! | `> restart`, `> crash` | stopped and started; the disk as it is now, and started |
//! | `> lose store` | the store is gone, and its dump is not |
//! | `> move house` | exported, and imported into a new data directory |
//! | `> step SPAN`, `> step -SPAN` | the system's clock is put forward, back |
//! | `> disk full`, `> disk free` | the store takes nothing more; it does again |
//! | `> history NAME`, `> hosts` | what operators see |

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use truename::model::{Addresses, Cause, Grant, Holder, KeyId, Lease, May, Name, Protocol};
use truename::registry::{Command, HostSettings, Reply, SiteSetting};
use truename::store::Engine;
use truename::update::{Edit, Edits, Hosts, RecordChange, Report, Requirement, Said, Update};
use truename::zone::{data_from_text, data_to_text};

use crate::dig::{dig, serial};
use crate::world::World;

const ZONE: &str = "\
$ORIGIN dyn.example.
@   3600 SOA ns1 hostmaster 1 3600 600 86400 60
@   3600 NS  ns1
ns1 3600 A   192.0.2.53
";

/// One story being played.
struct Play {
    world: World,
    tokens: HashMap<String, String>,
    keys: HashMap<String, KeyId>,
    default_zone: bool,
    /// The zone file that was taken away.
    away: Option<(PathBuf, String)>,
}

#[test]
fn scenarios() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let update = std::env::var_os("UPDATE").is_some();
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "scenario"))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "the scenarios are gone");
    let mut failed = Vec::new();
    for file in files {
        let script = std::fs::read_to_string(&file).unwrap();
        for engine in [Engine::Sled, Engine::Redb] {
            let seen = play(&script, engine);
            if seen == script {
                continue;
            }
            if update && engine == Engine::Sled {
                std::fs::write(&file, seen).unwrap();
            } else if !update {
                failed.push(format!("{} ({engine:?}) saw:\n{seen}", file.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// The script with what was seen in place of what stood there.
fn play(script: &str, engine: Engine) -> String {
    let mut play = Play {
        world: World::new(engine, ZONE),
        tokens: HashMap::new(),
        keys: HashMap::new(),
        default_zone: true,
        away: None,
    };
    let mut seen = String::new();
    let mut lines = script.lines().peekable();
    let mut started = false;
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            writeln!(seen, "{line}").unwrap();
            continue;
        }
        // What was seen last time is left out: it is seen again below.
        let Some(action) = line.strip_prefix("> ") else { continue };
        writeln!(seen, "{line}").unwrap();
        let mut input = String::new();
        if action == "zone" {
            while let Some(text) = lines.next_if(|line| line.starts_with("  ")) {
                writeln!(seen, "{text}").unwrap();
                writeln!(input, "{}", &text[2..]).unwrap();
            }
            play.zone(input);
            continue;
        }
        if !started {
            started = true;
            if let Err(error) = play.world.start() {
                writeln!(seen, "refused: {error}").unwrap();
                return seen;
            }
        }
        let output = play.act(action);
        if !output.is_empty() {
            writeln!(seen, "{}", output.trim_end()).unwrap();
        }
    }
    seen
}

fn add(name: &str, kind: &str, data: &str, keep: Option<u64>) -> Edit {
    let rtype = kind.parse().unwrap();
    let rdata = data_from_text(rtype, data).unwrap();
    let keep = keep.map(Duration::from_secs);
    let change = RecordChange::Add { rtype, ttl: None, rdata, keep, newest: None };
    Edit { name: name.parse().unwrap(), change }
}

fn remove(kind: &str, data: &str) -> RecordChange {
    let rtype = kind.parse().unwrap();
    RecordChange::Remove { rtype, rdata: data_from_text(rtype, data).unwrap() }
}

/// What a host's own key may.
fn grant(host: Name, may: May) -> Grant {
    Grant { holder: Holder::Host(host), hosts: Vec::new(), key: None, may }
}

impl Play {
    fn zone(&mut self, text: String) {
        let mut zones = self.world.zones.lock().unwrap();
        if std::mem::take(&mut self.default_zone) {
            zones.clear();
        }
        let file = format!("zone{}", zones.len() + 1).into();
        zones.push((file, text));
    }

    fn act(&mut self, action: &str) -> String {
        let words: Vec<&str> = action.split_whitespace().collect();
        let result = match (words[0], &words[1..]) {
            ("static", _) => {
                let line = &action["static ".len()..];
                self.world.zones.lock().unwrap()[0].1.push_str(&format!("{line}\n"));
                Ok(String::new())
            }
            ("reload", []) => self.world.reload().map_err(|error| error.to_string()),
            ("account", [name, password @ ..]) => {
                let password = password.first().map(|word| (*word).to_owned());
                self.command(Command::AccountAdd { name: name.parse().unwrap(), password })
            }
            ("host", [name, settings @ ..]) => self.host(name, settings),
            ("set", [name, settings @ ..]) => self.command(Command::HostSet {
                name: name.parse().unwrap(),
                settings: self.settings(settings),
            }),
            ("record", ["add", name, kind, data @ ..]) => {
                let (data, keep) = match data {
                    [data @ .., "for", span] => (data, Some(seconds(span))),
                    data => (data, None),
                };
                self.edit(vec![add(name, kind, &data.join(" "), keep)])
            }
            ("record", ["remove", name, what @ ..]) => {
                let change = match what {
                    [] => RecordChange::RemoveName,
                    [kind] => RecordChange::RemoveSet { rtype: kind.parse().unwrap() },
                    [kind, data @ ..] => remove(kind, &data.join(" ")),
                };
                self.edit(vec![Edit { name: name.parse().unwrap(), change }])
            }
            ("records", [name]) => self.records(name),
            ("report", [name, what @ ..]) => Ok(self.report(name, what)),
            ("edit", [host, what @ ..]) => Ok(self.edit_as(host, what)),
            ("remove", [name]) => self.command(Command::HostRemove { name: name.parse().unwrap() }),
            ("key", [name, limits @ ..]) => self.key(name, limits),
            ("rotate", [name, new]) => self.rotate(name, new, 0),
            ("rotate", [name, new, "for", span]) => self.rotate(name, new, seconds(span)),
            ("keys", []) => self.list_keys(),
            ("get" | "post" | "head", [path, how @ ..]) => Ok(self.http(words[0], path, how)),
            ("dig", [name, kind]) => Ok(self.dig(name, kind)),
            ("wait", [span]) => {
                self.world.wait(seconds(span));
                Ok(String::new())
            }
            ("down", [span]) => {
                self.world.stop();
                self.world.wait(seconds(span));
                self.world.start().map(|()| String::new())
            }
            ("restart", []) => {
                self.world.stop();
                self.world.start().map(|()| String::new())
            }
            ("zone", ["away"]) => {
                self.away = self.world.zones.lock().unwrap().pop();
                Ok(String::new())
            }
            ("zone", ["back"]) => {
                self.world.zones.lock().unwrap().extend(self.away.take());
                Ok(String::new())
            }
            ("lose", ["store"]) => self.world.lose_store().map(|()| String::new()),
            ("move", ["house"]) => self.world.move_house().map(|()| String::new()),
            ("crash", []) => self.world.crash().map(|()| String::new()),
            ("step", [span]) => {
                let (sign, span) = span.strip_prefix('-').map_or((1, *span), |span| (-1, span));
                let step = sign * seconds(span) as i64;
                self.world.step.fetch_add(step, std::sync::atomic::Ordering::Relaxed);
                Ok(String::new())
            }
            ("disk", [state]) => {
                self.world.full.store(*state == "full", std::sync::atomic::Ordering::Relaxed);
                Ok(String::new())
            }
            ("history", [name]) => self.history(name),
            ("hosts", []) => self.hosts(),
            _ => panic!("no such verb: {action}"),
        };
        result.unwrap_or_else(|error| format!("refused: {error}"))
    }

    fn command(&self, command: Command) -> Result<String, String> {
        match self.world.command(command) {
            Ok(Reply::Done(sentence)) => Ok(sentence),
            Ok(_) => Ok(String::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn edit(&self, edits: Vec<Edit>) -> Result<String, String> {
        let done = self.command(Command::Edit { edits })?;
        Ok(if done == "done" { String::new() } else { done })
    }

    fn records(&self, name: &str) -> Result<String, String> {
        let reply = self.world.command(Command::Records { host: name.parse().unwrap() });
        let Reply::Records { records, end_in } = reply.map_err(|error| error.to_string())? else {
            panic!("records are answered with records")
        };
        let mut text = String::new();
        for (record, end_in) in records.into_iter().zip(end_in) {
            let data = data_to_text(record.rtype, &record.rdata);
            write!(text, "{} {} {} {data}", record.name.without_dot(), record.ttl, record.rtype)
                .unwrap();
            if let Some(seconds) = end_in {
                write!(text, " for {seconds}s").unwrap();
            }
            if let Some(line) = record.line {
                write!(text, " line {line}").unwrap();
            }
            writeln!(text).unwrap();
        }
        Ok(text)
    }

    fn report(&self, name: &str, what: &[&str]) -> String {
        let name: Name = name.parse().unwrap();
        let (mut v4, mut v6, mut prefix) = (Said::Nothing, Said::Nothing, Said::Nothing);
        let (mut line, mut offline) = (None, false);
        let mut words = what.iter();
        while let Some(word) = words.next() {
            let mut value = || *words.next().expect("a value follows");
            match *word {
                "line" => line = Some(value().parse().unwrap()),
                "prefix" => {
                    prefix = match value() {
                        "-" => Said::Gone,
                        net => Said::Is(net.parse().unwrap()),
                    }
                }
                "offline" => offline = true,
                "at" => match value().parse().unwrap() {
                    IpAddr::V4(address) => v4 = Said::Is(address),
                    IpAddr::V6(address) => v6 = Said::Is(address),
                },
                other => panic!("no such report: {other}"),
            }
        }
        let report = if offline { Report::Offline } else { Report::Addresses { v4, v6, prefix } };
        let update = Update {
            hosts: Hosts::Listed(vec![Some(name.clone())]),
            report,
            line,
            protocol: Protocol::Dyndns2,
            source: "203.0.113.9".parse().unwrap(),
        };
        let outcomes = self.world.update(grant(name, May::default()), &update);
        outcomes.iter().map(|outcome| format!("{outcome:?}\n").to_lowercase()).collect()
    }

    fn edit_as(&self, host: &str, what: &[&str]) -> String {
        let mut may = May::default();
        let (mut requires, mut edits) = (Vec::new(), Vec::new());
        let mut words = what.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("a value follows");
            match word {
                "may" => may = value().parse().unwrap(),
                "only-if" => requires.push(Requirement::SetExists {
                    name: value().parse().unwrap(),
                    rtype: value().parse().unwrap(),
                }),
                "add" => edits.push(add(value(), value(), value(), None)),
                "remove" => edits.push(Edit {
                    name: value().parse().unwrap(),
                    change: remove(value(), value()),
                }),
                other => panic!("no such edit: {other}"),
            }
        }
        let source = "203.0.113.9".parse().unwrap();
        let edits = Edits { requires, edits, protocol: Protocol::DnsUpdate, source };
        format!("{:?}", self.world.edit(grant(host.parse().unwrap(), may), edits)).to_lowercase()
    }

    fn host(&mut self, name: &str, settings: &[&str]) -> Result<String, String> {
        let settings = self.settings(settings);
        let command = Command::HostAdd { name: name.parse().unwrap(), settings, key: true };
        match self.world.command(command) {
            Ok(Reply::HostAdded { key: Some(key), .. }) => {
                self.tokens.insert(name.trim_end_matches('.').to_owned(), key.token);
                Ok(String::new())
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn key(&mut self, called: &str, limits: &[&str]) -> Result<String, String> {
        let mut holder = None;
        let (mut hosts, mut networks) = (Vec::new(), Vec::new());
        for pair in limits.chunks(2) {
            match *pair {
                ["of", name] if name.contains('.') => {
                    holder = Some(Holder::Host(name.parse().unwrap()));
                }
                ["of", name] => holder = Some(Holder::Account(name.parse().unwrap())),
                ["from", net] => networks.push(net.parse().unwrap()),
                ["only", host] => hosts.push(host.parse().unwrap()),
                _ => panic!("key: {limits:?}"),
            }
        }
        let holder = holder.expect("a key is somebody's");
        let command = Command::KeyAdd {
            holder,
            hosts,
            networks,
            label: String::new(),
            may: May::default(),
            ends: None,
        };
        match self.world.command(command) {
            Ok(Reply::KeyAdded(key)) => {
                self.keys.insert(called.to_owned(), key.key.id);
                self.tokens.insert(called.to_owned(), key.token);
                Ok(String::new())
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn rotate(&mut self, called: &str, new: &str, overlap: u64) -> Result<String, String> {
        let (id, overlap) = (self.keys[called].clone(), Duration::from_secs(overlap));
        match self.world.command(Command::KeyRotate { id, overlap }) {
            Ok(Reply::KeyRotated { new: key, .. }) => {
                self.keys.insert(new.to_owned(), key.key.id);
                self.tokens.insert(new.to_owned(), key.token);
                Ok(String::new())
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string().replace(&self.keys[called].0, called)),
        }
    }

    fn list_keys(&self) -> Result<String, String> {
        let Ok(Reply::Keys(keys)) = self.world.command(Command::KeyList { holder: None }) else {
            panic!("keys are answered with keys")
        };
        let mut ends: Vec<u64> = keys.iter().filter_map(|key| key.ends_in).collect();
        ends.sort_unstable();
        Ok(format!("{} keys, ending in {ends:?}", keys.len()))
    }

    fn settings(&self, words: &[&str]) -> HostSettings {
        let mut settings = HostSettings::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || *words.next().expect("a value follows");
            match *word {
                "of" => settings.owner = Some(Some(value().parse().unwrap())),
                "for" => settings.lease = Some(Some(value().parse::<Lease>().unwrap())),
                "ttl" => settings.ttl = Some(Some(value().parse().unwrap())),
                "wildcard" => settings.wildcard = Some(value() == "on"),
                "block" => settings.blocked = Some(true),
                "site" => match value() {
                    "none" => settings.site = Some(None),
                    router => {
                        let router = router.parse().unwrap();
                        settings.site =
                            Some(Some(SiteSetting { router, interface: None, subnet: None }));
                    }
                },
                "interface" => {
                    let site = settings.site.as_mut().and_then(Option::as_mut);
                    site.expect("site comes first").interface = Some(value().parse().unwrap());
                }
                "subnet" => {
                    let site = settings.site.as_mut().and_then(Option::as_mut);
                    let subnet = u64::from_str_radix(value(), 16).unwrap();
                    site.expect("site comes first").subnet = Some(subnet);
                }
                "prefix" => settings.prefix = Some(value().parse().unwrap()),
                "unblock" => settings.blocked = Some(false),
                "offline" => settings.addresses = Some(Addresses::NONE),
                "at" => {
                    let more: Addresses = value().parse::<IpAddr>().unwrap().into();
                    let known = settings.addresses.get_or_insert_default();
                    known.v4 = more.v4.or(known.v4);
                    known.v6 = more.v6.or(known.v6);
                }
                other => panic!("no such setting: {other}"),
            }
        }
        settings
    }

    fn http(&self, method: &str, path: &str, how: &[&str]) -> String {
        let mut user = None;
        let mut key = None;
        let mut from = "203.0.113.9".parse().unwrap();
        for pair in how.chunks(2) {
            match *pair {
                ["as", name] => user = Some(name),
                ["with", name] => key = Some(name),
                ["from", address] => from = address.parse().unwrap(),
                _ => panic!("get: {how:?}"),
            }
        }
        let login = user.map(|user| {
            let key = key.unwrap_or(user.trim_end_matches('.'));
            (user, self.tokens.get(key).map_or(key, String::as_str))
        });
        let mut path = path.to_owned();
        for (name, token) in &self.tokens {
            path = path.replace(&format!("{{{name}}}"), token);
        }
        let (status, body) = self.world.http(&method.to_uppercase(), &path, login, from);
        match status {
            200 => body,
            status => format!("{status} {body}"),
        }
    }

    fn dig(&self, name: &str, kind: &str) -> String {
        let snapshot = self.world.registry().snapshot().load_full();
        let state = self.world.registry().state();
        let fqdn: Name = name.parse().unwrap();
        let zone = state.zones().filter(|zone| fqdn.is_within(zone)).last();
        let answer = dig(&snapshot, name, kind.parse().unwrap());
        match zone {
            Some(zone) => format!("{answer} (serial {})", serial(&snapshot, &zone.to_string())),
            None => answer,
        }
    }

    fn history(&self, name: &str) -> Result<String, String> {
        let host = name.parse().unwrap();
        let Reply::History(changes) =
            self.world.command(Command::History { host }).map_err(|error| error.to_string())?
        else {
            panic!("history is answered with history")
        };
        let mut text = String::new();
        for change in changes {
            let cause = match change.cause {
                Cause::Report { protocol, source: Some(source) } => format!("{protocol} {source}"),
                Cause::Report { protocol, source: None } => protocol.to_string(),
                other => format!("{other:?}").to_lowercase(),
            };
            let at = jiff::Timestamp::from_second(change.at.0).unwrap();
            let (serial, before, after) = (change.serial, change.before, change.after);
            writeln!(text, "{at} serial {serial}: {before} -> {after} by {cause}").unwrap();
        }
        Ok(text)
    }

    fn hosts(&self) -> Result<String, String> {
        let Reply::Hosts(hosts) = self
            .world
            .command(Command::HostList { owner: None, zone: None })
            .map_err(|error| error.to_string())?
        else {
            panic!("hosts are answered with hosts")
        };
        let mut text = String::new();
        for view in hosts {
            let presence = format!("{:?}", view.host.presence);
            let presence = presence.split(' ').next().unwrap_or_default().to_lowercase();
            write!(text, "{} {presence}", view.host.name.without_dot()).unwrap();
            if let Some(left) = view.lapses_in {
                write!(text, " for {left}s").unwrap();
            }
            writeln!(text).unwrap();
        }
        Ok(text)
    }
}

fn seconds(span: &str) -> u64 {
    let (number, unit) = span.split_at(span.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => panic!("no such span: {span}"),
    };
    number.parse::<u64>().unwrap() * unit
}
