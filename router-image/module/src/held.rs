//! How much memory the bodies of all requests may take together.
//!
//! A body waits in Envoy's memory until it is whole, and for a retry until its answer begins. Envoy's
//! own limit on the heap refuses new requests, whoever they are from; this one refuses the large
//! bodies that would bring it about, and lets everybody else pass.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of each body that are not counted: requests of this size pass however full it is.
pub const FREE: usize = 64 * 1024;

/// Memory for bodies.
pub struct Budget {
    limit: AtomicUsize,
    taken: AtomicUsize,
}

/// The budget of this process.
pub static BODIES: Budget = Budget::new(usize::MAX);

impl Budget {
    /// A budget of that many bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Budget {
        Budget { limit: AtomicUsize::new(limit), taken: AtomicUsize::new(0) }
    }

    /// Sets the limit.
    pub fn set(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

/// What one body takes of a budget; given back when it goes.
pub struct Held<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl<'a> Held<'a> {
    /// Nothing yet.
    #[must_use]
    pub const fn of(budget: &'a Budget) -> Held<'a> {
        Held { budget, bytes: 0 }
    }

    /// The body has grown to `size` bytes; false where there is no room for it, and then it is to go.
    #[must_use]
    pub fn grow(&mut self, size: usize) -> bool {
        let more = size.saturating_sub(FREE).saturating_sub(self.bytes);
        if more == 0 {
            return true;
        }
        let taken = self.budget.taken.fetch_add(more, Ordering::Relaxed) + more;
        self.bytes += more;
        taken <= self.budget.limit.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_what_there_is_and_small_ones_always_pass() {
        let budget = Budget::new(1000);
        let (mut first, mut second) = (Held::of(&budget), Held::of(&budget));
        assert!(first.grow(10) && first.grow(FREE + 600));
        assert!(second.grow(FREE + 400));
        assert!(!second.grow(FREE + 401));
        assert!(Held::of(&budget).grow(FREE));
        drop(second);
        assert!(first.grow(FREE + 1000));
        drop(first);
        assert!(Held::of(&budget).grow(FREE + 1000));
    }
}
