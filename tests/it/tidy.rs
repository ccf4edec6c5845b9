//! The shape of the source, read from the source: imports point down,
//! libraries stay behind their fences, files stay small enough to read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of code is read in one sitting: this many lines, comments and tests
/// left out. What is longer is named here, with the reason.
const LONGEST: usize = 400;
const LONGER: &[(&str, usize, &str)] = &[];

/// Modules that use one of their own floor: who, whom, why.
const SIBLINGS: &[(&str, &str, &str)] = &[
    ("wire", "model", "questions hold names"),
    ("daemon", "report", "both want the kernel's list of this machine's addresses"),
];

/// Which directory or file may use which library. A library not named here
/// may be used anywhere.
const FENCES: &[(&str, &[&str])] = &[
    ("sled", &["store/"]),
    ("redb", &["store/"]),
    ("axum", &["http/"]),
    ("hyper", &["http/", "report/"]),
    ("hyper_util", &["http/", "report/"]),
    ("http_body_util", &["http/", "report/"]),
    ("hickory_server", &[]),
    ("clap", &["cli/"]),
    ("rpassword", &["cli/"]),
    ("toml", &["config/"]),
    ("rustls", &["tls/", "http/", "report/"]),
    ("tokio_rustls", &["tls/", "http/", "report/"]),
    ("rustls_native_certs", &["report/"]),
    ("landlock", &["privilege/"]),
    ("nix", &["privilege/"]),
    ("netlink_sys", &["report/"]),
    ("netlink_packet_core", &["report/"]),
    ("netlink_packet_route", &["report/"]),
    ("igd_next", &["report/"]),
    ("crab_nat", &["report/"]),
];

/// Where the clock is read. `tokio::time` in the edges only bounds how long a
/// socket is waited for, and decides nothing.
const CLOCK: &[&str] = &["clock.rs"];

/// Where `unsafe` is written, each with its invariants.
const UNSAFE: &[&str] = &["dns/udp.rs", "prefetch.rs"];

/// Names that say nothing of what is in a file.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "types"];

#[test]
fn imports_point_down() {
    let floors = floors();
    let mut faults = Vec::new();
    for file in sources() {
        let Some(&own) = floors.get(&module_of(&file.name)) else { continue };
        for (line, text) in statements(&file) {
            for used in modules_used(&text) {
                let Some(&floor) = floors.get(used) else { continue };
                let module = module_of(&file.name);
                let sibling = SIBLINGS.iter().any(|(who, whom, _)| *who == module && *whom == used);
                if floor >= own && used != module && !sibling {
                    faults.push(format!(
                        "src/{}:{line}: {module} (floor {own}) uses {used} (floor {floor})",
                        file.name
                    ));
                }
            }
        }
    }
    none(&faults, "a module uses only the floors beneath its own (src/lib.rs)");
}

#[test]
fn every_module_has_a_floor() {
    let floors = floors();
    assert!(floors.len() >= 10, "src/lib.rs lists only {floors:?}");
    let faults: Vec<_> = sources()
        .iter()
        .map(|file| module_of(&file.name))
        .filter(|module| !["lib", "main"].contains(&module.as_str()))
        .filter(|module| !floors.contains_key(module))
        .collect();
    none(&faults, "a module that src/lib.rs puts on no floor");
}

#[test]
fn libraries_stay_behind_their_fences() {
    let mut faults = Vec::new();
    for file in sources() {
        for (line, text) in file.code() {
            for (library, rooms) in FENCES {
                let at_home = rooms.iter().any(|room| file.name.starts_with(room));
                if !at_home && uses_crate(text, library) {
                    faults.push(format!("src/{}:{line}: uses {library}: {text}", file.name));
                }
            }
        }
    }
    none(&faults, "a library is used outside the rooms named for it in this file");
}

#[test]
fn the_lower_floors_know_no_runtime() {
    let floors = floors();
    let mut faults = Vec::new();
    for file in sources() {
        if floors.get(&module_of(&file.name)).is_none_or(|&floor| floor > 2) {
            continue;
        }
        for (line, text) in file.code() {
            if uses_crate(text, "tokio") {
                faults.push(format!("src/{}:{line}: {text}", file.name));
            }
        }
    }
    none(&faults, "no tokio on floors 0 to 2");
}

#[test]
fn one_file_reads_the_clock() {
    let reads = ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "::elapsed("];
    let mut faults = Vec::new();
    for file in sources() {
        if CLOCK.contains(&file.name.as_str()) {
            continue;
        }
        for (line, text) in file.code() {
            if reads.iter().any(|read| text.contains(read)) {
                faults.push(format!("src/{}:{line}: {text}", file.name));
            }
        }
    }
    none(&faults, "only src/clock.rs asks what time it is; take `now` as an argument");
}

#[test]
fn unsafe_code_is_where_it_is_looked_for() {
    let mut faults = Vec::new();
    for file in sources() {
        if UNSAFE.contains(&file.name.as_str()) {
            continue;
        }
        for (line, text) in file.code() {
            if words(text).any(|word| word == "unsafe") {
                faults.push(format!("src/{}:{line}: {text}", file.name));
            }
        }
    }
    none(&faults, "unsafe code outside the files named for it");
}

#[test]
fn a_files_name_says_what_is_in_it() {
    let mut faults = Vec::new();
    for root in ["src", "tests"] {
        for path in files_below(&project().join(root)) {
            let mut stems =
                path.components().filter_map(|part| Path::new(part.as_os_str()).file_stem());
            if stems.next_back().is_some_and(|stem| EMPTY_NAMES.iter().any(|name| stem == *name)) {
                faults.push(path.display().to_string());
            }
        }
    }
    none(&faults, "if it wants to be called util, a word is missing");
}

#[test]
fn the_program_is_a_shell_around_the_library() {
    let main = std::fs::read_to_string(project().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 40, "src/main.rs is to stay under 40 lines");
}

#[test]
fn files_are_sized_for_reading() {
    let mut faults = Vec::new();
    for file in sources() {
        let lines = file.code().filter(|(_, text)| !text.trim().is_empty()).count();
        let limit = LONGER
            .iter()
            .find(|(name, ..)| *name == file.name)
            .map_or(LONGEST, |(_, limit, _)| *limit);
        if lines > limit {
            faults.push(format!("src/{}: {lines} lines of code, {limit} at most", file.name));
        }
    }
    for (name, limit, reason) in LONGER {
        assert!(!reason.is_empty() && *limit > LONGEST, "{name}: an exception says why");
    }
    none(&faults, "two jobs moved in together; give one its own file");
}

#[test]
fn every_file_says_what_it_is() {
    let mut faults = Vec::new();
    for file in sources() {
        if !file.text.starts_with("//! ") {
            faults.push(format!("src/{}", file.name));
        }
        if file.text.contains("//! (to come)") {
            faults.push(format!("src/{}: still to come", file.name));
        }
    }
    for marker in ["todo!(", "unimplemented!(", "dbg!("] {
        for file in sources() {
            for (line, text) in file.code().filter(|(_, text)| text.contains(marker)) {
                faults.push(format!("src/{}:{line}: {text}", file.name));
            }
        }
    }
    none(&faults, "a file begins with a sentence that says what it is, and is finished");
}

#[test]
fn no_test_is_ignored() {
    let mark = concat!("#[", "ignore");
    let mut faults = Vec::new();
    for root in ["src", "tests"] {
        for path in files_below(&project().join(root)) {
            if path.extension().is_some_and(|ending| ending == "rs")
                && std::fs::read_to_string(&path).unwrap().contains(mark)
            {
                faults.push(path.display().to_string());
            }
        }
    }
    none(&faults, "record the wrong output and say that it is wrong instead");
}

#[test]
fn every_scenario_starts_with_prose() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in files_below(&project().join("tests")) {
        if path.extension().is_none_or(|ending| ending != "scenario") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("# ") || first.len() < 20 {
            faults.push(format!("{}: {first}", path.display()));
        }
    }
    assert!(seen > 0, "there are no scenarios below tests/");
    none(&faults, "a story begins with the sentence it proves");
}

/// Every `truename …` command in the README is one that the program knows,
/// with every option it is given there.
#[test]
fn the_readme_speaks_of_commands_that_exist() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("README.md");
    let mut faults = Vec::new();
    let mut seen = 0;
    for command in commands_in(&readme) {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let mut verbs = Vec::new();
        for word in words.iter().take_while(|word| is_verb(word)) {
            if !help(&verbs).lines().any(|line| line.trim_start().starts_with(&format!("{word} ")))
            {
                break;
            }
            verbs.push(*word);
        }
        let help = help(&verbs);
        seen += 1;
        if verbs.is_empty() && words.first().is_some_and(|word| is_verb(word)) {
            faults.push(format!("{command}: no such command"));
        }
        for option in words.iter().filter(|word| word.starts_with("--")) {
            let option = option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let option = option.split('=').next().unwrap_or(option);
            if !help.contains(option) {
                faults.push(format!("{command}: `truename {}` has no {option}", verbs.join(" ")));
            }
        }
    }
    assert!(seen > 0, "README.md shows no `truename` command");
    none(&faults, "README.md tells of something the program does not do");
}

/// The settings for clients are found: each file of `clients/` is in the
/// README, or in what `truename host show --help` lists for `--settings`.
#[test]
fn every_clients_settings_can_be_found() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("README.md");
    let listed = help(&["host", "show"]);
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in files_below(&project().join("clients")) {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if stem == "README" {
            continue;
        }
        seen += 1;
        if !readme.contains(&format!("clients/{file}")) && !words(&listed).any(|word| word == stem)
        {
            faults.push(format!("clients/{file}"));
        }
    }
    assert!(seen > 0, "there is nothing in clients/");
    none(&faults, "neither the README nor `truename host show --help` names these");
}

// ---------------------------------------------------------------------------

/// A file of `src`, its name below it.
struct Source {
    name: String,
    text: String,
}

impl Source {
    /// The lines of code with their numbers: comments, and the tests at the
    /// end of a file, left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self
            .text
            .find("#[cfg(test)]\nmod ")
            .filter(|start| !self.text[*start..].lines().nth(1).unwrap().ends_with(';'));
        let code = &self.text[..tests.unwrap_or(self.text.len())];
        code.lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line))
    }
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let root = project().join("src");
    files_below(&root)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| Source {
            name: path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect()
}

fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in root.read_dir().unwrap_or_else(|error| panic!("{}: {error}", root.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The floor of each module, from the groups of `mod` lines in `src/lib.rs`:
/// `// 3: …` heads a group.
fn floors() -> BTreeMap<String, usize> {
    let lib = std::fs::read_to_string(project().join("src/lib.rs")).unwrap();
    let mut floors = BTreeMap::new();
    let mut floor = None;
    for line in lib.lines() {
        if let Some(heading) = line.strip_prefix("// ") {
            let number = heading.split(':').next().and_then(|number| number.parse().ok());
            assert!(
                number.is_none() || floor.is_none_or(|below: usize| number == Some(below + 1)),
                "the floors of src/lib.rs are numbered upwards: {line}"
            );
            floor = number.or(floor);
        }
        if let Some(module) = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")) {
            let floor = floor.unwrap_or_else(|| panic!("no floor above {line}"));
            floors.insert(module.trim_end_matches(';').to_owned(), floor);
        }
    }
    floors
}

/// `store` for `store/sled.rs`, `clock` for `clock.rs`.
fn module_of(name: &str) -> String {
    name.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

/// The lines of code, a group of imports that goes over several being one.
fn statements(file: &Source) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (line, text) in file.code() {
        match statements.last_mut() {
            Some((_, statement)) if open => statement.push_str(text),
            _ => statements.push((line, text.to_owned())),
        }
        open = (open || text.contains("crate::{")) && !text.contains(';');
    }
    statements
}

/// The modules that a line names: `crate::store::Row`, `use crate::{clock,
/// control}`.
fn modules_used(line: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            // The first word after each comma outside inner braces.
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_ascii_alphabetic() => {
                            used.extend(words(&group[at..]).next());
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => used.extend(words(rest).next()),
        }
    }
    used
}

/// Whether the line names the crate: `axum::…`, `use axum;`.
fn uses_crate(line: &str, library: &str) -> bool {
    let path = format!("{library}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            // `super::redb::open` is our own file of that name.
            && !line[..at].ends_with("super::")
            && !line[..at].ends_with("self::")
            && !line[..at].ends_with("crate::")
            && !line[..at].ends_with("store::")
    }) || line.trim() == format!("use {library};")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').filter(|w| !w.is_empty())
}

/// What stands after `truename` in the README's code, up to a comment, a
/// pipe or the end of the line or of the span of code.
fn commands_in(readme: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut fenced = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let spans: Vec<&str> = if fenced || line.starts_with("    ") {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for span in spans {
            let span = span.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
            if span == "truename" || !span.starts_with("truename ") {
                continue;
            }
            let end = span.find(['#', '|', ';', '>']).unwrap_or(span.len());
            commands.push(span[..end].trim().to_owned());
        }
    }
    commands
}

fn is_verb(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())
}

/// What `truename VERBS --help` says.
fn help(verbs: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_truename"))
        .args(verbs)
        .arg("--help")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + " "
}

fn none<T: std::fmt::Display>(faults: &[T], rule: &str) {
    let list: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
    assert!(faults.is_empty(), "{rule}:\n{}", list.join("\n"));
}

#[test]
fn lines_are_read_as_meant() {
    assert_eq!(
        modules_used("use crate::{clock, control::{ask, serve}, daemon};"),
        ["clock", "control", "daemon"]
    );
    assert_eq!(modules_used("use crate::store::Row;"), ["store"]);
    assert!(uses_crate("    axum::serve(x)", "axum"));
    assert!(uses_crate("use redb::{Database};", "redb"));
    assert!(!uses_crate("use super::redb::open;", "redb"));
    assert!(!uses_crate("hyper_util::x", "hyper"));
}
