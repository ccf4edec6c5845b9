//! The README's table of clients, made from the tests themselves: a client is
//! in it because a test plays it.
//!
//! A file of `tests/clients/` names its clients in lines like
//! `# | client | protocol | proof |`; a test that runs real programs, in lines
//! like `//! | client | protocol |` at its top. A client that a real program
//! stands for is not listed a second time. `UPDATE=1` writes the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The columns, the strongest proof first.
const PROOFS: [&str; 3] = ["real program", "recorded request", "from its documentation"];

const BEGIN: &str = "<!-- clients: made by tests/it/client_table.rs -->\n";
const END: &str = "<!-- end of clients -->";

/// Client and protocol, to the place of its strongest proof in [`PROOFS`].
type Clients = BTreeMap<(String, String), usize>;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn clients() -> Clients {
    let mut clients = Clients::new();
    let mut note = |file: &Path, client: &str, protocol: &str, proof: &str| {
        let proof = PROOFS.iter().position(|known| *known == proof);
        let proof = proof.unwrap_or_else(|| panic!("{}: {client}: no such proof", file.display()));
        let known = clients.entry((client.to_owned(), protocol.to_owned())).or_insert(proof);
        *known = proof.min(*known);
    };
    for file in files(&project().join("tests/clients"), "txt") {
        let text = std::fs::read_to_string(&file).unwrap();
        for cells in text.lines().filter_map(|line| cells(line, "# |")) {
            let [client, protocol, proof] = cells[..] else { panic!("{}", file.display()) };
            note(&file, client, protocol, proof);
        }
    }
    for file in files(&project().join("tests/it"), "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        let top = text.lines().take_while(|line| line.starts_with("//!"));
        for cells in top.filter_map(|line| cells(line, "//! |")) {
            // Other files have tables of their own there.
            if let [client, protocol, proof] = cells[..]
                && proof == PROOFS[0]
            {
                note(&file, client, protocol, proof);
            }
        }
    }
    clients
}

/// The files of a directory and those below that end so.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // What says how the lines look, has one itself.
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|have| have == ending) && !path.ends_with(file!()) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The cells of a line of a table; `None` for any other line, and for the
/// head of a table and the line below it.
fn cells<'a>(line: &'a str, start: &str) -> Option<Vec<&'a str>> {
    let row = line.strip_prefix(start)?.strip_suffix('|')?;
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    (!cells.iter().any(|cell| cell.starts_with("---") || cell.starts_with('`'))).then_some(cells)
}

fn table() -> String {
    let mut rows: BTreeMap<String, [BTreeSet<String>; 3]> = BTreeMap::new();
    for ((client, protocol), proof) in clients() {
        rows.entry(protocol).or_default()[proof].insert(client);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    // dyndns2, what nearly all of them speak, first.
    rows.sort_by_key(|(protocol, _)| (protocol != "dyndns2", protocol.to_lowercase()));
    let mut text = format!("| protocol | {} |\n|---|---|---|---|\n", PROOFS.join(" | "));
    for (protocol, proofs) in rows {
        let [real, recorded, documented] = proofs.each_ref().map(listed);
        text += &format!("| {protocol} | {real} | {recorded} | {documented} |\n");
    }
    text
}

/// Clients in a row, those of one program together: `inadyn (he.net, dynu.com)`.
fn listed(clients: &BTreeSet<String>) -> String {
    let mut programs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for client in clients {
        let (program, how) = client.split_once(": ").unwrap_or((client, ""));
        programs.entry(program).or_default().extend((!how.is_empty()).then_some(how));
    }
    let mut texts: Vec<String> = programs
        .into_iter()
        .map(|(program, ways)| match ways.is_empty() {
            true => program.to_owned(),
            false => format!("{program} ({})", ways.join(", ")),
        })
        .collect();
    texts.sort_by_key(|text| text.to_lowercase());
    texts.join("; ")
}

#[test]
fn the_readme_lists_the_clients_that_are_tested() {
    let file = project().join("README.md");
    let readme = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for it");
    let (was, after) = rest.split_once(END).expect("which has an end");
    let table = table();
    assert!(table.lines().count() > 12, "{table}");
    if was != table && std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    }
    assert_eq!(was, table, "README.md: UPDATE=1 writes the table anew");
}

#[test]
fn every_recorded_client_that_is_one_is_in_it() {
    // These are about us and not about a client.
    let ours = [
        "address-alone",
        "advice",
        "answers",
        "bodies",
        "browser",
        "browsers",
        "checkip",
        "odd-but-clear",
        "offline",
        "proxies",
        "smuggling",
    ];
    for file in files(&project().join("tests/clients"), "txt") {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let named = text.lines().any(|line| cells(line, "# |").is_some());
        let is_ours = ours.contains(&name.as_str()) || name == "tls-on-the-plain-port";
        assert!(named != is_ours, "{name}: which client is it, and how is that known?");
    }
}
