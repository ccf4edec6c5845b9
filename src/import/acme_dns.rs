//! acme-dns, as `sqlite3 acme-dns.db .dump` (or `pg_dump --inserts`) writes
//! its table.
//!
//! ```text
//! INSERT INTO records VALUES('<user>',X'24326124…','<subdomain>','["192.0.2.0/24"]');
//! ```
//!
//! A text and not the database itself, so that no database engine has to be
//! part of this program. Passwords are kept as bcrypt there, and so here until
//! each is first used. The domain is in `config.cfg`, given
//! as one more file, or comes from `--zone`.

use super::{Entry, File, Found, place};
use crate::model::Name;

pub fn read(files: &[File], found: &mut Found) -> Result<(), String> {
    let zone = files.iter().find_map(|file| domain(&file.text));
    let mut any = false;
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let Some(values) = values_of(line) else { continue };
            any = true;
            let place = place(&file.path, at + 1);
            let Some(subdomain) = values.get(2).filter(|name| !name.is_empty()) else {
                found
                    .remarks
                    .push(format!("{place}: not a row of user, password, subdomain, allowfrom"));
                continue;
            };
            let allowed: Vec<String> =
                values.get(3).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
            let networks = allowed.iter().filter_map(|net| net.parse().ok()).collect();
            found.hosts.push(Entry {
                name: subdomain.clone(),
                zone: zone.clone(),
                place,
                networks,
                acme_only: true,
                hashed: values.get(1).map(|password| plain(password)),
                ..Entry::default()
            });
        }
    }
    if !any {
        return Err("there is no row of its table `records` in it: write a dump with `sqlite3 \
                    acme-dns.db .dump > FILE`, and give that"
            .into());
    }
    found.remarks.push(
        "passwords are taken over as the hashes they were kept as; the CNAME at _acme-challenge is \
         to point to the name here"
            .into(),
    );
    Ok(())
}

/// A hash as text: `X'24…'` of SQLite, `\x24…` of PostgreSQL, or as it is.
fn plain(value: &str) -> String {
    let hex = value.strip_prefix(['X', 'x']).or(value.strip_prefix("\\x"));
    let octets = hex.and_then(|hex| data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok());
    octets.and_then(|octets| String::from_utf8(octets).ok()).unwrap_or_else(|| value.to_owned())
}

/// `domain = "auth.example.org"` of its configuration.
fn domain(text: &str) -> Option<Name> {
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix("domain")?.trim_start().strip_prefix('=')?;
        value.trim().trim_matches(['"', '\'']).parse().ok()
    })
}

/// The values of `INSERT INTO records …`.
fn values_of(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let rest = line
        .get(..12)
        .filter(|start| start.eq_ignore_ascii_case("insert into "))
        .map(|_| &line[12..])?;
    let rest = rest.trim_start().trim_start_matches("public.");
    let rest = rest.trim_start_matches('"').strip_prefix("records")?;
    let start = rest.to_ascii_lowercase().find("values")?;
    let rest = rest[start + 6..].trim_start().strip_prefix('(')?;
    Some(literals(rest))
}

/// SQL literals up to the closing parenthesis: `'it''s'`, `X'2432'`, `NULL`.
fn literals(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => loop {
                match chars.next() {
                    Some('\'') if chars.peek() == Some(&'\'') => {
                        chars.next();
                        value.push('\'');
                    }
                    Some('\'') | None => break,
                    Some(c) => value.push(c),
                }
            },
            ',' => values.push(std::mem::take(&mut value)),
            ')' => break,
            c if c.is_whitespace() => {}
            c => value.push(c),
        }
    }
    values.push(value);
    values
}
