//! Sockets: accept, serve HTTP/1.1, and on shutdown finish what was accepted.
//!
//! While draining the listener stays open: new requests are told 503 and `/readyz` says so too, until the last accepted
//! request is answered. A connection has a time to send each request's head; its bodies are timed where they are read.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{interval, sleep};

use super::edge::Edge;
use super::linger::Lingering;
use super::threads::Threads;
use crate::analysis;
use crate::config::Config;
use crate::pool::Prepare;

/// Bytes that are read of a connection at once, and that a request's head may have.
const READ_AHEAD: usize = 128 << 10;

/// Serve until `shutdown` resolves, then drain. Returns when all accepted requests are answered, or their grace is over.
///
/// # Errors
/// What the listener says about its own address; the file of keys cannot be read.
pub async fn run(listener: TcpListener, config: Config, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    run_with(listener, config, Arc::new(analysis::prepare), shutdown).await
}

/// As [`run`], with other analyses: for tests.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    listener: TcpListener,
    config: Config,
    prepare: Arc<Prepare>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let grace = Duration::from_millis(config.admission.grace_ms);
    let edge = Edge::new(config, prepare)?;
    let app = Arc::clone(edge.app());
    tracing::info!(%address, workers = app.workers, "listening");
    let mut sockets = Sockets::new(listener, edge)?;
    let mut shutdown = pin!(shutdown);
    let mut tidying = interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = tidying.tick() => app.metrics.tidy(),
            (stream, peer, permit) = sockets.accept() => sockets.serve(stream, peer, permit),
        }
    }
    tracing::info!("draining");
    app.drain();
    let mut accepted_are_done = sockets.drain();
    let mut over = pin!(sleep(grace));
    loop {
        tokio::select! {
            _ = accepted_are_done.recv() => break,
            () = &mut over => {
                tracing::warn!(grace_ms = grace.as_millis() as u64, "requests outlived their grace");
                break;
            }
            (stream, peer, permit) = sockets.accept() => sockets.serve(stream, peer, permit),
        }
    }
    drop(sockets);
    tracing::info!("ended");
    Ok(())
}

/// Bytes of a reply that wait in the socket of a client, or of a proxy, on the same machine. There the system would let megabytes
/// wait, which leave the processor's cache before they are read: of a server that only reads and writes, a request and a reply of
/// 5 MB each took 7.5 ms of both sides' time, and take 5.3 so. Over a network a fixed size would bound the speed, and the system
/// knows better.
const SEND_BUFFER: usize = 128 << 10;

/// How far the service has come; every connection watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
}

/// The listener and the connections it made. Dropping it ends them all.
struct Sockets {
    listener: TcpListener,
    edge: Edge,
    threads: Threads,
    permits: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
    /// Connections from before the drain hold a sender; when all are gone the receiver says so.
    alive: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

impl Sockets {
    fn new(listener: TcpListener, edge: Edge) -> io::Result<Self> {
        let threads = Threads::start(available_parallelism().map_or(1, NonZeroUsize::get))?;
        let permits = edge.app().config.admission.connections.min(Semaphore::MAX_PERMITS);
        let phase = watch::Sender::new(Phase::Serving);
        let permits = Arc::new(Semaphore::new(permits));
        Ok(Self { listener, edge, threads, permits, phase, alive: Some(mpsc::channel(1)) })
    }

    /// The next connection, once there may be one more.
    async fn accept(&self) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, peer.ip(), permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors, most likely: trying again at once would only spin.
                    tracing::warn!(%error, "cannot accept");
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: IpAddr, permit: OwnedSemaphorePermit) {
        // It is known to the runtime that accepted it, and has to be made known to another.
        let Ok(stream) = stream.into_std() else { return };
        if peer.to_canonical().is_loopback() {
            let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
        }
        let (edge, phase) = (self.edge.clone(), self.phase.subscribe());
        let alive = self.alive.as_ref().map(|(sender, _)| sender.clone());
        self.threads.next().spawn(async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection(stream, peer, edge, phase, alive).await;
            }
            drop(permit);
        });
    }

    /// Tell all connections to end after the request they are in. What is returned closes when they have.
    fn drain(&mut self) -> mpsc::Receiver<()> {
        let (_, done) = self.alive.take().unwrap_or_else(|| mpsc::channel(1));
        self.phase.send_replace(Phase::Draining);
        done
    }
}

/// One connection, until it or the service ends. While it holds `alive` a drain waits for it.
async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    edge: Edge,
    mut phase: watch::Receiver<Phase>,
    mut alive: Option<mpsc::Sender<()>>,
) {
    // Small replies must not wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let head_timeout = Duration::from_millis(edge.app().config.admission.head_timeout_ms);
    let stream = Lingering::new(stream);
    let (unread, begun, now) = (stream.unread(), AtomicBool::new(false), phase.clone());
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        begun.store(true, Ordering::Relaxed);
        let request = request.map(Body::new);
        let (edge, unread, now) = (edge.clone(), unread.clone(), now.clone());
        async move {
            let mut response = edge.answer(request, Some(peer)).await;
            unread.set(response.status().is_client_error() || response.status().is_server_error());
            if *now.borrow() == Phase::Draining {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    loop {
        tokio::select! {
            biased;
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection broke");
                }
                return;
            }
            changed = phase.changed() => match changed {
                Err(_) => return, // the service has ended
                Ok(()) if begun.load(Ordering::Relaxed) => serving.as_mut().graceful_shutdown(),
                // Nothing was asked yet, so nobody waits for it; a request that comes now is told. hyper's own shutdown would
                // close the connection without a word.
                Ok(()) => drop(alive.take()),
            },
        }
    }
}

/// Errors of `accept` that tell of a connection which broke before it was taken.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
