//! What operators type and what they read: `tests/cli/*.txt`, played by a
//! shell. A line with `>` is typed, the lines below are what is seen on both
//! outputs, with the status when it is not 0; `#` is prose. `UPDATE=1` writes
//! down what is seen instead.
//!
//! `> server start` and `> server stop` are the runner's own: the program
//! with a configuration of its own, which `truename` then finds by itself;
//! `$ZONES` is where its zone files are, `$HTTP`
//! and `$DNS` where it serves.
//!
//! Seen are stand-ins of equal width for what differs each time: moments,
//! tokens, the numbers of keys; and for places: `DIR`, `HTTP`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::daemon::{Daemon, Home};
use super::operator;

#[test]
fn what_operators_type() {
    let mut played = 0;
    let mut wrong = String::new();
    for path in transcripts() {
        let expected = std::fs::read_to_string(&path).unwrap();
        let seen = play(&expected);
        played += 1;
        if seen == expected {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &seen).unwrap();
        } else {
            wrong += &format!("{}:\n{}\n", path.display(), difference(&expected, &seen));
        }
    }
    assert!(played > 0, "there are no transcripts");
    assert!(wrong.is_empty(), "{wrong}");
}

fn transcripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let files = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "txt")).collect();
    files.sort();
    files
}

/// Plays a transcript and says what was seen, in one form: prose, a blank
/// line after whatever was seen.
fn play(text: &str) -> String {
    let home = Home::new();
    let mut stage = Stage::new(&home, text.contains("\n> server start"));
    let mut server: Option<Daemon<'_>> = None;
    let mut seen = String::new();
    // Prose stands at the top or after a blank line; a `#` anywhere else is
    // something that was seen.
    let mut after_blank = true;
    let mut after_prose = false;
    let mut blank_due = false;
    for line in text.lines() {
        let prose = line.starts_with('#') && after_blank;
        after_blank = line.is_empty() || prose;
        let typed = line.strip_prefix("> ");
        if prose || typed.is_some() {
            if blank_due || (prose && !after_prose && !seen.is_empty()) {
                seen.push('\n');
            }
            (after_prose, blank_due) = (prose, false);
            seen += line;
            seen.push('\n');
        }
        match typed {
            None => {}
            Some("server start") => server = Some(operator::start(&home)),
            Some("server stop") => drop(server.take().expect("a server was started").stop()),
            Some(typed) => {
                let said = stage.run(typed);
                blank_due = !said.is_empty();
                seen += &said;
            }
        }
    }
    seen
}

/// Where it is played: a directory, a shell, and the stand-ins so far.
struct Stage<'h> {
    home: &'h Home<'h>,
    directory: tempfile::TempDir,
    tokens: Vec<String>,
    keys: Vec<String>,
}

impl<'h> Stage<'h> {
    fn new(home: &'h Home<'h>, with_server: bool) -> Stage<'h> {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join(".bin");
        std::fs::create_dir(&bin).unwrap();
        let option = match with_server {
            true => format!("--config {}", home.path().join("truename.toml").display()),
            false => String::new(),
        };
        let program = bin.join("truename");
        let truename = env!("CARGO_BIN_EXE_truename");
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in\n--config) exec {truename} \"$@\" ;;\n\
             *) exec {truename} {option} \"$@\" ;;\nesac\n"
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Stage { home, directory, tokens: Vec::new(), keys: Vec::new() }
    }

    /// Runs a line of shell and says what was seen.
    fn run(&mut self, typed: &str) -> String {
        let bin = self.directory.path().join(".bin");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{typed}")])
            .current_dir(self.directory.path())
            .env("PATH", path)
            .env("ZONES", self.home.path().join("zones"))
            .env("HTTP", self.home.http.to_string())
            .env("DNS", self.home.dns.to_string())
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut seen = String::from_utf8(output.stdout).unwrap();
        if !seen.is_empty() && !seen.ends_with('\n') {
            seen.push('\n');
        }
        if !output.status.success() {
            seen += &format!("(status {})\n", output.status.code().unwrap_or(-1));
        }
        self.stand_ins(&seen)
    }

    fn stand_ins(&mut self, text: &str) -> String {
        for word in words(text) {
            if word.len() == 32 && word.chars().all(is_base32) && !self.tokens.contains(&word) {
                self.tokens.push(word);
            }
        }
        // A key's number shows up after `Key`, or among the `keys` of a host.
        for line in text.lines() {
            let shown = ["Key ", "  keys "].iter().any(|start| line.starts_with(start));
            for number in words(line).skip(1).filter(|_| shown) {
                if number.len() == 8
                    && number.chars().all(is_base32)
                    && !self.keys.contains(&number)
                {
                    self.keys.push(number);
                }
            }
        }
        let mut text = text.replace(&self.directory.path().display().to_string(), "DIR");
        text = text.replace(&self.home.path().display().to_string(), "HOME");
        text = text.replace(&self.home.http.to_string(), "HTTP");
        for (at, token) in self.tokens.iter().enumerate() {
            text = text.replace(token, &format!("token-{:026}", at + 1));
        }
        for (at, key) in self.keys.iter().enumerate() {
            text = text.replace(key, &format!("key-{:04}", at + 1));
        }
        moments(&text)
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}

fn is_base32(c: char) -> bool {
    c.is_ascii_lowercase() || ('2'..='7').contains(&c)
}

/// `2026-11-21 10:20:30Z` becomes `YYYY-MM-DD hh:mm:ssZ`; `3 s ago` becomes
/// `N s ago`, `up 3 s` becomes `up N s`.
fn moments(text: &str) -> String {
    const MOMENT: &[u8] = b"0000-00-00 00:00:00Z";
    let mut bytes = text.as_bytes().to_vec();
    for start in 0..bytes.len().saturating_sub(MOMENT.len() - 1) {
        let window = &bytes[start..start + MOMENT.len()];
        let alike = window.iter().zip(MOMENT).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            shape => byte == shape,
        });
        if alike {
            bytes[start..start + MOMENT.len()].copy_from_slice(b"YYYY-MM-DD hh:mm:ssZ");
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut seen: Vec<&str> = text.split(' ').collect();
    for at in 1..seen.len() {
        let is_span = seen[at] == "s" || seen[at].starts_with("s\n");
        let is_moment = seen.get(at + 1).is_some_and(|word| word.starts_with("ago"))
            || (at > 1 && seen[at - 2].ends_with("up"));
        if is_span && is_moment && seen[at - 1].parse::<u32>().is_ok() {
            seen[at - 1] = "N";
        }
    }
    seen.join(" ")
}

/// The first line that differs, and what follows it.
fn difference(expected: &str, seen: &str) -> String {
    let (expected, seen): (Vec<_>, Vec<_>) = (expected.lines().collect(), seen.lines().collect());
    let same = expected.iter().zip(&seen).take_while(|(one, other)| one == other).count();
    let piece = |lines: &[&str]| -> String {
        let piece = lines.iter().skip(same).take(8).map(|line| format!("    {line}\n"));
        piece.collect()
    };
    let (expected, seen) = (piece(&expected), piece(&seen));
    format!("  from line {}, expected:\n{expected}  seen:\n{seen}", same + 1)
}
