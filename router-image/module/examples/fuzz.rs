//! Throws mutated bytes at the readers for some seconds and holds them to what must be true of any
//! bytes: `RUSTFLAGS="-C overflow-checks -C debug-assertions" cargo run --release
//! --no-default-features --example fuzz -- SECONDS SEED`.
//!
//! Inputs that make a reader say something new are kept and mutated further, so the search works
//! its way into the grammars without instrumentation (and so without any crate or nightly compiler).

use std::collections::hash_map::DefaultHasher;
use std::collections::HashSet;
use std::env;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use tokenfleet::caching::marks;
use tokenfleet::events::Events;
use tokenfleet::glance;
use tokenfleet::json::Json;
use tokenfleet::multipart::Form;
use tokenfleet::rewrite::{ask_usage, rename, Rewriter};
use tokenfleet::scan::{Facts, Scanner, Wrong};
use tokenfleet::usage::Answer;

const FORM: &str = "multipart/form-data; boundary=b";

const SEEDS: [&str; 10] = [
    r#"{"model":"m","tools":[{"name":"a"}],"system":"s","messages":[{"content":"a"},{"content":[{"type":"text","text":"b"},{"type":"thinking"}]},{"content":"c"}]}"#,
    r#"{"model":"a\/b\ud83d\ude00","stream":true,"tools":[{}],"stream_options":{"include_usage":false},"x":[1,-2.5e3,null]}"#,
    r#"{"prompt_cache_key":"k","model":"m","stream_options":null,"functions":[],"n":[[{"a":"é"}]]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}"#,
    r#"{"error":{"message":"m","type":"rate_limit_error","code":429}}"#,
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" a\"},\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\r\n\r\ndata: [DONE]\n\n",
    "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"a\"}}\r\n\r\n",
    "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\nevent: error\ndata: {\"error\":\"x\"}\n\n: c\n\n",
    "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\n\r\n\r\n--b--",
];

const WORDS: [&str; 28] = [
    "\"tools\":[{\"a\":1}],",
    "\"system\":",
    "\"messages\":[{\"content\":\"a\"},",
    "{\"type\":\"text\",\"text\":",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\r\n",
    "\n\n",
    "data:",
    "event: error",
    "\"model\":\"m\"",
    "\"usage\":",
    "\"error\"",
    "\"delta\"",
    "\"finish_reason\":",
    "\\ud800",
    "\\u0061",
    "null",
    "0",
    "\u{feff}",
    "--b",
];

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % below.max(1)
    }

    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.next(corpus.len())].clone();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len() + 1);
            let end = (at + self.next(9)).min(bytes.len());
            match self.next(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, WORDS[self.next(WORDS.len())].bytes())),
                3 => drop(bytes.splice(at..end, [self.next(256).to_le_bytes()[0]])),
                4 => {
                    let copied = bytes[at..end].to_vec();
                    let to = self.next(bytes.len() + 1);
                    drop(bytes.splice(to..to, copied));
                }
                _ => {
                    let other = &corpus[self.next(corpus.len())];
                    let from = self.next(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
            }
        }
        bytes.truncate(4096);
        bytes
    }
}

fn chunks(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(size.max(1))
}

fn scan(bytes: &[u8], size: usize) -> Result<Facts, Wrong> {
    let mut scanner = Scanner::new();
    chunks(bytes, size).try_for_each(|chunk| scanner.feed(chunk))?;
    scanner.end()
}

fn form(bytes: &[u8], size: usize) -> Result<Facts, Wrong> {
    let mut form = Form::new(FORM).expect("a boundary");
    chunks(bytes, size).try_for_each(|chunk| form.feed(chunk))?;
    form.end()
}

fn stream(bytes: &[u8], size: usize, hide: bool) -> (Vec<u8>, String) {
    let mut events = Events::new(hide);
    let mut passed = Vec::new();
    for chunk in chunks(bytes, size) {
        events.feed(chunk);
        let pass = events.pass();
        passed.extend_from_slice(pass.before);
        let mut from = 0;
        for (start, end) in pass.cuts {
            passed.extend_from_slice(&chunk[from..*start]);
            from = *end;
        }
        passed.extend_from_slice(&chunk[from..]);
    }
    passed.extend_from_slice(events.rest());
    let said = format!(
        "{:?} {} {} {:?} {:?}",
        events.ending(),
        events.output_events(),
        events.malformed_events(),
        events.counts(),
        events.error()
    );
    (passed, said)
}

fn answer(bytes: &[u8], size: usize) -> String {
    let mut answer = Answer::new();
    chunks(bytes, size).for_each(|chunk| answer.feed(chunk));
    format!("{} {:?} {:?}", answer.whole(), answer.counts(), answer.error())
}

/// A request that is taken is JSON, and still taken after both edits, which do what they say.
fn holds_for_requests(bytes: &[u8], facts: &Facts) {
    let tree = Json::parse(bytes);
    if let Ok(tree) = &tree {
        let model = tree.get("model").and_then(Json::as_str).map(str::as_bytes);
        assert_eq!(model, Some(&facts.model[..]));
    } else {
        // The tree refuses halves of surrogate pairs anywhere, the scanner only in the model.
        assert!(bytes.windows(2).any(|pair| pair == b"\\u"));
    }
    let mut edits = vec![rename(facts, "other")];
    edits.extend(ask_usage(facts));
    let mut out = Vec::new();
    Rewriter::new(edits).feed(bytes, &mut out);
    let after = scan(&out, out.len()).expect("still taken");
    assert_eq!(after.model, b"other");
    assert!(ask_usage(&after).is_none());
    assert_eq!((after.stream, after.tools), (facts.stream, facts.tools));
}

/// Marks for a provider's cache change nothing else: four at most, each in a block.
fn holds_for_marks(bytes: &[u8]) {
    let mut out = Vec::new();
    Rewriter::new(marks(bytes, 0)).feed(bytes, &mut out);
    let Ok(before) = Json::parse(bytes) else { return };
    let after = Json::parse(&out).expect("still JSON");
    let count = unmarked(&before, &after).expect("the same but for the marks");
    assert!(count <= 3);
}

/// Counts the marks that `after` has beyond `before`; `None` where anything else differs.
fn unmarked(before: &Json, after: &Json) -> Option<usize> {
    match (before, after) {
        (Json::Object(old), Json::Object(new)) => {
            let mark = |name: &str| name == "cache_control";
            let fresh = new.len() > old.len() && new.last().is_some_and(|(name, _)| mark(name));
            let kept = &new[..new.len() - usize::from(fresh)];
            let pairs = old.iter().zip(kept);
            let inner: Option<usize> =
                pairs.map(|(a, b)| (a.0 == b.0).then(|| unmarked(&a.1, &b.1))?).sum();
            (old.len() == kept.len()).then_some(inner? + usize::from(fresh))
        }
        (Json::Array(old), Json::Array(new)) => {
            let inner: Option<usize> = old.iter().zip(new).map(|(a, b)| unmarked(a, b)).sum();
            (old.len() == new.len()).then_some(inner?)
        }
        (Json::Text(old), Json::Array(new)) => {
            let [block] = &new[..] else { return None };
            let text = block.get("text").and_then(Json::as_str) == Some(old);
            let whole = block.as_object().is_some_and(|members| members.len() == 3);
            (text && whole && block.get("cache_control").is_some()).then_some(1)
        }
        _ => (before == after).then_some(0),
    }
}

/// What is passed over at a glance is what a full reading finds, where it is JSON at all.
fn holds_for_a_glance(bytes: &[u8]) {
    let Some(plain) = glance::plain_output(bytes) else { return };
    let event = &bytes[..plain.length];
    let data = event.windows(5).position(|five| five == b"data:").expect("data") + 5;
    // No engine writes keys with escapes; a glance does not see those.
    if Json::parse(&event[data..]).is_err() || event.contains(&b'\\') {
        return;
    }
    let mut events = Events::new(false);
    for chunk in chunks(event, 1) {
        events.feed(chunk);
    }
    let (outputs, error) = (events.output_events(), events.error());
    assert_eq!((outputs, error), (1, None));
    assert_eq!(events.counts(), None);
}

/// Check everything; what the readers said, for telling new inputs from old ones.
fn check(bytes: &[u8], random: &mut Random) -> u64 {
    let sizes = [1, 2 + random.next(7), 1 + random.next(200)];
    let whole = bytes.len();
    let said = (scan(bytes, whole), form(bytes, whole), answer(bytes, whole));
    let slow = stream(bytes, 1, true);
    assert_eq!(stream(bytes, whole, false).0, bytes);
    for size in sizes {
        assert_eq!(scan(bytes, size).is_ok(), said.0.is_ok());
        assert_eq!(form(bytes, size), said.1);
        assert_eq!(answer(bytes, size), said.2);
    }
    assert_eq!(stream(bytes, sizes[1], true), slow);
    if let Ok(facts) = &said.0 {
        assert_eq!(scan(bytes, 1).as_ref(), Ok(facts));
        holds_for_requests(bytes, facts);
    }
    let _ = Json::parse(bytes);
    holds_for_a_glance(bytes);
    holds_for_marks(bytes);
    let mut hasher = DefaultHasher::new();
    let kind = |wrong: &Wrong| wrong.to_string().replace(|digit: char| digit.is_ascii_digit(), "");
    let request = said
        .0
        .as_ref()
        .map(|facts| (facts.stream, facts.tools, format!("{:?}", facts.stream_options).len()));
    (request.map_err(kind), said.1.map(|_| ()).map_err(|wrong| kind(&wrong)), said.2, slow.1)
        .hash(&mut hasher);
    hasher.finish()
}

fn main() {
    let told: Vec<u64> = env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let seconds = Duration::from_secs(told.first().copied().unwrap_or(10));
    let mut random = Random(told.get(1).copied().unwrap_or(1).max(1));
    let mut corpus: Vec<Vec<u8>> = SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let mut known = HashSet::new();
    let (start, mut inputs) = (Instant::now(), 0_u64);
    while start.elapsed() < seconds {
        let bytes = random.mutated(&corpus);
        let before = String::from_utf8_lossy(&bytes).into_owned();
        let said =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&bytes, &mut random)));
        let said = said.unwrap_or_else(|_| panic!("broken by {bytes:?}: {before}"));
        if known.insert(said) && corpus.len() < 20_000 {
            corpus.push(bytes);
        }
        inputs += 1;
    }
    println!("{inputs} inputs, {} kept, nothing broken", corpus.len());
}
