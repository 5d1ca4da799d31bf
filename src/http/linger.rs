//! Closing so that the last answer is read.
//!
//! A server that closes a socket while unread bytes wait in it resets the connection, and a client that is still sending its
//! body then loses the answer (413, say) that told it to stop. So after an error this side only stops writing, and reads and
//! forgets for a while, until the client has seen the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a client may go on sending what nobody reads.
const PATIENCE: Duration = Duration::from_secs(2);

/// A socket that closes as described above.
pub(super) struct Lingering {
    stream: TcpStream,
    unread: Unread,
    closing: Option<Pin<Box<Sleep>>>,
}

/// Whether there may be bytes that nobody read.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    pub(super) fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Unread::default(), closing: None }
    }

    pub(super) fn unread(&self) -> Unread {
        self.unread.clone()
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        if !this.unread.0.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let patience = this.closing.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        let mut forgotten = [0; 16 << 10];
        while patience.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut forgotten);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
