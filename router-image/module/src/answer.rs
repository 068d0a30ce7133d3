//! What is read in an answer or in one event of it, for every API: one table of wanted values.

use crate::fault::{Fault, Parts, LONGEST_CODE, LONGEST_MESSAGE};
use crate::usage::{Name, Slot, Usage};
use crate::walk::{Node, Span, Value, Visit, Wrong};

/// Digits of a number that are kept: one more than 2^64 has, so that what is cut is no count.
const LONGEST_COUNT: usize = 21;

/// Where in an answer an object stands that can stand in several places.
#[derive(Clone, Copy)]
pub enum Where {
    /// At the top.
    Top,
    /// In `response`, in events of the responses API.
    Response,
    /// In `message`, in the first event of the messages API.
    Message,
}

/// A wanted value.
#[derive(Clone, Copy)]
pub enum Said {
    /// Known and of no interest.
    Nothing,
    /// `type`: what the event is.
    Kind,
    /// `object`: what the answer is.
    Object,
    /// `code` at the top.
    Code,
    /// `message` at the top: words, or the object of the messages API.
    Message,
    /// `response`
    Response,
    /// `error`
    Error(Where),
    /// `error.type`
    ErrorKind(Where),
    /// `error.code`
    ErrorCode(Where),
    /// `error.message`
    ErrorMessage(Where),
    /// `usage`
    Usage(Where),
    /// An object of `usage` with more counts: the first and the last name in it.
    Details(Where, Name, Name),
    /// One count.
    Count(Where, Name),
    /// `choices`
    Choices,
    /// One choice.
    Choice,
    /// `index` of a choice.
    Index,
    /// `finish_reason` of a choice.
    Finish,
    /// Something that is output where it is not empty.
    Output,
    /// `delta` at the top.
    Delta,
    /// `content_block.type`
    Block,
}

macro_rules! usage {
    ($at:expr) => {
        &[
            Node::key("prompt_tokens", Said::Count($at, Name::Prompt), LONGEST_COUNT, &[]),
            Node::key("completion_tokens", Said::Count($at, Name::Completion), LONGEST_COUNT, &[]),
            Node::key("total_tokens", Said::Count($at, Name::Total), LONGEST_COUNT, &[]),
            Node::key("input_tokens", Said::Count($at, Name::Input), LONGEST_COUNT, &[]),
            Node::key("output_tokens", Said::Count($at, Name::Output), LONGEST_COUNT, &[]),
            Node::key(
                "cache_read_input_tokens",
                Said::Count($at, Name::CacheRead),
                LONGEST_COUNT,
                &[],
            ),
            Node::key(
                "cache_creation_input_tokens",
                Said::Count($at, Name::CacheCreation),
                LONGEST_COUNT,
                &[],
            ),
            Node::key(
                "prompt_tokens_details",
                Said::Details($at, Name::PromptCached, Name::PromptCreated),
                0,
                &[
                    Node::key(
                        "cached_tokens",
                        Said::Count($at, Name::PromptCached),
                        LONGEST_COUNT,
                        &[],
                    ),
                    Node::key(
                        "created_cache_tokens",
                        Said::Count($at, Name::PromptCreated),
                        LONGEST_COUNT,
                        &[],
                    ),
                ],
            ),
            Node::key(
                "input_tokens_details",
                Said::Details($at, Name::InputCached, Name::InputCached),
                0,
                &[Node::key(
                    "cached_tokens",
                    Said::Count($at, Name::InputCached),
                    LONGEST_COUNT,
                    &[],
                )],
            ),
        ]
    };
}

macro_rules! error {
    ($at:expr) => {
        &[
            Node::key("type", Said::ErrorKind($at), LONGEST_CODE, &[]),
            Node::key("code", Said::ErrorCode($at), LONGEST_CODE, &[]),
            Node::key("message", Said::ErrorMessage($at), LONGEST_MESSAGE, &[]),
        ]
    };
}

/// The values of interest.
pub static TABLE: [Node<Said>; 11] = [
    Node::key("choices", Said::Choices, 0, &[Node::item(Said::Choice, &CHOICE)]),
    Node::key("usage", Said::Usage(Where::Top), 0, usage!(Where::Top)),
    Node::key("type", Said::Kind, LONGEST_CODE, &[]),
    Node::key("error", Said::Error(Where::Top), LONGEST_MESSAGE, error!(Where::Top)),
    Node::key("delta", Said::Delta, 0, &DELTA),
    Node::key("response", Said::Response, 0, &RESPONSE),
    Node::key("message", Said::Message, LONGEST_MESSAGE, &MESSAGE),
    Node::key(
        "content_block",
        Said::Nothing,
        0,
        &[Node::key("type", Said::Block, LONGEST_CODE, &[])],
    ),
    Node::key("object", Said::Object, LONGEST_CODE, &[]),
    Node::key("code", Said::Code, LONGEST_CODE, &[]),
    Node::any_key(Said::Nothing),
];

static CHOICE: [Node<Said>; 4] = [
    Node::key("index", Said::Index, LONGEST_COUNT, &[]),
    Node::key(
        "delta",
        Said::Nothing,
        0,
        &[Node::key("role", Said::Nothing, 0, &[]), Node::any_key(Said::Output)],
    ),
    Node::key("text", Said::Output, 0, &[]),
    Node::key("finish_reason", Said::Finish, LONGEST_CODE, &[]),
];

/// `delta` of the messages API is an object; of the others, text.
static DELTA: [Node<Said>; 2] =
    [Node::key("type", Said::Nothing, 0, &[]), Node::any_key(Said::Output)];

static RESPONSE: [Node<Said>; 2] = [
    Node::key("usage", Said::Usage(Where::Response), 0, usage!(Where::Response)),
    Node::key("error", Said::Error(Where::Response), LONGEST_MESSAGE, error!(Where::Response)),
];

static MESSAGE: [Node<Said>; 1] =
    [Node::key("usage", Said::Usage(Where::Message), 0, usage!(Where::Message))];

/// What one answer or event said.
#[derive(Default)]
pub struct Reading {
    /// `type`; empty where there is none.
    pub kind: Vec<u8>,
    /// `content_block.type`
    pub block: Vec<u8>,
    /// Whether `choices` is an array, and whether it is `[]`.
    pub choices: Option<bool>,
    /// Whether there is output that is not empty.
    pub output: bool,
    /// One bit for each choice that is there, by its index (the last for all above).
    pub present: u128,
    /// One bit for each choice with a finish reason.
    pub finished: u128,
    /// Whether a finish reason says that the engine gave up.
    pub aborted: bool,
    object: Vec<u8>,
    usages: [Usage; 3],
    errors: [Parts; 2],
    top: Parts,
    index: u32,
    finish: bool,
}

impl Reading {
    /// Forget what was read; memory is kept.
    pub fn clear(&mut self) {
        for text in [&mut self.kind, &mut self.block, &mut self.object] {
            text.clear();
        }
        for parts in self.errors.iter_mut().chain([&mut self.top]) {
            parts.clear();
        }
        self.usages = Default::default();
        (self.choices, self.output, self.aborted) = (None, false, false);
        (self.present, self.finished, self.index, self.finish) = (0, 0, 0, false);
    }

    /// The usage object, wherever it stands.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usages.iter().find(|usage| usage.told).copied().unwrap_or_default()
    }

    /// The error at the top, or the whole where it is one; `kind` is what the event is.
    #[must_use]
    pub fn fault(&self, kind: &[u8]) -> Option<Fault> {
        let parts = if self.errors[0].told {
            &self.errors[0]
        } else if self.object == b"error" || kind == b"error" {
            &self.top
        } else if kind == b"response.failed" {
            &self.errors[1]
        } else {
            return None;
        };
        Some(parts.fault())
    }

    fn usage_of(&mut self, at: Where) -> &mut Usage {
        &mut self.usages[at as usize]
    }

    fn error_of(&mut self, at: Where) -> &mut Parts {
        &mut self.errors[usize::from(matches!(at, Where::Response))]
    }

    fn choice_ends(&mut self) {
        let bit = 1 << self.index.min(127);
        self.present |= bit;
        if self.finish {
            self.finished |= bit;
        }
    }
}

impl Visit for Reading {
    type Path = Said;
    type Error = Wrong;

    fn begins(&mut self, path: Said) {
        match path {
            Said::Usage(at) => *self.usage_of(at) = Usage::default(),
            Said::Response => {
                self.errors[1].clear();
                *self.usage_of(Where::Response) = Usage::default();
            }
            Said::Message => *self.usage_of(Where::Message) = Usage::default(),
            Said::Error(at) => self.error_of(at).clear(),
            Said::Details(at, first, last) => {
                self.usage_of(at).set(first, Slot::Absent);
                self.usage_of(at).set(last, Slot::Absent);
            }
            Said::Choice => (self.index, self.finish) = (0, false),
            _ => {}
        }
    }

    fn value(&mut self, path: Said, value: Value<'_>, _at: Span) -> Result<(), Wrong> {
        let text = match value {
            Value::Text { text, .. } | Value::Number(text) => text,
            _ => &[],
        };
        match path {
            Said::Choice => self.choice_ends(),
            Said::Choices => self.choices = array(value),
            Said::Output => self.output |= !empty(value),
            Said::Delta => self.output |= matches!(value, Value::Text { empty: false, .. }),
            Said::Index => self.index = number(text).and_then(|n| n.try_into().ok()).unwrap_or(0),
            Said::Finish => {
                self.finish = !empty(value);
                self.aborted |= matches!(text, b"abort" | b"error");
            }
            Said::Kind => {
                replace(&mut self.kind, text);
                replace(&mut self.top.kind, text);
            }
            Said::Block => replace(&mut self.block, text),
            Said::Object => replace(&mut self.object, text),
            Said::Code => replace(&mut self.top.code, text),
            Said::Message => replace(&mut self.top.message, text),
            Said::Error(at) => {
                let parts = self.error_of(at);
                parts.told = !empty(value);
                if let Value::Text { text, .. } = value {
                    replace(&mut parts.message, text);
                }
            }
            Said::ErrorKind(at) => replace(&mut self.error_of(at).kind, text),
            Said::ErrorCode(at) => replace(&mut self.error_of(at).code, text),
            Said::ErrorMessage(at) => replace(&mut self.error_of(at).message, text),
            Said::Usage(at) => self.usage_of(at).told = matches!(value, Value::Object { .. }),
            Said::Count(at, name) => self.usage_of(at).set(name, slot(value)),
            Said::Nothing | Said::Response | Said::Details(..) => {}
        }
        Ok(())
    }
}

fn replace(to: &mut Vec<u8>, text: &[u8]) {
    to.clear();
    to.extend_from_slice(text);
}

fn array(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Array { empty } => Some(empty),
        _ => None,
    }
}

/// Whether a client that asks "if value" takes it for false.
fn empty(value: Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(digits) => digits == b"0",
        Value::Text { empty, .. } | Value::Array { empty } | Value::Object { empty } => empty,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn slot(value: Value<'_>) -> Slot {
    match value {
        Value::Null => Slot::Absent,
        Value::Number(digits) => number(digits).map_or(Slot::Bad, Slot::Count),
        _ => Slot::Bad,
    }
}
