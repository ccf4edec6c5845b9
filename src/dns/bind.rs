//! Opening the sockets of one listen address, and saying well why one cannot.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::worker::Datagrams;

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        })
    }
}

/// Why an address cannot be served.
#[derive(Debug)]
pub struct BindError {
    /// The address, as the operator gave it.
    pub address: SocketAddr,
    /// Which of the two sockets failed.
    pub transport: Transport,
    /// What the system said.
    pub cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { address, transport, cause } = self;
        let port = address.port();
        write!(f, "cannot serve DNS on {address} over {transport}: ")?;
        match cause.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "port {port} is in use by another program (`ss -lunpt sport = :{port}` names it) \
                 or by another of the listen addresses; stop it, or take another port or address"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "not permitted; ports below 1024 need the capability CAP_NET_BIND_SERVICE \
                 (AmbientCapabilities= in a systemd unit), or take a port above 1023"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "this machine does not have that address; remove it from the listen addresses, \
                 or bring the interface up first"
            ),
            _ if cause.raw_os_error() == Some(libc::EAFNOSUPPORT) => write!(
                f,
                "this machine has no {}; remove the address from the listen addresses",
                if address.is_ipv6() { "IPv6" } else { "IPv4" }
            ),
            _ => write!(f, "{cause}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// The sockets of one listen address.
pub struct Sockets {
    /// The address, its port taken.
    pub address: SocketAddr,
    /// One socket a UDP worker.
    pub datagrams: Vec<Datagrams>,
    /// The TCP socket, listening and non-blocking.
    pub listener: TcpListener,
}

/// Connections the kernel completes ahead of us.
const BACKLOG: i32 = 1024;

/// What the kernel keeps of a connection's questions that are not read yet, in
/// octets; it doubles this for its own bookkeeping. Left to itself it grows
/// both queues to megabytes: a thousand clients that ask and never read would
/// hold more memory than a small machine has for all its connections.
const STREAM_RECEIVE_QUEUE: usize = 16 << 10;

/// The same for answers that are sent and not taken yet. A longer answer goes
/// out in pieces.
const STREAM_SEND_QUEUE: usize = 32 << 10;

/// How often port 0 is tried again when the port TCP got is taken for UDP.
const FREE_PORT_TRIES: usize = 16;

/// Opens TCP first and then UDP on the same port.
///
/// UDP sockets share their port (SO_REUSEPORT) and would share it with another
/// process of the same user without a word; that one is found by TCP, which
/// does not share, and by a first UDP socket that does not either.
pub fn bind(wanted: SocketAddr, workers: usize) -> Result<Sockets, BindError> {
    let mut tries = if wanted.port() == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let failed = |transport| move |cause| BindError { address: wanted, transport, cause };
        let listener = listen(wanted).map_err(failed(Transport::Tcp))?;
        let address = listener.local_addr().map_err(failed(Transport::Tcp))?;
        let datagrams = open(address, false)
            .map(drop)
            .and_then(|()| (0..workers).map(|_| Datagrams::new(open(address, true)?)).collect());
        match datagrams {
            Ok(datagrams) => return Ok(Sockets { address, datagrams, listener }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(failed(Transport::Udp)(error)),
        }
    }
}

/// A bound UDP socket.
fn open(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // IPv4 has its own sockets; `::` must not claim it.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listening TCP socket.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for connections of the last run in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Every connection accepted inherits these.
    socket.set_recv_buffer_size(STREAM_RECEIVE_QUEUE)?;
    socket.set_send_buffer_size(STREAM_SEND_QUEUE)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
