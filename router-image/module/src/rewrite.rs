//! Edits of a body, applied while its chunks are copied.

use crate::scan::{Facts, IncludeUsage, StreamOptions};

/// Replaces `delete` bytes at offset `at` of the body by `insert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Offset in the body as received.
    pub at: usize,
    /// Bytes to leave out.
    pub delete: usize,
    /// Bytes to put there.
    pub insert: Vec<u8>,
}

/// Put `name` where the body names its model.
#[must_use]
pub fn rename(facts: &Facts, name: &str) -> Edit {
    let (start, end) = facts.model_at;
    let in_form = facts.inside == 0;
    let insert = if in_form { name.as_bytes().to_vec() } else { escaped(name) };
    Edit { at: start, delete: end - start, insert }
}

/// Ask for usage at the end of the stream; `None` where the body does already, or says something
/// about it that only the engine can judge.
#[must_use]
pub fn ask_usage(facts: &Facts) -> Option<Edit> {
    const ASK: &str = r#""include_usage":true"#;
    let edit = |at: usize, delete: usize, insert: String| {
        Some(Edit { at, delete, insert: insert.into_bytes() })
    };
    match facts.stream_options {
        // The object has a model: a comma is due.
        StreamOptions::Absent => edit(facts.inside, 0, format!(r#""stream_options":{{{ASK}}},"#)),
        StreamOptions::Null((start, end)) => edit(start, end - start, format!("{{{ASK}}}")),
        StreamOptions::Object { at, empty, include_usage: None } => {
            edit(at.0 + 1, 0, format!("{ASK}{}", if empty { "" } else { "," }))
        }
        StreamOptions::Object { include_usage: Some((IncludeUsage::No, (start, end))), .. } => {
            edit(start, end - start, "true".into())
        }
        StreamOptions::Object { .. } | StreamOptions::Other => None,
    }
}

/// A length as a number that can be subtracted: no body is longer than `isize::MAX` bytes.
fn signed(length: usize) -> isize {
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// The text of a JSON string, without its quotes.
fn escaped(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out
}

/// Applies edits to a body that comes in chunks.
#[derive(Default)]
pub struct Rewriter {
    /// The edits to come, the last one first.
    edits: Vec<Edit>,
    offset: usize,
}

impl Rewriter {
    /// Edits of one body, in any order; they must not overlap.
    #[must_use]
    pub fn new(mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.at));
        Rewriter { edits, offset: 0 }
    }

    /// By how many bytes the body grows; negative where it shrinks.
    #[must_use]
    pub fn growth(&self) -> isize {
        self.edits.iter().map(|edit| signed(edit.insert.len()) - signed(edit.delete)).sum()
    }

    /// Whether nothing is left to change: later chunks can pass as they are.
    #[must_use]
    pub fn done(&self) -> bool {
        self.edits.is_empty()
    }

    /// Append what becomes of the next chunk to `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let end = self.offset + chunk.len();
        let mut from = self.offset;
        while let Some(edit) = self.edits.last_mut() {
            if edit.at >= end {
                break;
            }
            if edit.at > from {
                out.extend_from_slice(&chunk[from - self.offset..edit.at - self.offset]);
                from = edit.at;
            }
            out.append(&mut edit.insert);
            let left_out = edit.delete.min(end - from);
            from += left_out;
            edit.delete -= left_out;
            if edit.delete > 0 {
                edit.at = end;
                break;
            }
            self.edits.pop();
        }
        out.extend_from_slice(&chunk[from - self.offset..]);
        self.offset = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Scanner;

    fn facts(body: &str) -> Facts {
        let mut scanner = Scanner::new();
        scanner.feed(body.as_bytes()).unwrap();
        scanner.end().unwrap()
    }

    fn rewritten(body: &str, edits: &[Edit]) -> String {
        let apply = |size: usize| {
            let mut rewriter = Rewriter::new(edits.to_vec());
            let length = body.len().checked_add_signed(rewriter.growth()).unwrap();
            let mut out = Vec::new();
            for chunk in body.as_bytes().chunks(size) {
                rewriter.feed(chunk, &mut out);
            }
            assert!(rewriter.done());
            assert_eq!(out.len(), length);
            String::from_utf8(out).unwrap()
        };
        let whole = apply(body.len());
        for size in 1..body.len() {
            assert_eq!(apply(size), whole);
        }
        whole
    }

    #[test]
    fn a_model_is_renamed_and_nothing_else_changes() {
        for (body, name, expected) in [
            (r#"{"x":1,"model": "chat" }"#, "llama", r#"{"x":1,"model": "llama" }"#),
            (r#"{"model":"a\/b","y":[]}"#, "q", r#"{"model":"q","y":[]}"#),
            (r#"{"model":"a"}"#, "x\"\\\n", r#"{"model":"x\"\\\u000a"}"#),
        ] {
            assert_eq!(rewritten(body, &[rename(&facts(body), name)]), expected);
        }
    }

    #[test]
    fn usage_is_asked_for_whatever_the_body_says_about_it() {
        for (before, after) in [
            (r#"{"model":"m"}"#, r#"{"stream_options":{"include_usage":true},"model":"m"}"#),
            (r#" { "model":"m"}"#, r#" {"stream_options":{"include_usage":true}, "model":"m"}"#),
            (
                r#"{"model":"m","stream_options":null}"#,
                r#"{"model":"m","stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"model":"m","stream_options":{ }}"#,
                r#"{"model":"m","stream_options":{"include_usage":true }}"#,
            ),
            (
                r#"{"stream_options":{"a":1},"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true,"a":1},"model":"m"}"#,
            ),
            (
                r#"{"stream_options":{"include_usage":false},"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m"}"#,
            ),
            (
                r#"{"stream_options":{"include_usage":null},"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m"}"#,
            ),
        ] {
            let edit = ask_usage(&facts(before)).unwrap();
            assert_eq!(rewritten(before, &[edit]), after);
            assert_eq!(ask_usage(&facts(after)), None);
        }
        assert_eq!(ask_usage(&facts(r#"{"stream_options":7,"model":"m"}"#)), None);
    }

    #[test]
    fn several_edits_are_applied_in_the_order_of_the_body() {
        let body = r#"{"model":"chat","stream_options":null}"#;
        let facts = facts(body);
        let edits = [ask_usage(&facts).unwrap(), rename(&facts, "a-much-longer-name")];

        let expected = r#"{"model":"a-much-longer-name","stream_options":{"include_usage":true}}"#;
        assert_eq!(rewritten(body, &edits), expected);
    }
}
