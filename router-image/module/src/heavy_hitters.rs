//! Who uses most, in bounded memory: a Space-Saving summary with weights.
//!
//! A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
//! Streams", ICDT 2005. As long as there is room every name has an entry. Then a new name takes the entry
//! of the lightest one and inherits its weight: the new one may have had that much before, unseen.
//!
//! With N tokens in a summary of k entries:
//!
//! * what an entry has used since it was made is exact, and what its name used is at most `inherited` more;
//! * a name without an entry used at most [`Summary::unseen`] tokens, which is at most N / k;
//! * so every name with more than N / k tokens has an entry.

use crate::choice::fnv;
use crate::usage::Counts;

/// Most entries of a summary: everybody with more than 0.8 % of the tokens has one.
pub const ENTRIES: usize = 128;

/// One name and what it used.
#[derive(Debug)]
pub struct Entry {
    /// As the request said it.
    pub name: Box<[u8]>,
    hash: u32,
    /// Answers since the entry was made.
    pub answers: u64,
    /// Their tokens.
    pub used: Counts,
    /// Tokens that the name may have used before.
    pub inherited: u64,
}

impl Entry {
    fn new(name: &[u8], hash: u32, inherited: u64) -> Entry {
        Entry { name: name.into(), hash, answers: 0, used: Counts::default(), inherited }
    }

    fn weight(&self) -> u64 {
        self.inherited + tokens(&self.used)
    }

    fn add(&mut self, counts: &Counts) {
        self.answers += 1;
        self.used.prompt += counts.prompt;
        self.used.cached += counts.cached;
        self.used.cache_creation += counts.cache_creation;
        self.used.completion += counts.completion;
    }
}

fn tokens(counts: &Counts) -> u64 {
    counts.prompt + counts.completion
}

/// The heaviest names of a stream of answers.
#[derive(Debug, Default)]
pub struct Summary {
    entries: Vec<Entry>,
}

impl Summary {
    /// A summary without entries.
    #[must_use]
    pub const fn new() -> Summary {
        Summary { entries: Vec::new() }
    }

    /// Counts an answer.
    pub fn add(&mut self, name: &[u8], counts: &Counts) {
        let hash = fnv(name);
        let known = |entry: &Entry| entry.hash == hash && *entry.name == *name;
        let at = match self.entries.iter().position(known) {
            Some(at) => at,
            None => self.admit(name, hash),
        };
        self.entries[at].add(counts);
    }

    fn admit(&mut self, name: &[u8], hash: u32) -> usize {
        if self.entries.len() < ENTRIES {
            self.entries.push(Entry::new(name, hash, 0));
            return self.entries.len() - 1;
        }
        let lightest = self.lightest();
        let inherited = self.entries[lightest].weight();
        self.entries[lightest] = Entry::new(name, hash, inherited);
        lightest
    }

    fn lightest(&self) -> usize {
        (0..self.entries.len()).min_by_key(|at| self.entries[*at].weight()).unwrap_or(0)
    }

    /// Most tokens that a name without an entry has used; 0 where every name has one.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        if self.entries.len() < ENTRIES {
            return 0;
        }
        self.entries[self.lightest()].weight()
    }

    /// All entries, in no order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// xorshift32 (Marsaglia 2003).
    fn random(state: &mut u32) -> u32 {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        *state
    }

    fn counts(prompt: u64, completion: u64) -> Counts {
        Counts { prompt, completion, ..Counts::default() }
    }

    /// What a summary says of a stream whose names are drawn by Zipf's law, and the truth.
    fn drawn(seed: u32, names: u32) -> (Summary, HashMap<Vec<u8>, u64>, u64) {
        let (mut summary, mut truth, mut total) = (Summary::default(), HashMap::new(), 0);
        let mut state = seed;
        for _ in 0..20_000 {
            let name = names / (1 + random(&mut state) % names);
            let name = format!("user-{name}-{}", random(&mut state) % 7).into_bytes();
            let used =
                counts(u64::from(random(&mut state) % 4000), u64::from(random(&mut state) % 500));
            summary.add(&name, &used);
            *truth.entry(name).or_insert(0) += tokens(&used);
            total += tokens(&used);
        }
        (summary, truth, total)
    }

    #[test]
    fn what_is_said_of_a_name_is_never_wrong_by_more_than_is_said() {
        for seed in 1..6 {
            let (summary, truth, _) = drawn(seed * 977, 5_000);
            for entry in summary.entries() {
                let used = truth[&*entry.name];
                let seen = tokens(&entry.used);
                assert!(seen <= used && used <= seen + entry.inherited, "{entry:?} used {used}");
            }
        }
    }

    #[test]
    fn whoever_used_more_than_a_part_of_all_has_an_entry() {
        for seed in 1..6 {
            let (summary, truth, total) = drawn(seed * 977, 5_000);
            assert_eq!(summary.entries().len(), ENTRIES);
            assert!(summary.unseen() <= total / ENTRIES as u64);
            for (name, used) in truth {
                let there = summary.entries().iter().any(|entry| *entry.name == *name);
                assert!(there || used <= summary.unseen());
            }
        }
    }

    #[test]
    fn few_names_are_counted_exactly() {
        let mut summary = Summary::default();
        for _ in 0..3 {
            summary.add(b"ada", &counts(10, 2));
            summary.add(b"", &counts(1, 0));
        }
        let said: Vec<_> = summary
            .entries()
            .iter()
            .map(|e| (&*e.name, e.answers, tokens(&e.used), e.inherited))
            .collect();
        assert_eq!(said, [(&b"ada"[..], 3, 36, 0), (&b""[..], 3, 3, 0)]);
        assert_eq!(summary.unseen(), 0);
    }
}
