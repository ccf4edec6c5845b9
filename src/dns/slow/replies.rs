//! Where answers of the slow path go: signed if the request was, to the
//! transport that waits for them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::registry::Registry;
use crate::tsig::Signer;
use crate::wire::{HEADER, Question, flag};

/// The client has gone.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// Where the answers to one request go.
pub struct Replies {
    /// The longest the client takes, in octets.
    pub limit: usize,
    /// What signs them, and who knows the time.
    pub signing: Option<(Arc<Mutex<Signer>>, Registry)>,
    /// The transport.
    pub replies: mpsc::Sender<Vec<u8>>,
}

impl Replies {
    /// Octets an answer may have before it is signed.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.signature())
    }

    /// Octets that signing adds to an answer.
    pub fn signature(&self) -> usize {
        self.signing
            .as_ref()
            .map_or(0, |(signer, _)| signer.lock().unwrap_or_else(PoisonError::into_inner).size())
    }

    /// Signs an answer and sends it. One that would be too long with its
    /// signature is cut to its question (RFC 8945 §5.3).
    ///
    /// # Errors
    /// When nobody waits for it any more.
    pub async fn send(&self, mut reply: Vec<u8>) -> Result<(), Gone> {
        if let Some((signer, registry)) = &self.signing {
            if reply.len() > self.room() {
                cut(&mut reply);
            }
            let mut signer = signer.lock().unwrap_or_else(PoisonError::into_inner);
            signer.sign(&mut reply, seconds(registry));
        }
        self.replies.send(reply).await.map_err(|_| Gone)
    }
}

/// The moment people read, as signatures count it: in seconds since 1970.
pub fn seconds(registry: &Registry) -> u64 {
    u64::try_from(registry.now().wall.0).unwrap_or(0)
}

/// Leaves the question, NOERROR and TC.
fn cut(reply: &mut Vec<u8>) {
    let end = Question::read(reply).map_or(HEADER, |question| question.end());
    reply.truncate(end);
    reply[2] |= (flag::TC >> 8) as u8;
    reply[3] &= 0xf0;
    reply[6..HEADER].fill(0);
}
