//! A socket that closes so that the last answer is read, and lets others have their turn.
//!
//! A server that closes a socket while unread bytes wait in it resets the connection, and a client that is still sending its
//! body then loses the answer (413, say) that told it to stop. So after an error this side only stops writing, and reads and
//! forgets for a while, until the client has seen the end.
//!
//! A thread serves many connections, and a body of megabytes is read or written without once having to wait. So after some bytes
//! a connection steps back until the others on its thread, which may have hundreds of bytes to move, were looked at.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};

/// How long a client may go on sending what nobody reads.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that a connection moves in one turn.
const TURN: usize = 256 << 10;

/// A socket as described above.
pub(super) struct Lingering {
    stream: TcpStream,
    /// What is left of its turn.
    turn: usize,
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
        Self { stream, turn: TURN, unread: Unread::default(), closing: None }
    }

    /// Ready if it is still this connection's turn; if not, it will be woken when the others had theirs.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn > 0 {
            return Poll::Ready(());
        }
        self.turn = TURN;
        // Its first poll is what sees to the waking.
        pin!(yield_now()).poll(cx)
    }

    fn moved(&mut self, bytes: usize) {
        self.turn = self.turn.saturating_sub(bytes);
    }

    /// As [`Lingering::moved`]. If the socket took less than it was given, it is full for now: the few bytes that are left of the
    /// turn would go out by themselves.
    fn written(&mut self, bytes: usize, given: usize) {
        self.moved(bytes);
        if bytes < given {
            self.turn = 0;
        }
    }

    pub(super) fn unread(&self) -> Unread {
        self.unread.clone()
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx));
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.moved(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let part = &bytes[..bytes.len().min(self.turn)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, part))?;
        self.written(written, part.len());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        const MOST: usize = 16;
        ready!(self.poll_turn(cx));
        let mut few = [io::IoSlice::new(&[]); MOST];
        let mut room = self.turn;
        for (few, slice) in few.iter_mut().zip(slices) {
            let part = &slice[..slice.len().min(room)];
            *few = io::IoSlice::new(part);
            room -= part.len();
        }
        let (count, given) = (slices.len().min(MOST), self.turn - room);
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &few[..count]))?;
        self.written(written, given);
        Poll::Ready(Ok(written))
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
