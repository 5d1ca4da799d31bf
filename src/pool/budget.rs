//! Bytes that all bodies together may hold: being read, waiting, or being worked on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many bytes and no more.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    total: usize,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(total)), total }
    }

    /// A holder of nothing yet.
    pub fn hold(&self) -> Hold {
        Hold { bytes: Arc::clone(&self.bytes), permit: None }
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.total - self.bytes.available_permits()
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Hold {
    bytes: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Hold {
    /// Hold `bytes` more; false, and nothing changed, if the budget has not that many left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else { return false };
        let taken = Arc::clone(&self.bytes).try_acquire_many_owned(bytes);
        taken.map(|permit| self.merge(permit)).is_ok()
    }

    /// Hold `bytes` more as soon as the budget has that many left.
    pub async fn grow_patiently(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.bytes).acquire_many_owned(bytes).await {
            self.merge(permit);
        }
    }

    /// A holder of the first `bytes` of these; the rest stays here.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let permit = self.permit.as_mut().and_then(|permit| permit.split(bytes.min(permit.num_permits())));
        Self { bytes: Arc::clone(&self.bytes), permit }
    }

    fn merge(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let budget = Budget::new(10);
        let mut one = budget.hold();
        let mut two = budget.hold();
        assert!(one.grow(6));
        assert!(!two.grow(5), "only 4 are left");
        assert!(two.grow(4));
        let part = one.split(2);
        drop(one);
        assert_eq!(budget.held(), 6);
        drop(part);
        drop(two);
        assert_eq!(budget.held(), 0);
    }
}
