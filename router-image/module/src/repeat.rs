//! Events that differ from the one before in their text alone.
//!
//! The plain events of a stream are the same but for a few letters. Once [`crate::glance`] has found one
//! plain, an event with the same bytes before its text and after it is plain too: it is compared, and only
//! its text is read. That costs a tenth of a look at all of it.

use crate::find;
use crate::glance::{self, Plain};

/// Longest event that is remembered.
const LONGEST: usize = 2048;

/// The last plain event, without its text.
#[derive(Default)]
pub struct Repeat {
    /// Up to the text's first byte; empty where none is remembered.
    before: Vec<u8>,
    /// From the quote that closes the text.
    after: Vec<u8>,
    choices: u128,
}

impl Repeat {
    /// The event that `s` begins with, where it is complete and plain output.
    #[must_use]
    pub fn plain_output(&mut self, s: &[u8]) -> Option<Plain> {
        if let Some(plain) = self.again(s) {
            return Some(plain);
        }
        let plain = glance::plain_output(s)?;
        self.remember(&s[..plain.length], &plain);
        Some(plain)
    }

    fn again(&self, s: &[u8]) -> Option<Plain> {
        let rest = s.strip_prefix(&self.before[..]).filter(|_| !self.before.is_empty())?;
        let end = text_end(rest).filter(|end| *end > 0)?;
        let length = self.before.len() + end + self.after.len();
        let text = Some(self.before.len());
        rest[end..].starts_with(&self.after).then_some(Plain {
            length,
            choices: self.choices,
            text,
        })
    }

    fn remember(&mut self, event: &[u8], plain: &Plain) {
        self.before.clear();
        self.after.clear();
        let Some(start) = plain.text.filter(|_| event.len() <= LONGEST) else { return };
        let Some(end) = text_end(&event[start..]) else { return };
        self.before.extend_from_slice(&event[..start]);
        self.after.extend_from_slice(&event[start + end..]);
        self.choices = plain.choices;
    }
}

/// Position of the quote that closes a JSON string; `None` where it is not there, or where an escape needs
/// a closer look.
fn text_end(s: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += find::string_special(&s[at..]);
        match s.get(at..)? {
            [b'"', ..] => return Some(at),
            [b'\\', b'n' | b'r' | b't' | b'"' | b'\\' | b'/', ..] => at += 2,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> String {
        format!(
            "data: {{\"id\":\"1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\
             \"finish_reason\":null}}]}}\n\n"
        )
    }

    #[test]
    fn an_event_with_another_text_is_found_as_plain_as_the_one_before() {
        let mut repeat = Repeat::default();
        for text in ["a", "tok ", r"\n", r#"\"x\\"#, "é漢😀", r"\u00e9", "after"] {
            let event = event(text);
            let found = repeat.plain_output((event.clone() + "data: more").as_bytes());
            let found = found.map(|plain| (plain.length, plain.choices));
            assert_eq!(found, Some((event.len(), 1)), "{text}");
        }
        assert!(repeat.again(event("b").as_bytes()).is_some());
    }

    #[test]
    fn what_differs_elsewhere_is_looked_at_in_full() {
        let mut repeat = Repeat::default();
        assert!(repeat.plain_output(event("a").as_bytes()).is_some());
        let finished = event("b").replace("null", "\"stop\"");
        let cut = event("b");
        for other in [&finished[..], &event(""), &cut[..cut.len() - 1], &event("a\",\"x\":\"y")] {
            assert!(repeat.again(other.as_bytes()).is_none(), "{other}");
        }
        assert!(repeat.plain_output(finished.as_bytes()).is_none());
    }

    #[test]
    fn deltas_of_named_events_are_remembered_too() {
        let event = |text: &str| {
            format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
                 \"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
            )
        };
        let mut repeat = Repeat::default();
        assert!(repeat.plain_output(event("a").as_bytes()).is_some());
        assert!(repeat.again(event("bcd").as_bytes()).is_some());
    }
}
