//! What an attempt's answer is, and what of it goes on.

use super::verdict::{fail, give_up, judge_fault, mark, refused};
use super::{Attempt, Reading};
use crate::abi::{Body, Envoy, Header, Next};
use crate::answers::Refusal;
use crate::choice::Why;
use crate::events::Events;
use crate::outcome::Outcome;
use crate::request::{number, set_length};
use crate::stream::{Stream, OWN};
use crate::strikes;
use crate::usage::Answer;

/// Bytes of an answer that are held back at most.
pub(super) const HELD: usize = 64 * 1024;

impl Attempt {
    /// The answer's headers have come.
    pub fn response_headers(&self, envoy: &mut Envoy, end: bool) -> Next {
        let Some(stream) = self.stream.get() else { return Next::Continue };
        let headers = envoy.headers(Header::Response);
        let status = headers.get(b":status").and_then(number).unwrap_or(0);
        let kind = headers.get(b"content-type").unwrap_or_default();
        let events = kind.starts_with(b"text/event-stream");
        self.left.set(headers.get(b"content-length").and_then(number));
        let forged = OWN.map(|name| headers.get(name).is_some());
        drop(headers);
        for (name, _) in OWN.iter().zip(forged).filter(|(_, forged)| *forged) {
            envoy.remove_header(Header::Response, name);
        }
        let reading = match status {
            200..=299 if end => {
                fail(envoy, stream, "502");
                return Next::Continue;
            }
            200..=299 if events && struck(envoy, stream) => {
                give_up(envoy, stream);
                return Next::Continue;
            }
            200..=299 if events => {
                Reading::Events(Box::new(Events::new(stream.decision.hide_usage)))
            }
            200..=299 => Reading::Whole(Box::default()),
            400 | 413 | 422 if !end && stream.larger() => Reading::Refused(Box::default()),
            401..=403 if stream.pool().has_key() => {
                refused(envoy, stream, status);
                return self.conceal(envoy, stream, status, end);
            }
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
        let mut end = end;
        if let Some(left) = self.left.get() {
            // Envoy tells of the end apart from the last bytes: what is complete need not wait for it.
            let left = left.saturating_sub(envoy.size(Body::Response));
            self.left.set(Some(left));
            end |= left == 0;
        }
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
            Reading::Replaced(text) => {
                let size = envoy.size(body);
                envoy.drain(body, size);
                if end {
                    envoy.append(body, text.as_bytes());
                    *reading = Reading::Dropped;
                }
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
                if !end {
                    return self.hold(envoy, body, stream);
                }
                let next = self.end_whole(envoy, stream, answer, body);
                *reading = Reading::Nobody;
                next
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
                *reading = Reading::Nobody;
                self.release(envoy, body)
            }
        }
    }

    /// Puts an error of the router's in the place of one that speaks of its key: such answers repeat parts
    /// of it, and the client's own key is not what they are about.
    fn conceal(&self, envoy: &mut Envoy, stream: &Stream, status: usize, end: bool) -> Next {
        let pool = &stream.pool().name;
        let words = format!("pool {pool} refuses the router's credential (status {status})");
        let refusal = Refusal::new(502, "credential_refused", words);
        let text = if end { String::new() } else { refusal.body(stream.decision.shape) };
        for name in [&b"www-authenticate"[..], b"content-encoding"] {
            if envoy.header(Header::Response, name).is_some() {
                envoy.remove_header(Header::Response, name);
            }
        }
        envoy.set_header(Header::Response, b":status", b"502");
        envoy.set_header(Header::Response, b"content-type", b"application/json");
        set_length(envoy, Header::Response, text.len());
        *self.reading.borrow_mut() = Reading::Replaced(text);
        Next::Continue
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
}

/// Whether the replica has broken its last streams, and another place can take this one.
fn struck(envoy: &Envoy, stream: &Stream) -> bool {
    strikes::any()
        && stream.may_fail_over()
        && strikes::refuses(envoy.replica().unwrap_or_default())
}

fn read(envoy: &Envoy, answer: &mut Answer, body: Body) {
    envoy.each(body, |piece| answer.feed(piece));
}
