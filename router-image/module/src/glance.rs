//! A look at one whole event of a stream that has begun: is it plain output, with nothing to note?
//!
//! Most events are, and reading all of each would cost more than the rest of their way through the
//! router. The keys that could say something else (`error`, `finish_reason`, `usage`) are searched
//! for with their quotes: inside of text a quote is written with a backslash, so what is found is a
//! key or a whole string. Whatever is not surely plain is left to [`crate::events`], which reads it
//! in full and comes to the same result.

use crate::find;

/// Names of events that carry output in `delta`.
const DELTAS: [&[u8]; 6] = [
    b"response.output_text.delta",
    b"response.reasoning_text.delta",
    b"response.reasoning_summary_text.delta",
    b"response.function_call_arguments.delta",
    b"response.refusal.delta",
    b"content_block_delta",
];

/// A plain event.
pub struct Plain {
    /// Its bytes, its blank line included.
    pub length: usize,
    /// One bit for each choice in it.
    pub choices: u128,
    /// Where its text begins, after the quote; `None` where it has several.
    pub text: Option<usize>,
}

/// The value of a text that is not empty, quote included, and all that follows.
type Output<'a> = Option<&'a [u8]>;

/// The event that `s` begins with, where it is complete and plain output.
#[must_use]
pub fn plain_output(s: &[u8]) -> Option<Plain> {
    if let Some(rest) = s.strip_prefix(b"data:") {
        let (payload, length) = last_line(rest)?;
        let (choices, output) = choice_output(payload)?;
        let text = output.map(|value| 5 + payload.len() - value.len() + 1);
        return Some(Plain { length: 5 + length, choices, text });
    }
    let rest = s.strip_prefix(b"event: ")?;
    let end = find::line_end(rest)?;
    let name = &rest[..end];
    let after = rest[end..].strip_prefix(b"\n").or(rest[end..].strip_prefix(b"\r\n"))?;
    let (payload, length) = last_line(after.strip_prefix(b"data:")?)?;
    if !DELTAS.contains(&name) || !braced(payload) {
        return None;
    }
    let output = full_delta(payload)?;
    let before = s.len() - after.len() + 5;
    let text = Some(before + payload.len() - output.len() + 1);
    Some(Plain { length: before + length, choices: 0, text })
}

/// The rest of a line that a blank line follows, and the length of both.
fn last_line(s: &[u8]) -> Option<(&[u8], usize)> {
    let end = find::line_end(s)?;
    let blank: &[u8] = if s[end] == b'\n' { b"\n\n" } else { b"\r\n\r\n" };
    s[end..].starts_with(blank).then(|| (&s[..end], end + blank.len()))
}

fn braced(payload: &[u8]) -> bool {
    let payload = payload.strip_prefix(b" ").unwrap_or(payload);
    payload.starts_with(b"{") && payload.ends_with(b"}")
}

/// The choices of an event of a chat or of completions that holds text and no news, and the text where
/// there is one.
fn choice_output(payload: &[u8]) -> Option<(u128, Output<'_>)> {
    let (mut outputs, mut output, mut choices) = (0, None, 0);
    let mut at = 0;
    while let Some(found) = find::telling_key(&payload[at..]) {
        let (before, key) = payload.split_at(at + found);
        if key.starts_with(b"\"delta\"") {
            choices |= 1 << index(before)?;
            outputs += 1;
            output = delta_output(after(&key[7..])).or(output);
        } else if key.starts_with(b"\"text\"") {
            choices |= 1 << index(before)?;
            outputs += 1;
            output = text(after(&key[6..])).or(output);
        } else if key.starts_with(b"\"finish_reason\"") {
            after(&key[15..]).strip_prefix(b"null")?;
        } else if key.starts_with(b"\"usage\"") {
            after(&key[7..]).strip_prefix(b"null")?;
        } else if key.starts_with(b"\"error\"") || key.starts_with(b"\"type\"") {
            return None;
        }
        at += found + 1;
    }
    let alone = output.filter(|_| outputs == 1);
    (output.is_some() && braced(payload)).then_some((choices, alone))
}

/// The index of the first choice, whose next key follows `before`; `None` where it does not stand
/// there. Any other object before it, or a brace in a text, is left to the full reading.
fn index(before: &[u8]) -> Option<u32> {
    let before = before.trim_ascii_end().strip_suffix(b",")?;
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = before.split_at(before.len() - digits);
    let mut before = before;
    for token in [&b":"[..], b"\"index\"", b"{", b"[", b":", b"\"choices\""] {
        before = before.trim_ascii_end().strip_suffix(token)?;
    }
    let index = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (at_top(before) && index < 127).then_some(index)
}

/// Whether nothing but the outermost object is open after `before`; a brace in a text hides that.
fn at_top(before: &[u8]) -> bool {
    let inside = before.strip_prefix(b" ").unwrap_or(before).strip_prefix(b"{");
    inside.is_some_and(|inside| find::opening(inside).is_none())
}

/// The value after a key's colon.
fn after(s: &[u8]) -> &[u8] {
    let s = s.trim_ascii_start();
    s.strip_prefix(b":").unwrap_or(s).trim_ascii_start()
}

/// A value that is text and not empty.
fn text(value: &[u8]) -> Output<'_> {
    (value.starts_with(b"\"") && !value.starts_with(b"\"\"")).then_some(value)
}

/// The member of a delta that surely is text and not empty, after those that tell its kind.
fn delta_output(delta: &[u8]) -> Output<'_> {
    let mut members = delta.strip_prefix(b"{")?;
    loop {
        let (key, rest) = plain_text(members.trim_ascii_start())?;
        let value = after(rest);
        if !matches!(key, b"role" | b"type") {
            return text(value);
        }
        let (_, rest) = plain_text(value)?;
        members = rest.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// A text without escapes, and what follows it.
fn plain_text(s: &[u8]) -> Option<(&[u8], &[u8])> {
    let s = s.strip_prefix(b"\"")?;
    let end = find::string_special(s);
    (s.get(end) == Some(&b'"')).then(|| (&s[..end], &s[end + 1..]))
}

/// The text of an event named as a delta, where it surely has one that is not empty, and no news.
fn full_delta(payload: &[u8]) -> Output<'_> {
    let mut output = None;
    let mut at = 0;
    while let Some(found) = find::telling_key(&payload[at..]) {
        let (before, key) = payload.split_at(at + found);
        if key.starts_with(b"\"error\"") || key.starts_with(b"\"usage\"") {
            return None;
        } else if key.starts_with(b"\"delta\"") {
            let value = after(&key[7..]);
            output = Some(text(value).or_else(|| delta_output(value)).filter(|_| at_top(before))?);
        }
        at += found + 1;
    }
    output
}
