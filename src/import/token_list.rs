//! A list of tokens, a line each: `<token>:<name>`, `#` for remarks.

use super::{Entry, File, Found, place};

pub fn read(file: &File, found: &mut Found) {
    for (at, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = place(&file.path, at + 1);
        // A name has no colon; a token may.
        match line.rsplit_once(':').map(|(token, name)| (token.trim(), name.trim())) {
            Some((token, name)) if !token.is_empty() && !name.is_empty() => {
                found.hosts.push(Entry {
                    name: name.to_owned(),
                    place,
                    secret: Some(token.to_owned()),
                    ..Entry::default()
                });
            }
            _ => found.remarks.push(format!("{place}: not a line like `<token>:<name>`")),
        }
    }
}
