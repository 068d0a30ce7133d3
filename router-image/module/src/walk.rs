//! A strict reader of JSON objects (RFC 8259) that is fed in chunks and reports wanted values.
//!
//! What is wanted is a static tree of [`Node`]s: the keys on the way from the top. Everything else
//! is checked and thrown away, so memory is a few hundred bytes and the wanted text, whatever the
//! size of the body, and each byte costs the same small time wherever the body is cut.
//!
//! Accepted is what Python's `json` accepts of UTF-8 without a byte order mark, except: the top is
//! an object, no `NaN` and `Infinity` (RFC 8259 section 6), at most [`DEPTH`] levels.

use std::fmt;

use crate::number::Number;
use crate::text::{Step, Text};
use crate::utf8::Utf8;

/// Most levels of objects and arrays, the outermost counted (section 9 allows a limit). Python's
/// default recursion limit is twice this.
pub const DEPTH: usize = 512;

/// Most levels of wanted nodes.
const KNOWN: usize = 8;

/// Most bytes of a key that are compared with names; names are shorter.
const LONGEST_NAME: usize = 40;

/// First and past-the-end byte of a value in the body.
pub type Span = (usize, usize);

/// How a value is reached from the one around it.
enum Place {
    Key(&'static str),
    AnyKey,
    Item,
}

/// A wanted value and what is wanted inside it.
pub struct Node<P: 'static> {
    place: Place,
    path: P,
    keep: usize,
    children: &'static [Node<P>],
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

#[derive(Clone, Copy)]
enum At {
    Start,
    KeyOrEnd,
    Key,
    KeyText,
    Colon,
    Value,
    ItemOrEnd,
    ValueText,
    Literal(&'static str, usize),
    Number(Number),
    After,
    Done,
}

struct Open<P: 'static> {
    wanted: Option<&'static Node<P>>,
    start: usize,
    inside: &'static [Node<P>],
}

/// Reads one object; see the module.
pub struct Walker<P: 'static> {
    at: At,
    size: usize,
    depth: usize,
    /// One bit a level: set for an object, clear for an array.
    objects: [u64; DEPTH / 64],
    /// The open values on a wanted way, from the outermost; the others are deeper.
    open: [Open<P>; KNOWN],
    known: usize,
    table: &'static [Node<P>],
    /// The node of the value that follows or is being read, and where that begins.
    wanted: Option<&'static Node<P>>,
    start: usize,
    text: Text,
    utf8: Utf8,
}

impl<P: Copy + 'static> Walker<P> {
    /// A walker at the start of a body.
    #[must_use]
    pub fn new(table: &'static [Node<P>]) -> Self {
        Walker {
            at: At::Start,
            size: 0,
            depth: 0,
            objects: [0; DEPTH / 64],
            open: [const { Open { wanted: None, start: 0, inside: &[] } }; KNOWN],
            known: 0,
            table,
            wanted: None,
            start: 0,
            text: Text::default(),
            utf8: Utf8::default(),
        }
    }

    /// Begin again with another body.
    pub fn reset(&mut self) {
        (self.at, self.size, self.depth, self.known) = (At::Start, 0, 0, 0);
        (self.wanted, self.utf8) = (None, Utf8::default());
    }

    /// Bytes fed so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Read the next chunk.
    ///
    /// # Errors
    /// The first thing wrong; nothing may be fed after it.
    pub fn feed<V: Visit<Path = P>>(&mut self, chunk: &[u8], to: &mut V) -> Result<(), V::Error> {
        let valid = self.utf8.valid(chunk);
        self.walk(&chunk[..valid], to)?;
        if valid < chunk.len() {
            return Err(Wrong::Utf8(self.size).into());
        }
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// Where it is no whole object.
    pub fn end(&self) -> Result<(), Wrong> {
        match self.at {
            At::Done => Ok(()),
            At::Start => Err(Wrong::Empty),
            _ => Err(Wrong::Cut),
        }
    }

    fn walk<V: Visit<Path = P>>(&mut self, s: &[u8], to: &mut V) -> Result<(), V::Error> {
        let mut i = 0;
        while i < s.len() {
            match self.at {
                At::KeyText | At::ValueText => match self.text.read(s, i) {
                    Step::More => i = s.len(),
                    Step::Closed(after) => {
                        i = after;
                        self.text_ends(self.size + i, to)?;
                    }
                    Step::Wrong(wrong) => return Err(Wrong::Syntax(self.size + wrong).into()),
                },
                At::Number(number) => i = self.number(number, s, i, to)?,
                At::Literal(word, matched) => {
                    self.literal(word, matched, s[i], self.size + i, to)?;
                    i += 1;
                }
                _ => {
                    if !matches!(s[i], b' ' | b'\n' | b'\r' | b'\t') {
                        self.structure(s[i], self.size + i, to)?;
                    }
                    i += 1;
                }
            }
        }
        self.size += s.len();
        Ok(())
    }

    #[inline]
    fn structure<V>(&mut self, byte: u8, at: usize, to: &mut V) -> Result<(), V::Error>
    where
        V: Visit<Path = P>,
    {
        match (self.at, byte) {
            (At::KeyOrEnd | At::Key, b'"') => {
                let names = if self.inside().is_empty() { 0 } else { LONGEST_NAME };
                let all = V::TOP_KEYS && self.depth == 1;
                self.text.open(if all { usize::MAX } else { names });
                self.at = At::KeyText;
            }
            (At::After, b',') if self.in_object() => self.at = At::Key,
            (At::Colon, b':') | (At::After, b',') => self.at = At::Value,
            (
                At::Value | At::ItemOrEnd,
                b'"' | b'{' | b'[' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9',
            ) => {
                return self.begin(byte, at, to);
            }
            (At::After | At::KeyOrEnd, b'}') if self.in_object() => return self.close(at, to),
            (At::After | At::ItemOrEnd, b']') if !self.in_object() => return self.close(at, to),
            (At::Start, b'{') => self.push(true, None, at)?,
            (At::Start, _) => return Err(Wrong::NotAnObject.into()),
            _ => return Err(Wrong::Syntax(at).into()),
        }
        Ok(())
    }

    #[inline]
    fn begin<V: Visit<Path = P>>(
        &mut self,
        byte: u8,
        at: usize,
        to: &mut V,
    ) -> Result<(), V::Error> {
        if !self.in_object() {
            self.wanted = self.inside().first().filter(|node| matches!(node.place, Place::Item));
        }
        self.start = at;
        let keep = self.wanted.map_or(0, |node| node.keep);
        if let Some(node) = self.wanted {
            to.begins(node.path);
        }
        self.at = match byte {
            b'"' => {
                self.text.open(keep);
                At::ValueText
            }
            b'{' | b'[' => return Ok(self.push(byte == b'{', self.wanted, at)?),
            b't' => At::Literal("true", 1),
            b'f' => At::Literal("false", 1),
            b'n' => At::Literal("null", 1),
            _ => {
                self.text.open(keep);
                self.text.push_raw(&[byte]);
                At::Number(Number::first(byte).unwrap_or(Number::Minus))
            }
        };
        Ok(())
    }

    fn push(
        &mut self,
        object: bool,
        wanted: Option<&'static Node<P>>,
        at: usize,
    ) -> Result<(), Wrong> {
        if self.depth == DEPTH {
            return Err(Wrong::Deep);
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
            self.open[self.known] = Open { wanted, start: at, inside };
            self.known += 1;
        }
        self.depth += 1;
        self.at = if object { At::KeyOrEnd } else { At::ItemOrEnd };
        Ok(())
    }

    fn close<V: Visit<Path = P>>(&mut self, at: usize, to: &mut V) -> Result<(), V::Error> {
        let empty = !matches!(self.at, At::After);
        let value = if self.in_object() { Value::Object { empty } } else { Value::Array { empty } };
        if self.known == self.depth {
            self.known -= 1;
            let open = &self.open[self.known];
            if let Some(node) = open.wanted {
                to.value(node.path, value, (open.start, at + 1))?;
            }
        }
        self.depth -= 1;
        self.at = if self.depth == 0 { At::Done } else { At::After };
        Ok(())
    }

    #[inline]
    fn text_ends<V: Visit<Path = P>>(&mut self, after: usize, to: &mut V) -> Result<(), V::Error> {
        if matches!(self.at, At::KeyText) {
            if V::TOP_KEYS && self.depth == 1 {
                to.top_key(self.text.text())?;
            }
            let key = self.text.text();
            self.wanted = self.inside().iter().find(|node| match node.place {
                Place::Key(name) => name.as_bytes() == key,
                Place::AnyKey => true,
                Place::Item => false,
            });
            self.at = At::Colon;
            return Ok(());
        }
        self.at = At::After;
        let Some(node) = self.wanted else { return Ok(()) };
        let (text, lone, empty) = (self.text.text(), self.text.lone(), self.text.empty());
        to.value(node.path, Value::Text { text, lone, empty }, (self.start, after))
    }

    #[inline]
    fn number<V>(
        &mut self,
        mut number: Number,
        s: &[u8],
        i: usize,
        to: &mut V,
    ) -> Result<usize, V::Error>
    where
        V: Visit<Path = P>,
    {
        let end = number.read(s, i);
        if self.wanted.is_some() {
            self.text.push_raw(&s[i..end]);
        }
        self.at = At::Number(number);
        if end < s.len() {
            if !number.complete() {
                return Err(Wrong::Syntax(self.size + end).into());
            }
            self.at = At::After;
            if let Some(node) = self.wanted {
                let digits = Value::Number(self.text.text());
                to.value(node.path, digits, (self.start, self.size + end))?;
            }
        }
        Ok(end)
    }

    fn literal<V>(
        &mut self,
        word: &'static str,
        matched: usize,
        byte: u8,
        at: usize,
        to: &mut V,
    ) -> Result<(), V::Error>
    where
        V: Visit<Path = P>,
    {
        if word.as_bytes()[matched] != byte {
            return Err(Wrong::Syntax(at).into());
        }
        if matched + 1 < word.len() {
            self.at = At::Literal(word, matched + 1);
            return Ok(());
        }
        self.at = At::After;
        let Some(node) = self.wanted else { return Ok(()) };
        let value = if word == "null" { Value::Null } else { Value::Bool(word == "true") };
        to.value(node.path, value, (self.start, at + 1))
    }

    #[inline]
    fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.objects[level / 64] >> (level % 64) & 1 == 1
    }

    /// What is wanted in the innermost open value.
    #[inline]
    fn inside(&self) -> &'static [Node<P>] {
        if self.known == self.depth {
            self.open[self.known - 1].inside
        } else {
            &[]
        }
    }
}
