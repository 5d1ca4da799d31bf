//! Lending a hand: a job that can be cut offers its pieces to whoever is idle, and does what nobody takes itself.
//!
//! Who helps is the pool's affair; the answer does not depend on it. A thread that nobody enlisted works alone.

use std::cell::RefCell;
use std::sync::Arc;

/// What a helper does: pieces of a job until none is left, or until it is told (by `false`) that it is needed elsewhere; the piece
/// it was at is then left to others.
pub type Task = Arc<dyn Fn(&dyn Fn() -> bool) + Send + Sync>;

/// Shows a task to possible helpers, until what it returns is dropped.
pub type Offer = Arc<dyn Fn(Task) -> Box<dyn Send> + Send + Sync>;

thread_local! {
    static OFFER: RefCell<Option<Offer>> = const { RefCell::new(None) };
}

/// From now on, jobs that this thread runs may be shared.
pub fn enlist(offer: Offer) {
    OFFER.set(Some(offer));
}

/// Show a task to helpers, if there may be any.
pub(super) fn offer(task: Task) -> Option<Box<dyn Send>> {
    let offer = OFFER.with_borrow(Clone::clone);
    offer.map(|offer| offer(task))
}
