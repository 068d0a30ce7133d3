//! All counts in the Prometheus text format 0.0.4.
//!
//! A label set is there from its first attempt on, with every outcome: a counter that appeared with its
//! first failure would hide that failure from `increase`. Families of streams are left out where no
//! stream was asked for.
//!
//! For a threshold T every attempt at a stream is decided once:
//!
//! | it is | when | it is in |
//! |---|---|---|
//! | good | its first token came within T | `time_to_first_token_seconds_bucket{le=T}` |
//! | late | none had come when T had passed, or it failed before one | `late_attempts_total{threshold=T}` |
//!
//! Attempts that still wait are late for every T below their age at the scrape.

use crate::counts::{self, Histogram, Series, LABELS};
use crate::outcome::NAMES;
use crate::stages::{self, REASONS};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};

/// Writes everything.
#[must_use]
pub fn exposition() -> String {
    // Before the counters: an attempt that ends while they are read is told twice, not kept silent.
    let inflight = counts::all_inflight();
    let ladder: Vec<String> = counts::ladder().iter().map(|us| seconds(*us)).collect();
    let rows: Vec<_> =
        counts::all().into_iter().map(|one| Row { labels: labels(&one), one }).collect();
    // Requests that were refused before a pool was chosen have no attempts.
    let tried: Vec<_> = rows.iter().filter(|row| !row.one.labels[2].is_empty()).collect();
    let streamed: Vec<_> =
        tried.iter().copied().filter(|row| row.one.streams.load(Relaxed)).collect();
    let mut out = Text { out: String::with_capacity(room(&rows, ladder.len())), ladder };

    out.family("attempts_total", "counter", "Attempts that ended, by outcome.");
    tried.iter().for_each(|row| out.outcomes("attempts_total", row, &row.one.attempts));
    out.family(
        "time_to_first_token_seconds",
        "histogram",
        "Start of an attempt at a stream to its first token.",
    );
    streamed.iter().for_each(|row| {
        out.histogram("time_to_first_token_seconds", &row.labels, &row.one.first_token);
    });
    out.family("attempt_duration_seconds", "histogram", "Attempts, from start to end.");
    tried
        .iter()
        .for_each(|row| out.histogram("attempt_duration_seconds", &row.labels, &row.one.attempt));
    out.family(
        "time_per_output_token_seconds",
        "histogram",
        "First token of a stream to its end, by token after the first; failed attempts at one are above all.",
    );
    streamed
        .iter()
        .for_each(|row| out.histogram("time_per_output_token_seconds", &row.labels, &row.one.pace));
    out.family(
        "requests_started_total",
        "counter",
        "Requests of clients, by the pool that is asked first.",
    );
    tried
        .iter()
        .for_each(|row| out.line("requests_started_total", row, "", row.one.started.load(Relaxed)));
    out.family("requests_total", "counter", "Requests of clients that ended, by outcome.");
    rows.iter().for_each(|row| out.outcomes("requests_total", row, &row.one.requests));
    out.family("request_duration_seconds", "histogram", "Requests of clients, from start to end.");
    rows.iter()
        .for_each(|row| out.histogram("request_duration_seconds", &row.labels, &row.one.request));
    for (name, count) in TOKENS {
        out.family(name, "counter", "Usage as the pools reported it.");
        tried.iter().for_each(|row| out.line(name, row, "", count(&row.one).load(Relaxed)));
    }
    out.family("late_attempts_total", "counter", "Attempts at a stream that missed the threshold.");
    let overdue = counts::overdue();
    streamed.iter().for_each(|row| out.late(row, &overdue));
    out.stages();
    out.family("inflight", "gauge", "Attempts under way.");
    for (pool, attempts) in inflight {
        let _ = writeln!(out.out, "tokenfleet_inflight{{pool=\"{pool}\"}} {attempts}");
    }
    out.out
}

/// About how many bytes all will be, rather more: with thousands of label sets, text that had to grow
/// would be in memory twice.
fn room(rows: &[Row], rungs: usize) -> usize {
    /// Bytes of a line without its labels, and of what is no line of a label set.
    const LINE: usize = 72;
    const OTHERS: usize = 8 * 1024;
    let of_row = |row: &Row| {
        let (histograms, others) = if row.one.streams.load(Relaxed) { (5, 30) } else { (2, 30) };
        (histograms * (rungs + 3) + others) * (row.labels.len() + LINE)
    };
    OTHERS + rows.iter().map(of_row).sum::<usize>()
}

type Count = fn(&Series) -> &AtomicU64;

const TOKENS: [(&str, Count); 5] = [
    ("prompt_tokens_total", |one| &one.prompt),
    ("cached_prompt_tokens_total", |one| &one.cached),
    ("cache_creation_prompt_tokens_total", |one| &one.cache_creation),
    ("completion_tokens_total", |one| &one.completion),
    ("usage_missing_total", |one| &one.usage_missing),
];

struct Row {
    one: Arc<Series>,
    labels: String,
}

struct Text {
    out: String,
    ladder: Vec<String>,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, about: &str) {
        let _ =
            writeln!(self.out, "# HELP tokenfleet_{name} {about}\n# TYPE tokenfleet_{name} {kind}");
    }

    fn line(&mut self, name: &str, row: &Row, more: &str, count: u64) {
        for part in ["tokenfleet_", name, "{", &row.labels, more, "} "] {
            self.out.push_str(part);
        }
        self.number(count);
        self.out.push('\n');
    }

    /// Most lines end in a small number: the formatter's machinery would be half of the time.
    fn number(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(digit) if digit < 10 => self.out.push(char::from(b'0' + digit)),
            _ => {
                let _ = write!(self.out, "{number}");
            }
        }
    }

    fn outcomes(&mut self, name: &str, row: &Row, counts: &[AtomicU64; NAMES.len()]) {
        for (outcome, count) in NAMES.iter().zip(counts) {
            self.line(name, row, &format!(",outcome=\"{outcome}\""), count.load(Relaxed));
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let mut total = 0;
        let bins: Vec<u64> = histogram.bins.iter().map(|bin| bin.load(Relaxed)).collect();
        for (at, count) in bins.iter().enumerate() {
            total += count;
            self.bound("_bucket", name, labels, ",le=\"", at, total);
        }
        let sum = histogram.sum.load(Relaxed);
        let _ = writeln!(self.out, "tokenfleet_{name}_sum{{{labels}}} {}", seconds_of(sum));
        let _ = writeln!(self.out, "tokenfleet_{name}_count{{{labels}}} {total}");
    }

    fn bound(&mut self, suffix: &str, name: &str, row: &str, label: &str, at: usize, count: u64) {
        let bound = self.ladder.get(at).map_or("+Inf", String::as_str);
        for part in ["tokenfleet_", name, suffix, "{", row, label, bound, "\"} "] {
            self.out.push_str(part);
        }
        self.number(count);
        self.out.push('\n');
    }

    /// Where latency budgets go; nothing where no route has one.
    fn stages(&mut self) {
        let (stages, ignored) = stages::all();
        if stages.is_empty() {
            return;
        }
        self.family("stage_seconds", "histogram", "Stages of requests to routes with a budget.");
        for one in &stages {
            let (route, stage) = (escape(&one.route), escape(&one.name));
            let labels = format!("route=\"{route}\",stage=\"{stage}\"");
            self.histogram("stage_seconds", &labels, &one.took);
        }
        self.family("stages_ignored_total", "counter", "Reported stages that were not taken.");
        for one in &ignored {
            for (reason, count) in REASONS.iter().zip(&one.counts) {
                let (route, count) = (escape(&one.route), count.load(Relaxed));
                let _ = writeln!(
                    self.out,
                    "tokenfleet_stages_ignored_total{{route=\"{route}\",reason=\"{reason}\"}} {count}"
                );
            }
        }
    }

    fn late(&mut self, row: &Row, overdue: &HashMap<u32, Vec<u64>>) {
        let mut exposed = row.one.exposed.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = overdue.get(&row.one.number);
        let mut late = row.one.failed.load(Relaxed);
        exposed.resize(self.ladder.len(), 0);
        // Whoever missed a boundary missed every one below it.
        for at in (0..self.ladder.len()).rev() {
            late += row.one.decided.bins[at + 1].load(Relaxed);
            late += waiting.map_or(0, |bins| bins[at + 1]);
            // Between leaving the waiting and being decided an attempt is in neither.
            exposed[at] = exposed[at].max(late);
        }
        for (at, count) in exposed.iter().enumerate() {
            self.bound("", "late_attempts_total", &row.labels, ",threshold=\"", at, *count);
        }
    }
}

fn labels(one: &Series) -> String {
    let mut text = String::new();
    for (name, value) in LABELS.iter().zip(&one.labels) {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"{}\"", escape(value));
    }
    text
}

fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[allow(clippy::cast_precision_loss)] // a sum of 2^53 microseconds is 285 years
fn seconds_of(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// As Python writes a float: the label's value is compared as text.
fn seconds(micros: u64) -> String {
    format!("{:?}", seconds_of(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::waiting::{clock, Waits};

    fn made(rule: &str) -> Arc<Series> {
        counts::set_ladder(&[5, 1000]);
        let one =
            counts::series(["chat", rule, "large", "search \"x\"", "other"].map(String::from));
        one.streams.store(true, Relaxed);
        one
    }

    fn value(text: &str, start: &str) -> String {
        let found: Vec<_> = text.lines().filter(|line| line.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start}: {found:?}");
        found[0].rsplit(' ').next().unwrap().to_owned()
    }

    #[test]
    fn every_outcome_and_boundary_is_there_from_the_first_attempt_on() {
        let one = made("whole");
        one.end_attempt(Outcome::Ok, 4_000, false, true);
        let text = exposition();
        let labels =
            r#"route="chat",rule="whole",pool="large",feature="search \"x\"",request_type="other""#;
        assert_eq!(
            value(&text, &format!("tokenfleet_attempts_total{{{labels},outcome=\"ok\"}}")),
            "1"
        );
        assert_eq!(
            value(&text, &format!("tokenfleet_attempts_total{{{labels},outcome=\"timeout\"}}")),
            "0"
        );
        let duration = "tokenfleet_attempt_duration_seconds";
        assert_eq!(value(&text, &format!("{duration}_bucket{{{labels},le=\"0.005\"}}")), "1");
        assert_eq!(value(&text, &format!("{duration}_bucket{{{labels},le=\"+Inf\"}}")), "1");
        assert_eq!(value(&text, &format!("{duration}_sum{{{labels}}}")), "0.004");
        assert_eq!(value(&text, &format!("{duration}_count{{{labels}}}")), "1");
        assert_eq!(
            value(&text, &format!("tokenfleet_late_attempts_total{{{labels},threshold=\"1.0\"}}")),
            "0"
        );
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn the_text_of_many_label_sets_is_allocated_once() {
        for number in 0..200 {
            made(&format!("many-{number}")).streams.store(number % 2 == 0, Relaxed);
        }
        let text = exposition();
        assert!(text.capacity() < text.len() * 3 / 2, "{} {}", text.len(), text.capacity());
    }

    #[test]
    fn an_attempt_that_waits_is_late_for_what_has_passed_and_stays_so() {
        let one = made("late");
        let late = |threshold: &str| {
            let text = exposition();
            let start = format!(
                "tokenfleet_late_attempts_total{{{},threshold=\"{threshold}\"}}",
                labels(&one)
            );
            value(&text, &start)
        };
        let start = clock();
        std::thread::sleep(std::time::Duration::from_millis(8));
        let waits = Waits::enter(one.number, start);
        assert_eq!((late("0.005"), late("1.0")), ("1".into(), "0".into()));
        drop(waits);
        assert_eq!(late("0.005"), "1");
        one.token(7_000);
        assert_eq!((late("0.005"), late("1.0")), ("1".into(), "0".into()));
        one.end_attempt(Outcome::Connect, 1, true, false);
        assert_eq!((late("0.005"), late("1.0")), ("2".into(), "1".into()));
    }
}
