//! Who used the tokens, by label set and hour: never a metric label, and bounded whoever asks.
//!
//! Every label set has a summary ([`heavy_hitters`]) of the hour that runs and of the one before, so that
//! whoever reads at least once an hour misses nothing. The first [`MOST_PLACES`] label sets have their own
//! summaries; all others share one. A name has at most [`LONGEST`] bytes. Together they take at most
//!
//! ```text
//! 129 places * 2 hours * 128 entries * (80 bytes + a name of 64 + 16 of the allocator) = 5.3 MB
//! ```
//!
//! The page is JSON; `adapters/agents.py` of the operator reads it.

use crate::answers::quote;
use crate::choice::fnv;
use crate::counts::{self, LABELS};
use crate::heavy_hitters::{Entry, Summary};
use crate::kept::OVERFLOW;
use crate::usage::Counts;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most label sets with summaries of their own.
pub const MOST_PLACES: usize = 128;
/// Longest name, in bytes.
pub const LONGEST: usize = 64;
/// Seconds of a window; windows begin at whole hours, UTC.
const WINDOW: u64 = 3600;
/// What is kept of a longer name, before a hash of all of it.
const KEPT: usize = LONGEST - 9;

/// A user's name as it is kept: one that is too long ends in a hash of the whole.
#[must_use]
pub fn name(said: &[u8]) -> Box<[u8]> {
    if said.len() <= LONGEST {
        return said.into();
    }
    let mut name = said[..KEPT].to_vec();
    name.extend_from_slice(format!("~{:08x}", fnv(said)).as_bytes());
    name.into()
}

/// The summaries of the hour that runs, and of the one before.
#[derive(Debug, Default)]
struct Hours {
    hour: u64,
    running: Summary,
    over: Option<Summary>,
}

impl Hours {
    fn at(&mut self, hour: u64) -> &mut Summary {
        // A clock that goes back a little counts in the hour that runs.
        if hour > self.hour {
            let before = std::mem::take(&mut self.running);
            self.over = (hour == self.hour + 1).then_some(before);
            self.hour = hour;
        }
        &mut self.running
    }
}

/// The summaries of one label set; made when the first answer is counted.
#[derive(Debug, Default)]
pub struct Place(OnceLock<Option<Box<Mutex<Hours>>>>);

/// Of all label sets that have none of their own.
static OTHERS: Mutex<Hours> = Mutex::new(Hours { hour: 0, running: Summary::new(), over: None });
static PLACES: AtomicUsize = AtomicUsize::new(0);

impl Place {
    /// Counts an answer.
    pub fn add(&self, user: &[u8], counts: &Counts) {
        self.add_at(hour(), user, counts);
    }

    fn add_at(&self, hour: u64, user: &[u8], counts: &Counts) {
        let more = |places| (places < MOST_PLACES).then_some(places + 1);
        let free = || PLACES.fetch_update(Relaxed, Relaxed, more).is_ok();
        let own = self.0.get_or_init(|| free().then(Box::default));
        let hours = own.as_deref().unwrap_or(&OTHERS);
        hours.lock().unwrap_or_else(PoisonError::into_inner).at(hour).add(user, counts);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(Some(_)) = self.0.get() {
            PLACES.fetch_sub(1, Relaxed);
        }
    }
}

fn hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / WINDOW)
}

/// Writes all summaries:
/// `[{"route": .., "rule": .., "pool": .., "feature": .., "request_type": .., "hour": .., "unseen": ..,
/// "users": [[name, answers, prompt, cached, cache creation, completion, inherited], ..]}, ..]`.
#[must_use]
pub fn report() -> String {
    let (now, mut out) = (hour(), String::from("["));
    for series in counts::all() {
        if let Some(Some(hours)) = series.users.0.get() {
            write_hours(&mut out, hours, &series.labels, now);
        }
    }
    write_hours(&mut out, &OTHERS, &LABELS.map(|_| OVERFLOW.to_owned()), now);
    out.push(']');
    out
}

fn write_hours(out: &mut String, hours: &Mutex<Hours>, labels: &[String; 5], now: u64) {
    let mut hours = hours.lock().unwrap_or_else(PoisonError::into_inner);
    hours.at(now);
    let running = hours.hour;
    let before = hours.over.as_ref().map(|over| (running - 1, over));
    for (hour, summary) in before.into_iter().chain([(running, &hours.running)]) {
        if !summary.entries().is_empty() {
            write_summary(out, summary, labels, hour);
        }
    }
}

fn write_summary(out: &mut String, summary: &Summary, labels: &[String; 5], hour: u64) {
    out.push_str(if out.len() > 1 { ",{" } else { "{" });
    for (name, value) in LABELS.iter().zip(labels) {
        let _ = write!(out, "\"{name}\":");
        quote(out, value);
        out.push(',');
    }
    let _ = write!(out, "\"hour\":{hour},\"unseen\":{},\"users\":[", summary.unseen());
    for (at, entry) in summary.entries().iter().enumerate() {
        out.push_str(if at > 0 { ",[" } else { "[" });
        write_entry(out, entry);
    }
    out.push_str("]}");
}

fn write_entry(out: &mut String, entry: &Entry) {
    quote(out, &String::from_utf8_lossy(&entry.name));
    let Counts { prompt, cached, cache_creation, completion } = entry.used;
    let _ = write!(
        out,
        ",{},{prompt},{cached},{cache_creation},{completion},{}]",
        entry.answers, entry.inherited
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn used(prompt: u64) -> Counts {
        Counts { prompt, completion: 1, ..Counts::default() }
    }

    fn names(summary: &Summary) -> Vec<&[u8]> {
        summary.entries().iter().map(|entry| &*entry.name).collect()
    }

    #[test]
    fn an_hour_that_is_over_is_kept_for_one_more_hour() {
        let mut hours = Hours::default();
        hours.at(7).add(b"ada", &used(1));
        hours.at(8).add(b"bob", &used(1));
        assert_eq!(hours.over.as_ref().map(names), Some(vec![&b"ada"[..]]));
        assert_eq!(names(&hours.running), [b"bob"]);
        hours.at(7).add(b"cleo", &used(1));
        assert_eq!(names(&hours.running), [&b"bob"[..], b"cleo"]);
        hours.at(10);
        assert!(hours.over.is_none() && hours.running.entries().is_empty());
    }

    #[test]
    fn a_long_name_is_cut_and_stays_apart_from_others() {
        let (one, two) = ([b'a'; 200], [b'a'; 201]);
        assert_eq!(name(&one).len(), LONGEST);
        assert_ne!(name(&one), name(&two));
        assert_eq!(&*name(b"ada"), b"ada");
    }

    #[test]
    fn the_page_is_json_whatever_users_are_called() {
        let series =
            counts::series(["chat", "users", "large", "search", "other"].map(String::from));
        series.users.add(b"a \"quoted\"\\\x07\xff name", &used(10));
        let text = report();
        assert!(Json::parse(text.as_bytes()).is_ok(), "{text}");
        let row = r#"["a \"quoted\"\\\u0007"#;
        assert!(text.contains(row) && text.contains(r#"name",1,10,0,0,1,0]"#), "{text}");
    }

    #[test]
    fn label_sets_beyond_the_limit_share_one_summary() {
        let places: Vec<Place> = (0..=MOST_PLACES).map(|_| Place::default()).collect();
        for place in &places {
            place.add(b"many", &used(1));
        }
        assert!(places.iter().any(|place| matches!(place.0.get(), Some(None))));
        let text = report();
        assert!(text.contains(r#""route":"overflow""#), "{text}");
    }
}
