//! The stages of a request's latency: what earlier services report, and where a budget goes.
//!
//! Clients and tools report in the header [`HEADER`] what they have spent before the request came:
//!
//! ```text
//! header = item *( "," item )          RFC 9110, section 5.6.1: lists; several lines are one list
//! item   = OWS name OWS "=" OWS time OWS
//! name   = 1*32( ALPHA / DIGIT / "-" )
//! time   = 1*6DIGIT [ "." 1*3DIGIT ] ( "ms" / "s" )
//! ```
//!
//! Whatever cannot be read is counted and left out; the request goes on. A name that comes twice adds up.
//! The router adds two stages of its own and their sum.

use crate::counts::Histogram;
use crate::kept::Kept;
use crate::waiting::clock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where stages are reported.
pub const HEADER: &[u8] = b"x-tokenfleet-stages";
/// From the request's first byte until it goes to a pool.
pub const ROUTING: &str = "routing";
/// From there to the first token of a stream, or to the end of a whole answer; with every attempt.
pub const MODEL: &str = "model";
/// All that was reported, and the router's own.
pub const TOTAL: &str = "total";
/// Longest name, in bytes.
const LONGEST: usize = 32;
/// Most items of a request that are read; more are malformed.
const MOST_ITEMS: usize = 32;
/// Most stages that a process counts at a time.
const MOST_STAGES: usize = 4096;

/// What a request reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Microseconds by index of the names asked for; `None`: not reported.
    pub spent: Vec<Option<u64>>,
    /// Items of names that were not asked for.
    pub unknown: u64,
    /// Items that cannot be read.
    pub malformed: u64,
}

impl Reported {
    /// Reads the lines of a request's header.
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>, names: &[String]) -> Reported {
        let mut found = Reported { spent: vec![None; names.len()], ..Reported::default() };
        for (at, one) in lines.flat_map(|line| line.split(|c| *c == b',')).enumerate() {
            match item(one).filter(|_| at < MOST_ITEMS) {
                None => found.malformed += 1,
                Some((name, micros)) => {
                    match names.iter().position(|known| known.as_bytes() == name) {
                        None => found.unknown += 1,
                        Some(at) => *found.spent[at].get_or_insert(0) += micros,
                    }
                }
            }
        }
        found
    }

    /// All that was reported, in microseconds.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.spent.iter().flatten().sum()
    }
}

fn item(text: &[u8]) -> Option<(&[u8], u64)> {
    let at = text.iter().position(|c| *c == b'=')?;
    let name = bare(&text[..at]);
    let sound = |c: &u8| c.is_ascii_alphanumeric() || *c == b'-';
    if name.is_empty() || name.len() > LONGEST || !name.iter().all(sound) {
        return None;
    }
    Some((name, time(bare(&text[at + 1..]))?))
}

/// Without optional whitespace (OWS of RFC 9110: spaces and tabs) around it.
fn bare(text: &[u8]) -> &[u8] {
    let sound = |c: &u8| *c != b' ' && *c != b'\t';
    let start = text.iter().position(sound).unwrap_or(text.len());
    let end = text.iter().rposition(sound).map_or(start, |at| at + 1);
    &text[start..end]
}

/// Microseconds of a time.
fn time(text: &[u8]) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(b"ms") {
        Some(digits) => (digits, 1_000),
        None => (text.strip_suffix(b"s")?, 1_000_000),
    };
    let mut parts = digits.splitn(2, |c| *c == b'.');
    let whole = number(parts.next()?, 6)?;
    let part = match parts.next() {
        None => 0,
        Some(part) => number(part, 3)? * 10u64.pow(3 - u32::try_from(part.len()).ok()?),
    };
    Some((whole * 1000 + part) * unit / 1000)
}

fn number(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, c| sum * 10 + u64::from(c - b'0')))
}

/// A route's budget: what may be spent, and what is counted of it.
#[derive(Debug)]
pub struct Budget {
    /// Microseconds for a whole request, from the user's action to the answer.
    pub total: u64,
    /// Stages that are read from the header.
    pub names: Vec<String>,
    took: Vec<Arc<Stage>>,
    own: [Arc<Stage>; 3],
    ignored: Arc<Ignored>,
}

impl Budget {
    /// The budget of a route.
    #[must_use]
    pub fn new(route: &str, total: u64, names: Vec<String>) -> Budget {
        let mut counts = registry();
        Budget {
            took: names.iter().map(|name| counts.stage(route, name)).collect(),
            own: [ROUTING, MODEL, TOTAL].map(|name| counts.stage(route, name)),
            ignored: counts.ignored(route),
            total,
            names,
        }
    }

    /// Reads and counts what a request reports, in the lines of its header.
    ///
    /// # Arguments
    /// * `came`: when the request came, on [`clock`].
    pub fn spent<'a>(&self, came: u64, lines: impl Iterator<Item = &'a [u8]>) -> Spent {
        let reported = Reported::read(lines, &self.names);
        self.report(&reported);
        let (sum, sent) = (reported.sum(), clock());
        let left = self.total.saturating_sub(sum);
        Spent { reported: sum, left, routing: sent.saturating_sub(came), sent }
    }

    fn report(&self, reported: &Reported) {
        for (stage, spent) in self.took.iter().zip(&reported.spent) {
            spent.iter().for_each(|micros| stage.took.record(*micros));
        }
        for (count, more) in self.ignored.counts.iter().zip([reported.unknown, reported.malformed])
        {
            count.fetch_add(more, Relaxed);
        }
    }

    /// Counts the router's own stages of a request that was answered, in microseconds.
    pub fn answer(&self, spent: &Spent, model: u64) {
        let total = spent.reported + spent.routing + model;
        for (stage, micros) in self.own.iter().zip([spent.routing, model, total]) {
            stage.took.record(micros);
        }
    }
}

/// What was spent of a budget when a request goes to its first pool; in microseconds.
#[derive(Debug, PartialEq, Eq)]
pub struct Spent {
    /// By earlier stages.
    pub reported: u64,
    /// What is left after those.
    pub left: u64,
    /// By the router.
    pub routing: u64,
    /// When it was decided where it goes, on [`clock`].
    pub sent: u64,
}

/// One stage of one route.
#[derive(Debug)]
pub struct Stage {
    /// The route's name.
    pub route: String,
    /// The stage's name.
    pub name: String,
    /// How long it took.
    pub took: Histogram,
}

/// Why items are ignored, in the order of [`Ignored::counts`].
pub const REASONS: [&str; 2] = ["unknown", "malformed"];

/// Items of a route that were ignored.
#[derive(Debug)]
pub struct Ignored {
    /// The route's name.
    pub route: String,
    /// By [`REASONS`].
    pub counts: [AtomicU64; 2],
}

struct Registry {
    stages: Kept<(String, String), Stage>,
    ignored: Kept<String, Ignored>,
}

impl Registry {
    fn stage(&mut self, route: &str, name: &str) -> Arc<Stage> {
        self.stages.get((route.to_owned(), name.to_owned()), clock(), |(route, name), _| Stage {
            route: route.clone(),
            name: name.clone(),
            took: Histogram::default(),
        })
    }

    fn ignored(&mut self, route: &str) -> Arc<Ignored> {
        self.ignored.get(route.to_owned(), clock(), |route, _| Ignored {
            route: route.clone(),
            counts: Default::default(),
        })
    }
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: OnceLock<Mutex<Registry>> = OnceLock::new();
    let registry = REGISTRY.get_or_init(|| {
        Mutex::new(Registry { stages: Kept::new(MOST_STAGES), ignored: Kept::new(MOST_STAGES) })
    });
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All counts.
#[must_use]
pub fn all() -> (Vec<Arc<Stage>>, Vec<Arc<Ignored>>) {
    let Registry { stages, ignored } = &mut *registry();
    let now = clock();
    (
        stages.all(now).into_iter().map(|(_, one)| one.clone()).collect(),
        ignored.all(now).into_iter().map(|(_, one)| one.clone()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Reported {
        let names = ["retrieval", "safety", "tools"].map(String::from);
        Reported::read(lines.iter().map(|line| line.as_bytes()), &names)
    }

    fn spent(line: &str) -> [Option<u64>; 3] {
        read(&[line]).spent.try_into().unwrap()
    }

    #[test]
    fn reads_what_is_reported() {
        assert_eq!(
            spent("retrieval=62ms,safety=18ms,tools=0.04s"),
            [Some(62_000), Some(18_000), Some(40_000)]
        );
        assert_eq!(spent(" tools = 1.5ms ,\tsafety=0s"), [None, Some(0), Some(1_500)]);
    }

    #[test]
    fn a_name_that_comes_twice_adds_up_over_lines_too() {
        assert_eq!(spent("tools=40ms,tools=2ms")[2], Some(42_000));
        assert_eq!(read(&["tools=40ms", "safety=1ms,tools=2ms"]).sum(), 43_000);
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_left_out() {
        for wrong in [
            "",
            "tools",
            "tools=",
            "tools=1",
            "tools=1m",
            "tools=-1ms",
            "tools=1.ms",
            "tools=.5ms",
            "tools=1.2345s",
            "tools=1234567ms",
            "tools=1e3ms",
            "=1ms",
            "to ols=1ms",
            "tools=1ms ms",
        ] {
            let found = read(&[wrong]);
            assert_eq!((found.sum(), found.malformed, found.unknown), (0, 1, 0), "{wrong:?}");
        }
        let found = read(&["tools=x,safety=3ms,cache=9ms"]);
        assert_eq!((found.sum(), found.malformed, found.unknown), (3_000, 1, 1));
    }

    #[test]
    fn items_beyond_the_limit_are_not_read() {
        let line = vec!["tools=1ms"; MOST_ITEMS + 3].join(",");
        assert_eq!((read(&[&line]).sum(), read(&[&line]).malformed), (32_000, 3));
    }

    #[test]
    fn a_budget_knows_what_is_left_and_counts_where_it_went() {
        crate::counts::set_ladder(&[5, 1000]);
        let budget = Budget::new("counted", 500_000, vec!["tools".into()]);
        let told = |line: &'static str| budget.spent(0, std::iter::once(line.as_bytes()));
        assert_eq!(told("tools=600ms").left, 0);
        let spent = told("tools=400ms,other=1s,what,tools=");
        assert_eq!((spent.reported, spent.left), (400_000, 100_000));
        budget.answer(&Spent { routing: 1_000, ..spent }, 200_000);
        let (stages, _) = all();
        let sums: Vec<_> = stages
            .iter()
            .filter(|stage| stage.route == "counted")
            .map(|stage| (&stage.name[..], stage.took.sum.load(Relaxed)))
            .collect();
        assert_eq!(
            sums,
            [("tools", 1_000_000), ("routing", 1_000), ("model", 200_000), ("total", 601_000)]
        );
        assert_eq!(budget.ignored.counts.each_ref().map(|c| c.load(Relaxed)), [1, 2]);
    }

    #[test]
    fn a_plan_that_comes_again_counts_on() {
        let first = Budget::new("again", 1, vec!["tools".into()]);
        let second = Budget::new("again", 2, vec!["safety".into(), "tools".into()]);
        assert!(Arc::ptr_eq(&first.took[0], &second.took[1]));
    }
}
