//! The `model` field of a form with files (RFC 7578, RFC 2046 section 5.1): audio uploads.
//!
//! Fed in chunks; a file's bytes are searched for the delimiter and thrown away. Lines end in CRLF,
//! as the engines' parser asks for.

use crate::find;
use crate::scan::{Facts, Wrong};

/// Most bytes of one part's headers; clients send about 150.
const LONGEST_HEADERS: usize = 8192;

/// Most bytes of a boundary (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

enum At {
    /// Before the first delimiter, or in a part: bytes of the delimiter that matched so far.
    Data(usize),
    /// After a delimiter: the two bytes that tell whether a part follows.
    Delimiter(Option<u8>),
    /// In the headers of a part.
    Headers,
    /// After the last delimiter: ignored.
    Done,
}

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Other,
    Model,
    Stream,
}

/// Reads one form.
pub struct Form {
    /// CRLF, two hyphens and the boundary.
    delimiter: Vec<u8>,
    at: At,
    field: Field,
    headers: Vec<u8>,
    value: Vec<u8>,
    start: usize,
    size: usize,
    facts: Facts,
    model: bool,
    wrong: Option<Wrong>,
}

impl Form {
    /// A form by the request's content type; `None` where that names no boundary.
    #[must_use]
    pub fn new(content_type: &str) -> Option<Self> {
        let mut parts = content_type.split(';');
        if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let named = name.trim().eq_ignore_ascii_case("boundary");
            named.then(|| value.trim().trim_matches('"'))
        })?;
        if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
            return None;
        }
        Some(Form {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // The body may begin with a delimiter, without the line end before it.
            at: At::Data(2),
            field: Field::Other,
            headers: Vec::new(),
            value: Vec::new(),
            start: 0,
            size: 0,
            facts: Facts::default(),
            model: false,
            wrong: None,
        })
    }

    /// Read the next chunk.
    ///
    /// # Errors
    /// Why the request is to be refused; said again by every later call.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let mut i = 0;
        while i < chunk.len() {
            let step = match self.at {
                At::Data(matched) => self.data(matched, chunk, i),
                At::Delimiter(first) => self.delimiter(first, chunk[i]).map(|()| i + 1),
                At::Headers => self.header(chunk[i], self.size + i + 1).map(|()| i + 1),
                At::Done => break,
            };
            i = step.inspect_err(|wrong| self.wrong = Some(wrong.clone()))?;
        }
        self.size += chunk.len();
        Ok(())
    }

    /// The body has ended; what it said. The reader is then used up.
    ///
    /// # Errors
    /// Why the request is to be refused.
    pub fn end(&mut self) -> Result<Facts, Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if !matches!(self.at, At::Done) {
            return Err(Wrong::Form("the form ends before its last delimiter"));
        }
        let mut facts = std::mem::take(&mut self.facts);
        facts.size = self.size;
        if facts.model.is_empty() {
            return Err(Wrong::NoModel);
        }
        Ok(facts)
    }

    fn data(&mut self, matched: usize, chunk: &[u8], from: usize) -> Result<usize, Wrong> {
        let mut i = from;
        if matched == 0 {
            // A delimiter cut after its first byte ends the chunk.
            let cut = chunk.len() - usize::from(chunk.ends_with(b"\r"));
            i = find::crlf(&chunk[from..]).map_or(cut.max(from), |at| from + at);
            self.keep(&chunk[from..i]);
            if i == chunk.len() {
                return Ok(i);
            }
        }
        if chunk[i] == self.delimiter[matched] {
            if matched + 1 < self.delimiter.len() {
                self.at = At::Data(matched + 1);
            } else {
                self.field_ends((self.size + i + 1).saturating_sub(self.delimiter.len()))?;
                self.at = At::Delimiter(None);
            }
            return Ok(i + 1);
        }
        // A delimiter begins with the only carriage return in it: what matched was data.
        if self.field != Field::Other {
            self.value.extend_from_slice(&self.delimiter[..matched]);
        }
        self.at = At::Data(0);
        Ok(i)
    }

    fn keep(&mut self, data: &[u8]) {
        if self.field != Field::Other {
            self.value.extend_from_slice(data);
        }
    }

    fn field_ends(&mut self, end: usize) -> Result<(), Wrong> {
        match std::mem::replace(&mut self.field, Field::Other) {
            Field::Model => {
                if std::mem::replace(&mut self.model, true) {
                    return Err(Wrong::Twice("model".into()));
                }
                if std::str::from_utf8(&self.value).is_err() {
                    return Err(Wrong::ModelType);
                }
                self.facts.model = std::mem::take(&mut self.value);
                self.facts.model_at = (self.start, end);
            }
            Field::Stream => self.facts.stream = self.value.eq_ignore_ascii_case(b"true"),
            Field::Other => {}
        }
        Ok(())
    }

    fn delimiter(&mut self, first: Option<u8>, byte: u8) -> Result<(), Wrong> {
        self.at = match (first, byte) {
            (None, b'-' | b'\r') => At::Delimiter(Some(byte)),
            // Padding between a delimiter and its line end (RFC 2046 section 5.1.1).
            (None, b' ' | b'\t') => At::Delimiter(None),
            (Some(b'-'), b'-') => At::Done,
            (Some(b'\r'), b'\n') => At::Headers,
            _ => return Err(Wrong::Form("a delimiter of the form is not followed by a line end")),
        };
        self.headers.clear();
        Ok(())
    }

    fn header(&mut self, byte: u8, after: usize) -> Result<(), Wrong> {
        self.headers.push(byte);
        if self.headers.len() > LONGEST_HEADERS {
            return Err(Wrong::Form(
                "the headers of a part of the form are longer than 8192 bytes",
            ));
        }
        if self.headers == b"\r\n" || self.headers.ends_with(b"\r\n\r\n") {
            self.field = field(&self.headers);
            self.value.clear();
            self.start = after;
            self.at = At::Data(0);
        }
        Ok(())
    }
}

/// Which field a part is, by its `content-disposition`; a file is none of interest.
fn field(headers: &[u8]) -> Field {
    let headers = String::from_utf8_lossy(headers);
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let mut found = Field::Other;
    for part in disposition.unwrap_or("").split(';').skip(1) {
        let Some((name, value)) = part.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("name") {
            found = match value {
                "model" => Field::Model,
                "stream" => Field::Stream,
                _ => Field::Other,
            };
        } else if name.eq_ignore_ascii_case("filename") {
            return Field::Other;
        }
    }
    found
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
