//! One attempt at a request, in front of a pool's connection.
//!
//! The answer's headers are held until it is known what the answer is: its first token, an error, or its
//! end. Whatever fails until then fails before anything was sent, so the next place can be asked.

mod answer;
mod events;
mod seal;
mod verdict;

use self::seal::Seal;

use crate::abi::{Body, Envoy, Header, Next};
use crate::answers::Shape;
use crate::caching::marks;
use crate::counts::Series;
use crate::endpoint::bare;
use crate::events::Events;
use crate::outside::KEY;
use crate::request::{edit, set_length};
use crate::rewrite::{rename, Edit};
use crate::scan::Facts;
use crate::stream::Stream;
use crate::ticket::{find, VIA};
use crate::usage::{Answer, Counts};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// What reads the answer.
#[derive(Default)]
enum Reading {
    /// Nobody: it goes on as it is.
    #[default]
    Nobody,
    /// Events, held or on their way.
    Events(Box<Events>),
    /// A whole answer, held or on its way.
    Whole(Box<Answer>),
    /// Nobody here: it is compressed, though that was not asked for. The client can read it.
    Sealed(Seal),
    /// A refusal that could be about the context window.
    Refused(Box<Answer>),
    /// Nobody, and nothing of it goes on: another answer was put in its place.
    Dropped,
    /// Nobody, and this goes on in its place.
    Replaced(String),
}

/// Gives a request the headers that this attempt's pool may see. Attempts share them: what the one before
/// changed is taken back first.
///
/// Returns from how many bytes on the provider caches what is marked; `None`: nothing is to be marked.
fn dress(envoy: &mut Envoy, stream: &Stream) -> Option<usize> {
    let mut kept = stream.kept.borrow_mut();
    for (name, value) in kept.drain(..) {
        put(envoy, &name, value.as_deref());
    }
    let outside = stream.pool().outside.as_ref()?;
    let messages = bare(envoy.header(Header::Request, b":path")?) == b"/v1/messages";
    let key = envoy.header(Header::Request, KEY).map(<[u8]>::to_vec);
    envoy.remove_header(Header::Request, KEY);
    let own = &stream.decision.plan.headers;
    let changes = outside.changes(|name| envoy.header(Header::Request, name), key.as_deref(), own);
    for (name, value) in changes {
        let before = envoy.header(Header::Request, &name).map(<[u8]>::to_vec);
        if before != value {
            put(envoy, &name, value.as_deref());
            kept.push((name, before));
        }
    }
    outside.site.as_ref().filter(|_| messages)?.cache_least
}

fn put(envoy: &mut Envoy, name: &[u8], value: Option<&[u8]>) {
    match value {
        Some(value) => envoy.set_header(Header::Request, name, value),
        None => envoy.remove_header(Header::Request, name),
    }
}

/// The filter of an attempt.
#[derive(Default)]
pub struct Attempt {
    stream: OnceCell<Rc<Stream>>,
    series: OnceCell<Arc<Series>>,
    edit: RefCell<Option<(Edit, usize)>>,
    /// Bytes from which on marks for the provider's cache are worth while; `None`: none are set.
    least: Cell<Option<usize>>,
    reading: RefCell<Reading>,
    held: RefCell<Vec<u8>>,
    holds: Cell<bool>,
    /// A whole answer is to be JSON.
    json_is_due: Cell<bool>,
    /// Bytes of a whole answer that are to come, where its headers say so.
    left: Cell<Option<usize>>,
    counted: Cell<bool>,
    /// When the first token came.
    first: Cell<u64>,
}

impl Attempt {
    /// The request's headers are on their way to a pool.
    pub fn request_headers(&self, envoy: &mut Envoy) -> Next {
        let Some(stream) = envoy.header(Header::Request, VIA).and_then(find) else {
            return Next::Continue;
        };
        self.least.set(dress(envoy, &stream));
        let (named, pool) = (&stream.decision.named, stream.pool());
        let mut size = named.size;
        if !pool.takes(&named.name) {
            let facts = Facts {
                model_at: named.at,
                size,
                inside: usize::from(named.quoted),
                ..Facts::default()
            };
            let edit = rename(&facts, &pool.serves);
            size = size - edit.delete + edit.insert.len();
            *self.edit.borrow_mut() = Some((edit, size));
        }
        if stream.length.replace(size) != size {
            set_length(envoy, Header::Request, size);
        }
        if let Some(series) = stream.series() {
            let _ = self.series.set(series);
        }
        let _ = self.stream.set(stream);
        // Its length is known when it has been marked.
        if self.least.get().is_some() {
            Next::Stop
        } else {
            Next::Continue
        }
    }

    /// The request's body is on its way to a pool.
    pub fn request_body(&self, envoy: &mut Envoy, end: bool) -> Next {
        if (self.edit.borrow().is_some() || self.least.get().is_some()) && !end {
            return Next::Stop;
        }
        self.rename(envoy, Body::Request)
    }

    /// The request's body is whole.
    pub fn request_trailers(&self, envoy: &mut Envoy) -> Next {
        self.rename(envoy, Body::KeptRequest)
    }

    fn rename(&self, envoy: &mut Envoy, last: Body) -> Next {
        let renamed = self.edit.take();
        if let Some(least) = self.least.take() {
            self.mark(envoy, last, renamed.map(|(change, _)| change), least);
        } else if let Some((change, size)) = renamed {
            edit(envoy, last, vec![change], size);
        }
        Next::Continue
    }

    /// Marks a whole body for the provider's cache, and renames its model.
    fn mark(&self, envoy: &mut Envoy, last: Body, renamed: Option<Edit>, from: usize) {
        let mut body = Vec::with_capacity(envoy.size(Body::KeptRequest) + envoy.size(last));
        envoy.each(Body::KeptRequest, |piece| body.extend_from_slice(piece));
        if matches!(last, Body::Request) {
            envoy.each(Body::Request, |piece| body.extend_from_slice(piece));
        }
        let edits: Vec<Edit> = renamed.into_iter().chain(marks(&body, from)).collect();
        let grown = |size: usize, edit: &Edit| size + edit.insert.len() - edit.delete;
        let size = edits.iter().fold(body.len(), grown);
        drop(body);
        if !edits.is_empty() {
            edit(envoy, last, edits, size);
        }
        if let Some(stream) = self.stream.get() {
            stream.length.set(size);
        }
        set_length(envoy, Header::Request, size);
    }

    /// Counts what an answer used, or that it does not say.
    ///
    /// # Arguments
    /// * `events`: tokens at least, of an answer that has no end. What messages say in their first event
    ///   is of their beginning.
    fn count(&self, counts: Option<Counts>, events: u64) {
        let (Some(series), Some(stream)) = (self.series.get(), self.stream.get()) else { return };
        if self.counted.replace(true) {
            return;
        }
        let user = &stream.decision.user;
        let Some(counts) = counts else {
            series.missing(events);
            series.users.add(user, &Counts { completion: events, ..Counts::default() });
            return;
        };
        let counts = Counts { completion: counts.completion.max(events), ..counts };
        series.used(&counts);
        series.users.add(user, &counts);
        stream.used.set(Some(counts));
    }

    /// A hook has panicked: the attempt is nobody's. Returns the shape of the client's API.
    pub fn panicked(&self, envoy: &Envoy) -> Shape {
        let found = || envoy.header(Header::Request, VIA).and_then(find);
        let Some(stream) = self.stream.get().cloned().or_else(found) else { return Shape::OpenAi };
        stream.judge(crate::outcome::Outcome::Cancelled);
        stream.decision.shape
    }

    /// The filter is about to go. An answer that has not come to its end has used what has come.
    pub fn destroyed(&self) {
        if let Reading::Events(events) = &*self.reading.borrow() {
            let seen = events.output_events();
            if seen > 0 {
                self.count(events.counts(), seen);
            }
        }
    }
}
