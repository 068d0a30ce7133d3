//! What is counted under names that come and go with plans, in bounded memory.
//!
//! A value is kept as long as anybody holds it: plans hold what their names have counted, requests what
//! they are counted under. So no counter goes back while a plan names it. A value that nobody holds is
//! forgotten after [`forget_after`], when every reader has seen its last state; should its name come
//! again, it begins at 0, as after a restart. Beyond a limit all new names share one value.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

/// Stands for all names beyond the limit.
pub const OVERFLOW: &str = "overflow";
/// Microseconds that a value outlives its last holder, where nothing else is told: one hour.
const FORGET_AFTER: u64 = 3_600_000_000;
/// Microseconds between two looks for room in a full table: each looks at every value.
const LOOK_AGAIN: u64 = 1_000_000;

static TOLD: OnceLock<u64> = OnceLock::new();

/// Sets how many microseconds a value outlives its last holder; the first call counts.
pub fn set_forget_after(micros: u64) {
    let _ = TOLD.set(micros);
}

/// Microseconds that a value outlives its last holder.
#[must_use]
pub fn forget_after() -> u64 {
    TOLD.get().copied().unwrap_or(FORGET_AFTER)
}

/// What values are kept under.
pub trait Name: Eq + Hash {
    /// Stands for all names beyond the limit.
    fn overflow() -> Self;
}

impl Name for String {
    fn overflow() -> Self {
        OVERFLOW.into()
    }
}

impl Name for (String, String) {
    fn overflow() -> Self {
        (OVERFLOW.into(), OVERFLOW.into())
    }
}

impl<const N: usize> Name for [String; N] {
    fn overflow() -> Self {
        std::array::from_fn(|_| OVERFLOW.into())
    }
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    number: u32,
    /// Since when it is known that nobody holds it.
    alone: Option<u64>,
}

/// Values by name.
#[derive(Debug)]
pub struct Kept<K, V> {
    entries: HashMap<K, Entry<V>>,
    most: usize,
    /// Numbers below `entries.len() + free.len()` that no entry has.
    free: Vec<u32>,
    looked: u64,
}

impl<K: Name, V> Kept<K, V> {
    /// A table of at most `most` names, and the one that stands for all others.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Kept { entries: HashMap::new(), most, free: Vec::new(), looked: 0 }
    }

    /// The value of a name, which is held from now on.
    ///
    /// # Arguments
    /// * `now`: on [`crate::waiting::clock`].
    /// * `make`: makes a value for a name and a number, which no other value has at the same time and
    ///   which is at most `most`.
    pub fn get(&mut self, name: K, now: u64, make: impl FnOnce(&K, u32) -> V) -> Arc<V> {
        if let Some(found) = self.entries.get(&name) {
            return found.value.clone();
        }
        if self.entries.len() >= self.most && now >= self.looked + LOOK_AGAIN {
            self.forget(now);
        }
        let name = if self.entries.len() < self.most { name } else { K::overflow() };
        if let Some(found) = self.entries.get(&name) {
            return found.value.clone();
        }
        let next = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let number = self.free.pop().unwrap_or(next);
        let value = Arc::new(make(&name, number));
        self.entries.insert(name, Entry { value: value.clone(), number, alone: None });
        value
    }

    /// All names and values, by number; what nobody has held for long enough is forgotten first.
    pub fn all(&mut self, now: u64) -> Vec<(&K, &Arc<V>)> {
        self.forget(now);
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_unstable_by_key(|(_, entry)| entry.number);
        all.into_iter().map(|(name, entry)| (name, &entry.value)).collect()
    }

    fn forget(&mut self, now: u64) {
        self.looked = now;
        let free = &mut self.free;
        self.entries.retain(|_, entry| {
            if Arc::strong_count(&entry.value) > 1 {
                entry.alone = None;
                return true;
            }
            let keep = now.saturating_sub(*entry.alone.get_or_insert(now)) < forget_after();
            if !keep {
                free.push(entry.number);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(most: usize) -> Kept<String, u32> {
        Kept::new(most)
    }

    fn get(kept: &mut Kept<String, u32>, name: &str, now: u64) -> Arc<u32> {
        kept.get(name.into(), now, |_, number| number)
    }

    fn names(kept: &mut Kept<String, u32>, now: u64) -> Vec<String> {
        kept.all(now).into_iter().map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn what_somebody_holds_is_never_forgotten() {
        let mut kept = table(4);
        let held = get(&mut kept, "held", 0);
        for hour in 0..5 {
            assert_eq!(names(&mut kept, hour * FORGET_AFTER), ["held"]);
        }
        assert!(Arc::ptr_eq(&held, &get(&mut kept, "held", 5 * FORGET_AFTER)));
    }

    #[test]
    fn what_nobody_holds_is_forgotten_when_all_have_read_it() {
        let mut kept = table(4);
        drop(get(&mut kept, "gone", 0));
        assert_eq!(names(&mut kept, 7), ["gone"]);
        assert_eq!(names(&mut kept, 6 + FORGET_AFTER), ["gone"]);
        assert!(names(&mut kept, 7 + FORGET_AFTER).is_empty());
    }

    #[test]
    fn who_comes_again_in_time_goes_on_counting() {
        let mut kept = table(4);
        let weak = Arc::downgrade(&get(&mut kept, "back", 0));
        assert_eq!(names(&mut kept, 0).len(), 1);
        let again = get(&mut kept, "back", FORGET_AFTER - 1);
        assert!(std::ptr::eq(weak.as_ptr(), Arc::as_ptr(&again)));
        assert_eq!(names(&mut kept, 3 * FORGET_AFTER), ["back"]);
        drop(again);
        assert_eq!(names(&mut kept, 4 * FORGET_AFTER), ["back"], "an hour from its last holder on");
    }

    #[test]
    fn names_beyond_the_limit_share_a_value_until_others_are_forgotten() {
        let mut kept = table(2);
        let (one, two) = (get(&mut kept, "one", 0), get(&mut kept, "two", 0));
        let (three, four) = (get(&mut kept, "three", 0), get(&mut kept, "four", 0));
        assert!(Arc::ptr_eq(&three, &four));
        assert_eq!(names(&mut kept, 0), ["one", "two", OVERFLOW]);
        drop((one, two, three, four));
        assert_eq!(names(&mut kept, 1).len(), 3);
        let five = get(&mut kept, "five", 1 + FORGET_AFTER);
        assert_eq!(names(&mut kept, 1 + FORGET_AFTER), ["five"]);
        assert!(*five <= 2);
    }

    #[test]
    fn memory_and_numbers_are_bounded_however_many_names_come_and_go() {
        let mut kept = table(8);
        for plan in 0..10_000u64 {
            let now = plan * FORGET_AFTER / 4;
            let held = get(&mut kept, &format!("plan-{plan}"), now);
            assert!(*held <= 8);
            let numbers: Vec<u32> = kept.all(now).into_iter().map(|(_, number)| **number).collect();
            assert!(numbers.len() <= 9 && numbers.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
