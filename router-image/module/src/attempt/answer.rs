//! What an attempt's answer is, and what of it goes on.

use super::verdict::{fail, judge_fault, mark, refused};
use super::{Attempt, Reading};
use crate::abi::{Body, Envoy, Header, Next};
use crate::answers::Refusal;
use crate::choice::Why;
use crate::events::{Ending, Events, Seen};
use crate::fault::Class;
use crate::outcome::Outcome;
use crate::request::{number, set_length};
use crate::stream::{Stream, CUT};
use crate::usage::Answer;
use crate::waiting::clock;

/// Bytes of an answer that are held back at most.
const HELD: usize = 64 * 1024;

impl Attempt {
    /// The answer's headers have come.
    pub fn response_headers(&self, envoy: &mut Envoy, end: bool) -> Next {
        let Some(stream) = self.stream.get() else { return Next::Continue };
        let status = envoy.header(Header::Response, b":status").and_then(number).unwrap_or(0);
        let kind = envoy.header(Header::Response, b"content-type").unwrap_or_default();
        let events = kind.starts_with(b"text/event-stream");
        let reading = match status {
            200..=299 if end => {
                fail(envoy, stream, "502");
                return Next::Continue;
            }
            200..=299 if events => {
                Reading::Events(Box::new(Events::new(stream.decision.hide_usage)))
            }
            200..=299 => Reading::Whole(Box::default()),
            400 | 413 | 422 if !end && stream.larger() => Reading::Refused(Box::default()),
            _ => {
                refused(envoy, stream, status);
                return Next::Continue;
            }
        };
        *self.reading.borrow_mut() = reading;
        self.holds.set(true);
        Next::Stop
    }

    /// A piece of the answer has come.
    pub fn response_body(&self, envoy: &mut Envoy, end: bool) -> Next {
        let Some(stream) = self.stream.get() else { return Next::Continue };
        self.take(envoy, stream, Body::Response, end)
    }

    /// The answer's trailers have come.
    pub fn response_trailers(&self, envoy: &mut Envoy) -> Next {
        let Some(stream) = self.stream.get() else { return Next::Continue };
        match self.take(envoy, stream, Body::KeptResponse, true) {
            Next::Continue => Next::Continue,
            _ => Next::Stop,
        }
    }

    fn take(&self, envoy: &mut Envoy, stream: &Stream, body: Body, end: bool) -> Next {
        let mut reading = self.reading.borrow_mut();
        match &mut *reading {
            Reading::Nobody => Next::Continue,
            Reading::Dropped => {
                let size = envoy.size(body);
                envoy.drain(body, size);
                Next::Continue
            }
            Reading::Events(events) => {
                let (next, dropped) = self.events(envoy, stream, events, body, end);
                if dropped {
                    *reading = Reading::Dropped;
                }
                next
            }
            Reading::Whole(answer) => {
                read(envoy, answer, body);
                if end {
                    self.end_whole(envoy, stream, answer, body)
                } else {
                    self.hold(envoy, body, stream)
                }
            }
            Reading::Refused(answer) => {
                read(envoy, answer, body);
                if !end {
                    return self.hold(envoy, body, stream);
                }
                stream.judge(Outcome::ClientError);
                if answer.error().is_some_and(|fault| fault.context) {
                    stream.because(Why::Context);
                    mark(envoy, stream);
                }
                self.release(envoy, body)
            }
        }
    }

    /// Keeps what has come, or lets everything go where it is too much.
    fn hold(&self, envoy: &mut Envoy, body: Body, stream: &Stream) -> Next {
        if !self.holds.get() {
            return Next::Continue;
        }
        if self.held.borrow().len() + envoy.size(body) > HELD {
            stream.token();
            return self.release(envoy, body);
        }
        self.keep(envoy, body);
        Next::Keep
    }

    fn keep(&self, envoy: &mut Envoy, body: Body) {
        let mut held = self.held.borrow_mut();
        envoy.each(body, |piece| held.extend_from_slice(piece));
        let size = envoy.size(body);
        envoy.drain(body, size);
    }

    /// Lets the headers go, and what was held.
    fn release(&self, envoy: &mut Envoy, body: Body) -> Next {
        self.holds.set(false);
        if !self.held.borrow().is_empty() {
            self.keep(envoy, body);
            envoy.append(body, &self.held.take());
        }
        Next::Continue
    }

    fn end_whole(&self, envoy: &mut Envoy, stream: &Stream, answer: &Answer, body: Body) -> Next {
        let fault = answer.error().filter(|_| self.holds.get());
        if let Some(fault) = fault {
            // The pool's own words stay: only the status was wrong.
            judge_fault(envoy, stream, &fault);
            return self.release(envoy, body);
        }
        if answer.aborted() && self.holds.get() {
            fail(envoy, stream, "500");
            return self.release(envoy, body);
        }
        if self.holds.get() {
            stream.token();
        }
        stream.judge(if answer.aborted() { Outcome::BrokenStream } else { Outcome::Ok });
        self.count(answer.counts(), 0);
        self.release(envoy, body)
    }

    /// Events: returns what follows, and whether the rest of the answer is dropped.
    fn events(
        &self,
        envoy: &mut Envoy,
        stream: &Stream,
        events: &mut Events,
        body: Body,
        end: bool,
    ) -> (Next, bool) {
        let before = events.output_events();
        let (mut passed, mut whole, mut seen) = (Vec::new(), true, Seen::Nothing);
        let mut last = [0; 4];
        envoy.each(body, |piece| {
            seen = events.feed(piece);
            let pass = events.pass();
            if whole && !pass.unchanged() {
                whole = false;
            }
            copy(&mut passed, piece, &pass);
            remember(&mut last, piece);
        });
        if seen == Seen::End && events.ending() != Ending::Complete {
            // Clients stop at this event, and would take the answer for whole.
            whole &= !strip_done(&mut passed);
        }
        if end && !events.rest().is_empty() {
            passed.extend_from_slice(events.rest());
            whole = false;
        }
        if self.holds.get() && seen == Seen::Error && before == 0 && events.output_events() == 0 {
            return (self.replace(envoy, stream, events, body), true);
        }
        if self.holds.get() && seen == Seen::Nothing && !end {
            let held = self.held.borrow().len() + passed.len();
            if held <= HELD {
                let size = envoy.size(body);
                envoy.drain(body, size);
                self.held.borrow_mut().extend_from_slice(&passed);
                return (Next::Keep, false);
            }
        }
        let unfinished = end && matches!(events.ending(), Ending::Cut | Ending::Aborted);
        if unfinished && self.holds.get() {
            return (self.replace(envoy, stream, events, body), true);
        }
        if self.holds.replace(false) {
            stream.events.set(true);
            stream.token();
            self.first.set(clock());
            whole = false;
            let mut held = self.held.take();
            held.append(&mut passed);
            passed = held;
        }
        if unfinished {
            self.end_events(stream, events);
            return (stop_before_end(envoy, stream, passed, body), false);
        }
        if !whole {
            let size = envoy.size(body);
            envoy.drain(body, size);
            envoy.append(body, &passed);
        }
        stream.at_boundary.set(last.ends_with(b"\n\n") || last == *b"\r\n\r\n");
        if seen == Seen::Error || events.malformed_events() > 0 {
            stream.judge(Outcome::BrokenStream);
        }
        if let (Some(watch), false) = (stream.watch.get(), end) {
            watch.touch();
        }
        if end {
            self.end_events(stream, events);
        }
        (Next::Continue, false)
    }

    fn end_events(&self, stream: &Stream, events: &Events) {
        let counts = events.counts();
        match events.ending() {
            Ending::Complete => {
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
    fn replace(&self, envoy: &mut Envoy, stream: &Stream, events: &Events, body: Body) -> Next {
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
        self.holds.set(false);
        self.held.take();
        let text = refusal.body(stream.decision.shape);
        let size = envoy.size(body);
        envoy.drain(body, size);
        envoy.append(body, text.as_bytes());
        envoy.set_header(Header::Response, b"content-type", b"application/json");
        set_length(envoy, Header::Response, text.len());
        Next::Continue
    }
}

fn read(envoy: &Envoy, answer: &mut Answer, body: Body) {
    envoy.each(body, |piece| answer.feed(piece));
}

fn copy(out: &mut Vec<u8>, piece: &[u8], pass: &crate::pass::Pass<'_>) {
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
fn stop_before_end(envoy: &mut Envoy, stream: &Stream, left: Vec<u8>, body: Body) -> Next {
    let size = envoy.size(body);
    envoy.drain(body, size);
    *stream.left.borrow_mut() = left;
    if let Some(watch) = stream.watch.get() {
        watch.wake(CUT);
    }
    Next::Keep
}

/// Takes the event that ends a stream from the end of `passed`; tells whether it was there.
fn strip_done(passed: &mut Vec<u8>) -> bool {
    const DONE: &[u8] = b"[DONE]";
    let found = passed.windows(DONE.len()).rposition(|window| window == DONE);
    let line = found
        .and_then(|at| passed[..at].iter().rposition(|c| *c == b'\n').map(|n| n + 1).or(Some(0)));
    if let Some(at) = line {
        passed.truncate(at);
    }
    line.is_some()
}

/// Keeps the last four bytes of a stream.
fn remember(last: &mut [u8; 4], piece: &[u8]) {
    let tail = &piece[piece.len().saturating_sub(4)..];
    last.rotate_left(tail.len());
    last[4 - tail.len()..].copy_from_slice(tail);
}
