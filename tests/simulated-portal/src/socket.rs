//! A connection that can be reset instead of closed, or serve one request only.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP stream that is reset when it ends with the flag up.
pub struct Socket {
    stream: TcpStream,
    pub(crate) reset: Arc<AtomicBool>,
    pub(crate) serves: Serves,
}

impl Socket {
    /// One that is reset at its end if this flag is up then.
    pub fn new(stream: TcpStream, reset: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            reset,
            serves: Serves::Many,
        }
    }
}

/// How many requests a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    Many,
    /// One, without saying so: it closes when the next request comes, as if it had done so just before.
    One,
    /// None any more.
    NoMore,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.serves == Serves::NoMore {
            // To the server, the caller has left.
            return Pin::new(&mut self.stream)
                .poll_read(cx, buf)
                .map_ok(|()| buf.clear());
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if self.serves == Serves::One && written.is_ready() {
            self.serves = Serves::NoMore;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
