//! Counters and histograms of one label set, and the label sets themselves.
//!
//! Recording is an addition to an atomic; names are looked up once per label set and plan. Label sets
//! are made of names in the configuration only; they are [`kept`](crate::kept) an hour longer than the
//! last plan that names them, and bounded: beyond [`MOST_SETS`] all share one.

use crate::kept::Kept;
use crate::outcome::{Outcome, NAMES};
use crate::usage::Counts;
use crate::users::Place;
use crate::waiting::{self, clock};
use std::collections::HashMap;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Most label sets that a process keeps.
pub const MOST_SETS: usize = 16_384;
/// Label names, in the order of [`Series::labels`].
pub const LABELS: [&str; 5] = ["route", "rule", "pool", "feature", "request_type"];

static LADDER: OnceLock<Vec<u64>> = OnceLock::new();

/// Sets the upper boundaries of all histograms, in microseconds, ascending; the first call counts.
pub fn set_ladder(milliseconds: &[u64]) {
    let _ = LADDER.set(milliseconds.iter().map(|ms| ms * 1000).collect());
}

/// The upper boundaries, in microseconds.
#[must_use]
pub fn ladder() -> &'static [u64] {
    LADDER.get().map_or(&[], Vec::as_slice)
}

/// Index of the first boundary that is not below `micros`; the ladder's length where there is none.
#[must_use]
pub fn rung(micros: u64) -> usize {
    ladder().partition_point(|boundary| *boundary < micros)
}

/// Microseconds of a duration.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Counts by rung of the ladder; the last is for what is above.
#[derive(Debug)]
pub struct Histogram {
    /// Not cumulative.
    pub bins: Box<[AtomicU64]>,
    /// Microseconds.
    pub sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let bins = std::iter::repeat_with(AtomicU64::default).take(ladder().len() + 1);
        Histogram { bins: bins.collect(), sum: AtomicU64::default() }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&self, micros: u64) {
        self.bins[rung(micros)].fetch_add(1, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
    }

    /// Counts something that is worse than every value: it never came.
    pub fn record_never(&self) {
        self.bins[ladder().len()].fetch_add(1, Relaxed);
    }
}

/// Everything counted about one label set.
#[derive(Debug, Default)]
pub struct Series {
    /// Values of [`LABELS`].
    pub labels: [String; 5],
    /// Its number among all, at most [`MOST_SETS`].
    pub number: u32,
    /// Attempts that ended, by [`Outcome`].
    pub attempts: [AtomicU64; NAMES.len()],
    /// Requests that were read and sent here first, whether or not they have ended.
    pub started: AtomicU64,
    /// Requests that ended, by [`Outcome`].
    pub requests: [AtomicU64; NAMES.len()],
    /// Attempts, from start to end.
    pub attempt: Histogram,
    /// Requests, from start to end.
    pub request: Histogram,
    /// Streams, from an attempt's start to its first token.
    pub first_token: Histogram,
    /// Streams, from first token to end by token after the first; a failed one counts above all rungs.
    pub pace: Histogram,
    /// Streams by the rung of their first token, or of an end that was nobody's fault.
    pub decided: Histogram,
    /// Streams that failed before a first token: late for every boundary.
    pub failed: AtomicU64,
    /// `late` as last exposed, by rung: what was exposed never shrinks.
    pub exposed: Mutex<Vec<u64>>,
    /// Prompt tokens.
    pub prompt: AtomicU64,
    /// Prompt tokens read from a cache.
    pub cached: AtomicU64,
    /// Prompt tokens written to a cache.
    pub cache_creation: AtomicU64,
    /// Completion tokens.
    pub completion: AtomicU64,
    /// A stream was asked for.
    pub streams: AtomicBool,
    /// 2xx answers without usage.
    pub usage_missing: AtomicU64,
    /// Who used how much of the tokens.
    pub users: Place,
}

impl Series {
    /// Counts a request that goes here first.
    pub fn start_request(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    /// Counts a request that ended.
    pub fn end_request(&self, outcome: Outcome, micros: u64) {
        self.requests[outcome.index()].fetch_add(1, Relaxed);
        self.request.record(micros);
    }

    /// Counts an attempt that ended.
    ///
    /// # Arguments
    /// * `stream`: the request asks for a stream.
    /// * `answered`: the first token had come.
    pub fn end_attempt(&self, outcome: Outcome, micros: u64, stream: bool, answered: bool) {
        self.attempts[outcome.index()].fetch_add(1, Relaxed);
        self.attempt.record(micros);
        if !stream {
            return;
        }
        if outcome.is_failure() {
            self.pace.record_never();
        }
        if !answered {
            if outcome.is_failure() {
                self.failed.fetch_add(1, Relaxed);
            } else {
                self.decided.record(micros);
            }
        }
    }

    /// Counts the first token of a stream.
    pub fn token(&self, micros: u64) {
        self.first_token.record(micros);
        self.decided.record(micros);
    }

    /// Counts an answer that does not say what it used; every event of it was a token at least.
    pub fn missing(&self, events: u64) {
        self.usage_missing.fetch_add(1, Relaxed);
        self.completion.fetch_add(events, Relaxed);
    }

    /// Counts the tokens of an answer.
    pub fn used(&self, counts: &Counts) {
        self.prompt.fetch_add(counts.prompt, Relaxed);
        self.cached.fetch_add(counts.cached, Relaxed);
        self.cache_creation.fetch_add(counts.cache_creation, Relaxed);
        self.completion.fetch_add(counts.completion, Relaxed);
    }
}

type Sets = Kept<[String; 5], Series>;

fn sets() -> MutexGuard<'static, Sets> {
    static SETS: OnceLock<Mutex<Sets>> = OnceLock::new();
    let sets = SETS.get_or_init(|| Mutex::new(Kept::new(MOST_SETS)));
    sets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All label sets.
#[must_use]
pub fn all() -> Vec<Arc<Series>> {
    sets().all(clock()).into_iter().map(|(_, one)| one.clone()).collect()
}

/// The counts of a label set, made when it is first asked for.
#[must_use]
pub fn series(labels: [String; 5]) -> Arc<Series> {
    sets().get(labels, clock(), |labels, number| Series {
        labels: labels.clone(),
        number,
        ..Series::default()
    })
}

/// The counts of requests that were refused before a rule had taken them; never forgotten.
#[must_use]
pub fn refused() -> &'static Series {
    static REFUSED: OnceLock<Arc<Series>> = OnceLock::new();
    REFUSED.get_or_init(|| series(LABELS.map(|_| String::new())))
}

/// A place in a plan that remembers its label set, and holds it.
#[derive(Debug, Default)]
pub struct Slot(OnceLock<Arc<Series>>);

impl Slot {
    /// The label set; `labels` is asked the first time only.
    pub fn series(&self, labels: impl FnOnce() -> [String; 5]) -> &Arc<Series> {
        self.0.get_or_init(|| series(labels()))
    }

    /// Holds a label set that is there already.
    pub fn hold(&self, series: Arc<Series>) {
        let _ = self.0.set(series);
    }
}

type Gauges = Kept<String, AtomicU32>;

fn gauges() -> MutexGuard<'static, Gauges> {
    static GAUGES: OnceLock<Mutex<Gauges>> = OnceLock::new();
    let gauges = GAUGES.get_or_init(|| Mutex::new(Kept::new(MOST_SETS)));
    gauges.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The gauge of a pool's attempts under way.
#[must_use]
pub fn inflight(pool: &str) -> Arc<AtomicU32> {
    gauges().get(pool.to_owned(), clock(), |_, _| AtomicU32::default())
}

/// Attempts under way by pool, sorted.
#[must_use]
pub fn all_inflight() -> Vec<(String, u32)> {
    let mut gauges = gauges();
    let read = |(pool, gauge): (&String, &Arc<AtomicU32>)| (pool.clone(), gauge.load(Acquire));
    let mut all: Vec<_> = gauges.all(clock()).into_iter().map(read).collect();
    all.sort();
    all
}

/// How many attempts wait for a first token beyond each rung, by number of the label set.
#[must_use]
pub fn overdue() -> HashMap<u32, Vec<u64>> {
    let mut found = HashMap::<u32, Vec<u64>>::new();
    waiting::each(|number, waited| {
        let bins = found.entry(number).or_insert_with(|| vec![0; ladder().len() + 1]);
        bins[rung(waited)] += 1;
    });
    found
}
