//! Byte searches that the compiler turns into vector instructions, in safe Rust.
//!
//! Bytes are compared in lanes of sixteen, the width of SSE2, which every x86-64 has; no loop over
//! lanes ends early. A block of four lots is asked first whether anything in it matches at all: 0.7
//! instructions a byte, where a loop that ends at the first match takes 4. Long texts are looked at in
//! pages, with lanes as wide as the processor has them: 0.2 instructions a byte with AVX2.
// `||` is a jump, and jumps keep a loop from being vectorised; so do two iterators side by side.
#![allow(clippy::needless_bitwise_bool, clippy::needless_range_loop)]
// What is inlined is compiled for what its caller is compiled for.
#![allow(clippy::inline_always)]

use std::sync::OnceLock;

const LANES: usize = 16;
/// Bytes of a block; smaller ones cost more per byte, larger ones more per match.
const BLOCK: usize = 4 * LANES;
/// Bytes that have to be plain before pages are looked at: most texts of a prompt end sooner.
const HEAD: usize = 2 * BLOCK;
const PAGE: usize = 8 * BLOCK;

/// [`plain_pages`], compiled for this processor.
static PAGES: OnceLock<fn(&[u8]) -> usize> = OnceLock::new();

/// Looks at pages with `pages`: [`plain_pages`], compiled for wider lanes than every processor has.
pub fn widen(pages: fn(&[u8]) -> usize) {
    let _ = PAGES.set(pages);
}

/// Bytes of the pages at the beginning of `s` that are plain ASCII text of a JSON string.
#[inline(always)]
#[must_use]
pub fn plain_pages(s: &[u8]) -> usize {
    let mut from = 0;
    while chunk(s, from).is_some_and(page_is_plain) {
        from += PAGE;
    }
    from
}

#[inline(always)]
fn page_is_plain(page: &[u8; PAGE]) -> bool {
    let (mut least, mut escapes) = (i8::MAX, 0);
    for byte in page {
        least = least.min(stop_rank(*byte));
        escapes |= if *byte == b'\\' { 0xff } else { 0 };
    }
    (least >= STOPS_BELOW) & (escapes == 0_u8)
}

/// Below this are the ranks of quotes, of control characters and of all that is not ASCII.
const STOPS_BELOW: i8 = 0x21;

/// Quotes (0x22) and all below 0x20 are below 0x21 once 0x20 and 0x22 change places; what is not ASCII
/// is negative.
#[inline(always)]
fn stop_rank(byte: u8) -> i8 {
    i8::from_ne_bytes([byte ^ 2])
}

/// Position of the first byte that ends a run of plain ASCII text.
#[inline]
fn stop(s: &[u8]) -> Option<usize> {
    let stops = |byte: u8| (stop_rank(byte) < STOPS_BELOW) | (byte == b'\\');
    let mut from = 0;
    if s.len() >= HEAD + PAGE {
        if let Some(at) = position(&s[..HEAD], stops) {
            return Some(at);
        }
        let pages = PAGES.get().copied().unwrap_or(plain_pages);
        from = HEAD + pages(&s[HEAD..]);
    }
    position(&s[from..], stops).map(|at| from + at)
}

/// One byte for each that matches, all bits set; the first is the lowest.
#[inline]
fn marks(s: &[u8; LANES], matches: impl Fn(u8) -> bool) -> u128 {
    u128::from_le_bytes(s.map(|byte| if matches(byte) { 0xff } else { 0 }))
}

/// Whether any byte of a block matches.
#[inline]
fn any(block: &[u8; BLOCK], matches: impl Fn(u8) -> bool) -> bool {
    let mut marks = [0; LANES];
    for lot in block.chunks_exact(LANES) {
        for lane in 0..LANES {
            marks[lane] |= if matches(lot[lane]) { 0xff } else { 0 };
        }
    }
    u128::from_le_bytes(marks) != 0
}

#[inline]
fn chunk<const N: usize>(s: &[u8], from: usize) -> Option<&[u8; N]> {
    s.get(from..).and_then(<[u8]>::first_chunk)
}

#[inline]
fn position(s: &[u8], matches: impl Fn(u8) -> bool) -> Option<usize> {
    let mut from = 0;
    while chunk(s, from).is_some_and(|block| !any(block, &matches)) {
        from += BLOCK;
    }
    while let Some(lot) = chunk(s, from) {
        let marks = marks(lot, &matches);
        if marks != 0 {
            return Some(from + marks.trailing_zeros() as usize / 8);
        }
        from += LANES;
    }
    s[from..].iter().position(|byte| matches(*byte)).map(|at| from + at)
}

/// Position of the first byte that ends a run of plain text in a JSON string: a quote, a backslash
/// or a control character (RFC 8259 section 7); the length of `s` where there is none.
#[must_use]
pub fn string_special(s: &[u8]) -> usize {
    plain_run(s).0
}

/// The run of plain text that `s` begins with ([`string_special`]), and whether all of it is ASCII.
///
/// Keys and lines of code end such a run within a few bytes, prose seldom: the first bytes are
/// looked at in words of eight, the others in blocks.
#[must_use]
pub fn plain_run(s: &[u8]) -> (usize, bool) {
    let (mut from, mut seen) = (0, 0);
    while let Some(word) = chunk(s, from).filter(|_| from < 2 * LANES) {
        let word = u64::from_le_bytes(*word);
        let marks = special_in_word(word);
        if marks != 0 {
            let bits = marks.trailing_zeros() - 7;
            let before = word & ((1 << bits) - 1);
            return (from + bits as usize / 8, (seen | before) & TOP_BITS == 0);
        }
        seen |= word;
        from += 8;
    }
    let end = stop(&s[from..]).map_or(s.len(), |at| from + at);
    if s.get(end).is_none_or(u8::is_ascii) {
        return (end, seen & TOP_BITS == 0);
    }
    let special = |byte: u8| ((byte ^ 2) < 0x21) | (byte == b'\\');
    (position(&s[end..], special).map_or(s.len(), |at| end + at), false)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOP_BITS: u64 = ONES << 7;

/// The top bits of the special bytes of eight. A subtraction that borrows marks bytes with their
/// top bit; a wrong mark can only stand after a right one, so the lowest is right.
#[inline]
fn special_in_word(word: u64) -> u64 {
    let below = |value: u64, limit: u64| value.wrapping_sub(ONES * limit) & !value;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (equal(b'"') | equal(b'\\') | below(word, 0x20)) & TOP_BITS
}

/// Position of the first carriage return or line feed.
#[must_use]
pub fn line_end(s: &[u8]) -> Option<usize> {
    position(s, |byte| (byte == b'\n') | (byte == b'\r'))
}

/// Position of the first two bytes `(first, second)` that stand side by side and match.
#[inline]
fn pair_position(
    s: &[u8],
    matches_first: impl Fn(u8) -> bool,
    matches_second: impl Fn(u8) -> bool,
) -> Option<usize> {
    /// Two loads that overlap make the lanes of [`any`] slow; a plain fold is not.
    const BLOCK: usize = 2 * LANES;
    let next = s.get(1..)?;
    let mut from = 0;
    for (block, after) in s.chunks_exact(BLOCK).zip(next.chunks_exact(BLOCK)) {
        let any = block.iter().zip(after).fold(false, |any, (first, second)| {
            any | (matches_first(*first) & matches_second(*second))
        });
        if any {
            break;
        }
        from += BLOCK;
    }
    s[from..]
        .iter()
        .zip(&next[from..])
        .position(|(first, second)| matches_first(*first) && matches_second(*second))
        .map(|at| from + at)
}

/// Position of the first `first` that is followed by `second`.
#[must_use]
pub fn pair(s: &[u8], first: u8, second: u8) -> Option<usize> {
    pair_position(s, |byte| byte == first, |byte| byte == second)
}

/// Position of the first quote followed by one of d, e, f, g, t, u, v, w: the first letters of the
/// keys that tell what a streamed event is (`delta`, `error`, `finish_reason`, `text`, `usage`).
#[must_use]
pub fn telling_key(s: &[u8]) -> Option<usize> {
    // 0x64..=0x67 and 0x74..=0x77: one mask and one comparison for eight letters.
    pair_position(s, |byte| byte == b'"', |byte| byte & 0xec == 0x64)
}

/// Position of the first brace or bracket that opens.
#[must_use]
pub fn opening(s: &[u8]) -> Option<usize> {
    position(s, |byte| (byte == b'{') | (byte == b'['))
}

/// Position of the first carriage return that a line feed follows.
#[must_use]
pub fn crlf(s: &[u8]) -> Option<usize> {
    pair(s, b'\r', b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_found_whatever_the_length_and_the_block() {
        for length in 0..180 {
            let plain = vec![b'x'; length];
            assert_eq!(string_special(&plain), length);
            assert_eq!(line_end(&plain), None);
            for at in 0..length {
                for special in [b'"', b'\\', 0, 0x1f] {
                    let mut s = plain.clone();
                    s[at] = special;
                    assert_eq!(string_special(&s), at);
                }
                let mut s = plain.clone();
                s[at] = b'\n';
                assert_eq!(line_end(&s), Some(at));
                s[at] = b'{';
                assert_eq!(opening(&s), Some(at));
                if at + 1 < length {
                    s[at] = b'"';
                    s[at + 1] = b'u';
                    assert_eq!(telling_key(&s), Some(at));
                    assert_eq!(pair(&s, b'"', b'u'), Some(at));
                    assert_eq!(crlf(&s), None);
                }
            }
        }
    }

    #[test]
    fn long_texts_end_where_short_ones_do() {
        let length = HEAD + 3 * PAGE + 100;
        assert_eq!(plain_run(&vec![b'x'; length]), (length, true));
        for at in (0..length).step_by(7).chain([HEAD + PAGE - 1, HEAD + PAGE, length - 1]) {
            for special in [b'"', b'\\', 0, 0x1f, 0x80, 0xff] {
                let mut s = vec![b'x'; length];
                s[at] = special;
                let plain = if special < 0x80 { (at, true) } else { (length, false) };
                assert_eq!(plain_run(&s), plain, "{at} {special:#x}");
            }
        }
    }

    #[test]
    fn bytes_outside_ascii_are_plain_text_and_told_apart() {
        assert_eq!(plain_run("é漢😀\u{7f}".as_bytes()), (10, false));
        for length in [7, 40, 100, 200] {
            for at in 0..length {
                let mut s = vec![b'x'; length];
                s[at] = 0x80;
                assert_eq!(plain_run(&s), (length, false));
                s[at] = b'"';
                if at + 1 < length {
                    s[at + 1] = 0xff;
                }
                assert_eq!(plain_run(&s), (at, true), "what follows the run is not in it");
            }
        }
    }

    #[test]
    fn every_byte_is_special_or_not_wherever_it_stands() {
        for byte in 0..=255u8 {
            let special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for at in [0, 9, 40, 100, 139] {
                let mut s = [b'x'; 140];
                s[at] = byte;
                assert_eq!(string_special(&s), if special { at } else { 140 }, "{byte:#x}");
            }
        }
    }
}
