//! Connections on which a server is waited for.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a busy machine may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What comes until the server ends the connection.
pub async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the server ends the connection").unwrap_or_default();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What stands below the head.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
