//! Errors that answers carry inside: which kind they are, whatever the engine or provider.

/// What an error means for the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A rate limit or a quota.
    Throttled,
    /// The request's own fault.
    Invalid,
    /// Everything else.
    Server,
}

/// An error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it means.
    pub class: Class,
    /// Whether the prompt is too long for the model: one with a larger window may take it.
    pub context: bool,
    /// Its words, at most [`LONGEST_MESSAGE`] bytes.
    pub message: String,
}

/// Bytes of an error's message that are kept.
pub const LONGEST_MESSAGE: usize = 1024;

/// Bytes of an error's type and code that are kept.
pub const LONGEST_CODE: usize = 64;

const THROTTLED: [&str; 6] =
    ["rate_limit", "ratelimit", "too_many_requests", "toomanyrequests", "quota", "throttl"];

const INVALID: [&str; 7] = [
    "invalid_request",
    "bad_request",
    "badrequest",
    "context_",
    "content_filter",
    "content_policy",
    "invalid_prompt",
];

/// Codes of a prompt that is too long: `OpenAI`, llama.cpp, and gateways that translate others.
const CONTEXT_CODES: [&str; 5] = [
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size",
    "prompt_too_long",
    "string_above_max_length",
];

/// The words of engines that send no such code. vLLM: "This model's maximum context length is ..."
/// and "... is longer than the maximum model length of ..."; `SGLang`: "... is longer than the
/// model's context length"; Anthropic: "prompt is too long: ..." and "... exceed context limit".
const CONTEXT_WORDS: [&str; 8] = [
    "maximum context length",
    "maximum model length",
    "model's context length",
    "max_model_len",
    "prompt is too long",
    "exceed context limit",
    "context window",
    "available context size",
];

/// The parts of an error object, as read.
#[derive(Default)]
pub struct Parts {
    /// Whether there is an error at all: a client would take the value for true.
    pub told: bool,
    /// `type`
    pub kind: Vec<u8>,
    /// `code`: text or digits.
    pub code: Vec<u8>,
    /// `message`, or the error itself where it is a string.
    pub message: Vec<u8>,
}

impl Parts {
    /// Forget what was read.
    pub fn clear(&mut self) {
        self.told = false;
        self.kind.clear();
        self.code.clear();
        self.message.clear();
    }

    /// What they say.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let lower = |part: &[u8]| String::from_utf8_lossy(part).to_lowercase();
        let (kind, code, words) = (lower(&self.kind), lower(&self.code), lower(&self.message));
        let named =
            |list: &[&str]| list.iter().any(|word| kind.contains(word) || code.contains(word));
        let context =
            named(&CONTEXT_CODES) || CONTEXT_WORDS.iter().any(|said| words.contains(said));
        let class = match code.parse::<u16>() {
            _ if named(&THROTTLED) => Class::Throttled,
            Ok(429) => Class::Throttled,
            Ok(400 | 413 | 422) => Class::Invalid,
            Ok(500..=599) => Class::Server,
            _ if context || named(&INVALID) => Class::Invalid,
            _ => Class::Server,
        };
        let message = String::from_utf8_lossy(&self.message).into_owned();
        Fault { class, context: context && class == Class::Invalid, message }
    }
}

impl Fault {
    /// The status to give an attempt that answered 200 with this inside: never one that counts
    /// against the replica's health (502, 503, 504), since it did answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.class {
            Class::Throttled => 429,
            Class::Invalid => 400,
            Class::Server => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: &str, code: &str, message: &str) -> Fault {
        let bytes = |part: &str| part.as_bytes().to_vec();
        Parts { told: true, kind: bytes(kind), code: bytes(code), message: bytes(message) }.fault()
    }

    #[test]
    fn errors_of_engines_and_providers_are_told_apart() {
        for (kind, code, message, class, context) in [
            (
                "BadRequestError",
                "400",
                "This model's maximum context length is 16 tokens.",
                Class::Invalid,
                true,
            ),
            (
                "BadRequestError",
                "400",
                "The decoder prompt (length 9) is longer than the maximum model length of 8.",
                Class::Invalid,
                true,
            ),
            ("invalid_request_error", "context_length_exceeded", "", Class::Invalid, true),
            ("exceed_context_size_error", "400", "", Class::Invalid, true),
            (
                "invalid_request_error",
                "",
                "prompt is too long: 9 tokens > 8 maximum",
                Class::Invalid,
                true,
            ),
            ("invalid_request_error", "content_policy_violation", "no", Class::Invalid, false),
            ("BadRequestError", "400", "bad schema", Class::Invalid, false),
            ("rate_limit_error", "", "", Class::Throttled, false),
            ("TooManyRequestsError", "429", "", Class::Throttled, false),
            ("insufficient_quota", "insufficient_quota", "", Class::Throttled, false),
            ("InternalServerError", "500", "the context window of the GPU", Class::Server, false),
            ("overloaded_error", "", "Overloaded", Class::Server, false),
            ("server_error", "503", "", Class::Server, false),
            ("", "", "", Class::Server, false),
        ] {
            let fault = fault(kind, code, message);
            assert_eq!((fault.class, fault.context), (class, context), "{kind} {code} {message}");
        }
    }

    #[test]
    fn no_error_inside_an_answer_counts_against_the_replica() {
        assert_eq!(fault("server_error", "503", "").status(), 500);
        assert_eq!(fault("rate_limit_exceeded", "", "").status(), 429);
        assert_eq!(fault("", "400", "").status(), 400);
    }
}
