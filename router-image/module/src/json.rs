//! A small tree of JSON for what is read whole: the plan. Strict as [`crate::walk`], of any kind at
//! the top; the last of equal keys counts.

use std::fmt;

use crate::number::Number;
use crate::text::{Step, Text};
use crate::wanted::DEPTH;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The digits as written.
    Number(String),
    /// Text; half of a surrogate pair is refused.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in the order written.
    Object(Vec<(String, Json)>),
}

/// The byte at which a text stops being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson(pub usize);

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}", self.0)
    }
}

impl Json {
    /// Parse a whole text.
    ///
    /// # Errors
    /// Where the text is no JSON, no UTF-8, or nested deeper than [`DEPTH`].
    pub fn parse(text: &[u8]) -> Result<Json, NotJson> {
        std::str::from_utf8(text).map_err(|wrong| NotJson(wrong.valid_up_to()))?;
        let mut parser = Parser { s: text, at: 0, text: Text::default() };
        let value = parser.value(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(NotJson(parser.at));
        }
        Ok(value)
    }

    /// A member of an object; `None` for other values and other keys.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of a truth.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Json::Bool(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The value of a whole number from 0 on, written without a fraction or an exponent.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if let Json::Number(digits) = self {
            digits.parse().ok()
        } else {
            None
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Json::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The items of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Json]> {
        if let Json::Array(items) = self {
            Some(items)
        } else {
            None
        }
    }

    /// The members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Json)]> {
        if let Json::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Json::Null
    }
}

struct Parser<'a> {
    s: &'a [u8],
    at: usize,
    text: Text,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, NotJson> {
        self.space();
        match self.s.get(self.at) {
            Some(b'{') if depth < DEPTH => self.object(depth + 1),
            Some(b'[') if depth < DEPTH => self.array(depth + 1),
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, NotJson> {
        let mut members = Vec::new();
        self.at += 1;
        if self.takes(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.expect(b':')?;
            members.push((key, self.value(depth)?));
            if !self.takes(b',') {
                self.expect(b'}')?;
                return Ok(Json::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, NotJson> {
        let mut items = Vec::new();
        self.at += 1;
        if self.takes(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.takes(b',') {
                self.expect(b']')?;
                return Ok(Json::Array(items));
            }
        }
    }

    fn string(&mut self) -> Result<String, NotJson> {
        let start = self.at;
        self.expect(b'"')?;
        self.text.open(usize::MAX);
        match self.text.read(self.s, self.at) {
            Step::Closed(after) => self.at = after,
            Step::More => return Err(NotJson(self.s.len())),
            Step::Wrong(at) | Step::NotUtf8(at) => return Err(NotJson(at)),
        }
        String::from_utf8(self.text.text().to_vec()).map_err(|_| NotJson(start))
    }

    fn number(&mut self) -> Result<Json, NotJson> {
        let start = self.at;
        let first = self.s.get(start).copied().and_then(Number::first);
        let mut number = first.ok_or(NotJson(start))?;
        self.at = number.read(self.s, start + 1);
        if !number.complete() {
            return Err(NotJson(self.at));
        }
        Ok(Json::Number(String::from_utf8_lossy(&self.s[start..self.at]).into_owned()))
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, NotJson> {
        if !self.s[self.at..].starts_with(word.as_bytes()) {
            return Err(NotJson(self.at));
        }
        self.at += word.len();
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.s.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.s.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.takes(byte) {
            Ok(())
        } else {
            Err(NotJson(self.at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_as_it_is_written() {
        let tree = Json::parse(
            " {\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\n\"], \"b\":{}, \"a\":7} ".as_bytes(),
        )
        .unwrap();

        assert_eq!(tree.get("a").and_then(Json::as_u64), Some(7));
        let first = &tree.as_object().unwrap()[0].1.as_array().unwrap();
        assert_eq!(first[0].as_u64(), Some(1));
        assert_eq!(first[1], Json::Number("-2.5e3".into()));
        assert_eq!(first[1].as_u64(), None);
        assert_eq!(first[2].as_bool(), Some(true));
        assert!(first[3].is_null());
        assert_eq!(first[4].as_str(), Some("xé\n"));
        assert_eq!(tree.get("b"), Some(&Json::Object(vec![])));
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("01", 1),
            ("tru", 0),
            ("\"a", 2),
            ("{} x", 3),
            ("\"\\ud800\"", 0),
            ("[1 2]", 3),
        ] {
            assert_eq!(Json::parse(text.as_bytes()), Err(NotJson(at)), "{text}");
        }
        assert_eq!(Json::parse(b"\"\xff\""), Err(NotJson(1)));
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(nested(DEPTH).as_bytes()).is_ok());
        assert!(Json::parse(nested(DEPTH + 1).as_bytes()).is_err());
    }
}
