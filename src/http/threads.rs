//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays with the thread that it was given, so that no request is handed from one thread to another: at tens of
//! thousands of requests a second, waking a second thread for each costs as much as answering it. Connections are dealt in turn,
//! and nothing long runs here, so that none needs to be taken over by another thread.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// So many steps of connections are taken between two looks at what has arrived, while there is always something to do.
const LOOKS: u32 = 16;

/// Dropping them drops all connections.
pub(super) struct Threads {
    /// Each ends when its sender is dropped.
    each: Vec<(Handle, oneshot::Sender<()>)>,
    dealt: AtomicUsize,
}

impl Threads {
    /// Start `count` of them.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let each = (0..count.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { each, dealt: AtomicUsize::new(0) })
    }

    /// The one whose turn it is.
    pub(super) fn next(&self) -> &Handle {
        &self.each[self.dealt.fetch_add(1, Ordering::Relaxed) % self.each.len()].0
    }
}

fn start(index: usize) -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread().enable_all().event_interval(LOOKS).build()?;
    let handle = runtime.handle().clone();
    let (alive, ended) = oneshot::channel();
    let serve = move || drop(runtime.block_on(ended));
    thread::Builder::new().name(format!("dedz-http-{index}")).spawn(serve)?;
    Ok((handle, alive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_dealt_in_turn() {
        let threads = Threads::start(2).unwrap();
        let name = |handle: &Handle| {
            let (tell, told) = std::sync::mpsc::channel();
            handle.spawn(async move { tell.send(thread::current().name().map(str::to_owned)) });
            told.recv().unwrap().unwrap()
        };
        let names: Vec<_> = (0..4).map(|_| name(threads.next())).collect();
        assert_eq!(names, ["dedz-http-0", "dedz-http-1", "dedz-http-0", "dedz-http-1"]);
    }
}
