//! The objects and arrays that are open, and which of them are on a wanted way.

use crate::wanted::{Node, DEPTH};

/// Most levels of wanted nodes.
const KNOWN: usize = 8;

struct Open<P: 'static> {
    wanted: Option<&'static Node<P>>,
    start: usize,
    inside: &'static [Node<P>],
}

/// The way from the top to the current place.
pub struct Nest<P: 'static> {
    table: &'static [Node<P>],
    depth: usize,
    /// One bit a level: set for an object, clear for an array.
    objects: [u64; DEPTH / 64],
    /// The open values on a wanted way, from the outermost; the others are deeper.
    open: [Open<P>; KNOWN],
    known: usize,
}

impl<P> Nest<P> {
    /// Nothing is open; `table` is what is wanted in the outermost value.
    #[must_use]
    pub fn new(table: &'static [Node<P>]) -> Self {
        let open = [const { Open { wanted: None, start: 0, inside: &[] } }; KNOWN];
        Nest { table, depth: 0, objects: [0; DEPTH / 64], open, known: 0 }
    }

    /// Close everything.
    pub fn reset(&mut self) {
        (self.depth, self.known) = (0, 0);
    }

    /// Open a value that begins at `start`; false where it would be too deep.
    #[must_use]
    pub fn push(&mut self, object: bool, wanted: Option<&'static Node<P>>, start: usize) -> bool {
        if self.depth == DEPTH {
            return false;
        }
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if object {
            self.objects[word] |= bit;
        } else {
            self.objects[word] &= !bit;
        }
        let inside =
            if self.depth == 0 { Some(self.table) } else { wanted.map(|node| node.children) };
        if let (Some(inside), true) = (inside, self.known == self.depth && self.known < KNOWN) {
            self.open[self.known] = Open { wanted, start, inside };
            self.known += 1;
        }
        self.depth += 1;
        true
    }

    /// Close the innermost value; its node and its start where it was wanted.
    pub fn pop(&mut self) -> Option<(&'static Node<P>, usize)> {
        let on_the_way = self.known == self.depth;
        self.depth -= 1;
        if !on_the_way {
            return None;
        }
        self.known -= 1;
        let open = &self.open[self.known];
        open.wanted.map(|node| (node, open.start))
    }

    /// How many values are open.
    #[inline]
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the innermost value, of which there is one, is an object.
    #[inline]
    #[must_use]
    pub fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.objects[level / 64] >> (level % 64) & 1 == 1
    }

    /// What is wanted in the innermost value, of which there is one.
    #[inline]
    #[must_use]
    pub fn inside(&self) -> &'static [Node<P>] {
        if self.known == self.depth {
            self.open[self.known - 1].inside
        } else {
            &[]
        }
    }
}
