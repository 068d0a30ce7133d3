//! Attempts that wait for their first token, for a scrape to count.
//!
//! A slot is one atomic: the start in units of 0.1 ms and the number of the label set, so that entering
//! and leaving take no lock. Slots live in blocks that are never freed; each worker has its own.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

const BLOCK: usize = 256;
const NUMBER_BITS: u32 = 20;
/// Microseconds of a unit.
const UNIT: u64 = 100;

type Block = &'static [AtomicU64; BLOCK];

static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

thread_local! {
    static FREE: RefCell<Vec<&'static AtomicU64>> = const { RefCell::new(Vec::new()) };
}

/// Microseconds since the first call.
#[must_use]
pub fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    crate::counts::micros(START.get_or_init(Instant::now).elapsed())
}

/// An attempt that waits; it leaves when this is dropped.
#[derive(Debug)]
pub struct Waits(&'static AtomicU64);

impl Waits {
    /// An attempt of the label set `number` that has waited since `start`, on [`clock`].
    ///
    /// # Panics
    /// Never: a block is added where no slot is free.
    #[must_use]
    pub fn enter(number: u32, start: u64) -> Waits {
        let slot = FREE.with_borrow_mut(|free| {
            if free.is_empty() {
                let block: Block = Box::leak(Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
                BLOCKS.lock().unwrap_or_else(PoisonError::into_inner).push(block);
                free.extend(block);
            }
            free.pop()
        });
        let slot = slot.expect("a block was added");
        // One more, since 0 is a free slot.
        slot.store((start / UNIT + 1) << NUMBER_BITS | u64::from(number), Relaxed);
        Waits(slot)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(0, Relaxed);
        // At the thread's end nobody needs the slot any more.
        let _ = FREE.try_with(|free| free.borrow_mut().push(self.0));
    }
}

/// Calls `found` with label set and microseconds of every attempt that waits, on any thread.
pub fn each(mut found: impl FnMut(u32, u64)) {
    let now = clock();
    let blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for slot in blocks.into_iter().flatten() {
        let value = slot.load(Relaxed);
        if value != 0 {
            let number = u32::try_from(value & ((1 << NUMBER_BITS) - 1)).unwrap_or(0);
            found(number, now.saturating_sub(((value >> NUMBER_BITS) - 1) * UNIT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_found_while_it_waits() {
        let count = |wanted| {
            let mut n = 0;
            each(|number, _| n += u32::from(number == wanted));
            n
        };
        let first = Waits::enter(77_001, clock());
        let second = Waits::enter(77_001, clock());
        assert_eq!(count(77_001), 2);
        drop(first);
        assert_eq!(count(77_001), 1);
        drop(second);
        assert_eq!(count(77_001), 0);
    }
}
