//! Whether bytes that arrive in pieces are UTF-8 (RFC 3629; RFC 8259 section 8.1 asks for it).

/// Remembers at most three bytes: the beginning of a character that a chunk was cut in.
#[derive(Default)]
pub struct Utf8 {
    cut: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Whether what was taken so far ends inside a character.
    #[inline]
    #[must_use]
    pub fn cut(&self) -> bool {
        self.length > 0
    }

    /// Take the next chunk; returns how many bytes of it are valid, all of them where it is.
    /// Surrogates and overlong forms are not.
    #[must_use]
    pub fn valid(&mut self, chunk: &[u8]) -> usize {
        if self.length == 0 && chunk.is_ascii() {
            return chunk.len();
        }
        let mut from = 0;
        while self.length > 0 {
            let Some(byte) = chunk.get(from) else { return from };
            self.cut[self.length] = *byte;
            self.length += 1;
            match std::str::from_utf8(&self.cut[..self.length]) {
                Ok(_) => self.length = 0,
                Err(wrong) if wrong.error_len().is_some() => return from,
                Err(_) => {}
            }
            from += 1;
        }
        match std::str::from_utf8(&chunk[from..]) {
            Ok(_) => chunk.len(),
            Err(wrong) => {
                let valid = from + wrong.valid_up_to();
                if wrong.error_len().is_some() {
                    return valid;
                }
                self.length = chunk.len() - valid;
                self.cut[..self.length].copy_from_slice(&chunk[valid..]);
                chunk.len()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(s: &[u8], size: usize) -> bool {
        let mut utf8 = Utf8::default();
        s.chunks(size).all(|chunk| utf8.valid(chunk) == chunk.len()) && utf8.length == 0
    }

    #[test]
    fn a_cut_inside_a_character_changes_nothing() {
        let cases: [&[u8]; 12] = [
            "plain".as_bytes(),
            "aé漢😀z".as_bytes(),
            b"\xed\xa0\x80",     // a surrogate
            b"\xc0\xaf",         // overlong
            b"\xe0\x80\x80",     // overlong
            b"\xf4\x90\x80\x80", // beyond U+10FFFF
            b"\xff",
            b"\x80",
            b"a\xe6\xbc",
            b"\xe6a",
            b"\xf0\x9f\x98a",
            b"\xf0\x9f\x98\xe6",
        ];
        for case in cases {
            for size in 1..=case.len() {
                assert_eq!(accepts(case, size), std::str::from_utf8(case).is_ok(), "{case:x?}");
            }
        }
    }

    #[test]
    fn the_valid_part_before_a_wrong_byte_is_told() {
        assert_eq!(Utf8::default().valid(b"ab\xffcd"), 2);
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.valid(b"ab\xe6"), 3);
        assert_eq!(utf8.valid(b"\xbca"), 1);
    }
}
