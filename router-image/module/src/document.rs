//! Members of a configuration document, with errors that name them.

use crate::json::Json;
use std::fmt;

/// What is wrong with a configuration: names the member.
#[derive(Debug, PartialEq)]
pub struct Bad(pub String);

impl fmt::Display for Bad {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What reading a configuration gives.
pub type Read<T> = Result<T, Bad>;

/// A name before what is said of something inside it.
fn inside(name: &str, Bad(what): &Bad) -> Bad {
    let dot = if what.starts_with(['[', ' ']) { "" } else { "." };
    Bad(format!("{name}{dot}{what}"))
}

/// Reads a whole document.
///
/// # Errors
/// When `text` is not JSON; says at which byte.
pub fn document(text: &[u8]) -> Read<Json> {
    Json::parse(text).map_err(|wrong| Bad(wrong.to_string()))
}

/// Typed access to members and items.
pub trait Document {
    /// The member `name` of an object.
    ///
    /// # Errors
    /// When there is none.
    fn need(&self, name: &str) -> Read<&Json>;

    /// The member `name`, read by `read`; an error names the member.
    ///
    /// # Errors
    /// When it is missing or `read` fails.
    fn member<'a, T>(&'a self, name: &str, read: impl FnOnce(&'a Json) -> Read<T>) -> Read<T> {
        read(self.need(name)?).map_err(|bad| inside(name, &bad))
    }

    /// A string.
    ///
    /// # Errors
    /// When it is none.
    fn text(&self) -> Read<&str>;

    /// A whole number from 0 on.
    ///
    /// # Errors
    /// When it is none.
    fn number(&self) -> Read<u64>;

    /// A whole number that fits into memory's sizes.
    ///
    /// # Errors
    /// When it is none.
    fn size(&self) -> Read<usize> {
        self.number().and_then(|n| usize::try_from(n).map_err(|_| Bad(" is too large".into())))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is neither.
    fn flag(&self) -> Read<bool>;

    /// `None` for `null`, else what `read` makes of it.
    ///
    /// # Errors
    /// When `read` fails.
    fn maybe<'a, T>(&'a self, read: impl FnOnce(&'a Json) -> Read<T>) -> Read<Option<T>>;

    /// Every item of an array, read by `read`; an error names the index.
    ///
    /// # Errors
    /// When it is no array, or `read` fails.
    fn list<'a, T>(&'a self, read: impl Fn(&'a Json) -> Read<T>) -> Read<Vec<T>>;

    /// A list of strings.
    ///
    /// # Errors
    /// When it is none.
    fn texts(&self) -> Read<Vec<String>> {
        self.list(|item| item.text().map(str::to_owned))
    }
}

impl Document for Json {
    fn need(&self, name: &str) -> Read<&Json> {
        self.get(name).ok_or_else(|| Bad(format!("{name} is missing")))
    }

    fn text(&self) -> Read<&str> {
        self.as_str().ok_or_else(|| Bad(" is not a string".into()))
    }

    fn number(&self) -> Read<u64> {
        self.as_u64().ok_or_else(|| Bad(" is not a whole number".into()))
    }

    fn flag(&self) -> Read<bool> {
        self.as_bool().ok_or_else(|| Bad(" is not a boolean".into()))
    }

    fn maybe<'a, T>(&'a self, read: impl FnOnce(&'a Json) -> Read<T>) -> Read<Option<T>> {
        match self {
            Json::Null => Ok(None),
            value => read(value).map(Some),
        }
    }

    fn list<'a, T>(&'a self, read: impl Fn(&'a Json) -> Read<T>) -> Read<Vec<T>> {
        let items = self.as_array().ok_or_else(|| Bad(" is not a list".into()))?;
        let named = |(at, item)| read(item).map_err(|bad| inside(&format!("[{at}]"), &bad));
        items.iter().enumerate().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_member_that_is_wrong() {
        let json = document(br#"{"pools": [{"name": "a"}, {"name": 3}], "none": null}"#).unwrap();
        let read = json.member("pools", |v| v.list(|p| p.member("name", Document::text)));
        assert_eq!(read, Err(Bad("pools[1].name is not a string".into())));
        assert_eq!(json.need("routes"), Err(Bad("routes is missing".into())));
        assert_eq!(json.member("none", |v| v.maybe(Document::size)), Ok(None));
    }
}
