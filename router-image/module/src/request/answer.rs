//! An answer on its way back to the client.

use super::{Request, IDLE, UPLOAD};
use crate::abi::{Envoy, Header, Next};
use crate::answers::Refusal;
use crate::counts;
use crate::outcome::Outcome;
use crate::stream::{Stream, AGAIN, CUT, SERVED_BY, WAIT};
use crate::waiting::clock;
use crate::watch::Watch;

/// The scheduler's event for an answer that has gone silent.
const STALL: u64 = 2;

impl Request {
    /// The answer's headers are on their way to the client.
    pub fn response_headers(&self, envoy: &mut Envoy) -> Next {
        self.begun.set(true);
        if let Some(origin) = &*self.origin.borrow() {
            envoy.set_header(Header::Response, b"access-control-allow-origin", origin);
            envoy.set_header(Header::Response, b"access-control-expose-headers", b"*");
            envoy.set_header(Header::Response, b"vary", b"origin");
        }
        let Some(stream) = self.stream.get() else { return Next::Continue };
        if stream.events.get() {
            watch(stream);
        }
        if stream.marked.get() {
            envoy.remove_header(Header::Response, AGAIN);
            envoy.remove_header(Header::Response, WAIT);
        }
        let decision = &stream.decision;
        if decision.plan.explain && stream.attempts() > 0 {
            let route = &decision.plan.routes[decision.route].name;
            let (rule, pool) = (&decision.rule().name, &stream.pool().name);
            let mut served = [route, "/", rule, "/", pool, ";attempts=1"].concat();
            if stream.attempts() > 1 {
                served.pop();
                served += &stream.attempts().to_string();
            }
            envoy.add_header(Header::Response, SERVED_BY, served.as_bytes());
        }
        Next::Continue
    }

    /// A piece of the answer is on its way to the client.
    pub fn response_body(&self, envoy: &mut Envoy, end: bool) -> Next {
        let Some(stream) = self.stream.get() else { return Next::Continue };
        if self.over.get() {
            return Next::Continue;
        }
        if !end {
            match stream.watch.get() {
                // Where they are read.
                _ if stream.events.get() => {}
                // What is complete waits for nothing but its end.
                Some(watch) if stream.is_judged() => watch.touch(),
                _ => watch(stream),
            }
            return Next::Continue;
        }
        describe_span(envoy, stream);
        Next::Continue
    }

    /// The answer's trailers are on their way to the client.
    pub fn response_trailers(&self, envoy: &mut Envoy) -> Next {
        if let Some(stream) = self.stream.get() {
            describe_span(envoy, stream);
        }
        Next::Continue
    }

    /// A deadline has passed.
    pub fn scheduled(&self, envoy: &mut Envoy, event: u64) {
        if event == UPLOAD {
            if self.upload.borrow().as_ref().is_some_and(Watch::is_over) {
                let words = "the upload has stopped";
                *self.refusal.borrow_mut() = Some(Refusal::new(408, "timeout", words));
                self.answer_refusal(envoy);
            }
            return;
        }
        let Some(stream) = self.stream.get() else { return };
        let silent =
            matches!(event, IDLE | STALL) && stream.watch.get().is_some_and(Watch::is_over);
        if self.over.get() || !(silent || event == CUT) {
            return;
        }
        if silent {
            stream.judge(Outcome::Timeout);
            describe_span(envoy, stream);
        }
        if silent && !self.begun.get() {
            let refusal = Refusal::new(504, "timeout", "there was no answer in time");
            self.refuse(envoy, refusal, true);
            return;
        }
        let tail = stream.left.take();
        self.over.set(true);
        if !tail.is_empty() {
            envoy.send(&tail);
        }
        send_event(envoy, stream, silent);
        envoy.cut();
    }

    /// Envoy answers by itself, or cuts an answer that has begun.
    pub fn local_reply(&self, envoy: &mut Envoy) {
        let Some(stream) = self.stream.get() else { return };
        if !self.begun.get() || self.over.replace(true) {
            return;
        }
        describe_span(envoy, stream);
        send_event(envoy, stream, false);
    }

    /// The request is over.
    pub fn completed(&self, envoy: &mut Envoy) {
        let (status, flags) = (envoy.status(), envoy.flags());
        let took = clock().saturating_sub(self.start);
        if let Some(stream) = self.stream.get() {
            let outcome = stream.complete(status, flags, took);
            if stream.decision.plan.log.takes(status, outcome) {
                describe(envoy, stream, Some(outcome));
            }
        } else {
            counts::refused().end_request(Outcome::of(status, flags), took);
        }
    }
}

/// The answer has begun, and is not whole yet: its silences are the rule's.
fn watch(stream: &Stream) {
    if let Some(watch) = stream.watch.get() {
        watch.turn(STALL, stream.decision.rule().stall_ms);
    }
}

/// Says in the stream what is wrong with it. Only streams of events have a place for that; nothing is wrong
/// with one whose last event has come.
fn send_event(envoy: &mut Envoy, stream: &Stream, stalled: bool) {
    if !stream.events.get() || stream.outcome() == Some(Outcome::Ok) {
        return;
    }
    let refusal = if stalled {
        Refusal::new(504, "timeout", "the stream was silent for too long")
    } else {
        Refusal::new(502, "broken_stream", "the stream was cut off before its end")
    };
    let gap = if stream.at_boundary.get() { "" } else { "\n\n" };
    envoy.send((gap.to_owned() + &refusal.event(stream.decision.shape)).as_bytes());
}

/// Tells the span what becomes of a request, as far as it is known: Envoy finishes spans before the
/// request is over.
fn describe_span(envoy: &mut Envoy, stream: &Stream) {
    if stream.decision.plan.spans {
        describe(envoy, stream, stream.outcome());
    }
}

/// Leaves what became of a request in dynamic metadata. Dear: only where something reads it.
fn describe(envoy: &mut Envoy, stream: &Stream, outcome: Option<Outcome>) {
    let decision = &stream.decision;
    let route = &decision.plan.routes[decision.route];
    let model = String::from_utf8_lossy(&decision.model);
    let texts = [
        ("route", &route.name[..]),
        ("rule", &decision.rule().name),
        ("pool", &stream.pool().name),
        ("model", &model),
        ("feature", &route.features[decision.labels.0]),
        ("request_type", &route.request_types[decision.labels.1]),
        ("outcome", outcome.map_or("", Outcome::name)),
        ("stream", if decision.stream { "true" } else { "false" }),
    ];
    #[allow(clippy::cast_precision_loss)] // counts far below 2^53
    let exact = |number: u64| number as f64;
    let mut numbers = vec![("attempts", exact(stream.attempts()))];
    if let Some(used) = stream.used.get() {
        numbers.push(("prompt_tokens", exact(used.prompt)));
        numbers.push(("cached_prompt_tokens", exact(used.cached)));
        numbers.push(("completion_tokens", exact(used.completion)));
    }
    if let Some(waited) = stream.waited.get().filter(|_| decision.stream) {
        numbers.push(("ttft_ms", exact(waited) / 1000.0));
    }
    envoy.observe(&texts, &numbers);
}
