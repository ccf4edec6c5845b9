//! What the router at home is asked: its outer address, and to let ports
//! through. By NAT-PMP (RFC 6886) or PCP (RFC 6887), else by UPnP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp, pcp,
};
use igd_next::{PortMappingProtocol, SearchOptions};

use super::interface::is_public_v4;

/// For how long a port is let through, in seconds; asked for again after half
/// of it.
const LIFETIME: u32 = 7200;

/// How a router is asked that may not know the question: three times within
/// two seconds.
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 2,
    max_retry_timeout: None,
};

/// How long UPnP devices are looked for.
const SEARCH: Duration = Duration::from_secs(4);

/// A port that the router is asked to let through: `443`, `8443:443/tcp`
/// (outside, inside), `51820/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    outer: NonZeroU16,
    inner: NonZeroU16,
    is_udp: bool,
}

/// Why a text is no such port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingError;

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port is given as 443, 443:8443/tcp (outside, then inside) or 51820/udp")
    }
}

impl std::error::Error for MappingError {}

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Mapping, MappingError> {
        let (ports, is_udp) = match text.rsplit_once('/') {
            None => (text, false),
            Some((ports, "tcp")) => (ports, false),
            Some((ports, "udp")) => (ports, true),
            Some(_) => return Err(MappingError),
        };
        let (outer, inner) = ports.split_once(':').unwrap_or((ports, ports));
        let port = |text: &str| text.parse().map_err(|_| MappingError);
        Ok(Mapping { outer: port(outer)?, inner: port(inner)?, is_udp })
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.is_udp { "udp" } else { "tcp" };
        write!(f, "{}:{}/{protocol}", self.outer, self.inner)
    }
}

/// The router's outer address.
///
/// # Errors
/// When it tells none, or none that is of use: a sentence for the owner.
pub async fn outer_address(router: Option<Ipv4Addr>) -> Result<Ipv4Addr, String> {
    let address = match router {
        Some(router) => by_nat_pmp(router).await,
        None => None,
    };
    let address = match address {
        Some(address) => address,
        None => by_upnp().await?,
    };
    match is_public_v4(address) {
        true => Ok(address),
        false => Err(format!(
            "the router's own address is {address}: it is behind another NAT (the provider's, \
             say), and cannot be reached from outside over IPv4"
        )),
    }
}

async fn by_nat_pmp(router: Ipv4Addr) -> Option<Ipv4Addr> {
    let gateway = GatewayAddress::from(router);
    match natpmp::external_address(gateway, Some(PATIENCE)).await {
        Ok(address) => Some(address),
        // Who knows PCP alone says so, and tells the address with a mapping;
        // of a port that nothing uses, for a moment.
        Err(natpmp::Failure::UnsupportedVersion(_)) => {
            let discard = NonZeroU16::new(9).expect("it is not 0");
            let request = pcp::BaseMapRequest::new(
                gateway,
                IpAddr::V4(towards(router)?),
                InternetProtocol::Udp,
                discard,
            );
            let options = PortMappingOptions {
                external_port: None,
                lifetime_seconds: Some(60),
                timeout_config: Some(PATIENCE),
            };
            let mapping = pcp::port_mapping(request, None, None, options).await.ok()?;
            let address = outer_of(&mapping);
            let _ = mapping.try_drop().await;
            address
        }
        Err(error) => {
            tracing::debug!("NAT-PMP at {router}: {error}");
            None
        }
    }
}

fn outer_of(mapping: &PortMapping) -> Option<Ipv4Addr> {
    match mapping.mapping_type() {
        PortMappingType::Pcp { external_ip: IpAddr::V4(address), .. } => Some(address),
        PortMappingType::Pcp { external_ip: IpAddr::V6(address), .. } => address.to_ipv4_mapped(),
        PortMappingType::NatPmp => None,
    }
}

type Igd = igd_next::aio::Gateway<igd_next::aio::tokio::Tokio>;

async fn upnp() -> Result<Igd, String> {
    let mut options = SearchOptions::default();
    options.timeout = Some(SEARCH);
    options.single_search_timeout = Some(SEARCH);
    igd_next::aio::tokio::search_gateway(options).await.map_err(|error| {
        format!(
            "no router here answers NAT-PMP, PCP or UPnP ({error}): are they switched on in its \
             settings?"
        )
    })
}

async fn by_upnp() -> Result<Ipv4Addr, String> {
    let router = upnp().await?;
    match router.get_external_ip().await {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(address)) => Err(format!("the router tells {address} as its IPv4 address")),
        Err(error) => Err(format!("the router does not tell its address: {error}")),
    }
}

/// This machine's address in the router's network.
fn towards(router: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((router, 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}

/// A port that is let through until its time ends.
pub enum Open {
    /// By NAT-PMP or PCP.
    Pmp(PortMapping),
    /// By UPnP.
    Upnp(Box<Igd>, Mapping),
}

impl Open {
    /// Asks the router.
    ///
    /// # Errors
    /// When it does not: a sentence for the owner.
    pub async fn ask(mapping: Mapping, router: Option<Ipv4Addr>) -> Result<Open, String> {
        let Some(router) = router else {
            return Err(format!("{mapping}: there is no router on the way to the Internet to ask"));
        };
        let inner =
            towards(router).ok_or_else(|| format!("{mapping}: no way to the router {router}"))?;
        let protocol = if mapping.is_udp { InternetProtocol::Udp } else { InternetProtocol::Tcp };
        let options = PortMappingOptions {
            external_port: Some(mapping.outer),
            lifetime_seconds: Some(LIFETIME),
            timeout_config: Some(PATIENCE),
        };
        let asked = PortMapping::new(router.into(), inner.into(), protocol, mapping.inner, options);
        match asked.await {
            Ok(open) if open.external_port() == mapping.outer => return Ok(Open::Pmp(open)),
            Ok(open) => {
                let other = open.external_port();
                let _ = open.try_drop().await;
                return Err(format!(
                    "{mapping}: the router gives port {other} instead; somebody else has {}",
                    mapping.outer
                ));
            }
            Err(error) => tracing::debug!("NAT-PMP and PCP at {router}: {error}"),
        }
        let upnp = upnp().await?;
        add(&upnp, mapping, inner).await.map_err(|error| format!("{mapping}: {error}"))?;
        Ok(Open::Upnp(Box::new(upnp), mapping))
    }

    /// After how long it is to be asked for again, in seconds.
    pub fn renew_after(&self) -> u32 {
        let lifetime = match self {
            Open::Pmp(open) => open.lifetime(),
            Open::Upnp(..) => LIFETIME,
        };
        (lifetime / 2).max(30)
    }

    /// Lets nothing through any more.
    pub async fn close(self) {
        match self {
            Open::Pmp(open) => {
                let _ = open.try_drop().await;
            }
            Open::Upnp(router, mapping) => {
                let _ = router.remove_port(upnp_protocol(mapping), mapping.outer.get()).await;
            }
        }
    }
}

async fn add(
    router: &Igd,
    mapping: Mapping,
    inner: Ipv4Addr,
) -> Result<(), igd_next::AddPortError> {
    let here = SocketAddr::V4(SocketAddrV4::new(inner, mapping.inner.get()));
    let outer = mapping.outer.get();
    let protocol = upnp_protocol(mapping);
    let asked = router.add_port(protocol, outer, here, LIFETIME, "truename report").await;
    match asked {
        // Old routers know mappings without end only.
        Err(igd_next::AddPortError::OnlyPermanentLeasesSupported) => {
            router.add_port(protocol, outer, here, 0, "truename report").await
        }
        asked => asked,
    }
}

fn upnp_protocol(mapping: Mapping) -> PortMappingProtocol {
    if mapping.is_udp { PortMappingProtocol::UDP } else { PortMappingProtocol::TCP }
}

#[cfg(test)]
mod tests {
    use super::Mapping;

    #[test]
    fn ports() {
        for (text, shown) in [
            ("443", "443:443/tcp"),
            ("443:8443", "443:8443/tcp"),
            ("443:8443/tcp", "443:8443/tcp"),
            ("51820/udp", "51820:51820/udp"),
        ] {
            assert_eq!(
                text.parse::<Mapping>().map(|mapping| mapping.to_string()),
                Ok(shown.into())
            );
        }
        for wrong in ["", "0", "65536", "443/sctp", "443:/tcp", "http"] {
            assert!(wrong.parse::<Mapping>().is_err(), "{wrong}");
        }
    }
}
