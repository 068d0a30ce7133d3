//! One JSON string, read in pieces (RFC 8259 section 7): its grammar, and its text where wanted.
//!
//! Text is kept as UTF-8. A surrogate without its other half, which the grammar allows and UTF-8
//! cannot hold, is kept in three bytes as if it were a character (WTF-8): two keys are then equal
//! exactly where a parser finds them equal.

use crate::find;
use crate::utf8::Utf8;

/// What the next byte is.
#[derive(Clone, Copy, PartialEq)]
enum Escape {
    No,
    /// After a backslash.
    Open,
    /// In `\uXXXX`: digits to come, and those read.
    Hex(u8, u16),
}

/// How a step ended.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// The piece is used up.
    More,
    /// The closing quote was read; the position after it.
    Closed(usize),
    /// The byte at this position cannot be there.
    Wrong(usize),
    /// The byte at this position is no UTF-8.
    NotUtf8(usize),
}

/// Reads the inside of one string after another.
pub struct Text {
    escape: Escape,
    /// A high surrogate that waits for its low one; 0 where none does.
    high: u16,
    keep: usize,
    kept: Vec<u8>,
    lone: bool,
    empty: bool,
    utf8: Utf8,
}

impl Default for Text {
    fn default() -> Self {
        // Most texts are plain and whole, and nothing of them is kept here.
        let (kept, escape, utf8) = (Vec::new(), Escape::No, Utf8::default());
        Text { escape, high: 0, keep: 0, kept, lone: false, empty: true, utf8 }
    }
}

impl Text {
    /// Begin a string, after its opening quote. Of its text no more than `keep` bytes are kept, and
    /// up to three more where that many end inside a character.
    #[inline]
    pub fn open(&mut self, keep: usize) {
        self.escape = Escape::No;
        self.high = 0;
        self.keep = keep;
        self.kept.clear();
        self.lone = false;
        self.empty = true;
        self.utf8 = Utf8::default();
    }

    /// Of a string that is all plain text, what is kept.
    #[inline]
    #[must_use]
    pub fn cut<'a>(&self, plain: &'a [u8]) -> &'a [u8] {
        &plain[..plain.len().min(self.keep)]
    }

    /// The decoded text of the string that was closed last.
    #[inline]
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.kept
    }

    /// Whether that string held half of a surrogate pair: no Unicode text.
    #[must_use]
    pub fn lone(&self) -> bool {
        self.lone
    }

    /// Whether that string was `""`.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.empty
    }

    /// Add bytes that are no string but are wanted as text (a number).
    pub fn push_raw(&mut self, raw: &[u8]) {
        let room = self.keep.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&raw[..raw.len().min(room)]);
    }

    /// Read on at `from`.
    #[inline]
    pub fn read(&mut self, s: &[u8], from: usize) -> Step {
        let mut i = from;
        loop {
            if self.escape == Escape::No {
                let (run, ascii) = find::plain_run(&s[i..]);
                if run > 0 {
                    let run = &s[i..i + run];
                    if !ascii || self.utf8.cut() {
                        let valid = self.utf8.valid(run);
                        if valid < run.len() {
                            return Step::NotUtf8(i + valid);
                        }
                    }
                    self.plain(run);
                    i += run.len();
                }
                match s.get(i) {
                    None => return Step::More,
                    Some(_) if self.utf8.cut() => return Step::NotUtf8(i),
                    Some(b'"') => {
                        self.flush();
                        return Step::Closed(i + 1);
                    }
                    Some(b'\\') => self.escape = Escape::Open,
                    Some(_) => return Step::Wrong(i),
                }
                self.empty = false;
            } else {
                let Some(byte) = s.get(i) else { return Step::More };
                if !self.escaped(*byte) {
                    return Step::Wrong(i);
                }
            }
            i += 1;
        }
    }

    /// Take text that is ASCII and needs no decoding.
    #[inline]
    pub fn plain(&mut self, run: &[u8]) {
        self.empty = false;
        if self.keep > 0 {
            self.flush();
            self.push_raw(run);
        }
    }

    fn escaped(&mut self, byte: u8) -> bool {
        self.escape = match (self.escape, byte) {
            (Escape::Open, b'u') => Escape::Hex(4, 0),
            (Escape::Open, _) => {
                let Some(character) = short(byte) else { return false };
                self.flush();
                self.character(u32::from(character));
                Escape::No
            }
            (Escape::Hex(left, read), _) => {
                let Some(digit) = char::from(byte).to_digit(16) else { return false };
                // A digit is below 16.
                #[allow(clippy::cast_possible_truncation)]
                let unit = read << 4 | digit as u16;
                if left == 1 {
                    self.unit(unit);
                    Escape::No
                } else {
                    Escape::Hex(left - 1, unit)
                }
            }
            (Escape::No, _) => Escape::No,
        };
        true
    }

    /// Take one UTF-16 unit.
    fn unit(&mut self, unit: u16) {
        let low = (0xdc00..0xe000).contains(&unit);
        if self.high != 0 && low {
            let pair = u32::from(self.high - 0xd800) << 10 | u32::from(unit - 0xdc00);
            self.high = 0;
            return self.character(0x10000 + pair);
        }
        self.flush();
        if (0xd800..0xdc00).contains(&unit) {
            self.high = unit;
        } else {
            self.lone |= low;
            self.character(u32::from(unit));
        }
    }

    /// Keep a high surrogate that stayed alone.
    #[inline]
    fn flush(&mut self) {
        if self.high != 0 {
            let alone = std::mem::take(&mut self.high);
            self.lone = true;
            self.character(u32::from(alone));
        }
    }

    fn character(&mut self, code: u32) {
        if self.kept.len() >= self.keep {
            return;
        }
        let mut buffer = [0; 4];
        if let Some(character) = char::from_u32(code) {
            self.kept.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        } else {
            let byte = |shift: u32, mark: u32| ((code >> shift) & 0x3f | mark).to_le_bytes()[0];
            self.kept.extend_from_slice(&[0xe0 | byte(12, 0), byte(6, 0x80), byte(0, 0x80)]);
        }
    }
}

/// The character of a two-character escape.
fn short(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(s: &[u8], size: usize) -> Option<(Vec<u8>, bool)> {
        let mut text = Text::default();
        text.open(usize::MAX);
        for chunk in s.chunks(size) {
            match text.read(chunk, 0) {
                Step::More => {}
                Step::Closed(at) => {
                    return (at == chunk.len()).then(|| (text.text().to_vec(), text.lone()))
                }
                Step::Wrong(_) | Step::NotUtf8(_) => return None,
            }
        }
        None
    }

    #[test]
    fn text_is_decoded_wherever_it_is_cut() {
        let cases: [(&[u8], &[u8], bool); 8] = [
            (b"\"", b"", false),
            (b"a/b\"", b"a/b", false),
            (br#"a\/b\\\"\b\f\n\r\t""#, b"a/b\\\"\x08\x0c\n\r\t", false),
            (br#"\u0041\u00e9\u6f22""#, "Aé漢".as_bytes(), false),
            (br#"x\ud83D\uDe00y""#, "x😀y".as_bytes(), false),
            (br#"\ud83d""#, b"\xed\xa0\xbd", true),
            (br#"\ud83d\ud83d\ude00""#, b"\xed\xa0\xbd\xf0\x9f\x98\x80", true),
            (br#"\ude00\ud83dz""#, b"\xed\xb8\x80\xed\xa0\xbdz", true),
        ];
        for (raw, decoded, lone) in cases {
            for size in 1..=raw.len() {
                assert_eq!(read(raw, size), Some((decoded.to_vec(), lone)), "{raw:?} {size}");
            }
        }
    }

    #[test]
    fn what_the_grammar_forbids_is_refused() {
        for raw in [&b"a\x1f\""[..], b"a\n\"", br#"\x""#, br#"\u12g4""#, br#"\u+123""#, br#"\'""#] {
            for size in 1..=raw.len() {
                assert_eq!(read(raw, size), None, "{raw:?}");
            }
        }
    }

    #[test]
    fn no_more_is_kept_than_was_asked_for() {
        let mut text = Text::default();
        text.open(3);
        assert_eq!(text.read(b"abcdef\"", 0), Step::Closed(7));
        assert_eq!((text.text(), text.empty()), (&b"abc"[..], false));
        text.open(0);
        assert_eq!(text.read(br#"\n""#, 0), Step::Closed(3));
        assert_eq!((text.text(), text.empty()), (&b""[..], false));
    }
}
