//! What a start prints: where it listens, and at the very first start what to
//! try.

use std::net::SocketAddr;

use crate::config::Config;
use crate::registry::{NewKey, Registry};

/// Prints it to standard output.
pub(super) fn print(
    config: &Config,
    registry: &Registry,
    dns: &[SocketAddr],
    http: &[SocketAddr],
    first: Option<&NewKey>,
) {
    let zones: Vec<String> = registry.state().zones().map(|zone| zone.without_dot()).collect();
    println!("truename {} serves {}", env!("CARGO_PKG_VERSION"), zones.join(", "));
    println!();
    println!("  DNS    {} (UDP and TCP)", list("", dns));
    let (plain, tls) = http.split_at(config.http.listen.len().min(http.len()));
    println!("  HTTP   {}", list("http://", plain));
    if !tls.is_empty() {
        println!("  HTTPS  {}", list("https://", tls));
    }
    println!("  data   {}", config.data.display());
    println!();
    if let (Some(key), Some(&dns), Some(&http)) = (first, dns.first(), http.first()) {
        first_steps(key, dns, http);
    }
}

fn list(scheme: &str, addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(|at| format!("{scheme}{at}")).collect();
    addresses.join("  ")
}

fn first_steps(new: &NewKey, dns: SocketAddr, http: SocketAddr) {
    let host = new.key.holder.to_string();
    let host = host.trim_end_matches('.');
    let token = &new.token;
    let (server, port) = (dns.ip(), dns.port());
    println!("First start: {host} is yours to try. Its password is shown this once:");
    println!();
    println!("    {token}");
    println!();
    println!("Report an address, as a router would, and ask for it (in another terminal):");
    println!();
    println!(
        "    curl -u {host}:{token} 'http://{http}/nic/update?hostname={host}&myip=192.0.2.1'"
    );
    println!("    dig +short @{server} -p {port} {host}");
    println!();
    println!("Where to go next:");
    println!();
    let program = std::env::args().next().unwrap_or_else(|| "truename".into());
    for (arguments, what) in [
        (format!("host show {host} --settings ddclient"), "settings to paste into a client"),
        (format!("history {host}"), "what happened to it"),
        ("host add NAME".into(), "another host, with a key of its own"),
        ("init".into(), "a configuration for a zone of your own"),
        ("--help".into(), "everything else"),
    ] {
        println!("    {program} {arguments}");
        println!("        {what}");
    }
    println!();
}
