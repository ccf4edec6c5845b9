//! What truename is made of: nothing comes in that nobody has looked at. How it
//! is looked at: `tests/supply/audit.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/supply").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(here(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What `crates.py` prints.
fn account(what: &str) -> String {
    let mut command = Command::new("python3");
    command.arg(here("crates.py")).arg(what);
    let output = command.output().expect("python3: install the package python3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "crates.py {what}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A line of `crates.txt`.
struct Crate {
    version: String,
    /// `in`, `unsafe:3`, `build.rs`, …
    marks: Vec<String>,
}

fn crates(list: &str) -> BTreeMap<String, Vec<Crate>> {
    let mut crates: BTreeMap<String, Vec<Crate>> = BTreeMap::new();
    for line in list.lines() {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let is_mark = |word: &String| {
            ["in", "build", "macro", "build.rs"].contains(&word.as_str()) || word.contains(':')
        };
        let marks = words.take_while(is_mark).collect();
        crates.entry(name).or_default().push(Crate { version, marks });
    }
    crates
}

impl Crate {
    fn is(&self, mark: &str) -> bool {
        self.marks.iter().any(|own| own == mark)
    }

    /// Whether it is in the program, and has code that the compiler does not
    /// watch over.
    fn wants_a_note(&self) -> bool {
        let is_unsafe = self.marks.iter().any(|mark| mark.starts_with("unsafe:"));
        self.is("in") && (is_unsafe || self.is("build.rs"))
    }
}

#[test]
fn the_crates_are_those_that_were_looked_at() {
    let seen = account("list");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(here("crates.txt"), &seen).unwrap();
    }
    let kept = read("crates.txt");
    let (seen, kept): (BTreeSet<&str>, BTreeSet<&str>) =
        (seen.lines().collect(), kept.lines().collect());
    let lines = |lines: Vec<&&str>| format!("{lines:#?}");
    assert!(
        seen == kept,
        "new, or of another version (look at them; tests/supply/audit.md says how; then UPDATE=1): \
         {}\ngone: {}",
        lines(seen.difference(&kept).collect()),
        lines(kept.difference(&seen).collect()),
    );
}

#[test]
fn whatever_the_compiler_does_not_watch_over_has_a_note() {
    let audit = read("audit.md");
    let tables = audit.lines().filter(|line| line.starts_with("| `"));
    let first = tables.map(|line| line.split('|').nth(1).unwrap());
    let noted: BTreeSet<&str> = first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let crates = crates(&read("crates.txt"));
    let missing: Vec<&String> = crates
        .iter()
        .filter(|(name, all)| all.iter().any(Crate::wants_a_note) && !noted.contains(name.as_str()))
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "tests/supply/audit.md has no word on {missing:?}");
    let gone: Vec<&&str> = noted.iter().filter(|name| !crates.contains_key(**name)).collect();
    assert!(gone.is_empty(), "tests/supply/audit.md speaks of {gone:?}, which are not here");
}

/// That is aws-lc-rs, and TLS is rustls. `Cargo.lock` names ring, which others
/// could ask for; nobody does.
#[test]
fn there_is_one_provider_of_cryptography() {
    let crates = crates(&read("crates.txt"));
    assert!(crates.contains_key("aws-lc-rs") && crates.contains_key("rustls"));
    let others = [
        "ring",
        "openssl",
        "openssl-sys",
        "native-tls",
        "boring",
        "boring-sys",
        "mbedtls",
        "graviola",
        "rustls-openssl",
        "rustls-rustcrypto",
        "wolfssl",
        "libsodium-sys",
        "orion",
    ];
    let found: Vec<_> = others.iter().filter(|name| crates.contains_key(**name)).collect();
    assert!(found.is_empty(), "{found:?} beside aws-lc-rs");
    for name in ["aws-lc-rs", "aws-lc-sys", "rustls"] {
        assert_eq!(crates[name].len(), 1, "{name} is there more than once");
    }
}

#[test]
fn the_bill_of_materials_names_every_crate() {
    let text = account("sbom");
    assert_eq!(account("sbom"), text, "another one each time");
    let bill: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "truename");
    let mut named = BTreeSet::new();
    for component in bill["components"].as_array().unwrap() {
        let word = |key: &str| component[key].as_str().unwrap().to_owned();
        let (name, version) = (word("name"), word("version"));
        assert_eq!(word("purl"), format!("pkg:cargo/{name}@{version}"));
        assert!(component["licenses"][0]["expression"].is_string(), "{name} has no licence");
        let hash = component["hashes"][0]["content"].as_str().unwrap_or_default();
        assert_eq!(hash.len(), 64, "{name} has no checksum");
        named.insert((name, version));
    }
    let crates = crates(&read("crates.txt"));
    let listed = crates
        .iter()
        .flat_map(|(name, all)| all.iter().map(move |one| (name.clone(), one.version.clone())));
    assert_eq!(named, listed.collect(), "not those of crates.txt");
    // Whoever depends on something depends on something that is there.
    let known: BTreeSet<&str> = bill["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["ref"].as_str().unwrap())
        .collect();
    for dependency in bill["dependencies"].as_array().unwrap() {
        for on in dependency["dependsOn"].as_array().unwrap() {
            assert!(known.contains(on.as_str().unwrap()), "{on} is nowhere");
        }
    }
    assert_eq!(known.len(), named.len() + 1);
}
