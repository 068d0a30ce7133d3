//! Where a request of Anthropic's messages is to be marked, so that the provider caches its beginning.
//!
//! A mark is `"cache_control":{"type":"ephemeral"}` in the last block of a part; everything before it is
//! cached. The parts, in the order in which the provider reads them:
//!
//! | part | why it comes again |
//! |---|---|
//! | `tools` | the same for all requests of an application |
//! | `system` | the same for all conversations of it |
//! | the message before the last | the same in the next request of the conversation |
//!
//! A client that marks anything knows better: nothing is marked then. A text that is a string becomes a
//! list of one block, which means the same. What is shorter than the provider caches is left alone.

use crate::rewrite::Edit;

const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;
/// A client's own mark; the same words in a text are taken for one, too.
const MARKED: &[u8] = b"cache_control";
/// Blocks that can be marked.
const BLOCKS: [&[u8]; 5] =
    [b"\"text\"", b"\"image\"", b"\"document\"", b"\"tool_use\"", b"\"tool_result\""];

/// A value's first byte and the one after its last.
type Span = (usize, usize);

/// The edits that mark a body.
///
/// # Arguments
/// * `body`: a request, valid JSON; where it is not, the marks mean nothing and are well inside all the same.
/// * `least`: bytes up to a mark that are worth one.
#[must_use]
pub fn marks(body: &[u8], least: usize) -> Vec<Edit> {
    if body.len() < least || body.windows(MARKED.len()).any(|part| part == MARKED) {
        return Vec::new();
    }
    let whole = (skip_space(body, 0), body.len());
    let member = |name: &[u8]| members(body, whole).find(|(key, _)| *key == name).map(|(_, v)| v);
    let (tools, system) = (member(b"\"tools\""), member(b"\"system\""));
    let before = member(b"\"messages\"").and_then(|all| {
        let mut found = (None, None);
        items(body, all).for_each(|item| found = (found.1, Some(item)));
        let (before, newest) = found;
        newest.and(before).map(|item| (all, item))
    });
    let mut edits = Vec::new();
    let mut size = 0;
    if let Some(tools) = tools {
        size += length(tools);
        if size >= least {
            edits.extend(items(body, tools).last().and_then(|tool| inside(body, tool)));
        }
    }
    if let Some(system) = system {
        size += length(system);
        if size >= least {
            edits.extend(part(body, system));
        }
    }
    if let Some((all, message)) = before {
        size += message.1 - all.0;
        let content = members(body, message).find(|(key, _)| *key == b"\"content\"");
        if let (true, Some((_, content))) = (size >= least, content) {
            edits.extend(part(body, content));
        }
    }
    edits
}

fn length(span: Span) -> usize {
    span.1 - span.0
}

/// Marks a text, or the last of a list of blocks.
fn part(body: &[u8], value: Span) -> Vec<Edit> {
    match body.get(value.0) {
        Some(b'"') if length(value) > 2 => vec![
            insert(value.0, r#"[{"type":"text","text":"#.into()),
            insert(value.1, format!(",{MARK}}}]")),
        ],
        Some(b'[') => {
            let last = items(body, value).last().filter(|block| can_be_marked(body, *block));
            last.and_then(|block| inside(body, block)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Tells whether the provider takes a mark there: not on thoughts, and not on empty texts.
fn can_be_marked(body: &[u8], block: Span) -> bool {
    let of = |name: &[u8]| {
        let found = members(body, block).find(|(key, _)| *key == name);
        found.map(|(_, (start, end))| &body[start..end])
    };
    of(b"\"type\"").is_some_and(|kind| BLOCKS.contains(&kind)) && of(b"\"text\"") != Some(b"\"\"")
}

/// Puts a mark at the end of an object.
fn inside(body: &[u8], object: Span) -> Option<Edit> {
    let holds = members(body, object).next().is_some();
    (body.get(object.0) == Some(&b'{') && holds).then(|| insert(object.1 - 1, format!(",{MARK}")))
}

fn insert(at: usize, text: String) -> Edit {
    Edit { at, delete: 0, insert: text.into_bytes() }
}

fn skip_space(body: &[u8], from: usize) -> usize {
    let space = |c: &&u8| matches!(c, b' ' | b'\t' | b'\n' | b'\r');
    from + body[from.min(body.len())..].iter().take_while(space).count()
}

/// The end of the value that begins at `from`.
fn skip_value(body: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                at = skip_text(body, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// The end of the string that begins at `from`.
fn skip_text(body: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    body.len()
}

/// The members of an object: key, with its quotes and as it is written, and value.
fn members(body: &[u8], object: Span) -> impl Iterator<Item = (&[u8], Span)> {
    let mut at = if body.get(object.0) == Some(&b'{') { object.0 + 1 } else { object.1 };
    std::iter::from_fn(move || {
        let start = next(body, at).filter(|start| *start < object.1)?;
        let end = skip_text(body, start);
        let value = skip_space(body, skip_space(body, end) + 1);
        at = skip_value(body, value);
        (body.get(start) == Some(&b'"') && at > value).then(|| (&body[start..end], (value, at)))
    })
}

/// The items of a list.
fn items(body: &[u8], list: Span) -> impl Iterator<Item = Span> + '_ {
    let mut at = if body.get(list.0) == Some(&b'[') { list.0 + 1 } else { list.1 };
    std::iter::from_fn(move || {
        let start = next(body, at).filter(|start| *start < list.1)?;
        at = skip_value(body, start);
        (at > start).then_some((start, at))
    })
}

/// Where the next member or item begins; `None` at the end.
fn next(body: &[u8], from: usize) -> Option<usize> {
    let at = skip_space(body, from);
    let at = if body.get(at) == Some(&b',') { skip_space(body, at + 1) } else { at };
    body.get(at).filter(|byte| !matches!(byte, b'}' | b']')).map(|_| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Rewriter;

    fn marked(body: &str, least: usize) -> String {
        let mut out = Vec::new();
        Rewriter::new(marks(body.as_bytes(), least)).feed(body.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    const M: &str = r#","cache_control":{"type":"ephemeral"}"#;

    #[test]
    fn the_ends_of_tools_system_and_the_message_before_the_last_are_marked() {
        let body = r#"{"model":"m","tools":[{"name":"a"},{"name":"b" }],"system":"be \"kind\"",
            "messages":[{"role":"user","content":"one"},
            {"role":"assistant","content":[{"type":"text","text":"two"},{"type":"tool_use","id":"1"}]},
            {"role":"user","content":"three"}]}"#;
        let expected = body
            .replace(r#"{"name":"b" }"#, &format!(r#"{{"name":"b" {M}}}"#))
            .replace(r#""be \"kind\"""#, &format!(r#"[{{"type":"text","text":"be \"kind\""{M}}}]"#))
            .replace(r#""id":"1"}"#, &format!(r#""id":"1"{M}}}"#));
        assert_eq!(marked(body, 1), expected);
    }

    #[test]
    fn who_marks_anything_is_left_alone() {
        let body = r#"{"system":"x","messages":[{"content":"a"},{"content":[{"type":"text",
            "text":"b","cache_control":{"type":"ephemeral"}}]}]}"#;
        assert_eq!(marked(body, 1), body);
    }

    #[test]
    fn what_is_too_short_is_not_marked_and_what_follows_it_may_be() {
        let text = "x".repeat(100);
        let body = format!(r#"{{"tools":[{{"name":"a"}}],"system":"{text}","messages":[]}}"#);
        let found = marked(&body, 100);
        assert!(found.contains(r#"[{"name":"a"}]"#));
        assert!(found.contains(M));
        assert_eq!(marked(&body, 1000), body);
    }

    #[test]
    fn the_order_of_members_does_not_matter_and_one_message_is_never_marked() {
        let body = r#"{"messages":[{"content":"only"}],"system":"s","max_tokens":1}"#;
        let expected = body
            .replace(r#""system":"s""#, &format!(r#""system":[{{"type":"text","text":"s"{M}}}]"#));
        assert_eq!(marked(body, 1), expected);
    }

    #[test]
    fn blocks_that_take_no_mark_get_none() {
        for block in [
            r#"{"type":"thinking","thinking":"x"}"#,
            r#"{"type":"text","text":""}"#,
            r#"{"text":"no type"}"#,
            "{}",
            "7",
        ] {
            let body = format!(r#"{{"system":[{block}],"messages":[{{"content":""}},{{}}]}}"#);
            assert_eq!(marked(&body, 1), body);
        }
    }

    #[test]
    fn a_body_that_is_cut_anywhere_makes_no_panic() {
        let body = r#"{"tools":[{"a":"\"]"}],"system":[{"type":"text","text":"\\"}],"messages":[1,{"content":"x"},[]]}"#;
        for end in 0..=body.len() {
            for edit in marks(&body.as_bytes()[..end], 0) {
                assert!(edit.at <= end);
            }
        }
    }
}
