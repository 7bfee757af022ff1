//! How connections fare before any request.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
};

use crate::socket::Socket;

/// How a new connection fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// It is served.
    #[default]
    Open,
    /// It is closed at once.
    Closes,
    /// It is reset at once.
    Resets,
    /// It gets no byte until the door changes.
    Silent,
    /// It gets an answer in plain HTTP, also over TLS.
    Plain,
    /// It gets bytes of no protocol.
    Garbage,
}

#[derive(Debug, Default)]
pub(crate) struct Doorkeeper {
    door: watch::Sender<Door>,
    turned_away: AtomicU64,
}

impl Doorkeeper {
    pub(crate) fn set(&self, door: Door) {
        self.door.send_replace(door);
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// The connection, if it is to be served.
    pub(crate) async fn admit(&self, mut socket: Socket) -> Option<Socket> {
        let door = *self.door.borrow();
        if door == Door::Open {
            return Some(socket);
        }
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        match door {
            Door::Open | Door::Closes => {}
            Door::Resets => socket.reset.store(true, Ordering::Relaxed),
            Door::Silent => self.closes().await,
            Door::Plain => {
                answer(
                    &mut socket,
                    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
                )
                .await
            }
            Door::Garbage => answer(&mut socket, &[0xff; 64]).await,
        }
        None
    }

    /// Waits until the door changes.
    pub(crate) async fn closes(&self) {
        // The sender is `self`.
        let _ = self.door.subscribe().changed().await;
    }
}

/// Once the caller has said something, or its own bytes would reset the connection.
async fn answer(socket: &mut Socket, bytes: &[u8]) {
    let _ = socket.read(&mut [0; 1024]).await;
    // The caller may have left.
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
}
