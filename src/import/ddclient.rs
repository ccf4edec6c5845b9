//! ddclient's configuration, as ddclient 3.10 and 4 read it.
//!
//! ```text
//! protocol=dyndns2, server=members.dyndns.org     settings for what follows
//! login=ann
//! password='hunter2 # and more'
//! home.example.org,nas.example.org                hosts end a line
//! server=x.example cam.example.org \
//!     bob his-password                            and may bring login and password
//! ```
//!
//! The password is taken out of a line before anything else is looked at, with
//! all that follows it up to a blank: a comma there belongs to it, and is what
//! ddclient sends.

use super::{Entry, File, Found, place};

/// Settings that hold for hosts.
#[derive(Clone, Default)]
struct Settings {
    login: Option<String>,
    password: Option<String>,
    password_elsewhere: bool,
    protocol: Option<String>,
    wildcard: bool,
}

/// Protocols whose clients do not send login and password as they stand.
const OTHER_PROOF: [(&str, &str); 4] = [
    ("freedns", "its clients send a hash of both"),
    ("cloudflare", "its clients speak another language"),
    ("godaddy", "its clients speak another language"),
    ("nsupdate", "its password is a file with a TSIG key"),
];

pub fn read(file: &File, found: &mut Found) {
    let mut globals = Settings::default();
    let mut continued = String::new();
    let mut password: Option<String> = None;
    let mut start = 0;
    for (at, line) in file.text.lines().enumerate() {
        let line = line.replace('\r', "");
        let (line, secret) = take_password(&line);
        password = secret.or(password);
        let line = line.split('#').next().unwrap_or_default();
        if continued.is_empty() {
            start = at + 1;
        }
        continued.push_str(line);
        if continued.ends_with('\\') {
            continued.pop();
            continue;
        }
        let whole = std::mem::take(&mut continued);
        let words: Vec<&str> = whole.split_whitespace().collect();
        if !words.is_empty() {
            read_line(&words.join(" "), password.take(), &mut globals, file, start, found);
        }
        password = None;
    }
    if !continued.is_empty() {
        found.remarks.push(format!(
            "{}: the last line ends in a backslash; ddclient does not read it",
            place(&file.path, start)
        ));
    }
}

/// Takes a password out of a line: `dummy` stands in its place.
fn take_password(line: &str) -> (String, Option<String>) {
    let before_comment = line.find('#').unwrap_or(line.len());
    // `fw-password` is another setting.
    let begins = |at: &usize| *at == 0 || line[..*at].ends_with([' ', '\t', ',']);
    let mut keys = line[..before_comment].match_indices("password").map(|(at, _)| at);
    let Some(key) = keys.find(begins) else { return (line.to_owned(), None) };
    let after_key = &line[key..];
    // `password_env` and the like belong to the key.
    let key_end =
        after_key.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(after_key.len());
    let rest = after_key[key_end..].trim_start();
    let Some(value) = rest.strip_prefix('=') else { return (line.to_owned(), None) };
    let value = value.trim_start();
    let word = after_key[..key_end].to_owned();
    if word != "password" {
        return (line.to_owned(), None);
    }
    // Up to the last quote of the line, or up to a blank.
    let quoted = value
        .strip_prefix('\'')
        .and_then(|inner| inner.rfind('\'').map(|end| (&inner[..end], &inner[end + 1..])));
    let (secret, tail) = quoted.unwrap_or_else(|| {
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        value.split_at(end)
    });
    (format!("{}password=dummy{tail}", &line[..key]), Some(secret.to_owned()))
}

fn read_line(
    line: &str,
    password: Option<String>,
    globals: &mut Settings,
    file: &File,
    number: usize,
    found: &mut Found,
) {
    let mut locals = globals.clone();
    let mut hosts: Vec<String> = Vec::new();
    let mut rest = line;
    while let Some((name, value, tail)) = assignment(rest) {
        rest = tail.trim_start_matches([',', ' ']);
        match name.as_str() {
            "login" => locals.login = Some(value),
            "password" => {
                locals.password = Some(password.clone().unwrap_or(value));
                locals.password_elsewhere = false;
            }
            "password_env" | "login_env" => locals.password_elsewhere = true,
            "protocol" => locals.protocol = Some(value.to_ascii_lowercase()),
            "wildcard" => {
                locals.wildcard = matches!(&*value.to_ascii_lowercase(), "yes" | "true" | "1")
            }
            "host" => hosts.extend(listed(&value)),
            _ => {}
        }
    }
    // `a , b` is a list, too.
    let mut joined = rest.replace(" ,", ",");
    while joined.contains(", ") {
        joined = joined.replace(", ", ",");
    }
    let mut words = joined.split(' ').filter(|word| !word.is_empty());
    if let Some(list) = words.next() {
        hosts = listed(list).chain(hosts).collect();
        locals.login = words.next().map(str::to_owned).or(locals.login);
        locals.password = words.next().map(str::to_owned).or(locals.password);
    }
    if hosts.is_empty() {
        *globals = locals;
        return;
    }
    let place = place(&file.path, number);
    let protocol = locals.protocol.as_deref().unwrap_or_default();
    let other = OTHER_PROOF.iter().find(|(name, _)| *name == protocol);
    if let Some((name, why)) = other {
        found
            .remarks
            .push(format!("{place}: the protocol is {name}: {why}, so change it to dyndns2"));
    }
    if locals.password_elsewhere {
        found.remarks.push(format!(
            "{place}: login or password come from the environment, which is not here: put them \
             into the file"
        ));
    }
    if locals.password.as_deref().is_some_and(|password| password.ends_with(',')) {
        found.remarks.push(format!(
            "{place}: the password ends with a comma, for so ddclient reads it and sends it"
        ));
    }
    found.hosts.extend(hosts.into_iter().map(|name| Entry {
        name,
        place: place.clone(),
        login: locals.login.clone(),
        secret: locals.password.clone().filter(|password| !password.is_empty()),
        wildcard: locals.wildcard,
        ..Entry::default()
    }));
}

fn listed(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// `name=value` at the front: the value without its quotes, and what follows.
fn assignment(text: &str) -> Option<(String, String, &str)> {
    let text = text.trim_start_matches([',', ' ']);
    let (name, rest) = text.split_once('=')?;
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !starts || !name.bytes().all(is_name) {
        return None;
    }
    let mut value = String::new();
    let mut quote = None;
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\\', _) => value.extend(chars.next().map(|(_, c)| c)),
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (',' | ' ', None) => return Some((name.to_ascii_lowercase(), value, &rest[at..])),
            (c, _) => value.push(c),
        }
    }
    Some((name.to_ascii_lowercase(), value, ""))
}
