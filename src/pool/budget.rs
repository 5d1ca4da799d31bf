//! Bytes that all bodies together may hold: being read, waiting, or being worked on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many bytes and no more.
#[derive(Debug, Clone)]
pub struct Budget {
    left: Arc<AtomicUsize>,
    total: usize,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(total)), total }
    }

    /// A holder of nothing yet.
    pub fn hold(&self) -> Hold {
        Hold { left: Arc::clone(&self.left), bytes: 0 }
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.total - self.left.load(Ordering::Relaxed)
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Hold {
    left: Arc<AtomicUsize>,
    bytes: usize,
}

impl Hold {
    /// Hold `bytes` more; false, and nothing changed, if the budget has not that many left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// A holder of the first `bytes` of these; the rest stays here.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { left: Arc::clone(&self.left), bytes }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.left.fetch_add(self.bytes, Ordering::Relaxed);
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
