//! What the readers say of bodies on standard input, for the comparison with Python's parser.
//!
//! A case is a letter (r: request, a: whole answer, s: streamed answer, h: header of stages), 8 bytes that seed where it
//! is cut into chunks, 4 bytes of length (both little-endian) and the body. The answer is a line.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use tokenfleet::events::Events;
use tokenfleet::rewrite::{ask_usage, rename, Rewriter};
use tokenfleet::scan::{Scanner, Wrong};
use tokenfleet::stages::Reported;
use tokenfleet::usage::{Answer, Counts};

/// The name that models are renamed to.
const RENAMED: &str = "re/\"named\"";

/// A body in chunks of random sizes.
struct Chunks<'a> {
    rest: &'a [u8],
    seed: u64,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        // xorshift64 (Marsaglia 2003); one chunk of three has a single byte, one is the whole rest.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let size = match self.seed % 3 {
            0 => 1,
            1 => 1 + (self.seed >> 8) as usize % 64,
            _ if self.seed % 7 == 0 => self.rest.len(),
            _ => 1 + (self.seed >> 8) as usize % 512,
        };
        let (chunk, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        Some(chunk)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("x"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn optional(bytes: Option<&[u8]>) -> String {
    bytes.map_or("-".into(), hex)
}

fn told(counts: Option<Counts>) -> String {
    counts.map_or("-".into(), |counts| {
        let Counts { prompt, cached, cache_creation, completion } = counts;
        format!("{prompt},{cached},{cache_creation},{completion}")
    })
}

fn request(body: &[u8], seed: u64) -> Result<String, Wrong> {
    let chunks = || Chunks { rest: body, seed };
    let mut scanner = Scanner::new();
    for chunk in chunks() {
        scanner.feed(chunk)?;
    }
    let facts = scanner.end()?;
    let mut edits = vec![rename(&facts, RENAMED)];
    edits.extend(ask_usage(&facts));
    let mut rewriter = Rewriter::new(edits);
    let length = body.len().checked_add_signed(rewriter.growth());
    let mut rewritten = Vec::new();
    for chunk in chunks() {
        rewriter.feed(chunk, &mut rewritten);
    }
    assert_eq!(Some(rewritten.len()), length);
    Ok(format!(
        "{} {} {} {} {} {}",
        hex(&facts.model),
        facts.stream,
        facts.tools,
        optional(facts.prompt_cache_key.as_deref()),
        optional(facts.previous_response_id.as_deref()),
        hex(&rewritten),
    ))
}

fn stream(body: &[u8], seed: u64) -> String {
    let mut events = Events::new(true);
    let mut passed = Vec::new();
    for chunk in (Chunks { rest: body, seed }) {
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
    format!(
        "{:?} {} {} {}",
        events.ending(),
        events.output_events(),
        told(events.counts()),
        hex(&passed)
    )
}

fn answer(body: &[u8], seed: u64) -> String {
    let mut answer = Answer::new();
    for chunk in (Chunks { rest: body, seed }) {
        answer.feed(chunk);
    }
    format!("{} {} {}", answer.whole(), told(answer.counts()), answer.error().is_some())
}

/// The lines of a header, one in each line of the body.
fn stages(body: &[u8]) -> String {
    let names = ["retrieval", "safety", "tools"].map(String::from);
    let found = Reported::read(body.split(|c| *c == b'\n'), &names);
    let spent: Vec<_> =
        found.spent.iter().map(|one| one.map_or("-".into(), |us| us.to_string())).collect();
    format!("{} {} {}", spent.join(","), found.unknown, found.malformed)
}

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::BufWriter::new(io::stdout().lock()));
    let mut head = [0; 13];
    while input.read_exact(&mut head).is_ok() {
        let seed = head[1..9].iter().rfold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let length = head[9..].iter().rfold(0, |length, byte| length << 8 | usize::from(*byte));
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let line = match head[0] {
            b'r' => request(&body, seed | 1).unwrap_or_else(|wrong| format!("refused {wrong}")),
            b's' => stream(&body, seed | 1),
            b'h' => stages(&body),
            _ => answer(&body, seed | 1),
        };
        writeln!(output, "{line}")?;
    }
    output.flush()
}
