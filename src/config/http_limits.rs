//! The section `[http.limits]`: what one client, one network and all of them
//! may have.

use std::time::Duration;

use serde::Deserialize;

use super::file::Count;
use crate::http::Limits;
use crate::registry::Settings;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpLimits {
    network_connections: Option<Count>,
    requests: Option<OrNone>,
    connection_requests: Option<Count>,
    head_time: Option<Seconds>,
    body_time: Option<Seconds>,
    write_time: Option<Seconds>,
    handshake_time: Option<Seconds>,
    life_time: Option<Seconds>,
    head_size: Option<HeadSize>,
    body_size: Option<BodySize>,
    handshakes: Option<Count>,
    guesses: Option<Count>,
}

/// A time, in seconds: none is for ever.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct Seconds(Duration);

impl TryFrom<i64> for Seconds {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<Seconds, Self::Error> {
        let seconds = u64::try_from(number).ok().filter(|seconds| (1..=3600).contains(seconds));
        let seconds = seconds.ok_or("this is a number of seconds from 1 to 3600")?;
        Ok(Seconds(Duration::from_secs(seconds)))
    }
}

/// How often something may be; 0 is as often as one likes.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct OrNone(pub Option<u32>);

impl TryFrom<i64> for OrNone {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<OrNone, Self::Error> {
        let count = u32::try_from(number).ok().filter(|count| *count <= 1_000_000);
        let count = count.ok_or("this is a number from 0 (as often as one likes) to 1000000")?;
        Ok(OrNone((count > 0).then_some(count)))
    }
}

/// What real clients send must have room.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct HeadSize(usize);

impl TryFrom<i64> for HeadSize {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<HeadSize, Self::Error> {
        octets(number, 8 * 1024)
            .map(HeadSize)
            .ok_or("this is a number of octets from 8192 to 1048576")
    }
}

#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct BodySize(usize);

impl TryFrom<i64> for BodySize {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<BodySize, Self::Error> {
        octets(number, 1024).map(BodySize).ok_or("this is a number of octets from 1024 to 1048576")
    }
}

fn octets(number: i64, least: usize) -> Option<usize> {
    usize::try_from(number).ok().filter(|octets| (least..=1 << 20).contains(octets))
}

impl HttpLimits {
    /// Passwords of one account that are tried in a minute.
    pub(super) fn guesses(&self) -> u32 {
        let given = self.guesses.as_ref().and_then(|count| u32::try_from(count.0).ok());
        given.unwrap_or(Settings::GUESSES)
    }

    /// With what holds where nothing is said.
    pub(super) fn limits(self) -> Limits {
        let default = Limits::default();
        let count = |given: Option<Count>, default: usize| given.map_or(default, |count| count.0);
        let time = |given: Option<Seconds>, default: Duration| given.map_or(default, |time| time.0);
        Limits {
            network_connections: count(self.network_connections, default.network_connections),
            requests: self.requests.map_or(default.requests, |requests| requests.0),
            connection_requests: count(self.connection_requests, default.connection_requests),
            head_time: time(self.head_time, default.head_time),
            body_time: time(self.body_time, default.body_time),
            write_time: time(self.write_time, default.write_time),
            handshake_time: time(self.handshake_time, default.handshake_time),
            life_time: time(self.life_time, default.life_time),
            head_size: self.head_size.map_or(default.head_size, |size| size.0),
            body_size: self.body_size.map_or(default.body_size, |size| size.0),
            handshakes: count(self.handshakes, default.handshakes),
        }
    }
}
