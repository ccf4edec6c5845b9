//! What the kernel knows of this machine's addresses and its way to the
//! Internet, and its news of them (rtnetlink(7)). getifaddrs(3) does not tell
//! temporary and deprecated addresses from others; this does.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, Socket, SocketAddr, TokioSocket};

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface's number.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub length: u8,
    /// IPv6: made up for a day, so that its machine is not followed (RFC
    /// 8981). IPv4: a further address of the same network.
    pub temporary: bool,
    /// Not for new connections any more (RFC 4862 §5.5.4).
    pub deprecated: bool,
    /// Not known yet to be nobody else's, or known to be somebody else's.
    pub unusable: bool,
    /// For how many seconds more it is preferred; `u32::MAX` is for ever.
    pub preferred: u32,
}

/// A way to the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The interface's number.
    pub interface: u32,
    /// The next router, where there is one on the way.
    pub gateway: Option<IpAddr>,
    /// Whether it is for IPv6.
    pub is_v6: bool,
}

/// The addresses of all interfaces.
pub fn addresses() -> io::Result<Vec<Address>> {
    let answers = dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    let addresses = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewAddress(message) => address(&message),
        _ => None,
    });
    Ok(addresses.collect())
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    let (mut peer, mut local, mut preferred) = (None, None, u32::MAX);
    for attribute in &message.attributes {
        match attribute {
            // The other end's on a point-to-point line, where Local is ours.
            AddressAttribute::Address(address) => peer = Some(*address),
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::CacheInfo(times) => preferred = times.ifa_preferred,
            _ => {}
        }
    }
    Some(Address {
        interface: message.header.index,
        address: local.or(peer)?,
        length: message.header.prefix_len,
        temporary: flags.contains(AddressFlags::Secondary),
        deprecated: flags.contains(AddressFlags::Deprecated),
        unusable: flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed)
            && !flags.contains(AddressFlags::Optimistic),
        preferred,
    })
}

/// The default routes, those that are taken first in front.
pub fn default_routes() -> io::Result<Vec<Route>> {
    let mut routes: Vec<(u32, Route)> = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        for answer in dump(RouteNetlinkMessage::GetRoute(question))? {
            if let RouteNetlinkMessage::NewRoute(message) = answer {
                routes.extend(default_route(&message));
            }
        }
    }
    routes.sort_by_key(|(metric, _)| *metric);
    Ok(routes.into_iter().map(|(_, route)| route).collect())
}

fn default_route(message: &RouteMessage) -> Option<(u32, Route)> {
    if message.header.destination_prefix_length != 0 {
        return None;
    }
    let is_v6 = message.header.address_family == AddressFamily::Inet6;
    let (mut interface, mut gateway, mut metric) = (None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                gateway = Some(IpAddr::V4(*address));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
                gateway = Some(IpAddr::V6(*address));
            }
            RouteAttribute::Priority(priority) => metric = *priority,
            _ => {}
        }
    }
    // The kernel has a default route of its own for addresses it cannot reach.
    let interface = interface.filter(|index| *index > 1)?;
    Some((metric, Route { interface, gateway, is_v6 }))
}

/// The number of an interface; `None`: there is none of this name.
pub fn interface(name: &str) -> Option<u32> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}

/// Asks the kernel for all there is of something.
fn dump(question: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    socket.send(&octets, 0)?;
    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
            // Messages begin at multiples of four octets.
            let next = length.next_multiple_of(4).max(4);
            rest = rest.get(next..).unwrap_or_default();
        }
    }
}

/// News of addresses, links and routes: that something changed, not what.
pub struct News(TokioSocket);

impl News {
    /// Listens from now on.
    pub fn listen() -> io::Result<News> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind_auto()?;
        for group in [
            libc::RTNLGRP_IPV4_IFADDR,
            libc::RTNLGRP_IPV6_IFADDR,
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
        ] {
            socket.socket_mut().add_membership(group)?;
        }
        Ok(News(socket))
    }

    /// Waits for the next. May be given up at any time.
    pub async fn next(&mut self) {
        match self.0.recv_from_full().await {
            // So much news that some were lost: news all the same.
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
            Err(error) => {
                tracing::warn!("the kernel's news of addresses end: {error}");
                std::future::pending().await
            }
        }
    }
}
