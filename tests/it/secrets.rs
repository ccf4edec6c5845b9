//! Secrets stay where they belong: not in the log, however much of it is told,
//! not in what other users of the machine see of a process, not in files, not
//! in what `Debug` shows, not in a core dump.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command as Program;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truename::model::{RecordType, Secret};
use truename::registry::{Command, Credential, Login, Purpose, Reply};
use truename::signed::SharedSecret;

use crate::daemon::{Home, Login as Shown, said};
use crate::operator;
use crate::update::message::{self, Message};

const PASSWORD: &str = "correct horse: battery";

/// A server that has everything to tell, and is asked by every kind of client,
/// with secrets that are right, nearly right, and at the wrong place.
#[test]
fn no_secret_gets_out_of_a_server_that_tells_everything() {
    let home = Home::new();
    let tls = format!("{}:{}", home.http.ip(), home.http.port() + 20_000);
    let made = rcgen::generate_simple_self_signed(["ddns.example.org".into()]).unwrap();
    std::fs::write(home.path().join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    home.append(&format!(
        "[http.tls]\nlisten = [\"{tls}\"]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n"
    ));
    let server = home.start_with(|command| {
        command.env("TRUENAME_LOG", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    });

    // Commands.
    let mut add = home.program(&["account", "add", "ann", "--password-stdin"]);
    assert!(said(&mut add, PASSWORD).status.success());
    let mut set = home.program(&["account", "set", "ann", "--password-stdin"]);
    assert!(said(&mut set, PASSWORD).status.success());
    let host = home.add_host("home.dyn.example.org", &["--owner", "ann"]);
    let key = home.done(&["key", "add", "--account", "ann"]);
    let (id, key) = (key.split_whitespace().nth(1).unwrap().to_owned(), Shown::from(&key));
    let rotated = Shown::from(&home.done(&["key", "rotate", &id]));
    let secret = |purpose| {
        let data = home.path().join("data");
        let command = Command::KeySecret { id: truename::model::KeyId(id.clone()), purpose };
        match truename::control::ask(&data, &command) {
            Ok(Reply::Secret { secret, .. }) => secret,
            other => panic!("{other:?}"),
        }
    };
    let (tsig, signed) = (secret(Purpose::Tsig), secret(Purpose::Signed));
    let imported = "imported-token-of-somebody-else";
    std::fs::write(home.path().join("token.list"), format!("{imported}:cam\n")).unwrap();
    let list = home.path().join("token.list");
    home.done(&["import", "--from", "token.list", list.to_str().unwrap()]);
    let export = home.path().join("export");
    home.done(&["export", export.to_str().unwrap()]);

    // Clients, over plain HTTP and over TLS.
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let percent = |text: &str| text.replace(' ', "%20").replace(':', "%3A");
    let basic = |user: &str, secret: &str| {
        let login = base64(&format!("{user}:{secret}"));
        format!(
            "GET /nic/update?hostname=home.dyn.example.org&myip=192.0.2.1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n"
        )
    };
    let get = |target: String| format!("GET {target} HTTP/1.1\r\nHost: x\r\n");
    let token = &host.password;
    let requests = [
        basic("home.dyn.example.org", token),
        basic("ann", PASSWORD),
        basic("ann", &format!("nearly {PASSWORD}")),
        basic(token, ""),
        basic(PASSWORD, PASSWORD),
        get(format!(
            "/nic/update?username=ann&password={}&hostname=home.dyn.example.org",
            percent(PASSWORD)
        )),
        get(format!("/{token}?ip_address=192.0.2.2")),
        get(format!("/{token}/{token}?{token}={token}")),
        get(format!("/u/{}/", key.password)),
        get(format!("/update?domains=home&token={}&ip=nonsense", rotated.password)),
        get(format!("/dynamic/update.php?{token}.home.dyn.example.org")),
        format!(
            "GET /nic/update HTTP/1.1\r\nHost: {token}\r\nX-Api-Key: {token}\r\nCookie: {token}\r\nAuthorization: Bearer {token}\r\n"
        ),
        format!(
            "POST /signed/update HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{token}",
            token.len()
        ),
        token.clone(),
        format!("BREW /{token} HTTP/9.9\r\n{token}: {token}\r\n"),
    ];
    for request in &requests {
        let mut stream = TcpStream::connect(home.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    for (user, secret) in [("home.dyn.example.org", token.as_str()), ("ann", PASSWORD)] {
        let url = format!(
            "https://{tls}/nic/update?hostname=home.dyn.example.org&myip=192.0.2.1&token={token}"
        );
        let mut curl = Program::new("curl");
        curl.args(["-ksS", "-m", "20", "--config", "-", &url]);
        let answer = said(&mut curl, &format!("user = \"{user}:{secret}\"\n"));
        assert!(answer.out.starts_with("good") || answer.out.starts_with("nochg"), "{answer}");
    }

    // What is signed: rightly, and by a secret that is another's.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let right = data_encoding::BASE64.decode(tsig.as_bytes()).unwrap();
    for secret in [right, token.clone().into_bytes()] {
        let mut message = Message { opcode: 5, id: 7, ..Message::default() };
        message.questions = vec![("dyn.example.org".parse().unwrap(), RecordType::SOA, 1)];
        message.take("add _acme-challenge.home.dyn.example.org. 60 TXT proof");
        let mut octets = message.octets();
        message::Key { name: id.clone(), secret }.sign(&mut octets, now);
        let socket = UdpSocket::bind((home.dns.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.send_to(&octets, home.dns).unwrap();
        socket.recv(&mut [0; 1500]).expect("an UPDATE is answered");
    }

    let log = home.log();
    for told in ["DEBUG", "DNS UPDATE", "badauth"] {
        assert!(log.contains(told), "the log does not tell everything: no {told}");
    }
    let why = home.done(&["why", "--recent", "100"]) + &home.done(&["--json", "why", "--recent"]);
    let process = |file: &str| {
        let bytes = std::fs::read(format!("/proc/{}/{file}", server.id())).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (line, environment) = (process("cmdline"), process("environ"));
    assert!(process("limits").lines().any(|line| {
        let mut words = line.split_whitespace();
        line.starts_with("Max core file size") && words.nth(4) == Some("0")
    }));
    assert!(server.stop().success());

    let sent = [
        token.clone(),
        key.password.clone(),
        rotated.password.clone(),
        imported.to_owned(),
        PASSWORD.to_owned(),
        percent(PASSWORD),
        base64(&format!("ann:{PASSWORD}")),
        base64(&format!("home.dyn.example.org:{token}")),
        tsig.clone(),
        signed.clone(),
    ];
    for secret in &sent {
        for (place, text) in
            [("the log", &log), ("`why`", &why), ("ps", &line), ("the environment", &environment)]
        {
            if let Some(at) = text.find(secret) {
                let around: String = text[..at].lines().rev().take(1).collect();
                panic!("`{secret}` is in {place}, behind: {around}");
            }
        }
    }
    // Nor in what is on the disk, which is the owner's alone besides.
    files_below(&home.path().join("data"), &mut |path, bytes| {
        for secret in &sent {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "`{secret}` is in {}", path.display());
        }
    });
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path().join("data")), 0o700);
    assert_eq!(mode(&export), 0o600);
}

/// Every file in a data directory: its mode, and what is in it.
fn files_below(directory: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let (kind, mode) =
            path.metadata().map(|found| (found.file_type(), found.permissions().mode())).unwrap();
        if kind.is_dir() {
            files_below(&path, look);
            continue;
        }
        // What an engine makes itself is within a directory of ours.
        let is_engines = path.components().any(|part| part.as_os_str() == "sled");
        assert!(is_engines || mode & 0o077 == 0, "{}: {mode:o}", path.display());
        if kind.is_file() {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn what_debug_shows_has_no_secret_in_it() {
    let secret = "secret-word";
    let hidden = [
        format!("{:?}", Secret(secret.into())),
        format!("{:?}", Login { user: "ann".into(), secret: Secret(secret.into()) }),
        format!("{:?}", Credential::Secret(secret.into())),
        format!("{:?}", Credential::Hashed(secret.into())),
        format!("{:?}", SharedSecret::new(*b"secret-word-secret-word-secret-w")),
        format!(
            "{:?}",
            Command::AccountAdd { name: "ann".parse().unwrap(), password: Some(secret.into()) }
        ),
        format!(
            "{:?}",
            Command::AccountSet {
                name: "ann".parse().unwrap(),
                password: Some(secret.into()),
                blocked: Some(true)
            }
        ),
        format!(
            "{:?}",
            Reply::Secret {
                id: truename::model::KeyId("abcdefgh".into()),
                purpose: Purpose::Tsig,
                secret: secret.into()
            }
        ),
        format!("{:?}", new_key(secret)),
        format!("{:?}", Reply::KeyAdded(new_key(secret))),
        format!(
            "{:?}",
            truename::registry::Imported {
                name: "home.dyn.example.org".parse().unwrap(),
                host: truename::registry::Step::Added,
                key: None,
                token: Some(secret.into()),
                remark: None,
            }
        ),
    ];
    for shown in hidden {
        assert!(!shown.contains(secret) && !shown.contains("73656372"), "{shown}");
        assert!(shown.contains('…'), "{shown}");
    }
    // And what is no secret is there.
    let command = Command::AccountAdd { name: "ann".parse().unwrap(), password: None };
    assert!(format!("{command:?}").contains("ann"));
}

fn new_key(token: &str) -> truename::registry::NewKey {
    let key = serde_json::json!({
        "key": {
            "id": "abcdefgh", "holder": {"account": "ann"}, "hosts": [], "networks": [],
            "label": "", "may": "addresses", "created": 0
        },
        "token": token
    });
    serde_json::from_value(key).unwrap()
}

/// Fields that are called like secrets, in types whose `Debug` shows every
/// field: none, but for what is named here with the reason.
#[test]
fn no_type_shows_a_secret_by_a_derived_debug() {
    const NAMES: [&str; 6] = ["password", "token", "secret", "secrets", "mac", "cookie"];
    const SHOWN: [(&str, &str); 2] = [
        ("src/model/account.rs", "an argon2id hash, and not the password"),
        ("src/tsig/record.rs", "a signature as it stands in the message, and no secret"),
    ];
    let mut found = Vec::new();
    let mut looked_at = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources(&root.join("src"), &mut |path, text| {
        let file = path.strip_prefix(root).unwrap().display().to_string();
        let mut shows = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("#[derive(") {
                shows = line.contains("Debug");
            } else if line == "}" {
                shows = false;
            }
            let field = line.trim_start_matches("pub ").trim_start_matches("pub(super) ");
            let Some((name, kind)) = field.split_once(": ") else { continue };
            let bare = ["String", "Option<String>", "[u8; 32]", "Vec<u8>", "Box<str>", "&'a str"];
            let is_bare = bare.contains(&kind.trim_end_matches(','));
            looked_at += 1;
            if shows && is_bare && NAMES.contains(&name) && SHOWN.iter().all(|(of, _)| *of != file)
            {
                found.push(format!("{file}:{}: {line}", number + 1));
            }
        }
    });
    assert!(looked_at > 1000, "only {looked_at} fields");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn sources(directory: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, look);
        } else {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// `ps` shows what stands on a command line: no option takes a secret there.
#[test]
fn no_option_takes_a_secret() {
    let mut faults = Vec::new();
    let mut commands = 0;
    each_command(&mut Vec::new(), &mut |command, help| {
        commands += 1;
        let takes = |line: &&str| {
            let words = ["--password <", "--token <", "--secret <", "--key <", "--pass <"];
            words.iter().any(|word| line.contains(word))
        };
        faults.extend(help.lines().filter(takes).map(|line| format!("{command}: {line}")));
    });
    assert!(commands > 20, "only {commands} commands");
    assert!(faults.is_empty(), "{faults:?}");
}

/// Every command, and what it says of itself.
fn each_command(words: &mut Vec<String>, look: &mut impl FnMut(&str, &str)) {
    let mut program = Program::new(env!("CARGO_BIN_EXE_truename"));
    let help = said(program.args(&*words).arg("--help"), "").out;
    look(&words.join(" "), &help);
    let below = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let below = below.take_while(|line| !line.is_empty());
    let below =
        below.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let below = below.filter_map(|line| line.split_whitespace().next());
    let below: Vec<String> = below.map(str::to_owned).filter(|word| word != "help").collect();
    for word in below {
        words.push(word);
        each_command(words, look);
        words.pop();
    }
}

/// Who could write into the data directory could put another store there.
#[test]
fn a_data_directory_is_its_owners_alone() {
    let home = Home::new();
    let data = home.path().join("data");
    operator::start(&home).stop();
    let set =
        |mode| std::fs::set_permissions(&data, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o755);
    operator::start(&home).stop();
    let told = format!("others than its owner may use the data directory {}", data.display());
    assert!(home.log().contains(&told), "{}", home.log());
    set(0o757);
    let refused = home.fails();
    assert!(!refused.status.success());
    assert!(refused.err.contains("anybody may write into the data directory"), "{refused}");
}

/// A core dump is for whoever looks for a fault, and asked for.
#[test]
fn a_core_dump_is_asked_for() {
    let home = Home::new();
    let limit = |server: &crate::daemon::Daemon<'_>| {
        let text = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        line.split_whitespace().nth(5).unwrap().to_owned()
    };
    let server = operator::start(&home);
    let hard = limit(&server);
    server.stop();
    assert_eq!(hard, "0", "and nothing raises it again");
    let config = std::fs::read_to_string(home.path().join("truename.toml")).unwrap();
    home.configure(&format!("core_dumps = true\n{config}"));
    let server = operator::start(&home);
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    let own = own.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit(&server), own.split_whitespace().nth(5).unwrap());
    server.stop();
}
