//! Reads the bodies of answers within the room that namespaces share.

use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use crate::shares::{Share, Shares};

/// For the large bodies of all namespaces together, in bytes. The chart's limit of memory leaves as much.
const ROOM: usize = 16 * MIB;
/// For those of one namespace: two of the largest.
const ROOM_OF_ONE: usize = 4 * MIB;
/// A body of so many bytes, as nearly all are, needs no room.
const SMALL: usize = 16 * 1024;

const MIB: usize = 1024 * 1024;

/// The room for large bodies, and for what is read from them; cheap to clone. Whoever has room of one kind waits for none
/// of it: what is read is kept while the look goes on.
#[derive(Clone, Debug)]
pub struct Room {
    bodies: Shares,
    kept: Shares,
}

/// A body.
#[derive(Debug, Default)]
pub struct Body {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its room, if it is large.
    pub share: Option<Share>,
}

/// Why a body was not read.
#[derive(Debug)]
pub enum NotRead {
    /// It is larger than the call allows.
    TooLarge,
    /// Others had the room for too long.
    NoRoom,
    /// The connection failed.
    Failed(reqwest::Error),
}

impl Default for Room {
    fn default() -> Self {
        Self {
            bodies: Shares::new(ROOM, ROOM_OF_ONE),
            kept: Shares::new(ROOM, ROOM_OF_ONE),
        }
    }
}

impl Room {
    /// Reads a body of at most `most` bytes for a call of this namespace, within the time that is left for it.
    ///
    /// # Errors
    /// Why it was not read.
    pub async fn read(
        &self,
        namespace: &str,
        response: &mut Response,
        most: usize,
        left: Duration,
    ) -> Result<Body, NotRead> {
        let mut body = Body::default();
        let mut had_to_wait = false;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(body),
                // The wait has taken the time that the portal needs.
                Err(error) if had_to_wait && error.is_timeout() => return Err(NotRead::NoRoom),
                Err(error) => return Err(NotRead::Failed(error)),
            };
            let length = body.bytes.len() + chunk.len();
            if length > most {
                return Err(NotRead::TooLarge);
            }
            if length > SMALL && body.share.is_none() {
                let at_once = self.bodies.try_acquire(namespace, most);
                had_to_wait = at_once.is_none();
                let share = match at_once {
                    Some(share) => share,
                    None => timeout(left, self.bodies.acquire(namespace, most))
                        .await
                        .map_err(|_| NotRead::NoRoom)?,
                };
                body.share = Some(share);
                // All at once, because growing would take twice as much for a while.
                body.bytes.reserve_exact(most - body.bytes.len());
            }
            body.bytes.extend_from_slice(&chunk);
        }
    }

    /// The message if there was no room.
    pub fn none_within(limit: Duration) -> String {
        format!(
            "no room for the answer within {} s; {}",
            limit.as_secs(),
            limits()
        )
    }

    /// The message if there was none for what is read from a body.
    pub fn none() -> String {
        format!("no room for what the answer holds; {}", limits())
    }

    /// Room for what is read from a large body, if there is any at once.
    pub fn keep(&self, namespace: &str, bytes: usize) -> Option<Share> {
        self.kept.try_acquire(namespace, bytes)
    }

    /// Takes all room of a namespace, for tests.
    #[cfg(test)]
    pub async fn fill(&self, namespace: &str) -> Share {
        self.bodies.acquire(namespace, ROOM_OF_ONE).await
    }
}

/// What the operator holds at most.
fn limits() -> String {
    format!(
        "of large answers, the operator holds at most {} MiB at a time for one namespace, and {} MiB for all, and tries \
         again",
        ROOM_OF_ONE / MIB,
        ROOM / MIB
    )
}
