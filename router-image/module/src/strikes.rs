//! Replicas whose streams break after their first token, or fall silent.
//!
//! Envoy's outlier detection judges an attempt when its headers are passed on: for it a stream that breaks
//! later was good, and forgives what came before. Such ends are counted here, by replica. After
//! [`STRIKES`] in a row the next streams of the replica are refused before anything is passed on, which
//! Envoy does count: as many refusals later it has ejected the replica, for as long as it ejects others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Streams in a row that have to break, and refusals until Envoy ejects (`STRIKES` in `clusters.py`).
pub const STRIKES: u32 = 3;
/// Most replicas that are remembered; only those are that have failed last.
const MOST: usize = 1024;

/// What the end of a stream says about its replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It can carry a stream to its end.
    Good,
    /// It broke a stream that had begun, or left it.
    Strike,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    strikes: u32,
    refusals: u32,
    /// Number of the last strike, of all.
    last: u64,
}

/// Rows of strikes, by the replica's address.
#[derive(Debug, Default)]
pub struct Strikes {
    rows: HashMap<Box<[u8]>, Row>,
    number: u64,
}

impl Strikes {
    /// Notes how a stream of a replica has ended.
    pub fn note(&mut self, replica: &[u8], sign: Sign) {
        if sign == Sign::Good {
            self.rows.remove(replica);
            return;
        }
        self.number += 1;
        if !self.rows.contains_key(replica) && self.rows.len() >= MOST {
            let oldest = self.rows.iter().min_by_key(|(_, row)| row.last);
            let oldest = oldest.map(|(replica, _)| replica.clone()).unwrap_or_default();
            self.rows.remove(&oldest);
        }
        let row = self.rows.entry(replica.into()).or_default();
        (row.strikes, row.last) = (row.strikes + 1, self.number);
    }

    /// Tells whether a stream of a replica is to be refused. One that has been refused often enough is
    /// ejected; when Envoy takes it back, one more strike is enough.
    pub fn refuses(&mut self, replica: &[u8]) -> bool {
        let Some(row) = self.rows.get_mut(replica).filter(|row| row.strikes >= STRIKES) else {
            return false;
        };
        row.refusals += 1;
        if row.refusals == STRIKES {
            (row.strikes, row.refusals) = (STRIKES - 1, 0);
        }
        true
    }
}

/// Replicas in the table: where there are none, nobody waits for its lock.
static STRUCK: AtomicUsize = AtomicUsize::new(0);

fn table() -> MutexGuard<'static, Strikes> {
    static TABLE: OnceLock<Mutex<Strikes>> = OnceLock::new();
    TABLE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether any replica has a strike.
#[must_use]
pub fn any() -> bool {
    STRUCK.load(Relaxed) > 0
}

/// [`Strikes::note`] in the table of this process.
pub fn note(replica: &[u8], sign: Sign) {
    let mut table = table();
    table.note(replica, sign);
    STRUCK.store(table.rows.len(), Relaxed);
}

/// [`Strikes::refuses`] in the table of this process.
#[must_use]
pub fn refuses(replica: &[u8]) -> bool {
    table().refuses(replica)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(times: u32) -> Strikes {
        let mut strikes = Strikes::default();
        (0..times).for_each(|_| strikes.note(b"a", Sign::Strike));
        strikes
    }

    #[test]
    fn streams_are_refused_after_a_row_of_strikes_until_the_replica_is_out() {
        let mut strikes = struck(STRIKES - 1);
        assert!(!strikes.refuses(b"a"));
        strikes.note(b"a", Sign::Strike);
        assert!(!strikes.refuses(b"b"));
        assert!((0..STRIKES).all(|_| strikes.refuses(b"a")));
        assert!(!strikes.refuses(b"a"));
    }

    #[test]
    fn a_replica_that_comes_back_and_breaks_again_is_refused_at_once() {
        let mut strikes = struck(STRIKES);
        assert!((0..STRIKES).all(|_| strikes.refuses(b"a")));
        strikes.note(b"a", Sign::Strike);
        assert!(strikes.refuses(b"a"));
    }

    #[test]
    fn a_stream_that_ends_well_forgives_all() {
        let mut strikes = struck(STRIKES);
        strikes.note(b"a", Sign::Good);
        strikes.note(b"a", Sign::Strike);
        assert!(!strikes.refuses(b"a"));
    }

    #[test]
    fn no_more_replicas_are_remembered_than_there_is_room_for() {
        let mut strikes = struck(STRIKES);
        for replica in 0..MOST {
            strikes.note(&replica.to_le_bytes(), Sign::Strike);
        }
        assert_eq!(strikes.rows.len(), MOST);
        assert!(!strikes.refuses(b"a"));
    }
}
