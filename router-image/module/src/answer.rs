//! What one answer, or one event of it, said of the values in [`crate::said`].

use crate::fault::{Fault, Parts};
use crate::said::{Form, Member, Said, Where};
use crate::usage::{Slot, Usage};
use crate::wanted::{Span, Value, Visit, Wrong};

/// Words of engines and providers that gave up before the answer was whole: `finish_reason` of vLLM and
/// `SGLang` (`abort`, `error`), TensorRT-LLM (`cancelled`, `timeout`), `DeepSeek`
/// (`insufficient_system_resource`), GLM (`network_error`), gateways that name what they met (`error`).
const GIVEN_UP: [&[u8]; 6] = [
    b"abort",
    b"error",
    b"cancelled",
    b"timeout",
    b"insufficient_system_resource",
    b"network_error",
];

/// What one answer or event said.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own about the answer
pub struct Reading {
    /// `type`; empty where there is none.
    pub kind: Vec<u8>,
    /// `content_block.type`, or `item.type`
    pub block: Vec<u8>,
    /// Whether `choices` is an array, and whether it is `[]`.
    pub choices: Option<bool>,
    /// Whether there is output that is not empty.
    pub output: bool,
    /// One bit for each choice that is there, by its index (the last for all above).
    pub present: u128,
    /// One bit for each choice with a finish reason.
    pub finished: u128,
    /// Whether a finish reason, or the status of a response, says that the engine gave up.
    pub aborted: bool,
    /// What all of the choices are: bits of [`Form`].
    forms: u8,
    /// What there is of that which is due, besides choices.
    due: [bool; 8],
    /// Whether something at the top holds something else.
    holds: bool,
    /// Whether `object` is `error`.
    object_error: bool,
    usages: [Usage; 3],
    errors: [Parts; 2],
    top: Parts,
    detail: Parts,
    index: u32,
    finish: bool,
    form: u8,
    /// Whether the item of `data` being read has an embedding, and all before it.
    datum: bool,
    embedding: bool,
}

impl Reading {
    /// Forget what was read; memory is kept.
    pub fn clear(&mut self) {
        for text in [&mut self.kind, &mut self.block] {
            text.clear();
        }
        for parts in self.errors.iter_mut().chain([&mut self.top, &mut self.detail]) {
            parts.clear();
        }
        self.usages = Default::default();
        (self.choices, self.output, self.aborted) = (None, false, false);
        self.due = [false; 8];
        (self.object_error, self.holds, self.forms) = (false, false, 0);
        (self.present, self.finished, self.index, self.finish) = (0, 0, 0, false);
    }

    /// The usage object, wherever it stands.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usages.iter().find(|usage| usage.told).copied().unwrap_or_default()
    }

    /// Whether what is due is there, and of its kind.
    #[must_use]
    pub fn has(&self, member: Member) -> bool {
        match member {
            Member::Message => self.choices == Some(false) && self.are(Form::Message),
            Member::ChoiceText => self.choices == Some(false) && self.are(Form::Text),
            Member::Anything => self.holds,
            _ => self.due[member as usize],
        }
    }

    /// Whether all choices have this form.
    #[must_use]
    pub fn are(&self, form: Form) -> bool {
        self.forms & form as u8 != 0
    }

    /// The error at the top, or the whole where it is one; `kind` is what the event is. `FastAPI`'s
    /// `detail` is an error where nothing else is there that an answer has.
    #[must_use]
    pub fn fault(&self, kind: &[u8]) -> Option<Fault> {
        let parts = if self.errors[0].told {
            &self.errors[0]
        } else if self.object_error || kind == b"error" {
            &self.top
        } else if kind == b"response.failed" {
            &self.errors[1]
        } else if self.detail.told && self.choices.is_none() && !self.usage().told {
            &self.detail
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

    fn form_is(&mut self, form: Form, value: Value<'_>) {
        let right = match form {
            Form::Message | Form::Delta => matches!(value, Value::Object { .. }),
            Form::Text => {
                self.output |= !empty(value);
                matches!(value, Value::Text { .. })
            }
        };
        if right {
            self.form |= form as u8;
        }
    }

    fn choice_ends(&mut self) {
        let bit = 1 << self.index.min(127);
        self.present |= bit;
        self.forms &= self.form;
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
            Said::Choices => self.forms = u8::MAX,
            Said::Choice => (self.index, self.finish, self.form) = (0, false, 0),
            Said::Due(Member::Embedding) => self.embedding = true,
            Said::Datum => self.datum = false,
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
                self.aborted |= GIVEN_UP.contains(&text);
            }
            Said::Status => self.aborted |= matches!(text, b"failed" | b"cancelled"),
            Said::Due(member @ Member::InputTokens) => {
                self.due[member as usize] = matches!(value, Value::Number(_));
            }
            Said::Due(Member::Text) => {
                self.due[Member::Text as usize] = matches!(value, Value::Text { .. });
            }
            Said::Due(Member::Embedding) => {
                self.due[Member::Embedding as usize] =
                    array(value) == Some(false) && self.embedding;
                self.holds |= holds(value);
            }
            Said::Datum => self.embedding &= self.datum,
            Said::Embedding => self.datum = !empty(value),
            Said::Due(member) => {
                self.due[member as usize] = array(value).is_some();
                self.holds |= holds(value);
            }
            Said::Other => self.holds |= holds(value),
            Said::Form(form) => self.form_is(form, value),
            Said::Kind => {
                replace(&mut self.kind, text);
                replace(&mut self.top.kind, text);
            }
            Said::Block => replace(&mut self.block, text),
            Said::Object => self.object_error = text == b"error",
            Said::Code => replace(&mut self.top.code, text),
            Said::Message => replace(&mut self.top.message, text),
            Said::Error(at) => {
                let parts = self.error_of(at);
                parts.told = !empty(value);
                if let Value::Text { text, .. } = value {
                    replace(&mut parts.message, text);
                }
            }
            Said::Detail => {
                self.detail.told = !empty(value);
                replace(&mut self.detail.message, text);
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

/// Whether there is something in it, or at least room for it.
fn holds(value: Value<'_>) -> bool {
    matches!(value, Value::Array { .. } | Value::Object { empty: false })
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
