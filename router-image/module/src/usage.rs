//! Token counts of answers, in one vocabulary for all APIs.
//!
//! | API | prompt | cached | cache creation | completion |
//! | --- | --- | --- | --- | --- |
//! | chat, completions, embeddings | `prompt_tokens` | `prompt_tokens_details.cached_tokens` | `.created_cache_tokens` | `completion_tokens` |
//! | responses, transcriptions | `input_tokens` | `input_tokens_details.cached_tokens` | | `output_tokens` |
//! | messages | sum of `input_tokens` and the two beside it | `cache_read_input_tokens` | `cache_creation_input_tokens` | `output_tokens` |
//!
//! The prompt holds the cached tokens in every row (Anthropic reports them apart). A missing
//! completion is `total_tokens` less the prompt; a missing prompt is `total_tokens`, or counts
//! nothing. All counts of an answer are told or none: none where a count is no whole number.

use crate::answer::Reading;
use crate::fault::Fault;
use crate::said::{Member, Said};
use crate::walk::Walker;
use crate::wanted::Wrong;

/// Tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tokens of the prompt, cached ones among them.
    pub prompt: u64,
    /// Those of the prompt that a cache held.
    pub cached: u64,
    /// Those of the prompt that were written to a cache that is paid for.
    pub cache_creation: u64,
    /// Tokens of the answer, reasoning among them.
    pub completion: u64,
}

/// A count as an API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `prompt_tokens`
    Prompt,
    /// `completion_tokens`
    Completion,
    /// `total_tokens`
    Total,
    /// `prompt_tokens_details.cached_tokens`
    PromptCached,
    /// `prompt_tokens_details.created_cache_tokens`
    PromptCreated,
    /// `input_tokens`
    Input,
    /// `output_tokens`
    Output,
    /// `input_tokens_details.cached_tokens`
    InputCached,
    /// `cache_read_input_tokens`
    CacheRead,
    /// `cache_creation_input_tokens`
    CacheCreation,
}

const NAMES: usize = 10;

/// What stands at one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// Nothing, or `null`.
    #[default]
    Absent,
    /// A count below 2^64.
    Count(u64),
    /// Anything else.
    Bad,
}

/// One usage object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Whether there is one.
    pub told: bool,
    slots: [Slot; NAMES],
}

impl Usage {
    /// Set what stands at a name.
    pub fn set(&mut self, name: Name, slot: Slot) {
        self.slots[name as usize] = slot;
    }

    /// Take what a later event says: its counts replace those of the same name.
    pub fn update(&mut self, later: &Usage) {
        if !later.told {
            return;
        }
        self.told = true;
        for (slot, newer) in self.slots.iter_mut().zip(later.slots) {
            if newer != Slot::Absent {
                *slot = newer;
            }
        }
    }

    /// The counts in the common vocabulary; see the module.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        if !self.told || self.slots.contains(&Slot::Bad) {
            return None;
        }
        let count = |name: Name| match self.slots[name as usize] {
            Slot::Count(count) => Some(count),
            _ => None,
        };
        let read = count(Name::CacheRead);
        let created = count(Name::CacheCreation);
        let beside = read.unwrap_or(0).saturating_add(created.unwrap_or(0));
        let input = count(Name::Input).map(|input| input.saturating_add(beside));
        let total = count(Name::Total);
        let completion = count(Name::Completion).or(count(Name::Output));
        let prompt = match (count(Name::Prompt).or(input), completion) {
            (Some(prompt), _) => prompt,
            (None, None) => total?,
            (None, Some(completion)) => total?.checked_sub(completion)?,
        };
        let completion = match completion {
            Some(completion) => completion,
            None => total?.saturating_sub(prompt),
        };
        let cached = count(Name::PromptCached).or(count(Name::InputCached)).or(read);
        let created = count(Name::PromptCreated).or(created);
        Some(Counts {
            prompt,
            cached: cached.unwrap_or(0).min(prompt),
            cache_creation: created.unwrap_or(0).min(prompt),
            completion,
        })
    }
}

/// Reads a whole answer in chunks: its counts, and the error it may be.
#[derive(Default)]
pub struct Answer {
    walker: Walker<Said>,
    reading: Reading,
    /// The first thing wrong, and the first byte of the piece that it is in.
    wrong: Option<(Wrong, Option<u8>)>,
}

impl Answer {
    /// A reader at the start of an answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Read the next chunk. An answer that is no JSON object tells nothing.
    pub fn feed(&mut self, chunk: &[u8]) {
        if self.wrong.is_some() {
            return;
        }
        if let Err(wrong) = self.walker.feed(chunk, &mut self.reading) {
            self.wrong = Some((wrong, chunk.trim_ascii_start().first().copied()));
        }
    }

    /// What is wrong with it, for a client that reads JSON: it is empty, ends inside, or is something else.
    ///
    /// Arrays are answers too (rerank), and so is what parsers take that are less strict: `NaN`, a byte
    /// order mark.
    #[must_use]
    pub fn unreadable(&self) -> Option<Wrong> {
        match self.wrong {
            None => self.walker.end().err(),
            Some((Wrong::NotAnObject, Some(b'[' | b'\xef'))) => None,
            Some((Wrong::NotAnObject, _)) => Some(Wrong::NotAnObject),
            // Something is behind its end.
            Some((wrong, _)) if self.walker.end().is_ok() => Some(wrong),
            Some(_) => None,
        }
    }

    /// Whether it can be read and surely does not have `member`.
    #[must_use]
    pub fn lacks(&self, member: Member) -> bool {
        match self.wrong {
            None => self.walker.end().is_ok() && !self.reading.has(member),
            // A list is one of the things that some APIs answer with.
            Some((Wrong::NotAnObject, first)) => first == Some(b'[') && member != Member::Anything,
            Some(_) => false,
        }
    }

    /// Whether all that was fed is one JSON object.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.wrong.is_none() && self.walker.end().is_ok()
    }

    /// Its counts; `None` before it is whole.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        self.whole().then(|| self.reading.usage())?.counts()
    }

    /// The error it is; `None` before it is whole.
    #[must_use]
    pub fn error(&self) -> Option<Fault> {
        self.whole().then(|| self.reading.fault(&self.reading.kind))?
    }

    /// Whether it says that the engine gave up.
    #[must_use]
    pub fn aborted(&self) -> bool {
        self.whole() && self.reading.aborted
    }
}

/// The error that a body is, of an answer of any status: `OpenAI`'s, Anthropic's and vLLM's shapes.
#[must_use]
pub fn error_inside(body: &[u8]) -> Option<Fault> {
    let mut answer = Answer::new();
    answer.feed(body);
    answer.error()
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
