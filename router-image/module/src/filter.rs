//! The filters of this module and their hooks: one per request, one per attempt.

use crate::abi::{log, Ending, Envoy, Next, Selection};
use crate::answers::Shape;
use crate::attempt::Attempt;
use crate::request::Request;
use crate::strikes::{self, Sign};
use crate::ticket::{asking, find, VIA};

/// Which filter a configuration makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For clients' requests, on the listener.
    Request,
    /// For attempts, on a pool's cluster.
    Attempt,
}

impl Kind {
    /// By the filter's name in Envoy's configuration.
    pub fn of(name: &[u8]) -> Option<Kind> {
        match name {
            b"request" => Some(Kind::Request),
            b"attempt" => Some(Kind::Attempt),
            other => {
                log(&format!("tokenfleet: no filter is called {}", String::from_utf8_lossy(other)));
                None
            }
        }
    }
}

/// A filter at work.
#[expect(
    clippy::large_enum_variant,
    reason = "a filter is boxed as a whole, and most requests make one of each"
)]
pub enum Filter {
    /// For a client's request.
    Request(Request),
    /// For an attempt.
    Attempt(Attempt),
}

/// Panics where the request's header `x-panic` names the hook: for the tests of the panic barrier.
fn provoke<'a>(header: impl FnOnce() -> Option<&'a [u8]>, hook: &str) {
    assert!(!cfg!(feature = "panics") || header() != Some(hook.as_bytes()), "provoked in {hook}");
}

impl Filter {
    /// A filter for a request or an attempt.
    pub fn new(kind: Kind) -> Filter {
        match kind {
            Kind::Request => Filter::Request(Request::new()),
            Kind::Attempt => Filter::Attempt(Attempt::default()),
        }
    }

    fn provoke(&self, envoy: &Envoy, hook: &str) {
        if cfg!(feature = "panics") {
            let side = if matches!(self, Filter::Request(_)) { "request" } else { "attempt" };
            provoke(
                || envoy.header(crate::abi::Header::Request, b"x-panic"),
                &format!("{side} {hook}"),
            );
        }
    }

    /// The request's headers have come.
    pub fn request_headers(&self, envoy: &mut Envoy, end: bool) -> Next {
        self.provoke(envoy, "request_headers");
        match self {
            Filter::Request(request) => request.headers(envoy, end),
            Filter::Attempt(attempt) => attempt.request_headers(envoy),
        }
    }

    /// A piece of the request's body has come.
    pub fn request_body(&self, envoy: &mut Envoy, end: bool) -> Next {
        self.provoke(envoy, "request_body");
        match self {
            Filter::Request(request) => request.body(envoy, end),
            Filter::Attempt(attempt) => attempt.request_body(envoy, end),
        }
    }

    /// The request's trailers have come: its body is whole.
    pub fn request_trailers(&self, envoy: &mut Envoy) -> Next {
        self.provoke(envoy, "request_trailers");
        match self {
            Filter::Request(request) => request.trailers(envoy),
            Filter::Attempt(attempt) => attempt.request_trailers(envoy),
        }
    }

    /// The answer's headers have come.
    pub fn response_headers(&self, envoy: &mut Envoy, end: bool) -> Next {
        self.provoke(envoy, "response_headers");
        match self {
            Filter::Request(request) => request.response_headers(envoy),
            Filter::Attempt(attempt) => attempt.response_headers(envoy, end),
        }
    }

    /// A piece of the answer's body has come.
    pub fn response_body(&self, envoy: &mut Envoy, end: bool) -> Next {
        self.provoke(envoy, "response_body");
        match self {
            Filter::Request(request) => request.response_body(envoy, end),
            Filter::Attempt(attempt) => attempt.response_body(envoy, end),
        }
    }

    /// The answer's trailers have come: its body is whole.
    pub fn response_trailers(&self, envoy: &mut Envoy) -> Next {
        self.provoke(envoy, "response_trailers");
        match self {
            Filter::Request(request) => request.response_trailers(envoy),
            Filter::Attempt(attempt) => attempt.response_trailers(envoy),
        }
    }

    /// The filter was woken.
    pub fn scheduled(&self, envoy: &mut Envoy, event: u64) {
        self.provoke(envoy, "scheduled");
        if let Filter::Request(request) = self {
            request.scheduled(envoy, event);
        }
    }

    /// Envoy answers by itself, or cuts an answer that has begun.
    pub fn local_reply(&self, envoy: &mut Envoy, _why: &[u8]) {
        if let Filter::Request(request) = self {
            self.provoke(envoy, "local_reply");
            request.local_reply(envoy);
        }
    }

    /// The request is over; nothing can be sent any more.
    pub fn completed(&self, envoy: &mut Envoy) {
        if let Filter::Request(request) = self {
            self.provoke(envoy, "completed");
            request.completed(envoy);
        }
    }

    /// The filter is about to go.
    pub fn destroyed(&self) {
        match self {
            Filter::Request(request) => request.destroyed(),
            Filter::Attempt(attempt) => attempt.destroyed(),
        }
    }

    /// One of the hooks has panicked; the shape of the error to answer with.
    pub fn panicked(&self, envoy: &Envoy) -> Shape {
        match self {
            Filter::Request(request) => request.shape(),
            Filter::Attempt(attempt) => attempt.panicked(envoy),
        }
    }
}

/// Chooses the pool of an attempt. Envoy asks when it finds the route (nothing is known then), when the
/// request's filter has decided and asks for it, and before every further attempt. Returns whether there
/// is a choice.
pub fn select(selection: &mut Selection) -> bool {
    let attempt = selection.attempt();
    let found = match asking() {
        // Looking up a header costs a specifier four times what it costs a filter.
        None if attempt > 1 => selection.header(VIA).and_then(find),
        found => found,
    };
    let Some(stream) = found else { return false };
    provoke(|| selection.header(b"x-panic"), "select");
    selection.set_pool(&stream.begin(attempt).name);
    if attempt == 1 {
        let decision = &stream.decision;
        selection.set_action(decision.rule().action(stream.retries(), decision.stream));
    }
    true
}

/// An attempt has ended.
pub fn attempt_ended(ending: &Ending) {
    let Some(stream) = ending.header(VIA).and_then(find) else { return };
    let sign = stream.end(ending.status(), ending.flags());
    if let Some(sign) = sign.filter(|sign| *sign == Sign::Strike || strikes::any()) {
        strikes::note(ending.replica().unwrap_or_default(), sign);
    }
    provoke(|| ending.header(b"x-panic"), "log");
}
