//! What an HTTP filter can ask of Envoy.

use super::{Buffer, Ptr};
use crate::plan::Plan;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Which headers.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum Header {
    /// The request's.
    Request = 0,
    /// The response's.
    Response = 2,
}

/// Which piece of a body.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum Body {
    /// The request's, what just came; in the hook for bodies only.
    Request = 0,
    /// The request's, what Envoy keeps since an earlier [`super::Next::Stop`].
    KeptRequest = 1,
    /// The response's, what just came; in the hook for bodies only.
    Response = 2,
    /// The response's, what Envoy keeps.
    KeptResponse = 3,
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Pair {
    key: Buffer,
    value: Buffer,
}

const STATUS: u32 = 15;
const FLAGS: u32 = 17;
pub(super) const UPSTREAM_ADDRESS: u32 = 41;
const WARN: u32 = 3;
/// Pieces of a body that are looked at without allocating.
const PIECES: usize = 8;
/// Headers that are looked at without allocating.
const FEW: usize = 32;

macro_rules! envoy {
    ($($safe:ident = $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        extern "C" { $(#[link_name = concat!("envoy_dynamic_module_callback_", stringify!($name))]
            fn $safe($($argument: $type),*) $(-> $result)?;)* }
    };
}

envoy! {
    write_log = log(level: u32, message: Buffer);
    get_header = http_get_header(f: Ptr, kind: Header, key: Buffer, out: *mut Buffer, index: usize, count: *mut usize) -> bool;
    count_headers = http_get_headers_size(f: Ptr, kind: Header) -> usize;
    get_headers = http_get_headers(f: Ptr, kind: Header, out: *mut Pair) -> bool;
    add_header = http_add_header(f: Ptr, kind: Header, key: Buffer, value: Buffer) -> bool;
    set_header = http_set_header(f: Ptr, kind: Header, key: Buffer, value: Buffer) -> bool;
    send_response = http_send_response(f: Ptr, status: u32, headers: *const Pair, count: usize, body: Buffer, details: Buffer);
    send_data = http_send_response_data(f: Ptr, data: Buffer, end: bool);
    reset_stream = http_filter_reset_stream(f: Ptr, reason: u32, details: Buffer);
    body_size = http_get_body_size(f: Ptr, kind: Body) -> usize;
    pieces = http_get_body_chunks_size(f: Ptr, kind: Body) -> usize;
    get_pieces = http_get_body_chunks(f: Ptr, kind: Body, out: *mut Buffer) -> bool;
    append = http_append_body(f: Ptr, kind: Body, data: Buffer) -> bool;
    set_buffer_limit = http_set_buffer_limit(f: Ptr, bytes: u64);
    drain = http_drain_body(f: Ptr, kind: Body, count: usize) -> bool;
    clear_cluster = http_clear_route_cluster_cache(f: Ptr);
    route_config = get_most_specific_route_config(f: Ptr) -> Ptr;
    attribute = http_filter_get_attribute_int(f: Ptr, id: u32, out: *mut u64) -> bool;
    attribute_text = http_filter_get_attribute_string(f: Ptr, id: u32, out: *mut Buffer) -> bool;
    set_texts = http_set_dynamic_metadata_string_batch(f: Ptr, space: Buffer, entries: *const Pair, count: usize);
    set_number = http_set_dynamic_metadata_number(f: Ptr, space: Buffer, key: Buffer, value: f64);
    scheduler_new = http_filter_scheduler_new(f: Ptr) -> Ptr;
    scheduler_commit = http_filter_scheduler_commit(scheduler: Ptr, event: u64);
    scheduler_delete = http_filter_scheduler_delete(scheduler: Ptr);
}

/// Writes a warning to Envoy's log.
pub fn log(text: &str) {
    // SAFETY: the text lives through the call.
    unsafe { write_log(WARN, Buffer::of(text.as_bytes())) };
}

/// One filter's stream, while one of its hooks runs.
#[derive(Debug)]
pub struct Envoy(Ptr);

// SAFETY of all calls below: the pointer is the one that the running hook was given, and what is passed
// lives through the call. What comes back is valid until the hook ends or a setter is called, which the
// borrows of `self` express.
impl Envoy {
    /// # Safety
    /// `filter` must be what Envoy gave to the hook that runs.
    pub(super) unsafe fn new(filter: Ptr) -> Envoy {
        Envoy(filter)
    }

    /// The first value of a header.
    pub fn header(&self, kind: Header, name: &[u8]) -> Option<&[u8]> {
        let (mut out, count) = (Buffer::NONE, std::ptr::null_mut());
        unsafe {
            get_header(self.0, kind, Buffer::of(name), &raw mut out, 0, count).then(|| out.bytes())
        }
    }

    /// All headers at once: asking for several one by one costs a search each.
    pub fn headers(&self, kind: Header) -> Headers<'_> {
        let count = unsafe { count_headers(self.0, kind) };
        let (few, many) = ([const { MaybeUninit::uninit() }; FEW], Vec::new());
        let mut headers = Headers { few, many, count, envoy: PhantomData };
        let out = if count <= FEW {
            headers.few.as_mut_ptr().cast()
        } else {
            headers.many.reserve(count);
            headers.many.as_mut_ptr()
        };
        if count == 0 || !unsafe { get_headers(self.0, kind, out) } {
            headers.count = 0;
        }
        headers
    }

    /// Sets a header to one value.
    pub fn set_header(&mut self, kind: Header, name: &[u8], value: &[u8]) {
        unsafe { set_header(self.0, kind, Buffer::of(name), Buffer::of(value)) };
    }

    /// Adds a header that is not there: Envoy does not look for it.
    pub fn add_header(&mut self, kind: Header, name: &[u8], value: &[u8]) {
        unsafe { add_header(self.0, kind, Buffer::of(name), Buffer::of(value)) };
    }

    /// Removes a header.
    pub fn remove_header(&mut self, kind: Header, name: &[u8]) {
        unsafe { set_header(self.0, kind, Buffer::of(name), Buffer::NONE) };
    }

    /// Bytes of a body.
    pub fn size(&self, body: Body) -> usize {
        unsafe { body_size(self.0, body) }
    }

    /// Calls `each` with every piece of a body, in order.
    pub fn each(&self, body: Body, mut each: impl FnMut(&[u8])) {
        let count = unsafe { pieces(self.0, body) };
        let mut few = [Buffer::NONE; PIECES];
        let mut many;
        let out = if count <= PIECES {
            &mut few[..count]
        } else {
            many = vec![Buffer::NONE; count];
            &mut many[..]
        };
        if count > 0 && unsafe { get_pieces(self.0, body, out.as_mut_ptr()) } {
            out.iter().for_each(|piece| each(unsafe { piece.bytes() }));
        }
    }

    /// Adds to the end of a body.
    pub fn append(&mut self, body: Body, data: &[u8]) {
        unsafe { append(self.0, body, Buffer::of(data)) };
    }

    /// Sets how much of a body Envoy keeps, whatever the connection's own limit is.
    pub fn set_buffer_limit(&mut self, bytes: usize) {
        unsafe { set_buffer_limit(self.0, bytes as u64) };
    }

    /// Takes bytes from the start of a body.
    pub fn drain(&mut self, body: Body, count: usize) {
        unsafe { drain(self.0, body, count) };
    }

    /// Answers the request. The hooks for responses run inside, and Envoy puts no words of its own in the
    /// place of this body (`adapters/envoy/replies.py`).
    pub fn respond(&mut self, status: u32, headers: &[(&[u8], &[u8])], body: &[u8], why: &str) {
        let pair =
            |(key, value): &(&[u8], &[u8])| Pair { key: Buffer::of(key), value: Buffer::of(value) };
        let pairs: Vec<Pair> = headers.iter().map(pair).collect();
        let (start, count) = (pairs.as_ptr(), pairs.len());
        let why = Buffer::of(why.as_bytes());
        self.observe(&[("worded", "yes")], &[]);
        unsafe { send_response(self.0, status, start, count, Buffer::of(body), why) };
    }

    /// Adds to an answer that has begun. The hooks for responses run inside.
    pub fn send(&mut self, data: &[u8]) {
        unsafe { send_data(self.0, Buffer::of(data), false) };
    }

    /// Cuts the request off; the client sees a broken answer.
    pub fn cut(&mut self) {
        unsafe { reset_stream(self.0, 0, Buffer::of(b"tokenfleet")) };
    }

    /// Makes Envoy ask for the pool again ([`super::Selection`]).
    pub fn select_again(&mut self) {
        unsafe { clear_cluster(self.0) };
    }

    /// The plan that the request's virtual host has.
    pub fn plan(&self) -> Option<Arc<Plan>> {
        let plan = unsafe { route_config(self.0) }.cast::<Arc<Plan>>();
        // SAFETY: per-route configurations are all made by our hook, of this type.
        unsafe { plan.as_ref() }.cloned()
    }

    /// Status of the answer; 0 for none.
    pub fn status(&self) -> u32 {
        u32::try_from(self.attribute(STATUS)).unwrap_or(0)
    }

    /// Envoy's response flags.
    pub fn flags(&self) -> u64 {
        self.attribute(FLAGS)
    }

    /// Address and port of the replica that an attempt goes to.
    pub fn replica(&self) -> Option<&[u8]> {
        let mut out = Buffer::NONE;
        unsafe { attribute_text(self.0, UPSTREAM_ADDRESS, &raw mut out).then(|| out.bytes()) }
    }

    fn attribute(&self, id: u32) -> u64 {
        let mut value = 0;
        unsafe { attribute(self.0, id, &raw mut value) };
        value
    }

    /// Sets dynamic metadata in the namespace `tokenfleet`.
    pub fn observe(&mut self, texts: &[(&str, &str)], numbers: &[(&str, f64)]) {
        let of = |text: &str| Buffer::of(text.as_bytes());
        let pair = |(key, value): &(&str, &str)| Pair { key: of(key), value: of(value) };
        let pairs: Vec<Pair> = texts.iter().map(pair).collect();
        unsafe { set_texts(self.0, of("tokenfleet"), pairs.as_ptr(), pairs.len()) };
        for (key, value) in numbers {
            unsafe { set_number(self.0, of("tokenfleet"), of(key), *value) };
        }
    }

    /// What wakes this filter from any thread.
    pub fn scheduler(&self) -> Scheduler {
        Scheduler(unsafe { scheduler_new(self.0) })
    }
}

/// The headers of a request or an answer, as long as nothing is set.
#[derive(Debug)]
pub struct Headers<'a> {
    /// The first `count`, where that many have room.
    few: [MaybeUninit<Pair>; FEW],
    /// All of them where they have not: in its capacity.
    many: Vec<Pair>,
    count: usize,
    envoy: PhantomData<&'a Envoy>,
}

impl Headers<'_> {
    fn pairs(&self) -> &[Pair] {
        let all = if self.count <= FEW { self.few.as_ptr().cast() } else { self.many.as_ptr() };
        // SAFETY: Envoy has written so many there.
        unsafe { std::slice::from_raw_parts(all, self.count) }
    }

    /// The first value of a header, by its name in lower case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        // SAFETY: Envoy's bytes stay while it is borrowed.
        let found = self.pairs().iter().find(|pair| unsafe { pair.key.bytes() } == name);
        found.map(|pair| unsafe { pair.value.bytes() })
    }

    /// Every value of a header, by its name in lower case.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        // SAFETY: Envoy's bytes stay while it is borrowed.
        let found = self.pairs().iter().filter(move |pair| unsafe { pair.key.bytes() } == name);
        found.map(|pair| unsafe { pair.value.bytes() })
    }
}

/// Wakes a filter on its worker: its hook for scheduled events runs soon, or never if it is gone.
#[derive(Debug)]
pub struct Scheduler(Ptr);

// SAFETY: Envoy lets any thread commit events, whether the filter is there or not.
unsafe impl Send for Scheduler {}
// SAFETY: the same.
unsafe impl Sync for Scheduler {}

impl Scheduler {
    /// Wakes the filter with an event.
    pub fn wake(&self, event: u64) {
        unsafe { scheduler_commit(self.0, event) };
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        unsafe { scheduler_delete(self.0) };
    }
}
