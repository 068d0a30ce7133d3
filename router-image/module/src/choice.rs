//! Where a request goes: its bucket, and the places that its attempts take in turn.

use crate::plan::{Plan, Rule, BUCKETS, MOST_ATTEMPTS};

/// What rules ask about a request.
#[derive(Debug, Default, Clone, Copy)]
pub struct Facts {
    /// Index of the route's feature.
    pub feature: usize,
    /// Index of the route's request type.
    pub request_type: usize,
    /// Size of the body as the client sent it.
    pub bytes: usize,
    /// The request offers tools.
    pub tools: bool,
    /// The answer is to be streamed.
    pub stream: bool,
    /// Microseconds that are left of the route's budget; `None` where it has none.
    pub left: Option<u64>,
}

/// The bucket of a conversation, from 0 to 999: FNV-1a (RFC 9923) and the finaliser of `MurmurHash3`,
/// taken as a signed number.
#[must_use]
pub fn bucket(key: &[u8]) -> u32 {
    let fnv = fnv(key);
    // Below 2^31 as it is; above, the negative number that these bits are.
    let negative = if mix(fnv) < 1 << 31 { 0 } else { (1 << 32) % u64::from(BUCKETS) };
    let bucket = (u64::from(mix(fnv)) + u64::from(BUCKETS) - negative) % u64::from(BUCKETS);
    u32::try_from(bucket).unwrap_or(0)
}

/// FNV-1a (RFC 9923).
#[must_use]
pub fn fnv(key: &[u8]) -> u32 {
    key.iter().fold(2_166_136_261, |h, c| (h ^ u32::from(*c)).wrapping_mul(16_777_619))
}

/// `MurmurHash3`'s finaliser: every bit of the input reaches every bit of the output.
#[must_use]
pub fn mix(mut hash: u32) -> u32 {
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// Why the next place is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The attempt took too long.
    Timeout,
    /// The pool wants to be left alone for longer than a request can wait.
    Busy,
    /// The request does not fit into the pool's context window.
    Context,
    /// Anything else.
    Failure,
}

/// The places of one request: each is used once, by one attempt.
///
/// The bucket's pool, then the others of the chain, cut to the rule's number of attempts. A first
/// pool with several replicas is there twice, as long as there is a chance that a sister replica is
/// better off than the one that was asked: right after the first, or last after a timeout.
#[derive(Debug, Default, Clone, Copy)]
pub struct Places {
    pools: [u32; MOST_ATTEMPTS],
    count: usize,
    used: u16,
    last: usize,
    sister: bool,
}

impl Places {
    /// The places of a request whose bucket belongs to the pool `first`.
    #[must_use]
    pub fn new(plan: &Plan, rule: &Rule, first: usize) -> Places {
        let mut places = Places { sister: plan.pools[first].several, ..Places::default() };
        places.push(first);
        if places.sister {
            places.push(first);
        }
        let others = rule.chain.iter().filter(|pool| **pool != first);
        for pool in others.take(rule.attempts - 1) {
            places.push(*pool);
        }
        places
    }

    #[allow(clippy::cast_possible_truncation)] // a plan with 2^32 pools does not fit into memory
    fn push(&mut self, pool: usize) {
        if self.count < MOST_ATTEMPTS {
            self.pools[self.count] = pool as u32;
            self.count += 1;
        }
    }

    /// How many attempts can follow the first.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.count - 1
    }

    /// The pool of the attempt under way, or of the first to come.
    #[must_use]
    pub fn pool(&self) -> usize {
        self.pools[self.last] as usize
    }

    /// Tells whether an attempt can follow the one under way.
    #[must_use]
    pub fn more(&self) -> bool {
        (self.used | 1 << self.last).count_ones() < u32::try_from(self.count).unwrap_or(0)
    }

    /// Takes the first place.
    pub fn start(&mut self) -> usize {
        self.used = 1;
        self.last = 0;
        self.pool()
    }

    /// Takes the next place, or stays where all are used.
    pub fn next(&mut self, plan: &Plan, why: Why) -> usize {
        let free = |places: &Places, at: &usize| places.used >> *at & 1 == 0;
        let mut order = 0..self.count;
        let next = match why {
            Why::Context => self.larger(plan).or_else(|| order.find(|at| free(self, at))),
            Why::Timeout | Why::Busy if self.sister_is_next() => {
                // The sister of a replica that hangs is likely to hang too.
                self.pools[1..self.count].rotate_left(1);
                order.find(|at| free(self, at))
            }
            _ => order.find(|at| free(self, at)),
        };
        if let Some(at) = next {
            self.used |= 1 << at;
            self.last = at;
        }
        self.pool()
    }

    /// Tells whether the next place is the same pool's, on another replica.
    #[must_use]
    pub fn sister_is_next(&self) -> bool {
        self.sister && self.last == 0 && self.count > 1
    }

    /// An unused place whose pool has a larger context window than the one under way.
    #[must_use]
    pub fn larger(&self, plan: &Plan) -> Option<usize> {
        let window = |at: usize| plan.pools[self.pools[at] as usize].window;
        let now = window(self.last)?;
        (0..self.count).find(|at| self.used >> at & 1 == 0 && window(*at).is_some_and(|w| w > now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::example;

    fn all(attempts: usize, whys: &[Why]) -> Vec<usize> {
        let plan = example(attempts);
        let rule = &plan.routes[0].rules[0];
        let mut places = Places::new(&plan, rule, 0);
        let mut asked = vec![places.start()];
        for why in whys {
            if places.more() {
                asked.push(places.next(&plan, *why));
            }
        }
        asked
    }

    #[test]
    fn a_sister_replica_is_asked_before_another_pool() {
        assert_eq!(all(3, &[Why::Failure; 8]), [0, 0, 1, 2]);
    }

    #[test]
    fn the_sister_of_a_replica_that_hangs_is_asked_last() {
        assert_eq!(all(3, &[Why::Timeout; 8]), [0, 1, 2, 0]);
    }

    #[test]
    fn the_number_of_attempts_does_not_count_the_sister() {
        assert_eq!(all(1, &[Why::Failure; 8]), [0, 0]);
        assert_eq!(all(2, &[Why::Failure; 8]), [0, 0, 1]);
    }

    #[test]
    fn a_request_that_is_too_long_goes_to_a_larger_window_only() {
        let plan = example(3);
        let mut places = Places::new(&plan, &plan.routes[0].rules[0], 0);
        places.start();
        assert_eq!(places.larger(&plan).map(|at| places.pools[at]), Some(2));
        assert_eq!(places.next(&plan, Why::Context), 2);
        assert_eq!(places.larger(&plan), None);
    }

    #[test]
    fn a_place_is_never_used_twice() {
        let plan = example(3);
        let mut places = Places::new(&plan, &plan.routes[0].rules[0], 1);
        assert_eq!(places.retries(), 2);
        places.start();
        let asked = [places.next(&plan, Why::Failure), places.next(&plan, Why::Timeout)];
        assert_eq!((asked, places.more()), ([0, 2], false));
    }

    #[test]
    fn buckets_are_those_of_every_earlier_version() {
        assert_eq!((bucket(b"conversation-1"), bucket(b"conversation-10")), (786, 97));
    }
}
