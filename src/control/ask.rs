//! The operator's end of the socket. Blocking: a command asks once and ends.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SOCKET;
use crate::registry::{Command, CommandError, Reply};

/// How long a reply may take: the dump of a million hosts takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no reply, or not the one hoped for.
#[derive(Debug)]
pub enum AskError {
    /// No server runs on this data directory.
    NotRunning(PathBuf),
    /// The socket is another user's.
    Forbidden(PathBuf),
    /// The connection broke, or what came back is no reply.
    Broken(PathBuf, io::Error),
    /// The server refused, with a sentence.
    Refused(CommandError),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::NotRunning(directory) => write!(
                f,
                "no truename is running on the data directory {}; start one with \
                 `truename serve` (or `systemctl start truename`), or say with --config or \
                 --data where the running one keeps its data",
                directory.display()
            ),
            AskError::Forbidden(directory) => write!(
                f,
                "the truename on the data directory {} belongs to another user; run this as \
                 that user or as root",
                directory.display()
            ),
            AskError::Broken(directory, error) => write!(
                f,
                "the truename on the data directory {} gave no proper reply: {error}; its log \
                 says more",
                directory.display()
            ),
            AskError::Refused(sentence) => sentence.fmt(f),
        }
    }
}

impl std::error::Error for AskError {}

/// Asks the server that runs on a data directory.
///
/// # Errors
/// When none runs there, it may not be asked, or it refuses.
pub fn ask(directory: &Path, command: &Command) -> Result<Reply, AskError> {
    let here = || directory.to_owned();
    let stream = connect(directory).map_err(|error| match error.kind() {
        // Refused: the file is there and nobody listens, after a kill.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(here()),
        io::ErrorKind::PermissionDenied => AskError::Forbidden(here()),
        _ => AskError::Broken(here(), error),
    })?;
    let reply = converse(stream, command).map_err(|error| AskError::Broken(here(), error))?;
    reply.map_err(AskError::Refused)
}

fn connect(directory: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(directory.join(SOCKET))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn converse(mut stream: UnixStream, command: &Command) -> io::Result<Result<Reply, CommandError>> {
    let mut request = serde_json::to_vec(command)?;
    request.push(b'\n');
    stream.write_all(&request)?;
    // The reply is as long as the server's hosts are many, and the server is
    // the operator's own.
    let mut reply = Vec::new();
    match BufReader::new(stream).read_until(b'\n', &mut reply) {
        Ok(0) => Err(io::Error::other("it hung up")),
        Ok(_) => Ok(serde_json::from_slice(&reply)?),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other(format!("nothing came within {} s", PATIENCE.as_secs())))
        }
        Err(error) => Err(error),
    }
}
