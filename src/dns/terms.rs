//! On which terms questions are answered, the same on every path.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Options;
use super::limits::{Limits, Ruling};
use super::network::{Network, Prefixes};
use crate::answer::{Asked, Client, Cookies, Meta};
use crate::model::{Moment, Moments};

/// How long answers may be, how often they are given, what cookies are checked
/// with, and the clock for it.
pub struct Terms {
    datagram: Meta<'static>,
    stream: Meta<'static>,
    cookies: Arc<Cookies>,
    moments: Moments,
    limits: Option<Limits>,
    prefixes: Prefixes,
    exempt: Vec<IpNet>,
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
            limits: Limits::new(&options.rate_limit, options.prefixes, &options.exempt),
            prefixes: options.prefixes,
            exempt: options.exempt.clone(),
        }
    }

    /// How often answers are given; `None`: as often as they are asked for.
    #[inline]
    pub fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// Whether an error is sent to `ip`, who has shown nothing.
    pub fn lets_error_pass(&self, ip: IpAddr, now: Moment) -> bool {
        self.limits().is_none_or(|limits| limits.rule_error(ip, now) != Ruling::Drop)
    }

    /// Whether something signed by `ip` is looked at while there is little room
    /// for it.
    pub fn lets_signed_in(&self, ip: IpAddr, now: Moment) -> bool {
        self.limits().is_none_or(|limits| limits.allows_signed(ip, now))
    }

    /// What becomes of the answer to a question by `ip`, who has shown nothing.
    pub fn rule(&self, ip: IpAddr, asked: &Asked, answer: &[u8], now: Moment) -> Ruling {
        let rule = |limits: &Limits| limits.rule(limits.find(ip, asked, answer), ip, now);
        self.limits().map_or(Ruling::Send, rule)
    }

    /// The network that somebody's connection counts for; `None`: for none.
    pub fn client_of(&self, ip: IpAddr) -> Option<Network> {
        let exempt = self.exempt.iter().any(|exempt| exempt.contains(&ip));
        (!exempt).then(|| self.prefixes.network(ip))
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
