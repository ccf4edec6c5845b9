//! What `truename import` reads in a client's configuration is what the client
//! itself reads there, and sends.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use truename::import::{self, File, Source};

use super::super::network::program;

/// Every spelling of hosts, logins and passwords that ddclient's grammar has.
const DDCLIENT: &str = r#"
# A comment with password=nothing in it
daemon=300
protocol=dyndns2, server=ddns.example.org, ssl=no
use=ip, ip=192.0.2.9
login=ann, password=secret-one, one.example.org
login=bob
password='with space # and "quote", comma'
two.example.org,three.example.org
login=carl \
password=four-secret four.example.org
five.example.org dora dorapass
host=six.example.org password=zz
login="e e", password = spaced seven.example.org , eight.example.org
fw-login=admin, fw-password=router login=fred password=nine-secret nine.example.org
login=gus password=it's ten.example.org
ELEVEN.example.org "h" \"p\"
"#;

#[test]
fn ddclient_reads_its_configuration_as_we_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ddclient.conf");
    std::fs::write(&path, DDCLIENT).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = Command::new(program("ddclient"))
        .args(["-daemon=0", "-noexec", "-debug", "-verbose", "-foreground", "-file"])
        .arg(&path)
        .arg("-cache")
        .arg(directory.path().join("ddclient.cache"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);

    // Each request is a line with its hosts, and one with its login.
    let mut theirs = BTreeSet::new();
    let mut hosts = Vec::new();
    for line in said.lines().filter_map(|line| line.strip_prefix("SENDING:  ")) {
        if let Some((_, query)) = line.split_once("hostname=") {
            hosts = query.split('&').next().unwrap().split(',').map(str::to_owned).collect();
        } else if let Some(basic) = line.strip_prefix("Authorization: Basic ") {
            let login = data_encoding::BASE64.decode(basic.trim().as_bytes()).unwrap();
            let login = String::from_utf8(login).unwrap();
            theirs.extend(hosts.drain(..).map(|host: String| format!("{host} {login}")));
        }
    }

    let file = File { path, text: DDCLIENT.to_owned() };
    let found = import::read(Source::Ddclient, &[file]).unwrap();
    let ours: BTreeSet<String> = found
        .hosts
        .into_iter()
        .map(|host| {
            let (login, secret) = (host.login.unwrap_or_default(), host.secret.unwrap_or_default());
            format!("{} {login}:{secret}", host.name)
        })
        .collect();
    assert!(theirs.len() > 10, "{said}");
    assert_eq!(ours, theirs);
}
