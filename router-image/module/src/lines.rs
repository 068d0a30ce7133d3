//! Server-sent events cut into their fields, in pieces as they arrive (WHATWG HTML, section 9.2.6
//! "Interpreting an event stream"): line ends of any kind, comments, fields without a colon or
//! without the space after it, data of several lines, a byte order mark. Nothing is held.

use crate::find;

/// Longest field name of interest, with a byte order mark before it.
const LONGEST_NAME: usize = 8;

/// What the next bytes are.
#[derive(Debug, PartialEq)]
pub enum Part<'a> {
    /// A line of data begins: the second and later ones are joined by a line feed.
    DataLine,
    /// A piece of the data line.
    Data(&'a [u8]),
    /// A line with the event's name begins: it replaces an earlier one.
    NameLine,
    /// A piece of the name.
    Name(&'a [u8]),
    /// The blank line: the event is complete.
    End,
    /// The piece is used up.
    More,
}

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Data,
    Name,
    Other,
}

enum At {
    /// In the name of a field.
    Start,
    /// After its colon: one space is no part of the value.
    Colon(Field),
    /// In its value.
    Value(Field),
}

/// Where in the stream the reader is.
pub struct Lines {
    at: At,
    name: [u8; LONGEST_NAME],
    length: usize,
    /// The last line end was a carriage return: a line feed belongs to it.
    carriage: bool,
    first: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Lines { at: At::Start, name: [0; LONGEST_NAME], length: 0, carriage: false, first: true }
    }
}

impl Lines {
    /// Whether the reader is between two lines, with nothing owed to the last one.
    #[must_use]
    pub fn between(&self) -> bool {
        matches!(self.at, At::Start) && self.length == 0 && !self.carriage && !self.first
    }

    /// Take the second byte of a line end whose first one ended the last chunk; how many that is.
    pub fn line_feed(&mut self, chunk: &[u8]) -> usize {
        let owed = std::mem::take(&mut self.carriage) && chunk.first() == Some(&b'\n');
        usize::from(owed)
    }

    /// Read on at `i`; returns what was found and where to go on.
    pub fn next<'a>(&mut self, s: &'a [u8], mut i: usize) -> (Part<'a>, usize) {
        while let Some(byte) = s.get(i) {
            if std::mem::take(&mut self.carriage) && *byte == b'\n' {
                i += 1;
                continue;
            }
            match self.at {
                At::Start => {
                    let part = self.start(*byte);
                    i += 1;
                    if let Some(part) = part {
                        // Both bytes of a line end belong to the event that it closes.
                        if self.carriage && s.get(i) == Some(&b'\n') {
                            self.carriage = false;
                            i += 1;
                        }
                        return (part, i);
                    }
                }
                At::Colon(field) => {
                    i += usize::from(*byte == b' ');
                    self.at = At::Value(field);
                }
                At::Value(field) => {
                    let end = find::line_end(&s[i..]).map_or(s.len(), |at| i + at);
                    if end > i && field != Field::Other {
                        return (piece_of(field, &s[i..end]), end);
                    }
                    i = end;
                    if let Some(byte) = s.get(end) {
                        self.line_ends(*byte);
                        i += 1;
                    }
                }
            }
        }
        (Part::More, i)
    }

    /// Take one byte of a field's name; a part where a field of interest or a blank line ends it.
    fn start<'a>(&mut self, byte: u8) -> Option<Part<'a>> {
        match byte {
            b'\r' | b'\n' => {
                // A byte order mark alone is no line.
                let blank = self.length == 0;
                let field = self.field();
                self.line_ends(byte);
                match (blank, field) {
                    (true, _) => Some(Part::End),
                    (_, Field::Data) => Some(Part::DataLine),
                    (_, Field::Name) => Some(Part::NameLine),
                    _ => None,
                }
            }
            b':' => {
                let field = self.field();
                self.at = At::Colon(field);
                match field {
                    Field::Data => Some(Part::DataLine),
                    Field::Name => Some(Part::NameLine),
                    Field::Other => None,
                }
            }
            _ => {
                // A longer name is none of interest: one byte of room tells it from a shorter one.
                if self.length < LONGEST_NAME {
                    self.name[self.length] = byte;
                    self.length += 1;
                } else {
                    self.name[0] = 0;
                }
                None
            }
        }
    }

    fn field(&self) -> Field {
        let mut name = &self.name[..self.length];
        if self.first {
            name = name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name);
        }
        match name {
            b"data" => Field::Data,
            b"event" => Field::Name,
            _ => Field::Other,
        }
    }

    fn line_ends(&mut self, byte: u8) {
        self.at = At::Start;
        self.length = 0;
        self.first = false;
        self.carriage = byte == b'\r';
    }
}

fn piece_of(field: Field, piece: &[u8]) -> Part<'_> {
    if field == Field::Data {
        Part::Data(piece)
    } else {
        Part::Name(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream as (name, data), wherever it is cut.
    fn events(stream: &[u8]) -> Vec<(String, String)> {
        let read = |size: usize| {
            let mut lines = Lines::default();
            let (mut name, mut data, mut out) = (String::new(), None::<String>, Vec::new());
            for chunk in stream.chunks(size) {
                let mut i = 0;
                loop {
                    let (part, after) = lines.next(chunk, i);
                    let text = |piece: &[u8]| String::from_utf8(piece.to_vec()).unwrap();
                    i = after;
                    match part {
                        Part::DataLine => {
                            data = Some(data.map_or(String::new(), |data| data + "\n"));
                        }
                        Part::Data(piece) => data.as_mut().unwrap().push_str(&text(piece)),
                        Part::NameLine => name.clear(),
                        Part::Name(piece) => name += &text(piece),
                        Part::End => {
                            out.push((std::mem::take(&mut name), data.take().unwrap_or_default()));
                        }
                        Part::More => break,
                    }
                }
                assert_eq!(i, chunk.len());
            }
            out.retain(|event| event.0.len() + event.1.len() > 0);
            out
        };
        let whole = read(stream.len());
        for size in 1..stream.len() {
            assert_eq!(read(size), whole, "in chunks of {size}");
        }
        whole
    }

    #[test]
    fn events_are_cut_into_fields_as_the_standard_says() {
        for (stream, expected) in [
            ("data: a\n\n", vec![("", "a")]),
            ("data:a\n\ndata:  b\n\n", vec![("", "a"), ("", " b")]),
            ("event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", vec![("x", "a"), ("", "b")]),
            ("event:x\rdata:a\r\rdata:b\r\r", vec![("x", "a"), ("", "b")]),
            (": comment\n\nid: 1\nretry: 3\ndata: a\ndata: b\ndata\n\n", vec![("", "a\nb\n")]),
            ("\u{feff}data: a\n\n", vec![("", "a")]),
            ("\u{feff}\u{feff}data: a\n\n", vec![]),
            ("event: x\nevent: y\ndata: a\n\n", vec![("y", "a")]),
            ("database: a\ndatabases: b\neventevent: c\n\n", vec![]),
            ("data: a", vec![]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(n, d)| ((*n).into(), (*d).into())).collect();
            assert_eq!(events(stream.as_bytes()), expected, "{stream:?}");
        }
    }
}
