//! The server's end of the socket.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{MAX_REQUEST, SOCKET};
use crate::registry::{Command, CommandError, Registry, Reply};

/// Connections at one time; one more waits until another ends. Only the
/// server's own user connects, so this bounds mistakes, not attacks.
const CONNECTIONS: usize = 32;

/// How long a connection may be without a request.
const IDLE: Duration = Duration::from_secs(30);

/// How long a stop waits for the requests under way.
const STOP: Duration = Duration::from_secs(10);

/// What the servers that strangers reach have counted, by name.
pub type Counts = Arc<dyn Fn() -> BTreeMap<String, u64> + Send + Sync>;

/// What speaks against how it is set up, as of this moment.
pub type Warnings = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// The open socket.
pub struct Control {
    path: PathBuf,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Opens the socket in the data directory, which must be this process's own
/// (the store's lock says so): what an ended server left there is replaced.
///
/// # Errors
/// When the socket cannot be made, in words for the operator.
pub async fn serve(
    directory: &Path,
    registry: Registry,
    counts: Counts,
    warnings: Warnings,
) -> io::Result<Control> {
    let path = directory.join(SOCKET);
    let trouble = |error: io::Error| {
        io::Error::new(error.kind(), format!("no control socket at {}: {error}", path.display()))
    };
    let listener = bind(&path).map_err(trouble)?;
    listener.set_nonblocking(true).map_err(trouble)?;
    let listener = UnixListener::from_std(listener).map_err(trouble)?;
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, Asked { registry, counts, warnings }, stopped));
    Ok(Control { path, stop, accepting })
}

/// Binds under another name, closes it to others, and only then listens and
/// takes the real name: at no moment can a stranger connect.
fn bind(path: &Path) -> io::Result<StdListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of that name; move it away"));
        }
        _ => {}
    }
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(&fresh).map_err(|_| {
        io::Error::other("the path is too long for a socket; use a shorter data directory")
    })?;
    socket.bind(&address)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(128)?;
    std::fs::rename(&fresh, path)?;
    Ok(socket.into())
}

impl Control {
    /// Takes no more commands, ends those under way, removes the socket.
    pub async fn stop(self) {
        // Gone first, so that whoever asks now is told that nothing runs.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
    }
}

async fn accept(listener: UnixListener, asked: Asked, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned();
        let accepted = async {
            let place = place.await.expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        tokio::select! {
            _ = stopped.changed() => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (asked, stopped) = (asked.clone(), stopped.clone());
                    tokio::spawn(async move {
                        let _ = converse(stream, asked, stopped).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of descriptors, say: not a reason to end, nor to spin.
                    tracing::warn!("a control connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS).expect("a small number");
    let _ = timeout(STOP, places.acquire_many(all)).await;
}

/// Requests and replies until the other side has no more.
async fn converse(
    stream: UnixStream,
    asked: Asked,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let (requests, mut replies) = stream.into_split();
    let mut requests = BufReader::new(requests);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut requests).take(MAX_REQUEST);
        let read = tokio::select! {
            _ = stopped.changed() => return Ok(()),
            read = timeout(IDLE, bounded.read_until(b'\n', &mut line)) => read,
        };
        let Ok(read) = read else { return Ok(()) };
        if read? == 0 {
            return Ok(());
        }
        let whole = line.last() == Some(&b'\n');
        let reply = if whole { asked.reply(&line).await } else { Err(unreadable("too long")) };
        let mut text = serde_json::to_vec(&reply).map_err(io::Error::other)?;
        text.push(b'\n');
        replies.write_all(&text).await?;
        if !whole {
            return Ok(());
        }
    }
}

/// Who answers.
#[derive(Clone)]
struct Asked {
    registry: Registry,
    counts: Counts,
    warnings: Warnings,
}

impl Asked {
    async fn reply(&self, line: &[u8]) -> Result<Reply, CommandError> {
        let command: Command = serde_json::from_slice(line).map_err(unreadable)?;
        let mut reply = self.registry.command(command).await?;
        if let Reply::Status(status) = &mut reply {
            status.counts = (self.counts)();
            status.warnings.extend((self.warnings)());
        }
        Ok(reply)
    }
}

fn unreadable(why: impl std::fmt::Display) -> CommandError {
    CommandError(format!(
        "the server (version {}) does not understand the request: {why}; \
         if `truename --version` says another version, restart the server",
        env!("CARGO_PKG_VERSION")
    ))
}
