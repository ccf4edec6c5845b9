//! What real clients send, byte for byte, and what they get.
//!
//! The scripts in `tests/clients/` are played against a real server on
//! loopback, once as they are and once in single bytes. How one reads:
//! `tests/clients/README.md`.

mod http_server;
mod lines;
mod logs;
mod script;
mod sound;
mod strangers;
mod tls;

use http_server::Provider;
use script::Script;

/// Plays every script of `tests/clients/`, and says what was seen instead.
async fn play_all(dribs: bool) {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with("# "), "{name} starts with prose");
        let provider = Provider::start().await;
        let seen = Script::parse(&name, &text).play(&provider, dribs).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_as_they_are() {
    play_all(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_in_single_bytes() {
    play_all(true).await;
}
