//! A client's request on its way to the first pool: read, then refused or sent.

mod answer;
mod choose;
mod own;
mod refuse;

use self::choose::Choice;
use self::own::Own;
use self::refuse::{bad, bad_host, nowhere, overloaded, too_large};
use crate::abi::{Body, Envoy, Header, Next};
use crate::answers::Refusal;
use crate::endpoint::{self, Endpoint, Service};
use crate::held::{Held, BODIES};
use crate::multipart::Form;
use crate::plan::Plan;
use crate::rewrite::{Edit, Rewriter};
use crate::scan::{self, Scanner, Wrong};
use crate::stream::Stream;
use crate::ticket::{ask, hops, Ticket, VIA};
use crate::waiting::clock;
use crate::watch::Watch;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// A request that has passed so many of our routers goes in circles.
const MOST_HOPS: usize = 3;
/// A body that is refused is read on and thrown away up to this many times the limit: most clients read
/// an answer only when they have sent all.
const SWALLOWED: usize = 4;
/// The scheduler's event for an upload that has stopped.
const UPLOAD: u64 = 1;
/// The scheduler's event for a request that nobody has answered.
const IDLE: u64 = 4;

/// Reads a body of either kind.
enum Reader {
    Json(Box<Scanner>),
    Form(Box<Form>),
}

impl Reader {
    fn feed(&mut self, piece: &[u8]) -> Result<(), Wrong> {
        match self {
            Reader::Json(scanner) => scanner.feed(piece),
            Reader::Form(form) => form.feed(piece),
        }
    }

    fn end(&mut self) -> Result<scan::Facts, Wrong> {
        match self {
            Reader::Json(scanner) => scanner.end(),
            Reader::Form(form) => form.end(),
        }
    }
}

/// The filter of a request.
pub struct Request {
    start: u64,
    plan: OnceCell<Arc<Plan>>,
    service: Cell<Service>,
    anthropic: Cell<bool>,
    own: RefCell<Own>,
    reader: RefCell<Option<Reader>>,
    refusal: RefCell<Option<Refusal>>,
    size: Cell<usize>,
    held: RefCell<Held<'static>>,
    stream: OnceCell<Rc<Stream>>,
    ticket: Cell<Option<Ticket>>,
    upload: RefCell<Option<Watch>>,
    /// An answer has begun; one that is not the router's own.
    begun: Cell<bool>,
    origin: RefCell<Option<Vec<u8>>>,
    over: Cell<bool>,
}

impl Request {
    /// The filter of a request that has just come.
    pub fn new() -> Request {
        Request {
            start: clock(),
            plan: OnceCell::new(),
            service: Cell::new(Service::Plain),
            anthropic: Cell::new(false),
            own: RefCell::default(),
            reader: RefCell::default(),
            refusal: RefCell::default(),
            size: Cell::new(0),
            held: RefCell::new(Held::of(&BODIES)),
            stream: OnceCell::new(),
            ticket: Cell::default(),
            upload: RefCell::default(),
            begun: Cell::new(false),
            origin: RefCell::default(),
            over: Cell::new(false),
        }
    }

    /// The headers have come: everything that can be said without the body.
    pub fn headers(&self, envoy: &mut Envoy, end: bool) -> Next {
        let plan = envoy.plan();
        let headers = envoy.headers(Header::Request);
        let path = headers.get(b":path").unwrap_or_default();
        let method = headers.get(b":method").unwrap_or_default();
        let mut found = endpoint::endpoint(method, path);
        let mut straight = None;
        if !matches!(found, Endpoint::Model(_) | Endpoint::Form) {
            straight = endpoint::straight(path);
        }
        let path = straight.as_deref().unwrap_or(path);
        if straight.is_some() {
            found = endpoint::endpoint(method, path);
        }
        match found {
            Endpoint::Model(service) => self.service.set(service),
            Endpoint::Form => self.service.set(Service::Recordings),
            _ => {}
        }
        let anthropic = endpoint::is_anthropic(path) || headers.get(b"anthropic-version").is_some();
        self.anthropic.set(anthropic);
        let Some(plan) = plan else {
            // Envoy's route takes whatever begins with a slash.
            let refusal = if path.starts_with(b"/") {
                Refusal::new(503, "no_configuration", "the router has no configuration yet")
            } else {
                nowhere()
            };
            return self.refuse(envoy, refusal, end);
        };
        let plan = self.plan.get_or_init(|| plan);
        self.note_origin(&headers, plan);
        // Envoy joins several hosts with a comma; nobody is to take one for the other (RFC 9112, section 3.2).
        let host = headers.get(b":authority").unwrap_or_default();
        if host.iter().any(|c| matches!(c, b',' | b'@')) {
            return self.refuse(envoy, bad_host(), end);
        }
        let form = match found {
            Endpoint::Model(_) => false,
            Endpoint::Form => true,
            _ => {
                if endpoint::has_null(path) {
                    return self.refuse(envoy, Refusal::bad(None, "the path has a null"), end);
                }
                if let Some(path) = straight {
                    envoy.set_header(Header::Request, b":path", &path);
                }
                return self.without_model(envoy, plan, found, end);
            }
        };
        let moved = endpoint::upstream(path).or(straight);
        let own = Own::of(&headers, plan);
        let length = own.length;
        let passed = hops(&own.passed);
        *self.own.borrow_mut() = own;
        if let Some(path) = moved {
            envoy.set_header(Header::Request, b":path", &path);
        }
        if passed >= MOST_HOPS {
            let words = format!("the request has passed {MOST_HOPS} routers: it goes in circles");
            return self.refuse(envoy, Refusal::new(508, "loop_detected", words), end);
        }
        if end {
            return self.refuse(envoy, Refusal::bad(None, "the request has no body"), true);
        }
        if length.is_some_and(|bytes| bytes > plan.body_limit) {
            return self.refuse(envoy, too_large(plan), false);
        }
        let reader = if form {
            let kind = envoy.header(Header::Request, b"content-type").unwrap_or_default();
            let Some(form) = std::str::from_utf8(kind).ok().and_then(Form::new) else {
                let words = "the body is not a form (multipart/form-data with a boundary)";
                return self.refuse(envoy, Refusal::bad(None, words), false);
            };
            Reader::Form(Box::new(form))
        } else {
            Reader::Json(Box::new(Scanner::new()))
        };
        *self.reader.borrow_mut() = Some(reader);
        // One byte more than is taken: what is too large is refused here, in the API's own shape.
        envoy.set_buffer_limit(plan.body_limit + 1);
        self.watch_upload(envoy);
        Next::Stop
    }

    /// A piece of the body has come.
    pub fn body(&self, envoy: &mut Envoy, end: bool) -> Next {
        if self.stream.get().is_some() {
            return Next::Continue;
        }
        let limit = self.plan.get().map_or(0, |plan| plan.body_limit);
        let size = self.size.get() + envoy.size(Body::Request);
        self.size.set(size);
        if let (Some(upload), false) = (&*self.upload.borrow(), end) {
            upload.touch();
        }
        if self.refusal.borrow().is_none() {
            match self.read(envoy, size, limit) {
                Ok(()) if end => return self.decide(envoy, Body::Request),
                Ok(()) => return Next::Stop,
                Err(refusal) => *self.refusal.borrow_mut() = Some(refusal),
            }
            *self.held.borrow_mut() = Held::of(&BODIES);
        }
        for body in [Body::KeptRequest, Body::Request] {
            let kept = envoy.size(body);
            envoy.drain(body, kept);
        }
        if end || size > limit.saturating_mul(SWALLOWED) {
            self.answer_refusal(envoy);
        }
        Next::Keep
    }

    fn watch_upload(&self, envoy: &Envoy) {
        let limit = self.plan.get().map_or(0, |plan| plan.upload_idle_ms);
        *self.upload.borrow_mut() = Some(Watch::new(envoy.scheduler(), UPLOAD, limit, self.start));
    }

    /// The trailers have come: the body is whole.
    pub fn trailers(&self, envoy: &mut Envoy) -> Next {
        if self.refusal.borrow().is_some() {
            self.answer_refusal(envoy);
            return Next::Stop;
        }
        if self.reader.borrow().is_none() || self.stream.get().is_some() {
            return Next::Continue;
        }
        match self.decide(envoy, Body::KeptRequest) {
            Next::Continue => Next::Continue,
            _ => Next::Stop,
        }
    }

    fn read(&self, envoy: &Envoy, size: usize, limit: usize) -> Result<(), Refusal> {
        if size > limit {
            return Err(self
                .plan
                .get()
                .map_or_else(|| Refusal::bad(None, ""), |plan| too_large(plan)));
        }
        if !self.held.borrow_mut().grow(size) {
            return Err(overloaded());
        }
        let mut reader = self.reader.borrow_mut();
        let Some(reader) = &mut *reader else { return Ok(()) };
        let mut wrong = Ok(());
        envoy.each(Body::Request, |piece| {
            if wrong.is_ok() {
                wrong = reader.feed(piece);
            }
        });
        wrong.map_err(|wrong| bad(&wrong))
    }

    /// The body is whole: its model is looked up, a rule is found, and a pool.
    fn decide(&self, envoy: &mut Envoy, last: Body) -> Next {
        let form = matches!(*self.reader.borrow(), Some(Reader::Form(_)));
        let facts = match self.reader.borrow_mut().take().map(|mut reader| reader.end()) {
            Some(Ok(facts)) => facts,
            Some(Err(wrong)) => return self.refuse(envoy, bad(&wrong), true),
            None => return self.refuse(envoy, Refusal::bad(None, "the request has no body"), true),
        };
        match self.plan.get().map(|plan| self.choose(plan, facts, form)) {
            Some(Ok(choice)) => self.send(envoy, last, choice),
            Some(Err(refusal)) => self.refuse(envoy, refusal, true),
            None => Next::Stop,
        }
    }

    fn send(&self, envoy: &mut Envoy, last: Body, choice: Choice) -> Next {
        let Choice { mut decision, first, edits } = choice;
        if !edits.is_empty() {
            decision.named.follow(&edits);
            edit(envoy, last, edits, decision.named.size);
        }
        self.own.borrow().correct(envoy, decision.named.size);
        let stream = Rc::new(Stream::new(decision, first));
        let ticket = Ticket::keep(Rc::clone(&stream));
        self.ticket.set(Some(ticket));
        let stream = self.stream.get_or_init(|| stream);
        if let Some(watch) = self.upload.take() {
            watch.turn(IDLE, stream.decision.plan.idle_ms);
            let _ = stream.watch.set(watch);
        }
        let via = ticket.header();
        match &*self.own.borrow().passed {
            [] => envoy.set_header(Header::Request, VIA, &via),
            passed => envoy.set_header(Header::Request, VIA, &[passed, b", ", &via].concat()),
        }
        ask(stream, || envoy.select_again());
        if stream.attempts() == 0 {
            // The choice has panicked: without one, Envoy would answer that every pool has failed.
            let refusal = Refusal::new(500, "internal_error", "an internal error of the router");
            return self.refuse(envoy, refusal, true);
        }
        Next::Continue
    }

    /// The filter is about to go.
    pub fn destroyed(&self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.release();
        }
    }
}

/// Applies edits to a body whose last piece is `last`, and which has `size` bytes then.
pub(crate) fn edit(envoy: &mut Envoy, last: Body, edits: Vec<Edit>, size: usize) {
    let mut rewriter = Rewriter::new(edits);
    let mut edited = Vec::with_capacity(size);
    let kept = envoy.size(Body::KeptRequest);
    if kept > 0 {
        envoy.each(Body::KeptRequest, |piece| rewriter.feed(piece, &mut edited));
        envoy.drain(Body::KeptRequest, kept);
    }
    if matches!(last, Body::Request) {
        envoy.each(Body::Request, |piece| rewriter.feed(piece, &mut edited));
        let size = envoy.size(Body::Request);
        envoy.drain(Body::Request, size);
    }
    envoy.append(last, &edited);
}

/// A whole number in digits.
pub(crate) fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Sets `content-length` where it is another one.
pub(crate) fn set_length(envoy: &mut Envoy, kind: Header, size: usize) {
    if envoy.header(kind, b"content-length").and_then(number) != Some(size) {
        put_length(envoy, kind, size);
    }
}

fn put_length(envoy: &mut Envoy, kind: Header, size: usize) {
    envoy.set_header(kind, b"content-length", size.to_string().as_bytes());
}
