//! A compressed answer: nothing of it is read but its first bytes.

/// How it is said to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// In a form that has no mark of its own.
    Other,
}

impl Seal {
    /// From `content-encoding`; `None` where the answer is not compressed.
    pub(super) fn of(coding: &[u8]) -> Option<Seal> {
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        match coding {
            _ if is(b"identity") || coding.is_empty() => None,
            _ if is(b"gzip") || is(b"x-gzip") => Some(Seal::Gzip),
            _ if is(b"zstd") => Some(Seal::Zstd),
            _ => Some(Seal::Other),
        }
    }

    /// Whether an answer can begin so. Gateways that have unpacked an answer and left its headers as they
    /// were send what no client can read.
    pub(super) fn fits(self, first: &[u8]) -> bool {
        let mark: &[u8] = match self {
            Seal::Gzip => b"\x1f\x8b",
            Seal::Zstd => b"\x28\xb5\x2f\xfd",
            Seal::Other => b"",
        };
        first.iter().zip(mark).all(|(byte, wanted)| byte == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_that_it_is_compressed_begins_so() {
        for (coding, first, fits) in [
            ("gzip", &b"\x1f\x8b\x08"[..], true),
            ("GZIP", b"\x1f", true),
            ("x-gzip", b"{\"a\":1}", false),
            ("zstd", b"\x28\xb5\x2f\xfd\x04", true),
            ("zstd", b"data: x", false),
            ("br", b"{\"a\":1}", true),
            ("gzip, br", b"{}", true),
        ] {
            assert_eq!(Seal::of(coding.as_bytes()).unwrap().fits(first), fits, "{coding}");
        }
        assert_eq!((Seal::of(b"Identity"), Seal::of(b"")), (None, None));
    }
}
