//! DNS cookies (RFC 7873): how a client over UDP shows that it is where it
//! says it is. It sends eight octets of its own; the answer adds sixteen that
//! only a server with the secret can make for that client and address; the
//! client sends both from then on.
//!
//! ```text
//! client's cookie  version  reserved  made at  SipHash-2-4(all before, address)
//!      8 octets       1        3         4        8                  RFC 9018 §4
//! ```
//!
//! Nothing is kept of a client, and every server with the same secret, BIND,
//! Knot and NSD too, takes the cookies of the others.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::num::ParseIntError;

use arc_swap::ArcSwap;
use siphasher::sip::SipHasher24;
use subtle::ConstantTimeEq;

use crate::model::Moment;
use crate::wire::u32_at;

/// Octets of a client's cookie, which stands alone in its first question.
const CLIENT: usize = 8;

/// Octets of our cookie.
const SERVER: usize = 16;

/// Octets of both, in an answer.
pub const BOTH: usize = CLIENT + SERVER;

/// How long a server's cookie may be in all (RFC 7873 §4), in octets.
const ANY_SERVER: std::ops::RangeInclusive<usize> = 8..=32;

/// The version of our cookies.
const VERSION: u8 = 1;

/// Seconds a cookie is good for (RFC 9018 §4.3).
const LIFETIME: i32 = 60 * 60;

/// Seconds it may be ahead of us: another server made it, whose clock differs.
const AHEAD: i32 = 5 * 60;

/// Seconds after which a good cookie is answered with a new one.
const FRESH: i32 = 30 * 60;

/// One secret.
pub type Secret = [u8; 16];

/// The secrets that server cookies are made with. The first makes them, all
/// are accepted: so a secret can be changed while clients have cookies of the
/// one before, and on several servers one after the other (RFC 9018 §5).
#[derive(Clone, PartialEq, Eq)]
pub struct CookieSecrets(Vec<Secret>);

/// The most secrets there may be: one to come, one to be, one to go.
pub const MAX_SECRETS: usize = 3;

impl CookieSecrets {
    /// One secret.
    pub fn one(secret: Secret) -> CookieSecrets {
        CookieSecrets(vec![secret])
    }

    /// These, a new one going first; of the others the first stays.
    fn renewed(&self, secret: Secret) -> CookieSecrets {
        CookieSecrets(vec![secret, self.0[0]])
    }

    /// From text: a secret a line, in 32 hexadecimal digits, [`MAX_SECRETS`]
    /// lines at most; `#` begins a comment.
    ///
    /// # Errors
    /// A sentence that says what to correct.
    pub fn parse(text: &str) -> Result<CookieSecrets, String> {
        let mut secrets = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let digits = line.split('#').next().unwrap_or_default().trim();
            if digits.is_empty() {
                continue;
            }
            let secret = digits_of(digits).ok_or_else(|| {
                let number = number + 1;
                format!("line {number} is not a secret of 32 hexadecimal digits; `openssl rand -hex 16` makes one")
            })?;
            secrets.push(secret);
        }
        match secrets.len() {
            0 => Err("there is no secret in it; `openssl rand -hex 16` makes one".into()),
            1..=MAX_SECRETS => Ok(CookieSecrets(secrets)),
            more => Err(format!("there are {more} secrets in it; leave {MAX_SECRETS} at most")),
        }
    }
}

fn digits_of(digits: &str) -> Option<Secret> {
    let plain = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number: Result<u128, ParseIntError> = u128::from_str_radix(digits, 16);
    number.ok().filter(|_| plain).map(u128::to_be_bytes)
}

/// Says how many there are, and nothing of them.
impl fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cookie secrets", self.0.len())
    }
}

/// The secrets in use, which may be replaced at any time.
#[derive(Debug)]
pub struct Cookies {
    secrets: ArcSwap<CookieSecrets>,
    of_chance: bool,
}

/// What a COOKIE option comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What the answer's COOKIE option holds.
    pub answer: [u8; BOTH],
    /// What the one in the question was worth.
    pub standing: Standing,
}

/// What a client's server cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has none yet.
    Absent,
    /// Not ours, not this client's, or out of date.
    Bad,
    /// Good, and to be replaced.
    Stale,
    /// Good, and not yet to be replaced.
    Fresh,
}

impl Standing {
    /// Whether the client has shown that it gets what is sent to its address.
    pub fn is_good(self) -> bool {
        matches!(self, Standing::Stale | Standing::Fresh)
    }
}

impl Cookies {
    /// Cookies by these secrets.
    pub fn new(secrets: CookieSecrets) -> Cookies {
        Cookies { secrets: ArcSwap::from_pointee(secrets), of_chance: false }
    }

    /// Cookies by a secret that is nobody's choice, to be changed from time to
    /// time (RFC 7873 §7.1) by [`Cookies::renew`].
    pub fn of_chance(secret: Secret) -> Cookies {
        Cookies { of_chance: true, ..Cookies::new(CookieSecrets::one(secret)) }
    }

    /// Whether their secret is nobody's choice.
    pub fn are_of_chance(&self) -> bool {
        self.of_chance
    }

    /// Makes cookies by another secret from now on; those by the one before
    /// are still good.
    pub fn renew(&self, secret: Secret) {
        self.replace(self.secrets.load().renewed(secret));
    }

    /// Uses other secrets from now on.
    pub fn replace(&self, secrets: CookieSecrets) {
        self.secrets.store(secrets.into());
    }

    /// Looks at what a COOKIE option holds, which is well formed
    /// ([`is_well_formed`]).
    pub(super) fn check(&self, option: &[u8], client: IpAddr, now: Moment) -> Checked {
        let secrets = self.secrets.load();
        let (standing, sent) = match <&[u8; BOTH]>::try_from(option) {
            Ok(sent) => (secrets.standing(sent, client, now), *sent),
            Err(_) if option.len() == CLIENT => (Standing::Absent, [0; BOTH]),
            // Another server's may have another length.
            Err(_) => (Standing::Bad, [0; BOTH]),
        };
        let answer = match standing {
            Standing::Fresh => sent,
            _ => secrets.make(&option[..CLIENT], client, now),
        };
        Checked { answer, standing }
    }
}

impl CookieSecrets {
    fn make(&self, option: &[u8], client: IpAddr, now: Moment) -> [u8; BOTH] {
        let mut cookie = [0; BOTH];
        cookie[..CLIENT].copy_from_slice(option);
        cookie[CLIENT] = VERSION;
        cookie[CLIENT + 4..CLIENT + 8].copy_from_slice(&now.wall.to_be_bytes());
        let hash = hash(&self.0[0], &cookie, client);
        cookie[CLIENT + 8..].copy_from_slice(&hash);
        cookie
    }

    fn standing(&self, sent: &[u8; BOTH], client: IpAddr, now: Moment) -> Standing {
        let made = u32_at(sent, CLIENT + 4).unwrap_or_default();
        // In the arithmetic of RFC 1982, so that 2106 is no end.
        let age = now.wall.wrapping_sub(made).cast_signed();
        if sent[CLIENT] != VERSION || !(-AHEAD..=LIFETIME).contains(&age) {
            return Standing::Bad;
        }
        // All are tried, whichever it was made with: time tells nothing.
        let mut standing = Standing::Bad;
        for (at, secret) in self.0.iter().enumerate().rev() {
            if bool::from(hash(secret, sent, client).ct_eq(&sent[CLIENT + 8..])) {
                standing = if at == 0 && age <= FRESH { Standing::Fresh } else { Standing::Stale };
            }
        }
        standing
    }
}

/// Whether a COOKIE option has one of the lengths there are (RFC 7873
/// §5.2.2): a client's cookie, with or without a server's.
pub fn is_well_formed(length: usize) -> bool {
    length == CLIENT || length.checked_sub(CLIENT).is_some_and(|rest| ANY_SERVER.contains(&rest))
}

/// The last eight octets of a cookie, from those before. The reserved octets
/// count as they came (RFC 9018 §4.2).
fn hash(secret: &Secret, cookie: &[u8; BOTH], client: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&cookie[..CLIENT + 8]);
    match client {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{BOTH, CookieSecrets, Cookies, is_well_formed};
    use crate::model::Moment;

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    fn octets(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    fn cookies(secrets: &str) -> Cookies {
        Cookies::new(CookieSecrets::parse(secrets).unwrap())
    }

    /// What is answered, and whether what was sent was good.
    fn check(cookies: &Cookies, sent: &str, client: &str, wall: u32) -> (String, bool) {
        let client: IpAddr = client.parse().unwrap();
        let checked = cookies.check(&octets(sent), client, Moment { wall, micros: 0 });
        (data_encoding::HEXLOWER.encode(&checked.answer), checked.standing.is_good())
    }

    fn said(cookie: &str, valid: bool) -> (String, bool) {
        (cookie.to_owned(), valid)
    }

    /// RFC 9018 appendix A.
    #[test]
    fn the_examples_of_the_rfc() {
        let ours = cookies(SECRET);
        let first = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let v4 = "198.51.100.100";
        assert_eq!(check(&ours, "2464c4abcf10c957", v4, 1_559_731_985), said(first, false));
        // Forty minutes later: good, and replaced.
        let second = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
        assert_eq!(check(&ours, first, v4, 1_559_734_385), said(second, true));
        // Reserved octets count, whatever they are.
        let odd = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        assert!(check(&ours, odd, "203.0.113.203", 1_559_727_985 + 600).1);
        let third = "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e";
        assert_eq!(check(&ours, odd, "203.0.113.203", 1_559_734_700), said(third, false));
        // IPv6, and a secret that has been replaced.
        let v6 = "2001:db8:220:1:59de:d0f4:8769:82b8";
        let both = "445536bcd2513298075a5d379663c962\ndd3bdf9344b678b185a6f5cb60fca715";
        let old = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
        let new = "22681ab97d52c298010000005cf7c609a6bb79d16625507a";
        assert_eq!(check(&cookies(both), old, v6, 1_559_741_961), said(new, true));
        // Once the old secret is gone, so are its cookies.
        let alone = cookies("445536bcd2513298075a5d379663c962");
        assert_eq!(check(&alone, old, v6, 1_559_741_961), said(new, false));
    }

    #[test]
    fn how_long_a_cookie_is_good() {
        let ours = cookies(SECRET);
        let made = 1_000_000_u32;
        for made in [made, u32::MAX - 100] {
            let (cookie, _) = check(&ours, "0123456789abcdef", "192.0.2.1", made);
            let at = |age: i32| {
                let now = made.wrapping_add_signed(age);
                let (answer, valid) = check(&ours, &cookie, "192.0.2.1", now);
                (valid, answer == cookie)
            };
            // Good; and sent back as it is while it is fresh.
            assert_eq!([at(0), at(1800), at(-300)], [(true, true); 3]);
            assert_eq!([at(1801), at(3600)], [(true, false); 2]);
            assert_eq!([at(3601), at(-301), at(i32::MIN)], [(false, false); 3]);
        }
    }

    #[test]
    fn a_cookie_is_one_clients_and_one_addresses() {
        let ours = cookies(SECRET);
        let (cookie, _) = check(&ours, "0123456789abcdef", "192.0.2.1", 1000);
        assert!(check(&ours, &cookie, "192.0.2.1", 1000).1);
        assert!(!check(&ours, &cookie, "192.0.2.2", 1000).1);
        assert!(!check(&ours, &cookie, "::ffff:192.0.2.1", 1000).1);
        // No octet of it may differ.
        for octet in 0..BOTH {
            let mut other = octets(&cookie);
            other[octet] ^= 1;
            let other = data_encoding::HEXLOWER.encode(&other);
            assert!(!check(&ours, &other, "192.0.2.1", 1000).1, "{octet}");
        }
        // Another server's, shorter or longer, is none of ours.
        for length in [16, 17, 23, 25, 40] {
            let mut other = octets(&cookie);
            other.resize(length, 0);
            let (answer, valid) =
                check(&ours, &data_encoding::HEXLOWER.encode(&other), "192.0.2.1", 1000);
            assert_eq!((answer, valid), (cookie.clone(), false), "{length}");
        }
    }

    #[test]
    fn lengths_there_are() {
        let lengths: Vec<usize> = (0..100).filter(|length| is_well_formed(*length)).collect();
        assert_eq!(lengths, [8].into_iter().chain(16..=40).collect::<Vec<_>>());
    }

    #[test]
    fn secrets_from_text() {
        let parse = CookieSecrets::parse;
        let three = format!("# first\n{SECRET}\n\n {SECRET}  # second\n{}\n", "0".repeat(32));
        assert_eq!(parse(&three).map(|secrets| secrets.0.len()), Ok(3));
        assert_eq!(parse(&SECRET.to_uppercase()), parse(SECRET));
        assert!(parse(&format!("{three}{SECRET}")).unwrap_err().contains("4 secrets"));
        assert!(parse("# nothing\n").unwrap_err().contains("no secret"));
        for wrong in ["+123456789012345678901234567890a", "12", "é234567890123456789012345678901"]
        {
            assert!(parse(wrong).unwrap_err().contains("line 1"), "{wrong}");
        }
        assert!(!format!("{:?}", parse(SECRET)).contains("e5e973"));
    }
}
