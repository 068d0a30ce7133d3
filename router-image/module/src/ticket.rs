//! How the filters of one request find its state.
//!
//! Envoy carries a ticket from the request's filter to its attempts, in the header [`VIA`]: one of those
//! that Envoy finds without a search. The state stays on the worker: a worker serves a request from its
//! first byte to its last.

use crate::stream::Stream;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Header to the pools in which every gateway that a request passes names itself (RFC 9110, section 7.6.3).
pub const VIA: &[u8] = b"via";
/// How a router names itself: a ticket follows.
const OURS: &[u8] = b"1.1 tokenfleet-";
/// Length of a ticket in the header.
const LENGTH: usize = 8 + 16;

/// Finds a request's state on its worker.
///
/// The number beside the index is random: whoever sends the header of another request is not believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticket {
    index: u32,
    secret: u64,
}

#[derive(Default)]
struct Slab {
    streams: Vec<Option<(u64, Rc<Stream>)>>,
    free: Vec<u32>,
}

thread_local! {
    static SLAB: RefCell<Slab> = RefCell::default();
    static ASKING: RefCell<Option<Rc<Stream>>> = const { RefCell::new(None) };
    static DRAWN: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// A random number: splitmix64, seeded by the operating system.
#[must_use]
pub fn random() -> u64 {
    let state = DRAWN.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    DRAWN.set(state);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl Ticket {
    /// Keeps a request's state until [`Ticket::release`].
    pub fn keep(stream: Rc<Stream>) -> Ticket {
        let secret = random();
        SLAB.with_borrow_mut(|slab| {
            let index = slab.free.pop().unwrap_or_else(|| {
                slab.streams.push(None);
                u32::try_from(slab.streams.len() - 1).unwrap_or(u32::MAX)
            });
            slab.streams[index as usize] = Some((secret, stream));
            Ticket { index, secret }
        })
    }

    /// Lets a request's state go.
    pub fn release(self) {
        let gone = SLAB.with_borrow_mut(|slab| {
            slab.free.push(self.index);
            slab.streams[self.index as usize].take()
        });
        drop(gone);
    }

    /// The header's value for a pool, which follows the gateways that the client's own value names.
    #[must_use]
    pub fn header(self) -> [u8; OURS.len() + LENGTH] {
        let mut text = [0; OURS.len() + LENGTH];
        let (ours, ticket) = text.split_at_mut(OURS.len());
        ours.copy_from_slice(OURS);
        write(&mut ticket[..8], u64::from(self.index));
        write(&mut ticket[8..], self.secret);
        text
    }
}

/// Runs `ask`, in which [`asking`] finds a request's state without its ticket.
pub fn ask(stream: &Rc<Stream>, ask: impl FnOnce()) {
    ASKING.set(Some(Rc::clone(stream)));
    ask();
    ASKING.set(None);
}

/// The state of the request that asks right now, on this worker.
#[must_use]
pub fn asking() -> Option<Rc<Stream>> {
    ASKING.with_borrow(Clone::clone)
}

/// Sixteen letters from `a` on: quicker to read than the usual digits, four times in a request.
fn write(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'a' + (number & 15).to_le_bytes()[0];
        number >>= 4;
    }
}

fn read(text: &[u8]) -> Option<u64> {
    let (mut number, mut outside) = (0, 0);
    for letter in text {
        let digit = letter.wrapping_sub(b'a');
        outside |= digit;
        number = number << 4 | u64::from(digit & 15);
    }
    (outside < 16).then_some(number)
}

/// How many routers a request has passed, by its header [`VIA`].
#[must_use]
pub fn hops(header: &[u8]) -> usize {
    header.windows(OURS.len()).filter(|window| *window == OURS).count()
}

/// The state of the request with this header [`VIA`]: the last router in it is this one.
#[must_use]
pub fn find(header: &[u8]) -> Option<Rc<Stream>> {
    let (names, ticket) = header.split_last_chunk::<LENGTH>()?;
    if !names.ends_with(OURS) {
        return None;
    }
    let (index, secret) = (read(&ticket[..8])?, read(&ticket[8..])?);
    SLAB.with_borrow(|slab| {
        let (own, stream) = slab.streams.get(usize::try_from(index).ok()?)?.as_ref()?;
        (*own == secret).then(|| Rc::clone(stream))
    })
}
