//! A strict reader of JSON objects (RFC 8259) that is fed in chunks and reports wanted values.
//!
//! What is wanted is a static tree of [`Node`]s: the keys on the way from the top. Everything else
//! is checked and thrown away, so memory is a few hundred bytes and the wanted text, whatever the
//! size of the body, and each byte costs the same small time wherever the body is cut.
//!
//! Accepted is what Python's `json` accepts of UTF-8 without a byte order mark, except: the top is
//! an object, no `NaN` and `Infinity` (RFC 8259 section 6), at most [`crate::wanted::DEPTH`] levels.

use crate::find;
use crate::nest::Nest;
use crate::number::Number;
use crate::text::{Step, Text};
use crate::wanted::{Node, Place, Value, Visit, Wrong};

/// Most bytes of a key that are compared with names; names are shorter.
const LONGEST_NAME: usize = 40;

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

/// Reads one object; see the module.
pub struct Walker<P: 'static> {
    at: At,
    size: usize,
    nest: Nest<P>,
    /// The node of the value that follows or is being read, and where that begins.
    wanted: Option<&'static Node<P>>,
    start: usize,
    text: Text,
}

impl<P: Copy + 'static> Walker<P> {
    /// A walker at the start of a body.
    #[must_use]
    pub fn new(table: &'static [Node<P>]) -> Self {
        Walker {
            at: At::Start,
            size: 0,
            nest: Nest::new(table),
            wanted: None,
            start: 0,
            text: Text::default(),
        }
    }

    /// Begin again with another body.
    pub fn reset(&mut self) {
        (self.at, self.size, self.wanted) = (At::Start, 0, None);
        self.nest.reset();
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
    pub fn feed<V: Visit<Path = P>>(&mut self, s: &[u8], to: &mut V) -> Result<(), V::Error> {
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
                    Step::NotUtf8(wrong) => return Err(Wrong::Utf8(self.size + wrong).into()),
                },
                At::Number(number) => i = self.number(number, s, i, to)?,
                At::Literal(word, matched) => {
                    self.literal(word, matched, s[i], self.size + i, to)?;
                    i += 1;
                }
                _ => {
                    let byte = s[i];
                    i += 1;
                    if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                        self.structure(byte, self.size + i - 1, to)?;
                        match byte {
                            b'"' => i = self.plain_text(s, i, to)?,
                            b',' | b':' => i += usize::from(s.get(i) == Some(&b' ')),
                            _ => {
                                if let At::Number(number) = self.at {
                                    i = self.number(number, s, i, to)?;
                                }
                            }
                        }
                    }
                }
            }
        }
        self.size += s.len();
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

    #[inline]
    fn structure<V>(&mut self, byte: u8, at: usize, to: &mut V) -> Result<(), V::Error>
    where
        V: Visit<Path = P>,
    {
        match (self.at, byte) {
            (At::KeyOrEnd | At::Key, b'"') => {
                let names = if self.nest.inside().is_empty() { 0 } else { LONGEST_NAME };
                let all = V::TOP_KEYS && self.nest.depth() == 1;
                self.text.open(if all { usize::MAX } else { names });
                self.at = At::KeyText;
            }
            (At::After, b',') if self.nest.in_object() => self.at = At::Key,
            (At::Colon, b':') | (At::After, b',') => self.at = At::Value,
            (
                At::Value | At::ItemOrEnd,
                b'"' | b'{' | b'[' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9',
            ) => {
                return self.begin(byte, at, to);
            }
            (At::After | At::KeyOrEnd, b'}') if self.nest.in_object() => return self.close(at, to),
            (At::After | At::ItemOrEnd, b']') if !self.nest.in_object() => {
                return self.close(at, to)
            }
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
        if !self.nest.in_object() {
            self.wanted =
                self.nest.inside().first().filter(|node| matches!(node.place, Place::Item));
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
        if !self.nest.push(object, wanted, at) {
            return Err(Wrong::Deep);
        }
        self.at = if object { At::KeyOrEnd } else { At::ItemOrEnd };
        Ok(())
    }

    fn close<V: Visit<Path = P>>(&mut self, at: usize, to: &mut V) -> Result<(), V::Error> {
        let empty = !matches!(self.at, At::After);
        let object = self.nest.in_object();
        let value = if object { Value::Object { empty } } else { Value::Array { empty } };
        if let Some((node, start)) = self.nest.pop() {
            to.value(node.path, value, (start, at + 1))?;
        }
        self.at = if self.nest.depth() == 0 { At::Done } else { At::After };
        Ok(())
    }

    /// Reads a text that begins at `i`: most are plain and whole, and nothing of them has to be copied.
    /// Returns where to go on.
    #[inline]
    fn plain_text<V>(&mut self, s: &[u8], i: usize, to: &mut V) -> Result<usize, V::Error>
    where
        V: Visit<Path = P>,
    {
        let (run, ascii) = find::plain_run(&s[i..]);
        if !ascii {
            return Ok(i);
        }
        let text = &s[i..i + run];
        if s.get(i + run) != Some(&b'"') {
            if run > 0 {
                self.text.plain(text);
            }
            return Ok(i + run);
        }
        let (kept, after) = (self.text.cut(text), i + run + 1);
        if matches!(self.at, At::KeyText) {
            self.wanted = Self::node(&self.nest, kept, to)?;
            let colon = s.get(after) == Some(&b':');
            self.at = if colon { At::Value } else { At::Colon };
            return Ok(after + usize::from(colon));
        }
        self.at = At::After;
        if let Some(node) = self.wanted {
            let value = Value::Text { text: kept, lone: false, empty: run == 0 };
            to.value(node.path, value, (self.start, self.size + after))?;
        }
        Ok(after)
    }

    /// What is wanted of a key.
    #[inline]
    fn node<V>(nest: &Nest<P>, key: &[u8], to: &mut V) -> Result<Option<&'static Node<P>>, V::Error>
    where
        V: Visit<Path = P>,
    {
        if V::TOP_KEYS && nest.depth() == 1 {
            to.top_key(key)?;
        }
        Ok(nest.inside().iter().find(|node| match node.place {
            Place::Key(name) => name.as_bytes() == key,
            Place::AnyKey => true,
            Place::Item => false,
        }))
    }

    #[inline]
    fn text_ends<V: Visit<Path = P>>(&mut self, after: usize, to: &mut V) -> Result<(), V::Error> {
        if matches!(self.at, At::KeyText) {
            self.wanted = Self::node(&self.nest, self.text.text(), to)?;
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
        let mut end = number.read(s, i);
        // Long rows of numbers are common (token ids, embeddings) and wanted by nobody.
        while self.wanted.is_none() && number.complete() && !self.nest.in_object() {
            let Some(&[b',', byte]) = s.get(end..end + 2) else { break };
            let Some(first) = Number::first(byte) else { break };
            number = first;
            end = number.read(s, end + 2);
        }
        // Where it began in an earlier piece, its first digits are kept.
        let begun = self.start < self.size;
        let digits = &s[self.start.saturating_sub(self.size)..end];
        if self.wanted.is_some() && (begun || end == s.len()) {
            self.text.push_raw(digits);
        }
        self.at = At::Number(number);
        if end < s.len() {
            if !number.complete() {
                return Err(Wrong::Syntax(self.size + end).into());
            }
            self.at = At::After;
            if let Some(node) = self.wanted {
                let digits = if begun { self.text.text() } else { self.text.cut(digits) };
                to.value(node.path, Value::Number(digits), (self.start, self.size + end))?;
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
}
