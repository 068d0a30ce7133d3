//! How long the readers take: `cargo run --release --example speed`.
//!
//! Time is what this thread ran on a processor, so that a busy machine changes little.

use std::fs;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokenfleet::counts;
use tokenfleet::events::Events;
use tokenfleet::exposition::exposition;
use tokenfleet::scan::Scanner;
use tokenfleet::usage::Answer;

/// Size of a chunk as Envoy hands them over.
const CHUNK: usize = 16 * 1024;

/// Rungs of the operator's ladder.
const LADDER: u64 = 33;

/// Nanoseconds that this thread has run (the scheduler's first number).
fn clock() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux kernel");
    told.split(' ').next().and_then(|text| text.parse().ok()).expect("the scheduler's statistics")
}

fn nanoseconds(mut run: impl FnMut()) -> f64 {
    let mut runs = 1;
    loop {
        let start = clock();
        for _ in 0..runs {
            run();
        }
        let time = clock() - start;
        if time > 200e6 {
            return time / f64::from(runs);
        }
        runs *= 2;
    }
}

fn scan(name: &str, body: &[u8]) {
    let time = nanoseconds(|| {
        let mut scanner = Scanner::new();
        for chunk in body.chunks(CHUNK) {
            scanner.feed(chunk).expect("a body that is taken");
        }
        black_box(scanner.end().expect("a body that is taken"));
    });
    println!("{name:40} {:8} bytes {:10.2} us", body.len(), time / 1e3);
}

/// The most label sets that the operator gives a router, each with streams.
const LABEL_SETS: usize = 10_000;

fn scrape() {
    counts::set_ladder(&(1..=LADDER).collect::<Vec<_>>());
    for number in 0..LABEL_SETS {
        let names = ["chat", &format!("rule-{number}"), "large", "other", "other"];
        counts::series(names.map(String::from)).streams.store(true, Relaxed);
    }
    let bytes = exposition().len();
    let time = nanoseconds(|| {
        black_box(exposition());
    });
    println!("{:40} {bytes:8} bytes {:10.2} us", "scrape of 10,000 label sets", time / 1e3);
}

fn chat(content: &str) -> Vec<u8> {
    format!(
        r#"{{"model":"chat","messages":[{{"role":"system","content":"You help."}},{{"role":"user","content":"{content}"}}],"temperature":0.2,"max_tokens":256,"stream":true}}"#
    )
    .into_bytes()
}

fn main() {
    scan("request, small", &chat("What is a failover?"));
    scan("request, ASCII", &chat(&"the quick brown fox ".repeat(33 * 1024 / 20)));
    scan("request, ASCII with escapes", &chat(&"a line of code;\\n".repeat(33 * 1024 / 17)));
    scan("request, Chinese", &chat(&"漢字".repeat(33 * 1024 / 6)));
    scan("request, 1 MiB", &chat(&"the quick brown fox ".repeat(1024 * 1024 / 20)));
    let ids = (0..8000).map(|n| (n * 7919 % 128_000).to_string()).collect::<Vec<_>>().join(",");
    scan("request, token ids", format!(r#"{{"model":"m","prompt":[{ids}]}}"#).as_bytes());
    let keys = (0..750_000).map(|n| format!("\"{n:x}\":1")).collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"model":"m",{keys}}}"#);
    scan("request, distinct keys", body.as_bytes());
    // The clock above ticks too slowly for one chunk: the best of several passes for each.
    let mut chunks = vec![f64::MAX; body.len() / CHUNK + 1];
    for _ in 0..5 {
        let mut scanner = Scanner::new();
        for (chunk, best) in body.as_bytes().chunks(CHUNK).zip(&mut chunks) {
            let start = Instant::now();
            scanner.feed(chunk).expect("a body that is taken");
            *best = best.min(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    let longest = chunks.into_iter().fold(0.0, f64::max);
    println!("{:40} {CHUNK:8} bytes {longest:10.2} us", "  of which the slowest chunk");

    let answer = format!(
        r#"{{"id":"x","choices":[{{"index":0,"message":{{"content":"{}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1,"completion_tokens":2}}}}"#,
        "word ".repeat(300)
    );
    let time = nanoseconds(|| {
        let mut reader = Answer::new();
        reader.feed(answer.as_bytes());
        black_box(reader.counts());
    });
    println!("{:40} {:8} bytes {:10.2} us", "whole answer", answer.len(), time / 1e3);

    let event = r#"data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764000000,"model":"chat","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}"#;
    let event = format!("{event}\n\n");
    let (first, second) = event.as_bytes().split_at(100);
    let mut events = Events::new(true);
    events.feed(event.as_bytes());
    let time = nanoseconds(|| {
        black_box(events.feed(event.as_bytes()));
    });
    println!("{:40} {:8} bytes {:10.3} us", "event of a stream", event.len(), time / 1e3);
    let time = nanoseconds(|| {
        black_box(events.feed(first));
        black_box(events.feed(second));
    });
    println!(
        "{:40} {:8} bytes {:10.3} us",
        "event of a stream, in two pieces",
        event.len(),
        time / 1e3
    );
    scrape();
}
