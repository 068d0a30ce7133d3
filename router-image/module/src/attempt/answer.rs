//! What an attempt's answer is, and what of it goes on.

use super::seal::Seal;
use super::verdict::{fail, give_up, judge_fault, mark, refused};
use super::{Attempt, Reading};
use crate::abi::{Body, Envoy, Header, Next};
use crate::answers::Refusal;
use crate::choice::Why;
use crate::events::Events;
use crate::outcome::Outcome;
use crate::request::{number, set_length};
use crate::stream::{Decision, Stream, OWN};
use crate::strikes;
use crate::usage::Answer;
use crate::wanted::Wrong;

/// Bytes of an answer that are held back at most.
pub(super) const HELD: usize = 64 * 1024;

impl Attempt {
    /// The answer's headers have come.
    pub fn response_headers(&self, envoy: &mut Envoy, end: bool) -> Next {
        let Some(stream) = self.stream.get() else { return Next::Continue };
        let headers = envoy.headers(Header::Response);
        let status = headers.get(b":status").and_then(number).unwrap_or(0);
        let sealed = headers.get(b"content-encoding").and_then(Seal::of).map(Reading::Sealed);
        let kind = Kind::of(headers.get(b"content-type").unwrap_or_default(), &stream.decision);
        let events = kind == Kind::Events;
        self.left.set(headers.get(b"content-length").and_then(number));
        let forged = OWN.map(|name| headers.get(name).is_some());
        drop(headers);
        for (name, _) in OWN.iter().zip(forged).filter(|(_, forged)| *forged) {
            envoy.remove_header(Header::Response, name);
        }
        let reading = match status {
            200..=299 if end => {
                fail(envoy, stream, "502");
                let refusal = Refusal::new(502, "bad_answer", "the pool's answer is empty");
                return self.instead(envoy, stream, &refusal, end);
            }
            200..=299 if events && struck(envoy, stream) => {
                give_up(envoy, stream);
                return Next::Continue;
            }
            200..=299 if events && sealed.is_none() && stream.decision.wants_whole() => {
                fail(envoy, stream, "500");
                let words = "the pool streams its answer, which was not asked for";
                let refusal = Refusal::new(500, "bad_answer", words);
                return self.instead(envoy, stream, &refusal, end);
            }
            200..=299 if events && sealed.is_none() => {
                let Decision { hide_usage, service, .. } = stream.decision;
                Reading::Events(Box::new(Events::new(hide_usage).of(service)))
            }
            200..=299 => {
                self.json_is_due.set(kind == Kind::Json);
                sealed.unwrap_or_else(|| Reading::Whole(Box::default()))
            }
            // One that wants to speak another protocol is as far away as one that sends elsewhere.
            100..=199 | 300..=399 => {
                refused(envoy, stream, 502);
                envoy.remove_header(Header::Response, b"location");
                let words = format!("the pool sends requests elsewhere (status {status})");
                return self.instead(envoy, stream, &Refusal::new(502, "bad_answer", words), end);
            }
            400 | 413 | 422 if !end && stream.larger() => Reading::Refused(Box::default()),
            401..=403 if stream.pool().has_key() => {
                refused(envoy, stream, status);
                let pool = &stream.pool().name;
                // Such answers repeat parts of the key, and the client's own is not what they are about.
                let words =
                    format!("pool {pool} refuses the router's credential (status {status})");
                envoy.remove_header(Header::Response, b"www-authenticate");
                let refusal = Refusal::new(502, "credential_refused", words);
                return self.instead(envoy, stream, &refusal, end);
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
            Reading::Sealed(seal) => {
                if self.holds.get() {
                    let words = match begins(envoy, body, *seal) {
                        Some(true) => None,
                        Some(false) => {
                            Some((500, "the pool's answer is not compressed as it says"))
                        }
                        None if end => Some((502, "the pool's answer is empty")),
                        None => return Next::Keep,
                    };
                    if let Some((status, words)) = words {
                        *reading = Reading::Dropped;
                        let refusal = Refusal::new(status, "bad_answer", words);
                        return self.fail_with(envoy, stream, &refusal, body);
                    }
                    self.holds.set(false);
                    stream.token();
                }
                if end {
                    stream.judge(Outcome::Ok);
                    self.count(None, 0);
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

    /// Puts an error of the router's in the place of an answer whose headers have come; `end`: that is all
    /// there is of it.
    fn instead(&self, envoy: &mut Envoy, stream: &Stream, refusal: &Refusal, end: bool) -> Next {
        let text = refusal.body(stream.decision.shape);
        let status = refusal.status.to_string();
        envoy.set_header(Header::Response, b":status", status.as_bytes());
        reword(envoy, text.len());
        if end {
            envoy.append(Body::KeptResponse, text.as_bytes());
        } else {
            *self.reading.borrow_mut() = Reading::Replaced(text);
        }
        Next::Continue
    }

    /// Puts an error of the router's in the place of what is held.
    pub(super) fn replace(
        &self,
        envoy: &mut Envoy,
        stream: &Stream,
        refusal: &Refusal,
        body: Body,
    ) -> Next {
        self.holds.set(false);
        self.held.take();
        let text = refusal.body(stream.decision.shape);
        let size = envoy.size(body);
        envoy.drain(body, size);
        envoy.append(body, text.as_bytes());
        reword(envoy, text.len());
        Next::Continue
    }

    /// What is held is no answer, and here is why.
    fn fail_with(&self, envoy: &mut Envoy, stream: &Stream, why: &Refusal, body: Body) -> Next {
        fail(envoy, stream, if why.status == 500 { "500" } else { "502" });
        self.replace(envoy, stream, why, body)
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
        let flaw = self.flaw(stream, answer);
        if let Some(refusal) = flaw.as_ref().filter(|_| self.holds.get()) {
            return self.fail_with(envoy, stream, refusal, body);
        }
        if self.holds.get() {
            stream.token();
        }
        let broken = flaw.is_some() || answer.aborted();
        stream.judge(if broken { Outcome::BrokenStream } else { Outcome::Ok });
        self.count(answer.counts(), 0);
        self.release(envoy, body)
    }

    /// Why no client can use a whole answer. Status 502 is about the replica, as where an answer breaks
    /// off; 500 can be about the request, as a page can.
    fn flaw(&self, stream: &Stream, answer: &Answer) -> Option<Refusal> {
        let bad = |status, words: &str| Some(Refusal::new(status, "bad_answer", words));
        match answer.unreadable() {
            Some(Wrong::Empty) => return bad(502, "the pool's answer is empty"),
            _ if !self.json_is_due.get() => return None,
            Some(Wrong::Cut) => return bad(502, "the pool's answer ends before its end"),
            Some(_) => return bad(500, "the pool's answer is no JSON"),
            None => {}
        }
        if stream.decision.wants_events() {
            return bad(500, "the pool answers whole where a stream was asked for");
        }
        let due = stream.decision.service.due().filter(|due| answer.lacks(*due))?;
        bad(500, &format!("the pool's answer has no {}", due.name()))
    }
}

/// What the headers of an answer announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Events,
    /// JSON is due, whatever the headers say: a page would be as good as nothing to the client.
    Json,
    /// Text of a recording, numbers in bytes.
    Other,
}

impl Kind {
    /// From `content-type`, in any case; empty where there is none.
    fn of(kind: &[u8], decision: &Decision) -> Kind {
        let is = |name: &[u8]| {
            kind.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        let untold = kind.is_empty() || is(b"text/plain");
        // Requests in JSON are answered so, or in numbers; with words or marks, something else has answered.
        let page =
            is(b"text/html") || decision.named.quoted && (is(b"text/") || is(b"application/xml"));
        let json = is(b"application/json") || page;
        // Clients that ask for a stream read one, whatever it is called.
        if is(b"text/event-stream") || untold && decision.stream {
            Kind::Events
        } else if json || untold && decision.named.quoted || decision.service.streams() {
            Kind::Json
        } else {
            Kind::Other
        }
    }
}

/// The headers of an error of the router's.
fn reword(envoy: &mut Envoy, length: usize) {
    if envoy.header(Header::Response, b"content-encoding").is_some() {
        envoy.remove_header(Header::Response, b"content-encoding");
    }
    envoy.set_header(Header::Response, b"content-type", b"application/json");
    set_length(envoy, Header::Response, length);
}

/// Whether the replica has broken its last streams, and another place can take this one.
fn struck(envoy: &Envoy, stream: &Stream) -> bool {
    strikes::any()
        && stream.may_fail_over()
        && strikes::refuses(envoy.replica().unwrap_or_default())
}

/// Whether a compressed answer begins as such do; `None` where nothing of it has come.
fn begins(envoy: &Envoy, body: Body, seal: Seal) -> Option<bool> {
    let mut found = None;
    envoy.each(body, |piece| {
        if found.is_none() && !piece.is_empty() {
            found = Some(seal.fits(piece));
        }
    });
    found
}

fn read(envoy: &Envoy, answer: &mut Answer, body: Body) {
    envoy.each(body, |piece| answer.feed(piece));
}
