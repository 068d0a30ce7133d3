//! One JSON number, read in pieces (RFC 8259 section 6).

/// How far a number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// After the minus sign.
    Minus,
    /// After a leading zero: no digit may follow.
    Zero,
    /// In the digits before the point.
    Whole,
    /// After the point.
    Point,
    /// In the digits after the point.
    Fraction,
    /// After `e` or `E`.
    E,
    /// After the sign of the exponent.
    Sign,
    /// In the digits of the exponent.
    Exponent,
}

impl Number {
    /// The state after the first byte of a number; `None` where it cannot begin one.
    #[must_use]
    pub fn first(byte: u8) -> Option<Number> {
        match byte {
            b'-' => Some(Number::Minus),
            b'0' => Some(Number::Zero),
            b'1'..=b'9' => Some(Number::Whole),
            _ => None,
        }
    }

    /// Read on at `from`; returns the position of the first byte that is no part of the number.
    #[inline]
    pub fn read(&mut self, s: &[u8], from: usize) -> usize {
        let mut i = from;
        while let Some(byte) = s.get(i) {
            if byte.is_ascii_digit() && self.digits() {
                i += 1;
                continue;
            }
            match self.next(*byte) {
                Some(next) => *self = next,
                None => break,
            }
            i += 1;
        }
        i
    }

    /// Whether another digit changes nothing.
    #[inline]
    fn digits(self) -> bool {
        matches!(self, Number::Whole | Number::Fraction | Number::Exponent)
    }

    #[inline]
    fn next(self, byte: u8) -> Option<Number> {
        Some(match (self, byte) {
            (Number::Minus, b'0') => Number::Zero,
            (Number::Minus | Number::Whole, b'0'..=b'9') => Number::Whole,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::E | Number::Sign | Number::Exponent, b'0'..=b'9') => Number::Exponent,
            (Number::Zero | Number::Whole, b'.') => Number::Point,
            (Number::Zero | Number::Whole | Number::Fraction, b'e' | b'E') => Number::E,
            (Number::E, b'+' | b'-') => Number::Sign,
            _ => return None,
        })
    }

    /// Whether what was read so far is a number.
    #[must_use]
    pub fn complete(self) -> bool {
        matches!(self, Number::Zero | Number::Whole | Number::Fraction | Number::Exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(s: &str) -> bool {
        let Some(mut number) = s.bytes().next().and_then(Number::first) else { return false };
        (1..s.len()).all(|at| number.read(&s.as_bytes()[at..=at], 0) == 1) && number.complete()
    }

    #[test]
    fn exactly_the_grammar_is_accepted() {
        for s in ["0", "-0", "7", "-12", "1.5", "0.25", "1e9", "1E+9", "2.5e-07", "0e0"] {
            assert!(accepts(s), "{s}");
        }
        for s in ["", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "1.e1", "0x1", "--1", "1ee"]
        {
            assert!(!accepts(s), "{s}");
        }
    }
}
