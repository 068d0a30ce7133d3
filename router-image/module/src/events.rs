//! What the events of a streamed answer say, for every API: chat, completions and transcriptions
//! (`choices`, or typed `transcript.` events), responses (`response.` events), messages.
//!
//! | event | says |
//! | --- | --- |
//! | comment, `ping`, role, `response.created`, `message_start`, empty delta | nothing |
//! | text, reasoning, refusal, tool call, audio in a delta | output |
//! | `{"error": ...}`, `event: error`, `response.failed` | an error |
//! | `finish_reason` of every choice, `response.completed` or `.incomplete`, `message_stop` | a complete answer |
//! | `[DONE]` | the end, complete or not: clients read nothing after it |
//! | `finish_reason` `abort`, `error` and their like, `response.cancelled` | the engine gave up |
//!
//! Events are read as they arrive, none is held; after the first output [`crate::glance`] passes
//! over plain ones. Where the client did not ask for usage, the event that has only that is cut
//! out; for this the beginning of an event that a chunk was cut in waits for its end, up to
//! [`crate::pass::LONGEST_HELD`] bytes. So does one that may become `[DONE]`: clients take what
//! ends so for whole.

use crate::answer::Reading;
use crate::endpoint::Service;
use crate::fault::{Class, Fault};
use crate::lines::{Lines, Part};
use crate::pass::{Pass, Passing};
use crate::repeat::Repeat;
use crate::said::{Form, Said};
use crate::usage::{Counts, Usage};
use crate::walk::Walker;

/// Bytes of an event's name that are kept.
const LONGEST_NAME: usize = 64;

/// What the stream has come to, in the order in which it can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// No output.
    #[default]
    Nothing,
    /// Output.
    Token,
    /// The event that ends the stream.
    End,
    /// An error; output may have come before it.
    Error,
}

/// How a stream stands that gets no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every choice has its finish reason.
    Complete,
    /// It was cut: something is missing.
    Cut,
    /// It says that the engine gave up.
    Aborted,
    /// It says what went wrong.
    Failed,
}

/// Reads one streamed answer.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own about the stream
pub struct Events {
    lines: Lines,
    walker: Walker<Said>,
    reading: Reading,
    /// Of the event being read: its name, the first bytes of its data, whether it has data, whether
    /// those are JSON so far.
    name: Vec<u8>,
    head: Vec<u8>,
    data: bool,
    broken: bool,
    seen: Seen,
    fault: Option<Fault>,
    outputs: u64,
    malformed: u64,
    present: u128,
    finished: u128,
    complete: bool,
    aborted: bool,
    /// Whether `[DONE]` has come.
    done: bool,
    usage: Usage,
    hide_usage: bool,
    /// The API whose events count; `None`: those of any.
    service: Option<Service>,
    /// Whether something has come, besides output, that is more than a sign of life.
    heard: bool,
    /// Whether the engine said last that it does what it does not show.
    hidden: bool,
    /// Whether an event has begun.
    open: bool,
    passing: Passing,
    repeat: Repeat,
}

impl Events {
    /// A reader at the start of a stream. `hide_usage`: cut out the event that has only usage.
    #[must_use]
    pub fn new(hide_usage: bool) -> Self {
        Events { hide_usage, ..Self::default() }
    }

    /// Of this API: the client reads nothing else, whatever it says.
    #[must_use]
    pub fn of(self, service: Service) -> Self {
        Events { service: Some(service), ..self }
    }

    /// Read the next chunk; returns what the stream has come to.
    pub fn feed(&mut self, chunk: &[u8]) -> Seen {
        let long = self.open && self.data && self.name != b"ping";
        // Where the event that is being read begins in this chunk.
        let mut begin = 0;
        if !self.open {
            begin = self.lines.line_feed(chunk);
        }
        self.passing.chunk_begins(begin);
        let mut i = begin;
        while i < chunk.len() && !self.done {
            if self.seen == Seen::Token && !self.open && self.lines.between() {
                if let Some(plain) = self.repeat.plain_output(&chunk[i..]) {
                    self.outputs += 1;
                    self.present |= plain.choices;
                    i += plain.length;
                    begin = i;
                    continue;
                }
            }
            self.open = true;
            let (part, after) = self.lines.next(chunk, i);
            i = after;
            match part {
                Part::DataLine if self.data => self.data(b"\n"),
                Part::DataLine => self.data = true,
                Part::Data(piece) => self.data(piece),
                Part::NameLine => self.name.clear(),
                Part::Name(piece) => {
                    let room = LONGEST_NAME.saturating_sub(self.name.len());
                    self.name.extend_from_slice(&piece[..piece.len().min(room)]);
                }
                Part::End => {
                    self.event_ends(begin, i);
                    begin = i;
                }
                Part::More => break,
            }
        }
        // A piece out of the middle of a large event is a part of it.
        self.heard |= long && begin == 0;
        if self.open && (self.hide_usage || self.may_end()) {
            self.passing.hold(begin, chunk);
        } else if self.open {
            self.passing.release();
        }
        self.seen
    }

    /// Whether the event being read can become the one that ends the stream: half of it must not go.
    fn may_end(&self) -> bool {
        b"[DONE]".starts_with(&self.head)
    }

    /// What to pass on of the chunk that was fed last.
    #[must_use]
    pub fn pass(&self) -> Pass<'_> {
        self.passing.pass()
    }

    /// What is still held when the stream has ended: to be passed on.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.passing.held()
    }

    /// Events with output so far.
    #[must_use]
    pub fn output_events(&self) -> u64 {
        self.outputs
    }

    /// Whether anything has come, since this was asked last, that brings the client further and is no
    /// output. Comments, pings and empty events bring nobody further, but for those of an engine that has
    /// said that it does what it does not show.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Events so far whose data no client can read.
    #[must_use]
    pub fn malformed_events(&self) -> u64 {
        self.malformed
    }

    /// The first error.
    #[must_use]
    pub fn error(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The counts told so far, the last ones where they were told several times.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        self.usage.counts()
    }

    /// How the stream stands, should it end here.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let choices = self.present != 0 && self.present == self.finished;
        if self.fault.is_some() {
            Ending::Failed
        } else if self.aborted {
            Ending::Aborted
        } else if self.complete || choices {
            Ending::Complete
        } else {
            Ending::Cut
        }
    }

    fn data(&mut self, piece: &[u8]) {
        let room = (b"[DONE]".len() + 1).saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        self.broken = self.broken || self.walker.feed(piece, &mut self.reading).is_err();
    }

    fn event_ends(&mut self, begin: usize, end: usize) {
        self.heard |= self.hidden;
        let only_usage = self.data && !self.head.is_empty() && self.judge();
        self.passing.event_ends(only_usage && self.hide_usage, (begin, end));
        self.name.clear();
        self.head.clear();
        self.reading.clear();
        self.walker.reset();
        (self.data, self.broken, self.open) = (false, false, false);
    }

    /// Note what a complete event says; true where it is nothing but usage.
    fn judge(&mut self) -> bool {
        if self.head == b"[DONE]" {
            self.done = true;
            self.come_to(Seen::End);
            return false;
        }
        if self.broken || self.walker.end().is_err() {
            self.malformed += 1;
            if self.name == b"error" {
                self.fails(Fault { class: Class::Server, context: false, message: String::new() });
            }
            return false;
        }
        let usage = self.reading.usage();
        self.usage.update(&usage);
        let kind = self.kind().to_vec();
        self.heard |= usage.told;
        if let Some(fault) = self.reading.fault(&kind) {
            self.fails(fault);
        } else if let Some(empty) = self.reading.choices {
            self.choices();
            return empty && usage.told;
        } else if self.takes(&kind) {
            self.typed(&kind);
        }
        false
    }

    /// Whether the client takes events of this type.
    fn takes(&self, kind: &[u8]) -> bool {
        match self.service {
            Some(Service::Chat | Service::Completions) => false,
            Some(Service::Responses) => kind.starts_with(b"response."),
            Some(Service::Messages) => {
                kind.starts_with(b"message_") || kind.starts_with(b"content_block_")
            }
            _ => true,
        }
    }

    fn choices(&mut self) {
        let readable = match self.service {
            Some(Service::Chat) => self.reading.are(Form::Delta),
            Some(Service::Completions) => self.reading.are(Form::Text),
            Some(Service::Responses | Service::Messages) => false,
            _ => true,
        };
        self.aborted |= self.reading.aborted;
        if readable {
            self.present |= self.reading.present;
        }
        // The last event of a choice may say no more than that.
        let finished = self.reading.finished & self.present;
        self.heard |= finished != 0;
        self.finished |= finished;
        if readable && self.reading.output {
            self.output();
        }
    }

    /// What the event is: its name goes before its type, as in the clients.
    fn kind(&self) -> &[u8] {
        if self.name.is_empty() || self.name == b"message" {
            &self.reading.kind
        } else {
            &self.name
        }
    }

    fn typed(&mut self, kind: &[u8]) {
        let Reading { block, output, aborted, .. } = &self.reading;
        self.aborted |= aborted;
        if kind == b"content_block_start" || kind == b"response.output_item.added" {
            self.hidden = works_unseen(block);
        }
        let alive = matches!(kind, b"" | b"ping" | b"keepalive");
        self.heard |= !(alive || kind.ends_with(b"delta"));
        match kind {
            b"response.completed"
            | b"response.incomplete"
            | b"message_stop"
            | b"transcript.text.done" => {
                self.complete = true;
                self.come_to(Seen::End);
            }
            b"response.cancelled" => self.aborted = true,
            b"message_delta" => {}
            b"content_block_start" if !matches!(block.as_slice(), b"text" | b"thinking") => {
                self.come_to(Seen::Token);
            }
            _ if *output => self.output(),
            // Output that came without deltas.
            kind if kind.ends_with(b".done") || kind.ends_with(b".partial_image") => {
                self.come_to(Seen::Token);
            }
            _ => {}
        }
    }

    fn output(&mut self) {
        self.outputs += 1;
        self.come_to(Seen::Token);
    }

    fn fails(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.come_to(Seen::Error);
    }

    fn come_to(&mut self, seen: Seen) {
        self.seen = self.seen.max(seen);
    }
}

/// Whether an engine may be silent for as long as it takes, having begun this: it thinks without showing it,
/// or uses a tool of its own.
fn works_unseen(block: &[u8]) -> bool {
    const UNSEEN: [&[u8]; 5] =
        [b"thinking", b"redacted_thinking", b"reasoning", b"server_tool_use", b"mcp_tool_use"];
    let of_client = matches!(block, b"function_call" | b"custom_tool_call");
    UNSEEN.contains(&block) || block.ends_with(b"_call") && !of_client
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
