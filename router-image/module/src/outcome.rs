//! How an attempt or a request ended.

/// An end, as the label `outcome` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer.
    Ok,
    /// Refused as the client's mistake.
    ClientError,
    /// The pool failed.
    ServerError,
    /// The pool has too much to do.
    Throttled,
    /// No connection.
    Connect,
    /// Too slow, or silent for too long.
    Timeout,
    /// Broken off, or not whole.
    BrokenStream,
    /// The client went away.
    Cancelled,
}

/// Values of the label, in the order of [`Outcome`].
pub const NAMES: [&str; 8] = [
    "ok",
    "client_error",
    "server_error",
    "throttled",
    "connect",
    "timeout",
    "broken_stream",
    "cancelled",
];

/// Envoy's response flag for a stream that was silent for too long.
pub const IDLE: u64 = 1 << 16;

/// Bits of Envoy's response flags (`envoy/stream_info/stream_info.h`). The first that is set decides: the
/// client's going away explains whatever else is there.
const BY_FLAG: [(u64, Outcome); 13] = [
    (1 << 14, Outcome::Cancelled), // DownstreamConnectionTermination
    (1 << 2, Outcome::Timeout),    // UpstreamRequestTimeout
    (IDLE, Outcome::Timeout),
    (1 << 5, Outcome::Connect),       // UpstreamConnectionFailure
    (1 << 1, Outcome::Connect),       // NoHealthyUpstream
    (1 << 7, Outcome::Connect),       // UpstreamOverflow
    (1 << 8, Outcome::Connect),       // NoRouteFound
    (1 << 24, Outcome::Connect),      // NoClusterFound
    (1 << 6, Outcome::BrokenStream),  // UpstreamConnectionTermination
    (1 << 4, Outcome::BrokenStream),  // UpstreamRemoteReset
    (1 << 3, Outcome::BrokenStream),  // LocalReset
    (1 << 23, Outcome::BrokenStream), // UpstreamProtocolError
    (1 << 28, Outcome::Cancelled),    // DownstreamRemoteReset
];

impl Outcome {
    /// Position in [`NAMES`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Value of the label.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[self.index()]
    }

    /// Tells whether it is the pool's fault.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Outcome::Ok | Outcome::ClientError | Outcome::Cancelled)
    }

    /// From an answer's status and Envoy's response flags; status 0 is no answer.
    #[must_use]
    pub fn of(status: u32, flags: u64) -> Outcome {
        if let Some((_, outcome)) = BY_FLAG.iter().find(|(bit, _)| flags & bit != 0) {
            return *outcome;
        }
        match status {
            0 => Outcome::Cancelled,
            429 | 529 => Outcome::Throttled,
            100..=399 => Outcome::Ok,
            400..=499 => Outcome::ClientError,
            _ => Outcome::ServerError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_explain_more_than_the_status() {
        assert_eq!(Outcome::of(200, 0), Outcome::Ok);
        assert_eq!([429, 529].map(|status| Outcome::of(status, 0)), [Outcome::Throttled; 2]);
        assert_eq!(Outcome::of(404, 0), Outcome::ClientError);
        assert_eq!(Outcome::of(503, 1 << 1), Outcome::Connect);
        assert_eq!(Outcome::of(200, 1 << 6), Outcome::BrokenStream);
        assert_eq!(Outcome::of(504, 1 << 2 | 1 << 14), Outcome::Cancelled);
        assert_eq!(Outcome::of(0, 0), Outcome::Cancelled);
    }
}
