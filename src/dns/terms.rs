//! On which terms questions are answered, the same on every path.

use std::net::IpAddr;
use std::sync::Arc;

use super::Options;
use crate::answer::{Client, Cookies, Meta};
use crate::model::{Moment, Moments};

/// How long answers may be, what cookies are checked with, and the clock for
/// it.
pub struct Terms {
    datagram: Meta<'static>,
    stream: Meta<'static>,
    cookies: Arc<Cookies>,
    moments: Moments,
}

impl Terms {
    /// As the options say.
    pub fn new(options: &Options, moments: &Moments) -> Terms {
        let max_size = options.udp_size;
        let unverified_size = options.unverified_size.min(max_size);
        let idle = u16::try_from(options.tcp_idle.as_millis() / 100).unwrap_or(u16::MAX);
        Terms {
            datagram: Meta { max_size, unverified_size, ..Meta::UDP },
            stream: Meta { idle: Some(idle), ..Meta::TCP },
            cookies: options.cookies.clone(),
            moments: moments.clone(),
        }
    }

    /// The present moment.
    #[inline]
    pub fn now(&self) -> Moment {
        (self.moments)()
    }

    /// For a datagram that says it comes from `address`.
    #[inline]
    pub fn datagram(&self, address: IpAddr, now: Moment) -> Meta<'_> {
        Meta { client: self.client(address, now), ..self.datagram }
    }

    /// For a message over TCP.
    #[inline]
    pub fn stream(&self, address: IpAddr, now: Moment) -> Meta<'_> {
        Meta { client: self.client(address, now), ..self.stream }
    }

    #[inline]
    fn client(&self, address: IpAddr, now: Moment) -> Option<Client<'_>> {
        Some(Client { address, now, cookies: &self.cookies })
    }
}
