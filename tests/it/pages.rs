//! A page in a browser follows its host: Chromium opens
//! `http://home.dyn.example.org` through a resolver, unbound, that finds our
//! server by itself and asks with mixed case (0x20). The home moves, and when
//! the TTL is over the same address bar shows the new place.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::daemon::{Home, Said, until};
use super::network::{HOMES, Network, PROVIDER, Space, program};

const HOST: &str = "home.dyn.example.org";

/// The TTL of the host, in seconds: the shortest there is.
const TTL: u64 = 30;

#[test]
fn a_page_follows_its_host() {
    let network = Network::new();
    let server = Home::within(&network.provider, PROVIDER.parse().unwrap(), "");
    let _running = server.start();
    let login = server.add_host(HOST, &["--ttl", &TTL.to_string()]);
    let report = |address: &str| {
        let url = format!("http://{PROVIDER}/nic/update?hostname={HOST}&myip={address}");
        let said = network.home.run(&program("curl"), &["-sS", "-u", &login.pair(), &url]);
        assert_eq!(said.out, format!("good {address}\n"), "{said}");
    };

    // Two places, each with a page of its own, on two addresses.
    let (first, second) = (HOMES[0], HOMES[2]);
    network.home.set(&format!("ip address add {second}/32 dev wire"));
    let _page = Page::at(&network.home, first, "The attic");
    let _other = Page::at(&network.home, second, "The cellar");
    let resolver = Resolver::start(&network.provider);
    network.provider.resolver("127.0.0.1");

    report(first);
    let said = browse(&network.provider);
    assert!(said.out.contains("<h1>The attic</h1>"), "{said}\n{}", resolver.log());

    report(second);
    let shown = until("the browser shows the new place", Duration::from_secs(3 * TTL), || {
        let said = browse(&network.provider);
        // While the TTL lasts, the resolver may still send it to the first.
        let old = said.out.contains("<h1>The attic</h1>");
        assert!(old || said.out.contains("<h1>The cellar</h1>"), "{said}\n{}", resolver.log());
        (!old).then_some(said)
    });
    assert!(shown.out.contains("<h1>The cellar</h1>"), "{shown}");

    // The resolver's questions came in mixed case, and so did the answers:
    // otherwise it would have taken none of them.
    assert!(
        resolver.log().contains("reply from <dyn.example.org.> 192.0.2.53#53"),
        "{}",
        resolver.log()
    );
}

/// One look at the page with a new browser, which remembers nothing and
/// reaches nothing but the host.
fn browse(space: &Space) -> Said {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = space.command(&program("chromium"));
    chromium
        .env("HOME", profile.path())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()));
    // For whoever wants to see it, too: SCREENSHOT=file.png.
    if let Some(file) = std::env::var_os("SCREENSHOT") {
        chromium.arg(format!("--screenshot={}", file.to_string_lossy()));
    }
    chromium.arg("--dump-dom");
    super::daemon::said(chromium.arg(format!("http://{HOST}/")), "")
}

/// A tiny web server with one page.
struct Page {
    server: Child,
    _directory: tempfile::TempDir,
}

impl Page {
    fn at(space: &Space, address: &str, title: &str) -> Page {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("<!doctype html><title>{title}</title><h1>{title}</h1>\n");
        std::fs::write(directory.path().join("index.html"), text).unwrap();
        let server = space
            .command(&program("busybox"))
            .args(["httpd", "-f", "-p", &format!("{address}:80"), "-h"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        until("the page is there", Duration::from_secs(10), || {
            let url = format!("http://{address}/");
            let said = space.run(&program("curl"), &["-sS", "-m", "5", &url]);
            said.out.contains(title).then_some(())
        });
        Page { server, _directory: directory }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// unbound, which is told where `dyn.example.org` is and nothing else.
struct Resolver {
    unbound: Child,
    directory: tempfile::TempDir,
}

impl Resolver {
    fn start(space: &Space) -> Resolver {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("unbound.conf");
        std::fs::write(
            &file,
            format!(
                "server:\n\
                 \x20 interface: 127.0.0.1\n\
                 \x20 directory: \"{}\"\n\
                 \x20 chroot: \"\"\n\
                 \x20 username: \"\"\n\
                 \x20 pidfile: \"\"\n\
                 \x20 use-syslog: no\n\
                 \x20 verbosity: 3\n\
                 \x20 module-config: \"iterator\"\n\
                 \x20 use-caps-for-id: yes\n\
                 \x20 qname-minimisation: yes\n\
                 stub-zone:\n\
                 \x20 name: \"dyn.example.org\"\n\
                 \x20 stub-addr: {PROVIDER}\n",
                directory.path().display()
            ),
        )
        .unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let unbound = space
            .command(&program("unbound"))
            .args(["-d", "-p", "-c"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let resolver = Resolver { unbound, directory };
        until("unbound answers", Duration::from_secs(20), || {
            let words = ["@127.0.0.1", "ns1.dyn.example.org", "A", "+short", "+tries=1", "+time=1"];
            let said = space.run(&program("dig"), &words);
            (said.out.trim() == PROVIDER).then_some(())
        });
        resolver
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.unbound.kill();
        let _ = self.unbound.wait();
    }
}
