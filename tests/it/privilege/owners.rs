//! Root's commands on what belongs to the user of a stopped server: all of it
//! stays theirs. And what that user may not read.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::{HOST, SOMEBODY, as_root, copy_of_the_program, readable};
use crate::daemon::{Daemon, Home, Said, ZONE, said, with_us};

/// Started as the user, as systemd does.
fn start<'h>(home: &'h Home<'h>) -> Daemon<'h> {
    let mut command = with_us(copy_of_the_program(home).to_str().unwrap());
    command.arg("--config").arg(home.path().join("truename.toml"));
    command.uid(SOMEBODY).gid(SOMEBODY);
    home.start_with(|daemon| *daemon = command)
}

/// A command as that user.
fn as_somebody(home: &Home, arguments: &[&str]) -> Said {
    let mut command = with_us(copy_of_the_program(home).to_str().unwrap());
    command.arg("--config").arg(home.path().join("truename.toml")).args(arguments);
    said(command.uid(SOMEBODY).gid(SOMEBODY), "")
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Root of a container has no capabilities, and cannot become anybody: it is
/// told so, or what it asks for needs no such thing.
#[test]
fn root_without_capabilities_is_root_no_more() {
    if !as_root("privilege::owners::root_without_capabilities_is_root_no_more") {
        return;
    }
    let home = Home::new();
    readable(&home);
    let data = home.path().join("data");
    fs::create_dir_all(&data).unwrap();
    chown(&data, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = with_us("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(copy_of_the_program(&home));
        said(command.arg("--config").arg(home.path().join("truename.toml")).args(arguments), "")
    };
    let exported = run(&["export", "-"]);
    assert!(exported.err.contains("root cannot act as user"), "{}", exported.all());
    let checked = run(&["check"]);
    assert!(checked.out.contains("truename.toml: good"), "{}", checked.all());
}

/// Nothing below is anybody else's.
fn all_theirs(directory: &Path) {
    assert_eq!(fs::metadata(directory).unwrap().uid(), SOMEBODY, "{}", directory.display());
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let owner = entry.metadata().unwrap();
        assert_eq!((owner.uid(), owner.gid()), (SOMEBODY, SOMEBODY), "{}", entry.path().display());
        if owner.is_dir() {
            all_theirs(&entry.path());
        }
    }
}

/// As systemd lays it out for a user that comes and goes (DynamicUser): the data
/// are in a directory that root alone gets into, and a link leads there.
#[test]
fn root_keeps_a_copy_brings_it_back_and_migrates() {
    if !as_root("privilege::owners::root_keeps_a_copy_brings_it_back_and_migrates") {
        return;
    }
    let home = Home::new();
    readable(&home);
    let private = home.path().join("private");
    let data = private.join("truename");
    fs::create_dir_all(&data).unwrap();
    chown(&data, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    chmod(&data, 0o700);
    symlink("private/truename", home.path().join("data")).unwrap();

    // systemd shows the service its directory where the link is.
    let open = || chmod(&private, 0o711);
    let close = || chmod(&private, 0o700);
    let server = start(&home);
    home.add_host(HOST, &[]);
    assert!(server.stop().success());
    close();

    // Root's own directory is nobody else's either.
    let root = tempfile::tempdir().unwrap();
    let kept = root.path().join("kept");
    home.done(&["export", kept.to_str().unwrap()]);
    assert!(fs::read_to_string(&kept).unwrap().contains(HOST));
    assert_eq!(fs::metadata(&kept).unwrap().uid(), 0);
    all_theirs(&data);

    // What a start would refuse, `check` does.
    home.zone("dyn.example.org.zone", &format!("{ZONE}home A 192.0.2.9\n"));
    let refused = home.run(&["check"]);
    assert!(refused.err.contains("home.dyn.example.org cannot be a host"), "{refused}");
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    home.zone("dyn.example.org.zone", ZONE);
    home.done(&["check"]);
    all_theirs(&data);

    let before = home.run(&["import", kept.to_str().unwrap()]);
    let place = home.path().join("data");
    assert!(before.err.contains(&format!("{} has a store already", place.display())), "{before}");
    fs::rename(data.join("sled"), data.join("sled.before")).unwrap();
    home.done(&["import", kept.to_str().unwrap()]);
    all_theirs(&data);
    let migrated = home.done(&["migrate", "--to", "redb"]);
    assert!(migrated.contains(&format!("{}/sled.migrated-1", place.display())), "{migrated}");
    all_theirs(&data);
    // A link of theirs leads root nowhere.
    let secret = root.path().join("secret");
    fs::write(&secret, "root's").unwrap();
    symlink(&secret, data.join("truename.dump.new")).unwrap();
    let led = home.run(&["migrate", "--from", "redb", "--to", "sled"]);
    assert_eq!(led.status.code(), Some(1), "{led}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "root's");
    let _ = fs::remove_file(data.join("truename.dump.new"));

    home.reconfigure("data = ", "store = \"redb\"\ndata = ");
    open();
    let server = start(&home);
    assert!(home.done(&["host", "list"]).contains(HOST));
    assert!(server.stop().success());
}

/// Root reads everything, and a server that is not root does not.
#[test]
fn check_says_what_the_user_cannot_read() {
    if !as_root("privilege::owners::check_says_what_the_user_cannot_read") {
        return;
    }
    let home = Home::new();
    readable(&home);
    let made = rcgen::generate_simple_self_signed(["ddns.dyn.example.org".to_owned()]).unwrap();
    let (certificate, key) = (home.path().join("c.pem"), home.path().join("tls/k.pem"));
    fs::create_dir(home.path().join("tls")).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    home.append("\n[http.tls]\ncertificate = \"c.pem\"\nkey = \"tls/k.pem\"\n");
    chmod(&certificate, 0o644);
    chmod(&key, 0o644);
    chmod(&home.path().join("tls"), 0o755);
    // Who it is says the configuration, or the owner of the data.
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    chmod(&data, 0o700);
    for by_name in [false, true] {
        if by_name {
            home.reconfigure("data = ", &format!("user = \"{SOMEBODY}\"\ndata = "));
        } else {
            chown(&data, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        home.done(&["check"]);
        for (path, mode) in [(&key, 0o600), (&home.path().join("tls"), 0o700)] {
            let before = fs::metadata(path).unwrap().permissions().mode();
            chmod(path, mode);
            let told = home.run(&["check"]);
            // A unit may give the user groups (SupplementaryGroups).
            assert_eq!(told.status.code(), Some(i32::from(by_name)), "{told}");
            let words = format!("as whom the server runs, cannot read {}", key.display());
            assert!(told.all().contains("54321") && told.all().contains(&words), "{told}");
            chmod(path, before & 0o777);
        }
    }
}

/// What a user cannot reach is not what is not there.
#[test]
fn what_cannot_be_reached_is_not_absent() {
    if !as_root("privilege::owners::what_cannot_be_reached_is_not_absent") {
        return;
    }
    let home = Home::new();
    readable(&home);
    chmod(&home.path().join("zones"), 0o755);
    home.reconfigure("zones = [\"zones\"]", "zones = [\"closed/zones\"]");
    fs::create_dir_all(home.path().join("closed/zones")).unwrap();
    chmod(&home.path().join("closed"), 0o700);
    let refused = as_somebody(&home, &["check"]);
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    assert!(refused.err.contains("closed/zones cannot be reached"), "{refused}");
    assert!(refused.err.contains("run this as root"), "{refused}");

    // The usual configuration, in an /etc of its own.
    let program = copy_of_the_program(&home);
    let line = format!(
        "mount -t tmpfs none /etc && mkdir -m 700 /etc/truename && \
         echo 'data = \"/nowhere\"' > /etc/truename/truename.toml && \
         exec setpriv --reuid {SOMEBODY} --regid {SOMEBODY} --clear-groups {} status",
        program.display()
    );
    let mut command = with_us("unshare");
    command.args(["--mount", "sh", "-c", &line]);
    let refused = said(&mut command, "");
    assert!(refused.err.contains("/etc/truename/truename.toml: cannot be read"), "{refused}");
}
