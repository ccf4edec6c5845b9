//! Many datagrams a system call: recvmmsg and sendmmsg.
//!
//! On a socket bound to a wildcard, the kernel tells the address each datagram
//! was sent to (IP_PKTINFO, RFC 3542 §6 for IPv6) and the answer leaves from
//! there: resolvers take it from nowhere else.
//!
//! This is the one file with `unsafe` in it. What makes each block sound is
//! written beside it; the common ground is:
//! - what a header points to lies in the vectors of one [`Batch`], which never
//!   grow and live as long as the headers, or in the buffer of an answer, whose
//!   header is written right before the call; lengths are set anew before each
//!   call; and only the kernel follows the pointers;
//! - the all-zero value is valid for each C struct used (integers, byte arrays
//!   and null pointers only).

#[cfg(not(target_os = "linux"))]
compile_error!(
    "truename serves DNS with Linux system calls (recvmmsg, PKTINFO) and builds only there"
);

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::null_mut;
use std::time::Duration;

use socket2::Socket;

use crate::answer::MAX_UDP;

/// Datagrams taken and answers sent in one system call. Measured beside 16, 64
/// and 128 (`tests/bench/echo.c`): with more, those who asked first wait, and
/// what was read leaves the nearest cache before it is answered.
pub const BATCH: usize = 32;

/// The longest request taken, in octets; a longer one is dropped. Our OPT
/// record promises [`MAX_UDP`]; the rest is for those who do not listen. An
/// odd number of cache lines: at distances of a power of two all requests of
/// a batch would fight for the same few places of the processor's cache.
const REQUEST: usize = 63 * 64;

/// The kernel's queue for a socket, in octets: some milliseconds of the
/// highest rate one thread answers. The kernel lowers it to
/// `net.core.rmem_max`.
const RECEIVE_QUEUE: usize = 4 << 20;

/// The same for answers, of which a batch must fit.
const SEND_QUEUE: usize = 1 << 20;

/// How long a thread waits for room to send before it drops an answer.
const SEND_WAIT: Duration = Duration::from_millis(100);

/// Sets what serving needs on a bound socket.
pub fn prepare(socket: &Socket) -> io::Result<()> {
    let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
    let fd = socket.as_raw_fd();
    let wildcard = local.ip().is_unspecified();
    // No path MTU discovery: a forged ICMP message must not make the kernel
    // fragment answers or drop them (RFC 9715 §3.1).
    if local.is_ipv4() {
        set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, wildcard.into())?;
        set(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)?;
    } else {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, wildcard.into())?;
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)?;
    }
    socket.set_recv_buffer_size(RECEIVE_QUEUE)?;
    socket.set_send_buffer_size(SEND_QUEUE)?;
    socket.set_write_timeout(Some(SEND_WAIT))
}

/// Where an answer goes, and from which address of ours.
#[derive(Clone, Copy)]
pub struct WayBack {
    /// The sender as the kernel gave it, scope id of IPv6 included.
    name: libc::sockaddr_storage,
    name_length: libc::socklen_t,
    from: From,
}

/// The address of ours that was asked.
#[derive(Clone, Copy)]
enum From {
    /// The socket's own.
    Socket,
    V4(libc::in_addr),
    V6(libc::in6_pktinfo),
}

impl WayBack {
    /// The address of ours that was asked, on a wildcard socket.
    pub fn asked(&self) -> Option<IpAddr> {
        match self.from {
            From::Socket => None,
            From::V4(address) => Some(Ipv4Addr::from(u32::from_be(address.s_addr)).into()),
            From::V6(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        }
    }
}

/// An address as the kernel gives it; its first `length` octets count.
#[inline]
fn socket_address(name: &libc::sockaddr_storage, length: libc::socklen_t) -> Option<SocketAddr> {
    let room = length as usize;
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET if room >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: sockaddr_storage is as large and as aligned as any
            // socket address, and the family says which one it holds.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 if room >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Room for one PKTINFO message of either family, aligned as control messages
/// must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// CMSG_SPACE(sizeof(in6_pktinfo)) is 40 on 64-bit systems, the largest used.
const CONTROL: usize = 64;

/// One request's octets.
#[derive(Clone)]
#[repr(align(64))]
struct Request([u8; REQUEST]);

/// Everything a worker's two system calls need, made once.
pub struct Batch {
    requests: Vec<Request>,
    answers: Vec<Vec<u8>>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    /// Pieces and headers to receive by, one for each request.
    received: (Vec<libc::iovec>, Vec<libc::mmsghdr>),
    /// The same to send by: the answers that go out, closed up.
    sent: (Vec<libc::iovec>, Vec<libc::mmsghdr>),
    /// How many headers of `received` the kernel has written to.
    used: usize,
    /// Which datagrams are answered: the first `ready`.
    order: [usize; BATCH],
    ready: usize,
}

impl Batch {
    /// Room for a batch.
    pub fn new() -> Batch {
        // SAFETY: zero is a valid value of these C structs (see the top).
        let (name, piece, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        let mut batch = Batch {
            requests: vec![Request([0; REQUEST]); BATCH],
            answers: (0..BATCH).map(|_| Vec::with_capacity(MAX_UDP)).collect(),
            names: vec![name; BATCH],
            controls: vec![Control([0; CONTROL]); BATCH],
            received: (vec![piece; BATCH], vec![header; BATCH]),
            sent: (vec![piece; BATCH], vec![header; BATCH]),
            used: BATCH,
            order: [0; BATCH],
            ready: 0,
        };
        let (requests, names) = (batch.requests.as_mut_ptr(), batch.names.as_mut_ptr());
        let controls = batch.controls.as_mut_ptr();
        let (pieces, headers) = (&mut batch.received.0, &mut batch.received.1);
        let first_piece = pieces.as_mut_ptr();
        for (at, header) in headers.iter_mut().enumerate() {
            let header = &mut header.msg_hdr;
            // SAFETY: all vectors have BATCH elements.
            unsafe {
                (*first_piece.add(at)).iov_base = requests.add(at).cast();
                (*first_piece.add(at)).iov_len = REQUEST;
                header.msg_name = names.add(at).cast();
                header.msg_iov = first_piece.add(at);
                header.msg_control = controls.add(at).cast();
            }
            header.msg_iovlen = 1;
        }
        batch
    }

    /// Waits for a datagram and takes up to [`BATCH`]; how many there are.
    pub fn receive(&mut self, fd: RawFd) -> io::Result<usize> {
        self.ready = 0;
        // What the kernel wrote over the last time.
        for header in &mut self.received.1[..self.used] {
            let header = &mut header.msg_hdr;
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_controllen = CONTROL as _;
            header.msg_flags = 0;
        }
        self.used = BATCH;
        let headers = self.received.1.as_mut_ptr();
        // SAFETY: `headers` has BATCH elements, which point to where the
        // kernel may write (see `new`), and how much is set above.
        let received = unsafe {
            libc::recvmmsg(fd, headers, BATCH as _, libc::MSG_WAITFORONE as _, null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        self.used = received;
        Ok(received)
    }

    /// The length of the datagram at `at`; `None` if it did not fit, and for
    /// the empty one that stands for a socket shut down.
    #[inline]
    pub fn length(&self, at: usize) -> Option<usize> {
        let header = &self.received.1[at];
        let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0 && header.msg_len > 0;
        whole.then_some(header.msg_len as usize)
    }

    /// The request at `at`; empty if it did not come whole.
    #[inline]
    pub fn request(&self, at: usize) -> &[u8] {
        &self.requests[at].0[..self.length(at).unwrap_or(0)]
    }

    /// Who sent the datagram at `at`.
    #[inline]
    pub fn peer(&self, at: usize) -> Option<SocketAddr> {
        socket_address(&self.names[at], self.received.1[at].msg_hdr.msg_namelen)
    }

    /// Where the answer to the datagram at `at` goes.
    #[allow(clippy::unnecessary_cast, reason = "musl's msg_controllen is a u32")]
    pub fn way_back(&self, at: usize) -> WayBack {
        let header = &self.received.1[at].msg_hdr;
        WayBack {
            name: self.names[at],
            name_length: header.msg_namelen,
            from: asked(&self.controls[at], header.msg_controllen as usize),
        }
    }

    /// The request at `at` and the buffer for its answer.
    #[inline]
    pub fn exchange(&mut self, at: usize) -> (&[u8], &mut Vec<u8>) {
        let length = self.length(at).unwrap_or(0);
        (&self.requests[at].0[..length], &mut self.answers[at])
    }

    /// The answer to the datagram at `at`, as far as it is written.
    #[inline]
    pub fn reply(&self, at: usize) -> &[u8] {
        &self.answers[at]
    }

    /// The answer to the datagram at `at` is complete and goes out with the
    /// next [`Batch::send`]. Said once for each at most.
    #[inline]
    pub fn answered(&mut self, at: usize) {
        self.order[self.ready] = at;
        self.ready += 1;
    }

    /// Sends what was answered. One that cannot be sent is left out: UDP may
    /// lose it anywhere, and its client asks again.
    #[allow(clippy::unnecessary_cast, reason = "musl's msg_controllen is a u32")]
    pub fn send(&mut self, fd: RawFd) {
        let (pieces, headers) = &mut self.sent;
        let slots = pieces.iter_mut().zip(&mut *headers);
        for (at, (piece, header)) in self.order[..self.ready].iter().zip(slots) {
            let asked_by = &self.received.1[*at].msg_hdr;
            let control = &mut self.controls[*at];
            let control_length = match asked_by.msg_controllen as usize {
                0 => 0,
                length => write_from(&asked(control, length), control),
            };
            let answer = &mut self.answers[*at];
            piece.iov_base = answer.as_mut_ptr().cast();
            piece.iov_len = answer.len();
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut self.names[*at]).cast();
            header.msg_namelen = asked_by.msg_namelen;
            header.msg_iov = piece;
            header.msg_iovlen = 1;
            header.msg_control =
                if control_length > 0 { (&raw mut *control).cast() } else { null_mut() };
            header.msg_controllen = control_length as _;
        }
        let mut sent = 0;
        while sent < self.ready {
            let rest = &mut self.sent.1[sent..self.ready];
            // SAFETY: `rest` is that many headers, set above; what they point
            // to is not touched before this ends.
            let done = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as _, 0) };
            match usize::try_from(done) {
                Ok(done) if done > 0 => sent += done,
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() == io::ErrorKind::Interrupted {
                        continue;
                    }
                    tracing::debug!("sending: {error}");
                    // SEND_WAIT is over and nothing gets out: the others would
                    // wait as long, and nobody be heard meanwhile.
                    if error.kind() == io::ErrorKind::WouldBlock {
                        break;
                    }
                    // The error is the first one's (no route, a firewall's
                    // EPERM, ENOBUFS): the others have a try.
                    sent += 1;
                }
            }
        }
        self.ready = 0;
    }
}

/// Sends one answer, later than its batch.
pub fn send_one(socket: &Socket, answer: &mut [u8], way_back: &WayBack) -> io::Result<()> {
    let mut name = way_back.name;
    let mut control = Control([0; CONTROL]);
    let control_length = write_from(&way_back.from, &mut control);
    let mut piece = libc::iovec { iov_base: answer.as_mut_ptr().cast(), iov_len: answer.len() };
    // SAFETY: zero is a valid value of a C struct (see the top).
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = way_back.name_length;
    header.msg_iov = &raw mut piece;
    header.msg_iovlen = 1;
    if control_length > 0 {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control_length as _;
    }
    // SAFETY: all that `header` points to is alive and of the given length.
    // MSG_DONTWAIT: this runs on a thread of tokio's.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The address of ours a received datagram was sent to, from the first
/// `length` octets of its control messages.
fn asked(control: &Control, length: usize) -> From {
    if length == 0 {
        return From::Socket;
    }
    // SAFETY: zero is a valid value of a C struct (see the top).
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_control = (&raw const *control).cast_mut().cast();
    header.msg_controllen = length.min(CONTROL) as _;
    // SAFETY: the CMSG functions only read, and stay within the `length`
    // octets the kernel filled.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&header) };
    while !message.is_null() {
        // SAFETY: not null, so it lies in the control buffer, complete.
        let (level, kind, data) =
            unsafe { ((*message).cmsg_level, (*message).cmsg_type, libc::CMSG_DATA(message)) };
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: this level and type hold an in_pktinfo; the data may
                // be unaligned for it.
                let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                // The local address to answer from, which for a broadcast is
                // not the one the datagram was sent to (ip(7)).
                return From::V4(info.ipi_spec_dst);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: this level and type hold an in6_pktinfo.
                let mut info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                let [first, second, ..] = info.ipi6_addr.s6_addr;
                let link_local = first == 0xfe && second & 0xc0 == 0x80;
                if !link_local {
                    // The way out is the routing table's business; only a
                    // link-local address means nothing without its interface.
                    info.ipi6_ifindex = 0;
                }
                return From::V6(info);
            }
            _ => {}
        }
        // SAFETY: `message` is one of this header's.
        message = unsafe { libc::CMSG_NXTHDR(&header, message) };
    }
    From::Socket
}

/// Writes the control message that sends from an address; its length.
fn write_from(from: &From, control: &mut Control) -> usize {
    match *from {
        From::Socket => 0,
        From::V4(address) => {
            // SAFETY: zero is a valid in_pktinfo.
            let mut info: libc::in_pktinfo = unsafe { zeroed() };
            info.ipi_spec_dst = address;
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        From::V6(info) => write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info),
    }
}

/// Writes one control message; the length it takes.
fn write_control<T: Copy>(control: &mut Control, level: i32, kind: i32, value: T) -> usize {
    let size = size_of::<T>() as libc::c_uint;
    // SAFETY: arithmetic only.
    let (space, length) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
    assert!(space as usize <= CONTROL, "room for the largest control message");
    let message = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
    // SAFETY: `control` is aligned for a cmsghdr and, by the line above, has
    // room for it and the value behind it.
    unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = length as _;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
    }
    space as usize
}

/// Sets an option whose value is an integer.
fn set(fd: RawFd, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let pointer = (&raw const value).cast();
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to an integer of the given size.
    match unsafe { libc::setsockopt(fd, level, option, pointer, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
