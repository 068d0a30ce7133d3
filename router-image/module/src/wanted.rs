//! What can be wanted of a JSON object, and how it is told: between [`crate::walk`] and its tables.

use std::fmt;

/// Most levels of objects and arrays, the outermost counted (section 9 allows a limit). Python's
/// default recursion limit is twice this.
pub const DEPTH: usize = 512;

/// First and past-the-end byte of a value in the body.
pub type Span = (usize, usize);

/// How a value is reached from the one around it.
pub(crate) enum Place {
    Key(&'static str),
    AnyKey,
    Item,
}

/// A wanted value and what is wanted inside it.
pub struct Node<P: 'static> {
    pub(crate) place: Place,
    pub(crate) path: P,
    pub(crate) keep: usize,
    pub(crate) children: &'static [Node<P>],
}

impl<P> Node<P> {
    /// A value by its key; of its text or digits `keep` bytes are kept.
    pub const fn key(name: &'static str, path: P, keep: usize, inside: &'static [Self]) -> Self {
        Node { place: Place::Key(name), path, keep, children: inside }
    }

    /// Whatever has a key that no node before this one names.
    pub const fn any_key(path: P) -> Self {
        Node { place: Place::AnyKey, path, keep: 0, children: &[] }
    }

    /// Each item of an array.
    pub const fn item(path: P, inside: &'static [Self]) -> Self {
        Node { place: Place::Item, path, keep: 0, children: inside }
    }
}

/// A value that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The digits as written, cut to what is kept.
    Number(&'a [u8]),
    /// The decoded text, cut to what is kept.
    Text {
        /// See [`Text::text`].
        text: &'a [u8],
        /// See [`Text::lone`].
        lone: bool,
        /// Whether it is `""`.
        empty: bool,
    },
    /// An array.
    Array {
        /// Whether it is `[]`.
        empty: bool,
    },
    /// An object.
    Object {
        /// Whether it is `{}`.
        empty: bool,
    },
}

/// Why a body is not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    /// Nothing but white space.
    Empty,
    /// JSON of another kind, or no JSON.
    NotAnObject,
    /// The byte at this offset cannot be there.
    Syntax(usize),
    /// No UTF-8 at this offset.
    Utf8(usize),
    /// More than [`DEPTH`] levels.
    Deep,
    /// The end comes before the object's.
    Cut,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Empty => write!(f, "the request has no body"),
            Wrong::NotAnObject => write!(f, "the body is not a JSON object"),
            Wrong::Syntax(at) => write!(f, "the body is not valid JSON at byte {at}"),
            Wrong::Utf8(at) => write!(f, "the body is not UTF-8 at byte {at}"),
            Wrong::Deep => write!(f, "the body has more than {DEPTH} levels of nesting"),
            Wrong::Cut => write!(f, "the body ends inside its JSON"),
        }
    }
}

/// Takes what a [`Walker`] finds.
pub trait Visit {
    /// Names the wanted values.
    type Path: Copy + 'static;
    /// What ends the walk.
    type Error: From<Wrong>;
    /// Whether [`Visit::top_key`] is called.
    const TOP_KEYS: bool = false;

    /// A key of the outermost object, decoded.
    ///
    /// # Errors
    /// Ends the walk.
    fn top_key(&mut self, _key: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A wanted value begins: what was told of an earlier one in its place is void (as in a parser,
    /// where the last of equal keys counts).
    fn begins(&mut self, _path: Self::Path) {}

    /// A wanted value has ended.
    ///
    /// # Errors
    /// Ends the walk.
    fn value(&mut self, path: Self::Path, value: Value<'_>, at: Span) -> Result<(), Self::Error>;
}
