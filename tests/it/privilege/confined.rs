//! landlock: from within, nothing is written but in the data directory,
//! nothing is read but what the configuration names, nothing is run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use truename::privilege::{Confined, confine};

use crate::crash::this_test;
use crate::daemon::{Home, ZONE};

/// Asks the server itself, as a command does, to write a file.
fn export_to(home: &Home, file: &Path) -> String {
    let mut stream = UnixStream::connect(home.path().join("data/control")).unwrap();
    let request = serde_json::json!({ "ask": "export", "file": file });
    writeln!(stream, "{request}").unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    reply
}

/// Whoever tells the server to write elsewhere is refused, be it root's; the
/// command that does it well goes on working.
#[test]
fn the_server_writes_nowhere_else() {
    for (settings, confined) in [("", true), ("confine = false\n", false)] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("{settings}data = "));
        let running = home.start();
        let elsewhere = home.path().join("elsewhere");
        let reply = export_to(&home, &elsewhere);
        if confined {
            assert!(reply.contains("Err") && reply.contains("Permission denied"), "{reply}");
            assert!(!elsewhere.exists());
            assert!(home.log().contains("landlock: writes in the data directory alone"));
        } else {
            // So it is landlock that refuses.
            assert!(reply.contains("Ok") && elsewhere.exists(), "{reply}");
        }
        // Written by the command, which is the operator's own.
        let kept = home.path().join("kept.dump");
        home.done(&["export", kept.to_str().unwrap()]);
        assert!(fs::read_to_string(&kept).unwrap().starts_with("# truename dump"));
        assert!(running.stop().success());
    }
}

/// A zone file put where none was at the start is not read, and the operator
/// is told what to do; those replaced in their places are.
#[test]
fn a_reload_reads_what_is_where_it_was() {
    let home = Home::new();
    let file = home.path().join("zones/dyn.example.org.zone");
    let link = home.path().join("zones/other.example.zone");
    fs::create_dir(home.path().join("elsewhere")).unwrap();
    let target = home.path().join("elsewhere/other");
    fs::write(&target, ZONE.replace("dyn.example.org", "other.example")).unwrap();
    let running = home.start();

    // As editors do it.
    let fresh = file.with_extension("new");
    fs::write(&fresh, format!("{ZONE}new A 192.0.2.81\n")).unwrap();
    fs::rename(&fresh, &file).unwrap();
    home.done(&["reload"]);

    symlink(&target, &link).unwrap();
    let said = home.run(&["reload"]);
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains("other.example.zone"), "{said}");
    assert!(said.err.contains("start the server again"), "{said}");
    assert!(running.stop().success());
    let _running = home.start();
    home.done(&["reload"]);
}

/// The rules themselves, in a process of its own that breaks each.
#[test]
fn what_is_not_allowed_is_refused() {
    let test = "privilege::confined::what_is_not_allowed_is_refused";
    if let Some(place) = std::env::var_os("CONFINED") {
        return confined(Path::new(&place));
    }
    let place = tempfile::tempdir().unwrap();
    for directory in ["data", "zones", "others"] {
        fs::create_dir(place.path().join(directory)).unwrap();
        fs::write(place.path().join(directory).join("file"), "").unwrap();
    }
    let mut command = this_test(test);
    command.env("CONFINED", place.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().unwrap();
    let words = format!("{output:?}");
    assert!(output.status.success() && words.contains("1 passed"), "{words}");
}

fn confined(place: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (data, zones, others) = (place.join("data"), place.join("zones"), place.join("others"));
    assert!(Command::new("true").status().unwrap().success());
    // The harness' own threads keep their rights; this one and its own do not.
    let confined = confine(&data, std::slice::from_ref(&zones)).unwrap();
    assert_ne!(confined, Confined::Not, "this test needs a kernel with landlock");
    let tries = move || {
        fs::write(data.join("file"), "x").unwrap();
        fs::create_dir(data.join("inner")).unwrap();
        fs::rename(data.join("file"), data.join("inner/file")).unwrap();
        fs::remove_file(data.join("inner/file")).unwrap();
        fs::read(zones.join("file")).unwrap();

        let denied = |what: &str, result: std::io::Result<()>| {
            let error = result.expect_err(what);
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{what}: {error}");
        };
        denied("write", fs::write(zones.join("file"), "x"));
        denied("create", fs::write(zones.join("new"), "x"));
        denied("truncate", fs::OpenOptions::new().write(true).open(others.join("file")).map(drop));
        denied("remove", fs::remove_file(others.join("file")));
        denied("read", fs::read(others.join("file")).map(drop));
        denied("list", fs::read_dir(&others).map(drop));
        denied("read /etc/passwd", fs::read("/etc/passwd").map(drop));
        denied("run", Command::new("/bin/true").status().map(drop));
        if confined == Confined::Fully {
            denied("connect", TcpStream::connect(address).map(drop));
            denied("bind", TcpListener::bind("127.0.0.1:0").map(drop));
        }
    };
    tries.clone()();
    fs::write(place.join("data/file"), "").unwrap();
    fs::remove_dir(place.join("data/inner")).unwrap();
    std::thread::spawn(tries).join().unwrap();
    // What was open before stays so: the ports of a server.
    listener.set_nonblocking(true).unwrap();
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}
