//! What operators rely on beyond single commands: the control socket, and
//! the settings they hand to the owners of clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use truename::control::{AskError, MAX_REQUEST, SOCKET, ask};
use truename::registry::{Command as Asked, Reply};

use super::daemon::{Daemon, Home};

/// Starts a server and waits until it takes commands, which is a moment after
/// it answers questions.
pub fn start<'h>(home: &'h Home<'h>) -> Daemon<'h> {
    let server = home.start();
    let data = home.path().join("data");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while let Err(error) = ask(&data, &Asked::Status) {
        assert!(std::time::Instant::now() < end, "{error}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    server
}

/// One line to the socket, one line back.
fn exchange(stream: &mut UnixStream, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    reply
}

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_the_server() {
    let home = Home::new();
    let server = start(&home);
    let data = home.path().join("data");
    let socket = data.join(SOCKET);
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(ask(&data, &Asked::Status), Ok(Reply::Status(_))));
    server.stop();
    assert!(!socket.exists(), "the socket is left behind");
    assert!(matches!(ask(&data, &Asked::Status), Err(AskError::NotRunning(_))));
}

#[test]
fn a_socket_that_a_killed_server_left_is_no_server_and_in_nobodys_way() {
    let home = Home::new();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    drop(UnixListener::bind(data.join(SOCKET)).unwrap());
    assert!(data.join(SOCKET).exists());
    assert!(matches!(ask(&data, &Asked::Status), Err(AskError::NotRunning(_))));
    let server = start(&home);
    assert!(matches!(ask(&data, &Asked::Status), Ok(Reply::Status(_))));
    server.stop();
}

#[test]
fn nonsense_on_the_socket_is_refused_with_a_sentence_and_harms_nobody() {
    let home = Home::new();
    let server = start(&home);
    let data = home.path().join("data");
    let connect = || UnixStream::connect(data.join(SOCKET)).unwrap();

    let mut stream = connect();
    for request in ["\n", "hello\n", "{}\n", "{\"ask\":\"shutdown\"}\n", "\u{0}\u{1}\n"] {
        let reply = exchange(&mut stream, request.as_bytes());
        assert!(reply.starts_with("{\"Err\":\"the server "), "{request:?}: {reply}");
    }
    // The same connection is good for the next, proper request.
    let reply = exchange(&mut stream, b"{\"ask\":\"status\"}\n");
    assert!(reply.starts_with("{\"Ok\":{\"reply\":\"status\""), "{reply}");

    // A line without an end: refused at the bound, and hung up.
    let mut stream = connect();
    let endless = vec![b'x'; usize::try_from(MAX_REQUEST).unwrap() + 1];
    // The server may hang up before it has taken all of it.
    let _ = stream.write_all(&endless);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    assert!(reply.is_empty() || reply.starts_with(b"{\"Err\""), "{reply:?}");

    assert!(matches!(ask(&data, &Asked::Status), Ok(Reply::Status(_))));
    server.stop();
}

#[test]
fn idle_connections_do_not_hold_up_a_stop() {
    let home = Home::new();
    let server = start(&home);
    let data = home.path().join("data");
    let idle: Vec<_> = (0..40).map(|_| UnixStream::connect(data.join(SOCKET)).unwrap()).collect();
    let start = std::time::Instant::now();
    server.stop();
    assert!(start.elapsed().as_secs() < 8, "a stop waits for connections without a request");
    drop(idle);
}

/// A program at a terminal, answered as its questions come.
fn at_a_terminal(command: &str, answers: &[(&str, &str)]) -> String {
    // `script` (util-linux) gives the program a terminal of its own; one that
    // asks what nobody answers shall not wait for ever.
    let mut child = Command::new("timeout")
        .args(["120", "script", "-qec", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is there (Debian: bsdutils)");
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    let mut byte = [0];
    for (question, answer) in answers {
        let from = seen.len();
        while !String::from_utf8_lossy(&seen[from..]).contains(question) {
            let read = screen.read(&mut byte).unwrap();
            assert!(read == 1, "no question {question:?}:\n{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        // A question comes a moment before the echo is switched off, and
        // nothing outside the terminal tells when it is.
        std::thread::sleep(std::time::Duration::from_millis(300));
        writeln!(keyboard, "{answer}").unwrap();
    }
    screen.read_to_end(&mut seen).unwrap();
    let seen = String::from_utf8(seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    seen
}

#[test]
fn init_asks_at_a_terminal_and_asks_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("truename.toml");
    let truename = format!("{} --config {}", env!("CARGO_BIN_EXE_truename"), file.display());
    let seen = at_a_terminal(
        &format!("{truename} init"),
        &[
            ("The zone", "dyn..example.net"),
            ("The zone", "dyn.example.net"),
            ("public addresses", "home"),
            ("public addresses", "192.0.2.53, 2001:db8::53"),
            ("name servers", ""),
            ("write about", "me@example.net"),
            ("DNS listens", "127.0.0.1:5300"),
            ("HTTP listens", "127.0.0.1:8053"),
            ("clients reach", ""),
            ("data directory", directory.path().join("data").to_str().unwrap()),
            ("Whose machines", "private"),
        ],
    );
    assert!(seen.contains("two dots"), "{seen}");
    assert!(seen.contains("home is not an address"), "{seen}");
    let zone = std::fs::read_to_string(directory.path().join("zones/dyn.example.net.zone"));
    let zone = zone.unwrap();
    assert!(zone.contains("ns1.dyn.example.net. me.example.net."), "{zone}");
    assert!(zone.contains("ns1     AAAA    2001:db8::53"), "{zone}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("public = \"http://ddns.dyn.example.net:8053\""), "{text}");
    let check = Command::new("sh").args(["-c", &format!("{truename} check")]).status().unwrap();
    assert!(check.success());
}

#[test]
fn passwords_typed_at_a_terminal_are_not_shown() {
    let home = Home::new();
    let server = start(&home);
    let configuration = home.path().join("truename.toml");
    let truename =
        format!("{} --config {}", env!("CARGO_BIN_EXE_truename"), configuration.display());
    let seen = at_a_terminal(
        &format!("{truename} account add ann --password"),
        &[("Password for ann", "correct horse"), ("Once more", "correct horse")],
    );
    assert!(!seen.contains("horse"), "{seen}");
    assert!(home.done(&["account", "show", "ann"]).contains("password  set"));
    server.stop();
}

/// The files in `clients/`, but for what explains them.
fn client_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let files = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    let files: Vec<_> = files.filter(|path| !is_page(path)).collect();
    assert!(files.len() >= 16, "{files:?}");
    files
}

/// `{word}`, if there is one left; `#{word}` is ddns-go's own.
fn placeholder(text: &str) -> Option<&str> {
    let braces = text.match_indices('{').filter(|(at, _)| !text[..*at].ends_with('#'));
    braces.map(|(at, _)| &text[at + 1..]).find_map(|rest| {
        let (word, _) = rest.split_once('}')?;
        let alike = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (!word.is_empty() && word.chars().all(alike)).then_some(word)
    })
}

#[test]
fn every_file_in_clients_is_printed_filled_in() {
    let home = Home::new();
    let server = start(&home);
    let login = home.add_host("home.dyn.example.org", &[]);
    for public in ["http://ddns.dyn.example.org:8080", "https://ddns.dyn.example.org"] {
        let configuration = std::fs::read_to_string(home.path().join("truename.toml")).unwrap();
        let without = configuration.lines().filter(|line| !line.starts_with("public"));
        let text = without.collect::<Vec<_>>().join("\n");
        home.configure(&text.replace("[http]", &format!("[http]\npublic = \"{public}\"")));
        let (scheme, server_name) = public.split_once("://").unwrap();
        for file in client_files() {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let arguments =
                ["host", "show", "home.dyn.example.org", "--settings", name, "--password-stdin"];
            let mut child = home
                .program(&arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(login.password.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{name}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(placeholder(&text), None, "{name}:\n{text}");
            assert!(text.contains("home.dyn.example.org"), "{name}:\n{text}");
            // What signs, and does not log in, has no password; DNS UPDATE and
            // menus without a field for the server have no HTTP server.
            let template = std::fs::read_to_string(&file).unwrap();
            for (placeholder, value) in
                [("{password}", login.password.as_str()), ("{server}", server_name)]
            {
                let is_there = text.contains(value);
                assert_eq!(is_there, template.contains(placeholder), "{name}:\n{text}");
            }
            let other = if scheme == "http" { "https://ddns" } else { "http://ddns" };
            assert!(!text.contains(other), "{name}:\n{text}");
        }
    }
    server.stop();
}

#[test]
fn the_readme_of_clients_explains_every_placeholder() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
    for file in client_files() {
        let mut text = std::fs::read_to_string(&file).unwrap();
        while let Some(word) = placeholder(&text).map(str::to_owned) {
            let word = format!("{{{word}}}");
            assert!(readme.contains(&format!("`{word}`")), "{}: {word}", file.display());
            text = text.replace(&word, "");
        }
    }
}

#[test]
fn scripts_for_clients_are_scripts() {
    for file in client_files() {
        if file.extension().is_none_or(|ending| ending != "sh") {
            continue;
        }
        let status = Command::new("sh").arg("-n").arg(&file).status().unwrap();
        assert!(status.success(), "{}", file.display());
    }
}

/// What `check` warns of is in the log of a start and of a reload, and in
/// `status`.
#[test]
fn a_server_says_what_check_warns_of() {
    let home = Home::new();
    let mut params = rcgen::CertificateParams::new(vec!["ddns.example.org".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 3, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(home.path().join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(home.path().join("key.pem"), key.serialize_pem()).unwrap();
    home.reconfigure("[http]\n", "[http]\npublic = \"https://ddns.dyn.example.org\"\n");
    let https = std::net::SocketAddr::new(home.http.ip(), home.http.port() + 20_000);
    home.append(&format!(
        "\n[http.tls]\nlisten = [\"{https}\"]\ncertificate = \"certificate.pem\"\n\
         key = \"key.pem\"\n[http.register]\nzone = \"nowhere.example\"\n\
         [zone.\"dyn.exmaple.org\"]\nglobal_only = true\n"
    ));
    let warnings = [
        "settings for dyn.exmaple.org, which no zone file is about",
        "[http.register] is nowhere.example, which no zone file is about",
        "certificate.pem: the certificate has been expired since 2020-03-01",
        "certificate.pem: the certificate is not for ddns.dyn.example.org",
    ];
    let checked = home.done(&["check"]);
    let server = start(&home);
    let status = home.done(&["status"]);
    for warning in warnings {
        for said in [&checked, &status] {
            assert!(said.contains("warning: ") && said.contains(warning), "{said}");
        }
        assert_eq!(home.log().matches(warning).count(), 1, "{}", home.log());
    }
    // Mended while it runs, or not.
    let zone = std::fs::read_to_string(home.path().join("zones/dyn.example.org.zone")).unwrap();
    let other = zone.replace("dyn.example.org.", "dyn.exmaple.org.");
    std::fs::write(home.path().join("zones/other.zone"), other).unwrap();
    home.done(&["reload"]);
    let status = home.done(&["status"]);
    assert!(!status.contains(warnings[0]) && status.contains(warnings[1]), "{status}");
    for (warning, times) in warnings.iter().zip([1, 2, 2, 2]) {
        assert_eq!(home.log().matches(warning).count(), times, "{}", home.log());
    }
    server.stop();
}

/// Whoever asks the running server needs no certificate.
#[test]
fn commands_go_on_without_a_certificate_file() {
    let home = Home::new();
    let server = start(&home);
    home.append("\n[http.tls]\ncertificate = \"gone.pem\"\nkey = \"gone.key\"\n");
    for command in [&["status"][..], &["host", "list"], &["reload"], &["export", "-"]] {
        home.done(command);
    }
    for command in ["check", "serve"] {
        let said = home.run(&[command]);
        assert_eq!(said.status.code(), Some(1), "{said}");
        assert!(
            said.err.contains("there is no file or directory") && said.err.contains("gone.pem")
        );
    }
    server.stop();
}

/// The service's user reads what root wrote, whatever root's umask.
#[test]
fn what_init_writes_is_there_for_the_server_to_read() {
    let place = tempfile::tempdir().unwrap();
    let line = format!(
        "umask 077; exec {} init --config etc/truename/truename.toml --data data --yes \
         --zone dyn.example.net --address 192.0.2.53",
        env!("CARGO_BIN_EXE_truename")
    );
    let done = Command::new("sh").args(["-c", &line]).current_dir(place.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    for (path, mode) in [
        ("etc", 0o755),
        ("etc/truename", 0o755),
        ("etc/truename/truename.toml", 0o644),
        ("etc/truename/zones", 0o755),
        ("etc/truename/zones/dyn.example.net.zone", 0o644),
    ] {
        let found = place.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}: {found:o}");
    }
}

/// `check` looks into the store of a server that was killed, and leaves it as it
/// was: what stands in its journal alone is the next start's.
#[test]
fn a_look_at_a_store_changes_nothing() {
    for engine in ["sled", "redb"] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        let server = start(&home);
        for n in 1..20 {
            let host = format!("h{n}.dyn.example.org");
            home.done(&["host", "add", &host, "--no-key"]);
        }
        home.done(&["host", "set", "h7.dyn.example.org", "--address", "192.0.2.7"]);
        let before = home.done(&["host", "list"]);
        server.kill();
        for _ in 0..2 {
            let said = home.run(&["check"]);
            assert!(said.status.success() && !said.all().contains("not looked at"), "{said}");
        }
        let zone = home.path().join("zones/dyn.example.org.zone");
        let text = std::fs::read_to_string(&zone).unwrap();
        home.zone("dyn.example.org.zone", &format!("{text}h19 A 192.0.2.1\n"));
        let said = home.run(&["check"]);
        assert!(said.err.contains("h19.dyn.example.org cannot be a host"), "{said}");
        home.zone("dyn.example.org.zone", &text);
        let server = start(&home);
        let column = |list: &str| -> Vec<String> {
            list.lines().map(|line| line.chars().take(40).collect()).collect()
        };
        assert_eq!(column(&home.done(&["host", "list"])), column(&before), "{engine}");
        assert!(
            !home.log().contains("BROKEN") && !home.log().contains("JOURNAL"),
            "{}",
            home.log()
        );
        server.stop();
    }
}
