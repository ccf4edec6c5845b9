//! Hosts and their secrets in the files of other programs. Pure: a text is
//! read into what it says, and what it cannot say is a remark.
//!
//! | source | file | what comes over |
//! |---|---|---|
//! | [`Source::Ddclient`] | `ddclient.conf` | hosts, logins, passwords |
//! | [`Source::Inadyn`] | `inadyn.conf` | hosts, user names, passwords |
//! | [`Source::Duckdns`] | a script, URLs, the environment of a container | domains, token |
//! | [`Source::NsupdateInfo`] | `manage.py dumpdata main` | hosts, the hashes of their secrets |
//! | [`Source::DockerDdns`] | `dyndns.json` or its environment, and the zone file | hosts, addresses, shared secret |
//! | [`Source::TokenList`] | `<token>:<name>` lines | hosts, tokens |
//! | [`Source::Zonefile`] | a master file | hosts, addresses |
//! | [`Source::AcmeDns`] | `sqlite3 acme-dns.db .dump` | names, the hashes of their passwords |

mod acme_dns;
mod ddclient;
mod docker_ddns;
mod duckdns;
mod inadyn;
mod nsupdate_info;
mod token_list;
mod zonefile;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;

use crate::model::{Addresses, Name};

/// Whose files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// ddclient, a client of many providers.
    Ddclient,
    /// inadyn 2, the same.
    Inadyn,
    /// Whatever updates DuckDNS.
    Duckdns,
    /// The service software behind nsupdate.info.
    NsupdateInfo,
    /// docker-ddns, a server in a container.
    DockerDdns,
    /// Lines of tokens and names.
    TokenList,
    /// A zone's master file.
    Zonefile,
    /// acme-dns, a server for certificates' proofs.
    AcmeDns,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 8] = [
        Source::Ddclient,
        Source::Inadyn,
        Source::Duckdns,
        Source::NsupdateInfo,
        Source::DockerDdns,
        Source::TokenList,
        Source::Zonefile,
        Source::AcmeDns,
    ];

    /// What `import --from` calls it.
    pub fn word(self) -> &'static str {
        match self {
            Source::Ddclient => "ddclient.conf",
            Source::Inadyn => "inadyn.conf",
            Source::Duckdns => "duckdns",
            Source::NsupdateInfo => "nsupdate.info",
            Source::DockerDdns => "docker-ddns",
            Source::TokenList => "token.list",
            Source::Zonefile => "zonefile",
            Source::AcmeDns => "acme-dns",
        }
    }

    /// Whether its secret is an account's by its nature, good for whatever
    /// hosts there are, even while there is one.
    pub fn is_of_an_account(self) -> bool {
        matches!(self, Source::Duckdns | Source::DockerDdns)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Source, String> {
        let bare = |word: &str| word.trim_end_matches(".conf").to_owned();
        let found = Source::ALL
            .into_iter()
            .find(|source| bare(source.word()) == bare(&text.to_ascii_lowercase()));
        found.ok_or_else(|| {
            let words: Vec<&str> = Source::ALL.iter().map(|source| source.word()).collect();
            format!("`{text}` is no program whose files can be read: say {}", words.join(", "))
        })
    }
}

/// One file, read.
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// What files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The hosts, in the order they stand there.
    pub hosts: Vec<Entry>,
    /// What is not taken over, and why: sentences.
    pub remarks: Vec<String>,
}

/// A host as another program has it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name as it stands there: in full, or a label alone.
    pub name: String,
    /// The zone it is in there, where that is known.
    pub zone: Option<Name>,
    /// Where it stands: `ddclient.conf:12`.
    pub place: String,
    /// As whom its client logs in.
    pub login: Option<String>,
    /// With which secret.
    pub secret: Option<String>,
    /// What was kept of its secret: a hash.
    pub hashed: Option<String>,
    /// Where it is now.
    pub addresses: Addresses,
    /// The TTL of its records, in seconds.
    pub ttl: Option<u32>,
    /// Whether every name below it has its addresses, too.
    pub wildcard: bool,
    /// Whether it was blocked there.
    pub blocked: bool,
    /// From where its secret is good; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// Whether it proves certificates and has no addresses.
    pub acme_only: bool,
}

/// Without its secret.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Entry");
        shown.field("name", &self.name).field("place", &self.place).finish_non_exhaustive()
    }
}

/// Reads the files of a program. What they hold is shown to nobody but as
/// names and places.
///
/// # Errors
/// When a file is not what it is said to be: a sentence that says what to do.
pub fn read(source: Source, files: &[File]) -> Result<Found, String> {
    let mut found = Found::default();
    match source {
        Source::DockerDdns => docker_ddns::read(files, &mut found)?,
        Source::AcmeDns => acme_dns::read(files, &mut found)?,
        _ => {
            for file in files {
                match source {
                    Source::Ddclient => ddclient::read(file, &mut found),
                    Source::Inadyn => inadyn::read(file, &mut found)?,
                    Source::Duckdns => duckdns::read(file, &mut found),
                    Source::NsupdateInfo => nsupdate_info::read(file, &mut found)?,
                    Source::TokenList => token_list::read(file, &mut found),
                    Source::Zonefile => zonefile::read(file, &mut found)?,
                    Source::DockerDdns | Source::AcmeDns => {}
                }
            }
        }
    }
    Ok(found)
}

/// `ddclient.conf:12`.
fn place(path: &Path, line: usize) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    if line == 0 { name.into_owned() } else { format!("{name}:{line}") }
}

#[cfg(test)]
mod tests;
