//! Whether a key was there before, for any number of keys, in a bounded time for each.
//!
//! A usual body has fewer keys than [`FEW`], none of which has more than [`SHORT`] bytes: those are kept
//! as they are, and take no memory elsewhere. All others are told apart by 64-bit hashes under a secret
//! of this process, so nobody can choose keys that collide: two different keys among a million are taken
//! for one with a chance of 3 in 10^8, and the request is then refused.
//! Beyond that they are spread over [`SHARDS`] tables, each of which doubles by itself, and unevenly,
//! so that the tables do so one after the other: with the 900,000 keys that 8 MiB can hold a chunk of
//! 16 KiB pays for one or two doublings of 7,000 keys, where one table would stand still for 10 ms.
//! Memory stays below 2.5 times the body.

use std::collections::hash_map::RandomState;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

const FEW: usize = 32;
const SHORT: usize = 15;
const SHARDS: usize = 256;

/// The keys seen so far.
pub struct Distinct {
    secret: RandomState,
    few: [u128; FEW],
    length: usize,
    many: Vec<HashSet<u64, BuildHasherDefault<AsItIs>>>,
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct { secret: RandomState::new(), few: [0; FEW], length: 0, many: Vec::new() }
    }
}

impl Distinct {
    /// Remember a key; false where it is there already.
    pub fn insert(&mut self, key: &[u8]) -> bool {
        let name = self.name(key);
        if !self.many.is_empty() {
            return self.insert_among_many(name);
        }
        if self.few[..self.length].contains(&name) {
            return false;
        }
        if self.length < FEW {
            self.few[self.length] = name;
            self.length += 1;
            return true;
        }
        self.many.resize_with(SHARDS, HashSet::default);
        for seen in self.few {
            self.insert_among_many(seen);
        }
        self.insert_among_many(name)
    }

    /// A short key itself and its length, in the topmost byte; of a longer one its hash and a length
    /// that no short one has.
    #[inline]
    fn name(&self, key: &[u8]) -> u128 {
        let mut name = [0; SHORT + 1];
        match u8::try_from(key.len()) {
            Ok(length) if key.len() <= SHORT => {
                name[..key.len()].copy_from_slice(key);
                name[SHORT] = length;
                u128::from_le_bytes(name)
            }
            _ => 0xff << (8 * SHORT) | u128::from(self.secret.hash_one(key)),
        }
    }

    fn insert_among_many(&mut self, name: u128) -> bool {
        let hash = self.secret.hash_one(name);
        self.many[shard(hash)].insert(hash)
    }
}

/// The table of a hash; the first one gets half as many as the last one, those between gradually
/// more, as log2(1 + x) grows, of which this is the usual approximation for x from 0 to 1.
fn shard(hash: u64) -> usize {
    // Bits from the middle: the tables themselves use the lowest and the topmost ones.
    let x = hash >> 24 & 0xffff;
    let bent = x + ((x * (0x1_0000 - x)) >> 16) * 11 / 32;
    usize::from(bent.to_le_bytes()[1])
}

/// Hashes a hash to itself.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_however_many_there_are() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 5000] {
            let mut distinct = Distinct::default();
            let keys: Vec<String> = (0..count).map(|n| format!("key {n}")).collect();
            assert!(keys.iter().all(|key| distinct.insert(key.as_bytes())));
            assert!(!keys.iter().any(|key| distinct.insert(key.as_bytes())));
            assert!(distinct.insert(b"another"));
        }
    }

    #[test]
    fn short_and_long_keys_are_told_apart_to_the_byte() {
        let mut distinct = Distinct::default();
        for length in 0..40 {
            for last in *b"\0a" {
                let key = [vec![b'k'; length], vec![last]].concat();
                assert!(distinct.insert(&key), "{key:?}");
                assert!(!distinct.insert(&key), "{key:?}");
            }
        }
    }
}
