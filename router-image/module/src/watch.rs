//! Deadlines of requests: one thread looks at all of them and wakes the filters whose time is up.
//!
//! Envoy gives HTTP filters no timers. Moving a deadline is one store; the thread sleeps while there is
//! none, and looks ten times a second while there are some.

use crate::abi::Scheduler;
use crate::waiting::clock;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Entry {
    scheduler: Scheduler,
    event: AtomicU64,
    /// Microseconds on [`clock`]; `u64::MAX` when it has fired.
    deadline: AtomicU64,
}

#[derive(Default)]
struct Table {
    entries: Vec<Option<Arc<Entry>>>,
    free: Vec<usize>,
    running: bool,
    /// The thread waits until there is a deadline.
    waits: bool,
}

static TABLE: Mutex<Table> =
    Mutex::new(Table { entries: Vec::new(), free: Vec::new(), running: false, waits: false });
static WORK: Condvar = Condvar::new();

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A deadline; it is off when this is dropped.
#[derive(Debug)]
pub struct Watch {
    entry: Arc<Entry>,
    index: usize,
    /// Microseconds.
    limit: Cell<u64>,
}

impl Watch {
    /// Wakes a filter with `event` when `limit` milliseconds pass from `now` on, on [`clock`], without
    /// [`Watch::touch`].
    #[must_use]
    pub fn new(scheduler: Scheduler, event: u64, limit: u64, now: u64) -> Watch {
        let limit = limit.saturating_mul(1000);
        let deadline = AtomicU64::new(now.saturating_add(limit));
        let entry = Arc::new(Entry { scheduler, event: AtomicU64::new(event), deadline });
        let mut table = table();
        let index = table.free.pop().unwrap_or_else(|| {
            table.entries.push(None);
            table.entries.len() - 1
        });
        table.entries[index] = Some(Arc::clone(&entry));
        if !table.running {
            // Where no thread can be made, deadlines do not work; requests do.
            table.running =
                std::thread::Builder::new().name("tokenfleet".into()).spawn(look).is_ok();
        }
        // Notifying is a system call, whether anybody waits or not.
        let waits = std::mem::take(&mut table.waits);
        drop(table);
        if waits {
            WORK.notify_one();
        }
        Watch { entry, index, limit: Cell::new(limit) }
    }

    /// From now on wakes with another event, after another limit. An event that is on its way already may
    /// still come: then [`Watch::is_over`] says that nothing has passed.
    pub fn turn(&self, event: u64, limit: u64) {
        self.entry.event.store(event, Relaxed);
        self.limit.set(limit.saturating_mul(1000));
        self.touch();
    }

    /// Moves the deadline to the whole limit from now.
    pub fn touch(&self) {
        self.entry.deadline.store(clock().saturating_add(self.limit.get()), Relaxed);
    }

    /// Tells whether the limit has passed; a filter that is woken may have been touched meanwhile.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.entry.deadline.load(Relaxed) == u64::MAX
    }

    /// Wakes the filter now, with another event.
    pub fn wake(&self, event: u64) {
        self.entry.scheduler.wake(event);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = table();
        table.entries[self.index] = None;
        table.free.push(self.index);
    }
}

fn look() {
    let mut table = table();
    loop {
        while table.entries.len() == table.free.len() {
            table.waits = true;
            table = WORK.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        let now = clock();
        // Waking happens under the lock: a filter that is about to go waits for it.
        for entry in table.entries.iter().flatten() {
            let deadline = entry.deadline.load(Relaxed);
            let fire = || entry.deadline.compare_exchange(deadline, u64::MAX, Relaxed, Relaxed);
            if deadline <= now && fire().is_ok() {
                entry.scheduler.wake(entry.event.load(Relaxed));
            }
        }
        drop(table);
        std::thread::sleep(EVERY);
        table = self::table();
    }
}
