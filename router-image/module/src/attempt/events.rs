//! An attempt's stream of events: held until its first token, then passed on and counted.

use super::answer::HELD;
use super::verdict::{fail, judge_fault};
use super::Attempt;
use crate::abi::{Body, Envoy, Next};
use crate::answers::Refusal;
use crate::events::{Ending, Events, Seen};
use crate::fault::Class;
use crate::outcome::Outcome;
use crate::pass::Pass;
use crate::stream::{Stream, CUT};
use crate::waiting::clock;

impl Attempt {
    /// Events: returns what follows, and whether the rest of the answer is dropped.
    pub(super) fn events(
        &self,
        envoy: &mut Envoy,
        stream: &Stream,
        events: &mut Events,
        body: Body,
        end: bool,
    ) -> (Next, bool) {
        let before = events.output_events();
        let (mut passed, mut seen) = (Passed::default(), Seen::Nothing);
        let mut last = [0; 4];
        envoy.each(body, |piece| {
            seen = events.feed(piece);
            passed.take(piece, &events.pass());
            remember(&mut last, piece);
        });
        let holds = self.holds.get();
        let ends = end || seen == Seen::End && events.output_events() == 0;
        let unfinished = ends && matches!(events.ending(), Ending::Cut | Ending::Aborted);
        let error_alone = seen == Seen::Error && before == 0 && events.output_events() == 0;
        if holds && (error_alone || unfinished) {
            return (self.refuse_events(envoy, stream, events, body), true);
        }
        // Clients stop at this event, and would take the answer for whole.
        let done = seen == Seen::End && events.ending() != Ending::Complete;
        let rest: &[u8] = if end { events.rest() } else { &[] };
        let waits = holds && seen == Seen::Nothing && !end;
        let joins = !self.held.borrow().is_empty();
        let changes = passed.changed || done || unfinished || waits || joins || !rest.is_empty();
        let mut rewritten = changes.then(|| passed.bytes(envoy, body));
        if let Some(bytes) = &mut rewritten {
            if done {
                strip_done(bytes);
            }
            bytes.extend_from_slice(rest);
            let size = envoy.size(body);
            envoy.drain(body, size);
            let mut held = self.held.borrow_mut();
            held.append(bytes);
            if waits && held.len() <= HELD {
                return (Next::Keep, false);
            }
            std::mem::swap(bytes, &mut held);
        }
        if self.holds.replace(false) {
            stream.events.set(true);
            stream.token();
            self.first.set(clock());
        }
        if unfinished {
            self.end_events(stream, events);
            return (stop_before_end(stream, &rewritten.unwrap_or_default()), false);
        }
        if let Some(bytes) = rewritten {
            envoy.append(body, &bytes);
        }
        stream.at_boundary.set(last.ends_with(b"\n\n") || last == *b"\r\n\r\n");
        if seen == Seen::Error || events.malformed_events() > 0 {
            stream.judge(Outcome::BrokenStream);
        }
        let further = events.take_heard() || events.output_events() != before;
        if let (Some(watch), true) = (stream.watch.get(), further && !end) {
            watch.touch();
        }
        // They may leave before the connection says that this is all.
        if end || seen == Seen::End && !done {
            self.end_events(stream, events);
        }
        (Next::Continue, false)
    }

    fn end_events(&self, stream: &Stream, events: &Events) {
        let counts = events.counts();
        match events.ending() {
            Ending::Complete if !stream.is_judged() => {
                stream.judge(Outcome::Ok);
                if let (Some(counts), Some(series)) = (counts, self.series.get()) {
                    if counts.completion > 1 {
                        let took = clock().saturating_sub(self.first.get());
                        series.pace.record(took / (counts.completion - 1));
                    }
                }
            }
            _ => stream.judge(Outcome::BrokenStream),
        }
        let whole = events.ending() == Ending::Complete;
        self.count(counts, if whole { 0 } else { events.output_events() });
    }

    /// Puts an error in the place of a stream that has not begun.
    fn refuse_events(
        &self,
        envoy: &mut Envoy,
        stream: &Stream,
        events: &Events,
        body: Body,
    ) -> Next {
        let refusal = if let Some(fault) = events.error() {
            judge_fault(envoy, stream, fault);
            let code = match fault.class {
                Class::Throttled => "rate_limit_exceeded",
                Class::Invalid if fault.context => "context_length_exceeded",
                Class::Invalid => "invalid_request",
                Class::Server => "server_error",
            };
            Refusal::new(fault.status().into(), code, fault.message.clone())
        } else {
            fail(envoy, stream, "502");
            Refusal::new(502, "broken_stream", "the stream ended before its first token")
        };
        self.replace(envoy, stream, &refusal, body)
    }
}

/// What of a body's pieces is passed on. Most pass as they came: nothing is copied until one does not.
#[derive(Default)]
struct Passed {
    /// Pieces that pass as they came, from the first one on.
    same: usize,
    changed: bool,
    /// What is passed on of the others.
    rest: Vec<u8>,
}

impl Passed {
    fn take(&mut self, piece: &[u8], pass: &Pass<'_>) {
        self.changed |= !pass.unchanged();
        if self.changed {
            copy(&mut self.rest, piece, pass);
        } else {
            self.same += 1;
        }
    }

    fn bytes(mut self, envoy: &Envoy, body: Body) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(envoy.size(body));
        envoy.each(body, |piece| {
            if self.same > 0 {
                self.same -= 1;
                bytes.extend_from_slice(piece);
            }
        });
        bytes.append(&mut self.rest);
        bytes
    }
}

fn copy(out: &mut Vec<u8>, piece: &[u8], pass: &Pass<'_>) {
    out.extend_from_slice(pass.before);
    let mut from = 0;
    for (start, end) in pass.cuts {
        out.extend_from_slice(&piece[from..*start]);
        from = *end;
    }
    out.extend_from_slice(&piece[from..]);
}

/// Keeps a well-formed end from the client: the request's filter sends what is left, says what is wrong,
/// and cuts. It cannot do so once it has seen the end itself: Envoy passes nothing on after that.
fn stop_before_end(stream: &Stream, left: &[u8]) -> Next {
    stream.left.borrow_mut().extend(left);
    if let Some(watch) = stream.watch.get() {
        watch.wake(CUT);
    }
    Next::Keep
}

/// Takes the event that ends a stream from the end of `passed`, where it is there.
fn strip_done(passed: &mut Vec<u8>) {
    const DONE: &[u8] = b"[DONE]";
    let found = passed.windows(DONE.len()).rposition(|window| window == DONE);
    let line = found.and_then(|at| {
        passed[..at].iter().rposition(|c| matches!(c, b'\n' | b'\r')).map(|n| n + 1).or(Some(0))
    });
    if let Some(at) = line {
        passed.truncate(at);
    }
}

/// Keeps the last four bytes of a stream.
fn remember(last: &mut [u8; 4], piece: &[u8]) {
    let tail = &piece[piece.len().saturating_sub(4)..];
    last.rotate_left(tail.len());
    last[4 - tail.len()..].copy_from_slice(tail);
}
