//! The service software behind nsupdate.info, as `manage.py dumpdata main`
//! writes its tables.
//!
//! ```text
//! [{"model": "main.domain", "pk": 1, "fields": {"name": "nsupdate.info", …}},
//!  {"model": "main.host", "pk": 7, "fields": {"name": "home", "domain": 1,
//!     "update_secret": "sha1$salt$…", "abuse_blocked": false, …}}]
//! ```
//!
//! Update secrets are kept as salted SHA-1 there (argon2 in newer ones), and so
//! here until each is first used. Where they are comes with their first report.

use std::collections::HashMap;

use serde_json::Value;

use super::{Entry, File, Found, place};
use crate::model::Name;

pub fn read(file: &File, found: &mut Found) -> Result<(), String> {
    let here = place(&file.path, 0);
    let no_dump = |why: String| {
        format!("{here} is no dump of its tables ({why}): write one with `manage.py dumpdata main`")
    };
    // What is no JSON is told by its place; what is no list, and may be a
    // secret alone, would be quoted.
    let rows: Value =
        serde_json::from_str(&file.text).map_err(|error| no_dump(error.to_string()))?;
    let Value::Array(rows) = rows else { return Err(no_dump("it is no list".into())) };
    let of_model = |model: &'static str| {
        rows.iter().filter(move |row| row.get("model").and_then(Value::as_str) == Some(model))
    };
    let field =
        |row: &Value, name: &str| row.get("fields").and_then(|fields| fields.get(name)).cloned();
    let text = |row: &Value, name: &str| match field(row, name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let yes = |row: &Value, name: &str| field(row, name) == Some(Value::Bool(true));
    let domains: HashMap<String, String> = of_model("main.domain")
        .filter_map(|row| Some((key(row.get("pk")?), text(row, "name")?)))
        .collect();
    let before = found.hosts.len();
    for row in of_model("main.host") {
        let name = text(row, "name").unwrap_or_default();
        let domain = field(row, "domain").and_then(|domain| match &domain {
            // With natural keys, the name itself.
            Value::Array(names) => names.first().map(key),
            other => domains.get(&key(other)).cloned(),
        });
        let Some(zone) = domain.and_then(|domain| domain.parse::<Name>().ok()) else {
            found
                .remarks
                .push(format!("{here}: the host {name} is in a domain that is not in the dump"));
            continue;
        };
        found.hosts.push(Entry {
            name: format!("{name}.{}", zone.without_dot()),
            zone: Some(zone),
            place: here.clone(),
            blocked: yes(row, "abuse_blocked"),
            hashed: text(row, "update_secret").filter(|hash| !hash.is_empty()),
            ..Entry::default()
        });
    }
    if found.hosts.len() == before {
        return Err(no_dump("there is no main.host in it".into()));
    }
    if of_model("main.serviceupdaterhostconfig").next().is_some() {
        found.remarks.push(format!(
            "{here}: updates of other services (main.serviceupdaterhostconfig) are not taken over"
        ));
    }
    Ok(())
}

/// A primary key as text.
fn key(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
