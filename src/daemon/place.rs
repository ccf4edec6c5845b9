//! Where this server is: the addresses that hosts in public zones cannot have.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::Config;
use crate::report;
use crate::update::Own;

/// Proxies of wider networks than these are nobody's in particular.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 16;

/// The addresses it listens on, of the machine's interfaces, and of its
/// proxies, as they are now.
pub fn machine(config: &Config) -> Vec<(IpNet, Own)> {
    let tls = config.http.tls.iter().flat_map(|tls| &tls.listen);
    let listening = config.dns.listen.iter().chain(&config.http.listen).chain(tls);
    let listening = listening.map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    let interfaces = report::machine_addresses().unwrap_or_else(|error| {
        tracing::warn!(
            "the addresses of this machine are not known ({error}): hosts in zones with \
             global_only may have them, unless truename listens on them by name"
        );
        Vec::new()
    });
    let narrow =
        |net: &&IpNet| net.prefix_len() >= if net.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
    let proxies = config.http.trusted_proxies.iter().filter(narrow);
    let own = |own: Own| move |ip: IpAddr| (IpNet::from(ip), own);
    listening
        .map(own(Own::Listening))
        .chain(interfaces.into_iter().map(own(Own::Interface)))
        .chain(proxies.map(|net| (*net, Own::Proxy)))
        .collect()
}
