//! Where clients reach the HTTP server from outside.

use std::fmt;
use std::str::FromStr;

/// Where clients reach the HTTP server: `https://ddns.dyn.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// Plain or encrypted.
    pub scheme: Scheme,
    /// The name or address, with `:port` when it is not the scheme's own.
    pub server: String,
}

/// Plain or encrypted HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS, spoken by truename or by a proxy in front of it.
    Https,
}

/// Why a text is not where clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicError;

impl fmt::Display for PublicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "write http:// or https:// and a name, with a port if need be, and no path: \
             https://ddns.dyn.example.org",
        )
    }
}

impl std::error::Error for PublicError {}

impl FromStr for Public {
    type Err = PublicError;

    fn from_str(text: &str) -> Result<Public, PublicError> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            _ => return Err(PublicError),
        };
        let server = rest.strip_suffix('/').unwrap_or(rest);
        // The text goes into clients' configuration files as it stands.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if server.is_empty() || !server.chars().all(plain) {
            return Err(PublicError);
        }
        Ok(Public { scheme, server: server.to_owned() })
    }
}

impl Public {
    /// The server's name or address alone.
    pub fn host(&self) -> &str {
        match self.server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => self.server.split(':').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.server)
    }
}
