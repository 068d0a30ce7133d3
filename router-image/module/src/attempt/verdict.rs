//! What becomes of an answer that is not good: its outcome, its status, and whether the next place is asked.

use crate::abi::{Envoy, Header};
use crate::choice::Why;
use crate::fault::{Class, Fault};
use crate::outcome::Outcome;
use crate::request::number;
use crate::stream::{Stream, AGAIN, WAIT};

/// Seconds that a request waits at most for a pool that asks for it (`retry-after`).
const LONGEST_WAIT: usize = 2;

/// An answer that says what it is by its status.
pub(super) fn refused(envoy: &mut Envoy, stream: &Stream, status: usize) {
    let route = &stream.decision.plan.routes[stream.decision.route];
    let pool = stream.pool();
    let (outcome, again) = match status {
        429 => (Outcome::Throttled, route.retry_throttled),
        // Anthropic's word for a provider that is full: both those who asked to go on after a 429 and
        // those who asked to go on after a 503 mean it.
        529 => (Outcome::Throttled, route.retry_throttled || route.retry_server_error),
        // The key is the router's and so are model and path: none of it is the client's mistake.
        401..=403 if pool.has_key() => (Outcome::ServerError, route.retry_server_error),
        404 | 405 if pool.is_provider() => (Outcome::ServerError, route.retry_server_error),
        // A pool has had the whole request at once: it is not the client that it waited for in vain.
        408 => (Outcome::Timeout, route.retry_server_error),
        500.. => (Outcome::ServerError, route.retry_server_error),
        400.. => (Outcome::ClientError, false),
        _ => (Outcome::Ok, false),
    };
    stream.judge(outcome);
    if again && stream.more() {
        mark(envoy, stream);
        if matches!(status, 429 | 529) && stream.sister_is_next() {
            wait(envoy, stream);
        }
    }
}

/// Honours `retry-after` where the same pool is asked next: another pool is asked at once.
fn wait(envoy: &mut Envoy, stream: &Stream) {
    match envoy.header(Header::Response, b"retry-after").and_then(number) {
        None | Some(0) => {}
        Some(seconds @ 1..=LONGEST_WAIT) => {
            envoy.set_header(Header::Response, WAIT, seconds.to_string().as_bytes());
        }
        Some(_) => stream.because(Why::Busy),
    }
}

/// Gives an answer the status of the error that it is, and has the next place asked.
pub(super) fn judge_fault(envoy: &mut Envoy, stream: &Stream, fault: &Fault) {
    let route = &stream.decision.plan.routes[stream.decision.route];
    let (outcome, again) = match fault.class {
        Class::Throttled => (Outcome::Throttled, route.retry_throttled && stream.more()),
        Class::Server => (Outcome::ServerError, route.retry_server_error && stream.more()),
        Class::Invalid => (Outcome::ClientError, fault.context && stream.larger()),
    };
    stream.judge(outcome);
    envoy.set_header(Header::Response, b":status", fault.status().to_string().as_bytes());
    if fault.context {
        stream.because(Why::Context);
    }
    if again {
        mark(envoy, stream);
    }
}

/// A 2xx answer that is none: nothing was sent, so another pool can do better.
pub(super) fn fail(envoy: &mut Envoy, stream: &Stream, status: &str) {
    stream.judge(Outcome::BrokenStream);
    envoy.set_header(Header::Response, b":status", status.as_bytes());
    if stream.more() {
        mark(envoy, stream);
    }
}

/// A stream of a replica that has broken the last ones: as if the replica had been out already.
pub(super) fn give_up(envoy: &mut Envoy, stream: &Stream) {
    stream.judge(Outcome::Connect);
    envoy.set_header(Header::Response, b":status", b"503");
    mark(envoy, stream);
}

/// Has Envoy ask the next place.
pub(super) fn mark(envoy: &mut Envoy, stream: &Stream) {
    stream.marked.set(true);
    envoy.set_header(Header::Response, AGAIN, b"1");
}
