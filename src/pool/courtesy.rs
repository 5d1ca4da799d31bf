//! How workers share processors with the threads that serve connections.

/// How much workers give way, in the system's own measure. At 7 a thread that serves connections is given five sixths of a
/// processor that it has to share, and a worker the rest; much more, and other programs would starve the workers.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 7;

/// From now on this thread gives way to others that have something to do: they are short, it is not. Where the system does not
/// know of such a thing, or forbids it, nothing changes.
pub(super) fn yield_to_others() {
    // On Linux "no process" is the calling thread alone.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "workers run at the priority of the rest");
    }
}
