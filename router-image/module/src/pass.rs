//! What of a stream is passed on, where an event of it may have to be cut out or kept back.

/// Bytes of an unfinished event that wait where the event may have to be cut out; such events have
/// 200 to 600.
pub const LONGEST_HELD: usize = 4096;

/// What of the last chunk is to be passed on: `before`, then the chunk without `cuts`.
#[derive(Debug, PartialEq, Eq)]
pub struct Pass<'a> {
    /// Bytes of earlier chunks.
    pub before: &'a [u8],
    /// First and past-the-end byte of what is left out, in order, apart from each other.
    pub cuts: &'a [(usize, usize)],
}

impl Pass<'_> {
    /// Whether the chunk passes as it is.
    #[must_use]
    pub fn unchanged(&self) -> bool {
        self.before.is_empty() && self.cuts.is_empty()
    }
}

/// Holds the beginning of an event that a chunk was cut in.
#[derive(Default)]
pub struct Passing {
    held: Vec<u8>,
    before: Vec<u8>,
    cuts: Vec<(usize, usize)>,
    /// Whether a part of the event that is being read was passed on.
    released: bool,
    /// Whether the last event was cut out.
    cut: bool,
}

impl Passing {
    /// A chunk begins; its first `owed` bytes belong to the last event of the chunk before.
    pub fn chunk_begins(&mut self, owed: usize) {
        self.before.clear();
        self.cuts.clear();
        if owed > 0 && self.cut {
            self.cuts.push((0, owed));
        }
    }

    /// An event has ended, whose part in this chunk is told; cut it out or let it pass.
    pub fn event_ends(&mut self, cut: bool, part: (usize, usize)) {
        self.cut = cut && !self.released;
        if self.cut {
            self.held.clear();
            self.cuts.push(part);
        } else if !self.held.is_empty() {
            self.before.append(&mut self.held);
        }
        self.released = false;
    }

    /// The chunk ends in an event that begins in it at `begin`, or in an earlier one: keep it back.
    pub fn hold(&mut self, begin: usize, chunk: &[u8]) {
        if self.released {
            return;
        }
        if self.held.len() + chunk.len() - begin > LONGEST_HELD {
            self.release();
            return;
        }
        self.held.extend_from_slice(&chunk[begin..]);
        self.cuts.push((begin, chunk.len()));
    }

    /// The event that is being read passes, whatever becomes of it.
    pub fn release(&mut self) {
        self.released = true;
        self.before.append(&mut self.held);
    }

    /// What to pass on of this chunk.
    #[must_use]
    pub fn pass(&self) -> Pass<'_> {
        Pass { before: &self.before, cuts: &self.cuts }
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        &self.held
    }
}
