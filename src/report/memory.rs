//! What is remembered over restarts: what the server acknowledged last, and
//! what went wrong since. A file, replaced as a whole.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Options, Proof};
use crate::model::{Line, Name, Timestamp};

/// The form of the file.
const VERSION: u32 = 1;

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    version: u32,
    /// With whom, for which hosts; of others nothing is known.
    about: About,
    /// What the server acknowledged.
    pub said: Acknowledged,
    /// When, last; `None`: never.
    pub acknowledged: Option<Timestamp>,
    /// Since when a family that was acknowledged has not been found.
    pub missing: Missing,
    /// What went wrong since.
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    server: String,
    hosts: Vec<Name>,
    line: Option<Line>,
    /// Tells another secret from this one, and too short to find either by.
    proof: String,
}

/// The addresses that the server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Of IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Of IPv6.
    pub v6: Option<Ipv6Addr>,
    /// Of the site.
    pub prefix: Option<Ipv6Net>,
}

/// Since when a family has not been found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// IPv4.
    pub v4: Option<Timestamp>,
    /// IPv6.
    pub v6: Option<Timestamp>,
}

/// Why the server has not acknowledged what it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// A sentence for the owner.
    pub why: String,
    /// How many times in a row.
    pub times: u32,
    /// Whether the server refused, so that only the owner can mend it.
    pub refused: bool,
    /// Nothing is said before.
    pub until: Timestamp,
}

impl Memory {
    /// Of somebody who was never told anything.
    pub fn new(options: &Options) -> Memory {
        let proof = match &options.proof {
            Proof::Token { user, token } => format!("{user}\n{}", token.0),
            Proof::Signed { key, secret } => format!("{key}\n{}", secret.to_hex()),
        };
        let digest = Sha256::digest(proof.as_bytes());
        Memory {
            version: VERSION,
            about: About {
                server: options.server.to_string(),
                hosts: options.hosts.clone(),
                line: options.line.clone(),
                proof: data_encoding::HEXLOWER.encode(&digest[..3]),
            },
            said: Acknowledged::default(),
            acknowledged: None,
            missing: Missing::default(),
            trouble: None,
        }
    }

    /// What the file holds, if it is about the same server, hosts and secret.
    /// A file that cannot be understood is as good as none: the server is told
    /// once more than needed.
    ///
    /// # Errors
    /// When there is a file and it cannot be read.
    pub fn load(options: &Options) -> io::Result<Memory> {
        let new = Memory::new(options);
        let text = match std::fs::read(&options.memory) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(new),
            Err(error) => return Err(error),
        };
        let known = serde_json::from_slice::<Memory>(&text).ok();
        let known = known.filter(|known| known.version == VERSION && known.about == new.about);
        Ok(known.unwrap_or(new))
    }

    /// Replaces the file: after a power cut it is the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = directory.join(name);
        let mut open = std::fs::OpenOptions::new();
        let mut written = open.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        written.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        written.write_all(b"\n")?;
        written.sync_all()?;
        std::fs::rename(&new, file)?;
        std::fs::File::open(directory)?.sync_all()
    }
}
