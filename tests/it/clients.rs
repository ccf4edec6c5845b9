//! What real clients send, byte for byte, and what they get.
//!
//! The scripts in `tests/clients/` are played against a real server on
//! loopback, once as they are and once in single bytes. How one reads:
//! `tests/clients/README.md`.

mod http_server;
mod limits;
mod lines;
mod logs;
mod protocols;
mod script;
mod sound;
mod strangers;
mod stream;
mod tls;

use std::path::PathBuf;

use http_server::Provider;
use script::Script;

pub use script::difference;

/// The scripts of `tests/clients/`, in the order of their names.
pub fn recorded() -> Vec<PathBuf> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Plays every script of `tests/clients/`, and says what was seen instead.
async fn play_all(dribs: bool) {
    let mut wrong = Vec::new();
    for file in recorded() {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with("# "), "{name} starts with prose");
        let provider = Provider::start().await;
        let seen = Script::parse(&name, &text).play(&provider, dribs).await;
        no_secret_is_remembered(&name, &provider);
        provider.stop().await;
        if seen != text {
            if std::env::var_os("UPDATE").is_some() && !dribs {
                std::fs::write(&file, &seen).unwrap();
            }
            wrong.push(script::difference(&name, &text, &seen));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever clients send and wherever they put it: what `truename why` shows
/// has no secret in it.
fn no_secret_is_remembered(name: &str, provider: &Provider) {
    let views = provider.registry.recent().latest(usize::MAX);
    let shown = serde_json::to_string(&views).unwrap();
    let password = http_server::PASSWORD;
    let encoded = password.replace(' ', "%20").replace(':', "%3A");
    let words = [password, encoded.as_str(), "horse"];
    for secret in provider.tokens.values().map(String::as_str).chain(words) {
        assert!(!shown.contains(secret), "{name}: `{secret}` is shown by `truename why`: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_as_they_are() {
    play_all(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_in_single_bytes() {
    play_all(true).await;
}
