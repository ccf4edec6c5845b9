//! Hosts from servers that kept hashes of secrets: their clients go on with
//! the secrets they have. (Of acme-dns: `acme/acme_dns.rs`.)

use hickory_proto::rr::RecordType;

use super::daemon::{Home, Login, body, get, lookup};

/// `correct horse`, as Django keeps it (nsupdate.info).
const SHA1: &str = "sha1$Jq8ZC1xW$e584091031386358c4544a38802b0e7306bfa544";

#[test]
fn a_host_of_nsupdate_info_reports_with_the_secret_it_has() {
    let home = Home::new();
    let server = home.start();
    let dump = home.path().join("dump.json");
    let text = format!(
        r#"[{{"model":"main.domain","pk":1,"fields":{{"name":"nsupdate.example"}}}},
            {{"model":"main.host","pk":1,"fields":{{"name":"attic","domain":1,"update_secret":"{SHA1}"}}}}]"#
    );
    std::fs::write(&dump, text).unwrap();
    let import =
        ["import", "--from", "nsupdate.info", dump.to_str().unwrap(), "--zone", "dyn.example.org"];
    home.done(&import);
    let login =
        |password: &str| Login { user: "attic.dyn.example.org".into(), password: password.into() };
    let report = |address: &str, password: &str| {
        let target = format!("/nic/update?hostname=attic.dyn.example.org&myip={address}");
        let answer = get(home.http, &target, Some(&login(password))).expect("an answer");
        body(&answer).to_owned()
    };
    assert_eq!(report("192.0.2.1", "correct house"), "badauth\n");
    assert_eq!(report("192.0.2.1", "correct horse"), "good 192.0.2.1\n");
    let there = lookup(home.dns, "attic.dyn.example.org.", RecordType::A).unwrap();
    assert_eq!(there.data, ["192.0.2.1"]);
    // By our own digest from now on, and so after a restart.
    assert_eq!(report("192.0.2.2", "correct horse"), "good 192.0.2.2\n");
    let again = home.done(&import);
    assert!(again.contains("exists"), "{again}");
    server.stop();
    let kept = home.done(&["export"]);
    assert!(!kept.contains("sha1$"), "the hash is forgotten: {kept}");
    let _server = home.start();
    assert_eq!(report("192.0.2.2", "correct horse"), "nochg 192.0.2.2\n");
    assert_eq!(report("192.0.2.2", "correct house"), "badauth\n");
}

/// Several hosts of one owner often have one secret; none is shut out because
/// another used it first.
#[test]
fn hosts_that_came_with_the_same_secret_all_report() {
    let home = Home::new();
    let server = home.start();
    let dump = home.path().join("dump.json");
    let hosts = ["attic", "cellar", "shed"];
    let fields = (1..).zip(hosts).map(|(pk, host)| {
        format!(
            r#",{{"model":"main.host","pk":{pk},"fields":{{"name":"{host}","domain":1,"update_secret":"{SHA1}"}}}}"#
        )
    });
    let text = format!(
        r#"[{{"model":"main.domain","pk":1,"fields":{{"name":"nsupdate.example"}}}}{}]"#,
        fields.collect::<String>()
    );
    std::fs::write(&dump, text).unwrap();
    home.done(&[
        "import",
        "--from",
        "nsupdate.info",
        dump.to_str().unwrap(),
        "--zone",
        "dyn.example.org",
    ]);
    let report = |host: &str, address: &str, password: &str| {
        let user = format!("{host}.dyn.example.org");
        let target = format!("/nic/update?hostname={user}&myip={address}");
        let login = Login { user, password: password.into() };
        body(&get(home.http, &target, Some(&login)).expect("an answer")).to_owned()
    };
    let each = |last: &str, answer: &str| {
        for host in hosts {
            let address = format!("192.0.2.{last}");
            assert_eq!(report(host, &address, "correct horse"), format!("{answer} {address}\n"));
            assert_eq!(report(host, &address, "correct house"), "badauth\n");
        }
    };
    each("1", "good");
    each("2", "good");
    server.stop();
    let _server = home.start();
    each("2", "nochg");
    each("3", "good");
}
