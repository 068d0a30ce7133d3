//! What routing needs from the body of a request, read while it arrives.
//!
//! A body is taken exactly where a strict parser takes it as an object with a string `model` and no
//! key twice at its top level; keys may be written with escapes, as the engine's parser allows.
//! Where two parsers could read two models, the request is refused (RFC 8259 section 4: the meaning
//! of repeated names is unpredictable).

use std::fmt;

use crate::distinct::Distinct;
use crate::walk::Walker;
use crate::wanted::{self, Node, Span, Value, Visit};

/// What a body says about itself. Offsets count bytes from its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The value of `model`, decoded, not empty; UTF-8.
    pub model: Vec<u8>,
    /// Where it is written, without the quotes.
    pub model_at: Span,
    /// Bytes of the body.
    pub size: usize,
    /// Whether `stream` is `true`.
    pub stream: bool,
    /// Whether it is something else that is neither `false` nor `null`: engines read it in either way.
    pub maybe_stream: bool,
    /// Whether `tools` or `functions` is an array with items.
    pub tools: bool,
    /// The value of `prompt_cache_key` where that is a string, decoded; not always Unicode.
    pub prompt_cache_key: Option<Vec<u8>>,
    /// The value of `previous_response_id` where that is a string, decoded; not always Unicode.
    pub previous_response_id: Option<Vec<u8>>,
    /// What is said about usage in the stream.
    pub stream_options: StreamOptions,
    /// Offset past the brace that opens the object; 0 where the body is no JSON.
    pub inside: usize,
}

/// The value of `stream_options`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum StreamOptions {
    /// The key is not there.
    #[default]
    Absent,
    /// `null`.
    Null(Span),
    /// An object.
    Object {
        /// Where it is, braces included.
        at: Span,
        /// Whether it is `{}`.
        empty: bool,
        /// `include_usage`, where it is there: its value, and where that is written.
        include_usage: Option<(IncludeUsage, Span)>,
    },
    /// Something that engines refuse.
    Other,
}

/// The value of `include_usage`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IncludeUsage {
    /// `true`
    Yes,
    /// `false` or `null`
    No,
    /// Something else.
    Other,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    /// The body is no strict JSON object.
    Body(wanted::Wrong),
    /// This key is there twice at the top level; cut to 64 characters.
    Twice(String),
    /// There is no `model`, or it is empty.
    NoModel,
    /// `model` is no string of Unicode text.
    ModelType,
    /// The form cannot be read (see [`crate::multipart`]).
    Form(&'static str),
}

impl From<wanted::Wrong> for Wrong {
    fn from(wrong: wanted::Wrong) -> Self {
        Wrong::Body(wrong)
    }
}

impl Wrong {
    /// The parameter to name beside the message, as `OpenAI`'s errors do.
    #[must_use]
    pub fn param(&self) -> Option<&'static str> {
        matches!(self, Wrong::NoModel | Wrong::ModelType).then_some("model")
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Body(wrong) => wrong.fmt(f),
            Wrong::Twice(key) => write!(f, "the key {key:?} is there twice"),
            Wrong::NoModel => write!(f, "you must provide a model parameter"),
            Wrong::ModelType => write!(f, "the model parameter must be a string"),
            Wrong::Form(wrong) => write!(f, "{wrong}"),
        }
    }
}

#[derive(Clone, Copy)]
enum Key {
    Model,
    Stream,
    Tools,
    Affinity,
    PreviousResponse,
    StreamOptions,
    IncludeUsage,
}

static TABLE: [Node<Key>; 7] = [
    Node::key("model", Key::Model, usize::MAX, &[]),
    Node::key("stream", Key::Stream, 0, &[]),
    Node::key("tools", Key::Tools, 0, &[]),
    Node::key("functions", Key::Tools, 0, &[]),
    Node::key("prompt_cache_key", Key::Affinity, usize::MAX, &[]),
    Node::key("previous_response_id", Key::PreviousResponse, usize::MAX, &[]),
    Node::key("stream_options", Key::StreamOptions, 0, &STREAM_OPTIONS),
];

static STREAM_OPTIONS: [Node<Key>; 1] = [Node::key("include_usage", Key::IncludeUsage, 0, &[])];

#[derive(Default)]
struct Finder {
    facts: Facts,
    distinct: Distinct,
    include_usage: Option<(IncludeUsage, Span)>,
}

impl Visit for Finder {
    type Path = Key;
    type Error = Wrong;
    const TOP_KEYS: bool = true;

    fn top_key(&mut self, key: &[u8]) -> Result<(), Wrong> {
        if self.distinct.insert(key) {
            return Ok(());
        }
        Err(Wrong::Twice(String::from_utf8_lossy(key).chars().take(64).collect()))
    }

    fn value(&mut self, path: Key, value: Value<'_>, at: Span) -> Result<(), Wrong> {
        let facts = &mut self.facts;
        match (path, value) {
            (Key::Model, Value::Text { text, lone: false, .. }) => {
                facts.model = text.to_vec();
                facts.model_at = (at.0 + 1, at.1 - 1);
            }
            (Key::Model, _) => return Err(Wrong::ModelType),
            (Key::Stream, value) => {
                facts.stream = value == Value::Bool(true);
                facts.maybe_stream = !matches!(value, Value::Bool(_) | Value::Null);
            }
            (Key::Tools, value) => facts.tools |= value == Value::Array { empty: false },
            (Key::Affinity, Value::Text { text, .. }) => {
                facts.prompt_cache_key = Some(text.to_vec());
            }
            (Key::PreviousResponse, Value::Text { text, .. }) => {
                facts.previous_response_id = Some(text.to_vec());
            }
            (Key::Affinity | Key::PreviousResponse, _) => {}
            (Key::StreamOptions, Value::Null) => facts.stream_options = StreamOptions::Null(at),
            (Key::StreamOptions, Value::Object { empty }) => {
                let include_usage = self.include_usage;
                facts.stream_options = StreamOptions::Object { at, empty, include_usage };
            }
            (Key::StreamOptions, _) => facts.stream_options = StreamOptions::Other,
            (Key::IncludeUsage, value) => {
                let asked = match value {
                    Value::Bool(true) => IncludeUsage::Yes,
                    Value::Bool(false) | Value::Null => IncludeUsage::No,
                    _ => IncludeUsage::Other,
                };
                self.include_usage = Some((asked, at));
            }
        }
        Ok(())
    }
}

/// Reads one body in chunks.
pub struct Scanner {
    walker: Walker<Key>,
    finder: Finder,
    wrong: Option<Wrong>,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner { walker: Walker::new(&TABLE), finder: Finder::default(), wrong: None }
    }
}

impl Scanner {
    /// A scanner at the start of a body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Read the next chunk.
    ///
    /// # Errors
    /// Why the request is to be refused; said again by every later call.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if self.finder.facts.inside == 0 {
            let brace = chunk.iter().position(|byte| *byte == b'{');
            self.finder.facts.inside = brace.map_or(0, |at| self.walker.size() + at + 1);
        }
        self.walker
            .feed(chunk, &mut self.finder)
            .inspect_err(|wrong| self.wrong = Some(wrong.clone()))
    }

    /// The body has ended; what it said. The scanner is then used up.
    ///
    /// # Errors
    /// Why the request is to be refused.
    pub fn end(&mut self) -> Result<Facts, Wrong> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        self.walker.end()?;
        let mut facts = std::mem::take(&mut self.finder.facts);
        facts.size = self.walker.size();
        if facts.model.is_empty() {
            return Err(Wrong::NoModel);
        }
        Ok(facts)
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
