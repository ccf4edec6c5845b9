//! The protocols of other providers, by the programs that speak them: a
//! program that knows DuckDNS or FreeDNS is told nothing but another server
//! (ddclient), or not even that (inadyn, whose names are ours in here).
//!
//! Rows of the table in `clients/README.md` that these tests prove:
//!
//! | ddclient 3.10: duckdns | DuckDNS | real program |
//! | ddclient 3.10: namecheap | Namecheap | real program |
//! | ddclient 3.10: noip | dyndns2 | real program |
//! | ddclient 3.10: dyndns1 | dyndns1 | real program |
//! | ddclient 3.10: easydns | easyDNS | real program |
//! | ddclient 3.10: googledomains | dyndns2 | real program |
//! | ddclient 3.10: dyndns2 at he.net | dyndns2 | real program |
//! | ddclient 3.10: freedns | FreeDNS list and version 1 | real program |
//! | inadyn 2.10: duckdns.org | DuckDNS | real program |
//! | inadyn 2.10: dynv6.com | dynv6 | real program |
//! | inadyn 2.10: freedns.afraid.org | FreeDNS list and version 1 | real program |
//! | inadyn 2.10: no-ip.com | dyndns2 | real program |
//! | inadyn 2.10: he.net | dyndns2 | real program |
//! | inadyn 2.10: easydns.com | easyDNS | real program |
//! | inadyn 2.10: loopia.com | dyndns2 | real program |
//! | inadyn 2.10: domains.google.com | dyndns2 | real program |
//! | inadyn 2.10: dynu.com | dyndns2 | real program |
//! | inadyn 2.10: nsupdate.info | dyndns2 | real program |
//! | inadyn 2.10: 3322.org | dyndns2 | real program |
//! | inadyn 2.10: dnsomatic.com | dyndns2 | real program |
//! | inadyn 2.10: selfhost.de | dyndns2 | real program |
//! | inadyn 2.10: spdyn.de | dyndns2 | real program |
//! | curl: DuckDNS's URLs | DuckDNS | real program |
//! | curl: dynv6's URL | dynv6 | real program |
//! | curl: FreeDNS's URLs | FreeDNS version 2 | real program |
//! | curl: docker-ddns | docker-ddns | real program |
//! | curl: HE's form | HE, TXT | real program |
//! | curl: deSEC's URL | deSEC | real program |
//! | curl: token URL | token URL | real program |

use super::super::daemon::{Home, Login, Said, said, with_us};
use super::super::network::{HOME6, HOMES, Network, PROVIDER, program};
use super::{CAM, HOST, client_file, provider, provider_with_tls, seen};

/// One run of ddclient, which keeps nothing in mind.
fn ddclient(network: &Network, protocol: &str, login: &Login) -> Said {
    let memory = tempfile::tempdir().unwrap();
    let text = format!(
        "ssl=yes\nuse=if, if=wire\nusev4=ifv4, ifv4=wire\nserver=ddns.dyn.example.org\n\
         protocol={protocol}\nlogin={}\npassword='{}'\n{HOST}\n",
        login.user, login.password
    );
    let file = client_file(&memory, "ddclient.conf", &text);
    let cache = memory.path().join("ddclient.cache");
    let (file, cache) = (file.to_str().unwrap(), cache.to_str().unwrap());
    let once = ["-daemon=0", "-foreground", "-verbose", "-file", file, "-cache", cache];
    network.home.run(&program("ddclient"), &once)
}

/// It says success where there is, and failure where there is none.
fn ddclient_speaks(network: &Network, protocol: &str, login: &Login, home: &str) {
    network.move_home(home);
    let said = ddclient(network, protocol, login);
    assert!(said.all().contains("SUCCESS") || protocol == "googledomains", "{protocol}\n{said}");
    assert!(!said.all().contains("FAILED"), "{protocol}\n{said}");
    assert_eq!(seen(network, HOST), home, "{protocol}\n{said}");
    let said = ddclient(network, protocol, login);
    assert!(!said.all().contains("FAILED"), "{protocol}, again\n{said}");
    network.move_home(HOMES[2]);
    let said = ddclient(network, protocol, &login.wrong());
    assert!(said.all().contains("FAILED"), "{protocol}, wrong password\n{said}");
    assert_eq!(seen(network, HOST), home, "{protocol}, wrong password\n{said}");
}

#[test]
fn ddclient_with_each_of_its_protocols() {
    let network = Network::new();
    let server = provider_with_tls(&network);
    let _running = server.start();
    let own = server.add_host(HOST, &[]);
    // Its user is the domain there.
    let domain = Login { user: "dyn.example.org".into(), ..own.clone() };
    let protocols = [
        ("duckdns", &own),
        ("namecheap", &domain),
        ("noip", &own),
        ("dyndns1", &own),
        ("easydns, script=/dyn/generic.php", &own),
        ("googledomains", &own),
        ("dyndns2", &own),
    ];
    for ((protocol, login), home) in protocols.into_iter().zip(HOMES[..2].iter().cycle()) {
        ddclient_speaks(&network, protocol, login, home);
    }
    let freedns = sha_key(&server, "ann", "a long password of hers");
    ddclient_speaks(&network, "freedns", &freedns, HOMES[1]);
}

/// A key for [`HOST`] whose token is the sha by which FreeDNS's clients ask
/// for their records.
fn sha_key(server: &Home, user: &str, password: &str) -> Login {
    let sum = said(&mut with_us("sha1sum"), &format!("{user}|{password}"));
    let sha = sum.out.split(' ').next().unwrap();
    assert_eq!(sha.len(), 40, "{sum}");
    let list = server.path().join("token.list");
    std::fs::write(&list, format!("{sha}:{HOST}\n")).unwrap();
    server.done(&["import", "--from", "token.list", list.to_str().unwrap()]);
    Login { user: user.into(), password: password.into() }
}

/// One run of inadyn for a provider it knows.
fn inadyn(network: &Network, provider: &str, user: &str, password: &str) -> Said {
    let memory = tempfile::tempdir().unwrap();
    let text = format!(
        "period = 300\n\
         provider {provider} {{\n\
             ssl = false\n\
             checkip-ssl = false\n\
             checkip-server = checkip.dyndns.org\n\
             username = \"{user}\"\n\
             password = \"{password}\"\n\
             hostname = {HOST}\n\
         }}\n"
    );
    let file = client_file(&memory, "inadyn.conf", &text);
    let (file, cache) = (file.to_str().unwrap(), memory.path().to_str().unwrap());
    let once = ["--once", "--force", "--foreground", "--no-pidfile", "--loglevel=debug"];
    let rest = ["--config", file, "--cache-dir", cache];
    network.home.run(&program("inadyn"), &[&once[..], &rest].concat())
}

#[test]
fn inadyn_with_the_providers_it_knows() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let own = server.add_host(HOST, &[]);
    network.home.hosts(&format!(
        "127.0.0.1 localhost\n\
         {PROVIDER} checkip.dyndns.org www.duckdns.org dynv6.com ipv4.dynv6.com \
         freedns.afraid.org dynupdate.no-ip.com dyn.dns.he.net api.cp.easydns.com \
         dns.loopia.se domains.google.com api.dynu.com ipv4.nsupdate.info members.3322.org \
         updates.dnsomatic.com all.dnsomatic.com carol.selfhost.de update.spdyn.de\n"
    ));
    let token = own.password.as_str();
    let freedns = sha_key(&server, "ann", "pass of ann");
    let providers = [
        ("default@duckdns.org", token, ""),
        ("default@ipv4.dynv6.com", token, ""),
        ("default@freedns.afraid.org", &freedns.user, &freedns.password),
        ("default@no-ip.com", &own.user, token),
        ("dyndns@he.net", &own.user, token),
        ("default@easydns.com", &own.user, token),
        ("default@loopia.com", &own.user, token),
        ("default@domains.google.com", &own.user, token),
        ("default@dynu.com", &own.user, token),
        ("ipv4@nsupdate.info", &own.user, token),
        ("dyndns@3322.org", &own.user, token),
        ("default@dnsomatic.com", &own.user, token),
        ("default@selfhost.de", &own.user, token),
        ("default@spdyn.de", &own.user, token),
    ];
    for ((provider, user, password), home) in providers.into_iter().zip(HOMES[..2].iter().cycle()) {
        network.move_home(home);
        for time in ["first", "again"] {
            let said = inadyn(&network, provider, user, password);
            assert!(said.status.success(), "{provider}, {time}\n{said}");
            assert_eq!(seen(&network, HOST), *home, "{provider}, {time}\n{said}");
        }
        network.move_home(HOMES[2]);
        let wrong = if password.is_empty() { ("wrong-token", "") } else { (user, "wrong") };
        let said = inadyn(&network, provider, wrong.0, wrong.1);
        // Without a list to find its host in, it says so and is content.
        let failed = !said.status.success() || said.all().contains("Cannot find your DNS name");
        assert!(failed, "{provider}, wrong password\n{said}");
        assert_eq!(seen(&network, HOST), *home, "{provider}, wrong password\n{said}");
    }
}

/// What people have in their crontabs.
#[test]
fn curl_with_urls_of_other_providers() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let own = server.add_host(HOST, &[]);
    let other = server.add_host(CAM, &[]);
    let (token, cam) = (&own.password, &other.password);
    let url = |path: &str| format!("http://ddns.dyn.example.org{path}");
    let curl = |arguments: &[&str]| {
        let said = network.home.run(&program("curl"), &[&["-gsS"], arguments].concat());
        assert!(said.status.success(), "{said}");
        said.out
    };
    let get = |path: &str| curl(&[&url(path)]);
    let v4 = || seen(&network, HOST);
    let v6 = || network.home.dig(HOST, "AAAA").join(" ");

    assert_eq!(get(&format!("/update?domains=home&token={token}&ip=")), "OK");
    assert_eq!(v4(), HOMES[0]);
    let both = format!("/update?domains=home&token={token}&ip=192.0.2.1&ipv6={HOME6}&verbose=true");
    assert_eq!(get(&both), format!("OK\n192.0.2.1\n{HOME6}\nUPDATED"));
    assert_eq!((v4().as_str(), v6().as_str()), ("192.0.2.1", HOME6));
    assert_eq!(get(&format!("/update/home/{token}/192.0.2.2")), "OK");
    assert_eq!(v4(), "192.0.2.2");

    // Both names or none; what only one of them lacks is the right.
    let two = format!("/update?domains=home,cam.home&token={token}&ip=192.0.2.3");
    assert_eq!((get(&two).as_str(), v4().as_str()), ("KO", "192.0.2.2"));

    // The TXT record is where certificate authorities look, the address stays.
    let txt = || network.home.dig(&format!("_acme-challenge.{HOST}"), "TXT").join(" ");
    let value = "gfj9Xq-Rg85nM_LVvYmHQ0w2W8o2n5vQWz3pQYb1a0c";
    assert_eq!(get(&format!("/update?domains=home&token={token}&txt={value}")), "OK");
    assert_eq!((txt(), v4().as_str()), (format!("\"{value}\""), "192.0.2.2"));
    assert_eq!(get(&format!("/update?domains=home&token={token}&txt=&clear=true")), "OK");
    assert_eq!((txt().as_str(), v4().as_str()), ("", "192.0.2.2"));
    let form = format!("hostname=_acme-challenge.{HOST}&password={token}&txt={value}");
    assert_eq!(curl(&["-d", &form, &url("/nic/update")]), format!("good {value}\n"));
    assert_eq!(txt(), format!("\"{value}\""));
    // Nobody else's.
    let form = format!("hostname=_acme-challenge.{HOST}&password={cam}&txt={value}");
    assert_eq!(curl(&["-d", &form, &url("/nic/update")]), "nohost\n");

    let dynv6 = |rest: &str| get(&format!("/api/update?hostname={HOST}&token={token}&{rest}"));
    assert_eq!(dynv6("ipv4=auto"), "addresses updated\n");
    assert_eq!(dynv6("ipv4=auto&ipv6=-"), "addresses updated\n");
    assert_eq!((v4().as_str(), v6().as_str()), (HOMES[0], ""));
    assert_eq!(dynv6("ipv4=auto"), "addresses unchanged\n");

    let freedns = get(&format!("/u/{token}/?address=192.0.2.4"));
    assert_eq!(freedns, format!("Updated {HOST} to 192.0.2.4 in 0.001 seconds\n"));
    let docker = get(&format!("/update?secret={token}&domain=home&addr=192.0.2.5"));
    assert!(docker.contains("\"Success\":true"), "{docker}");
    assert_eq!(v4(), "192.0.2.5");
    let header = format!("Authorization: Token {token}");
    let desec = curl(&["-H", &header, &url(&format!("/?hostname={HOST}&myipv4=192.0.2.6"))]);
    assert_eq!(desec, "good 192.0.2.6\n");
    assert_eq!(get(&format!("/{token}?ip_address=192.0.2.7")), "good 192.0.2.7\n");
    assert_eq!(get(&format!("/{token}")), format!("good {}\n", HOMES[0]));
    assert_eq!(v4(), HOMES[0]);
}
