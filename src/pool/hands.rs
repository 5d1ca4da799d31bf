//! Idle workers lend a hand in large jobs: who offers, who helps, and when they stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::fence::fenced;
use super::{Shared, State};
use crate::analysis::crew::{self, Task};

/// A task that is on offer until this is dropped.
struct Offered {
    shared: Arc<Shared>,
    task: Task,
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.shared.lock().withdraw(&self.task);
    }
}

impl State {
    fn withdraw(&mut self, task: &Task) {
        self.offers.retain(|offered| !Arc::ptr_eq(offered, task));
    }
}

impl Shared {
    /// Let the jobs of this thread be shared with idle workers.
    pub(super) fn enlist(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        crew::enlist(Arc::new(move |task: Task| -> Box<dyn Send> {
            let mut state = shared.lock();
            state.offers.push(Arc::clone(&task));
            let sleepers = state.idle > 0;
            drop(state);
            if sleepers {
                shared.work.notify_all();
            }
            Box::new(Offered { shared: Arc::clone(&shared), task })
        }));
    }

    /// Help in another worker's job, until nothing is left of it or a job of one's own may begin.
    pub(super) fn help(&self, task: &Task) {
        let go_on = || !self.halt.load(Ordering::Relaxed) && !self.lock().lanes.has_next();
        if let Err(panic) = fenced(|| task(&go_on)) {
            tracing::error!(panic, "a worker panicked while it helped in a job");
        }
        if go_on() {
            // Nothing is left of it.
            self.lock().withdraw(task);
        }
    }
}
