//! The values of interest in an answer or in one event of it, for every API: one table.

use crate::fault::{LONGEST_CODE, LONGEST_MESSAGE};
use crate::usage::Name;
use crate::walk::Walker;
use crate::wanted::Node;

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

/// What a whole answer has to have, by its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// `choices`, at least one, each with a `message`.
    Message,
    /// `choices`, at least one, each with a `text`.
    ChoiceText,
    /// `output`, an array.
    Output,
    /// `content`, an array.
    Content,
    /// `data`, at least one, each with an `embedding`.
    Embedding,
    /// `input_tokens`, a number.
    InputTokens,
    /// `text`, a string.
    Text,
    /// Anything that holds something else: a list, an object.
    Anything,
}

impl Member {
    /// Its key.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Member::Message => "message",
            Member::ChoiceText | Member::Text => "text",
            Member::Output => "output",
            Member::Content => "content",
            Member::Embedding => "embedding",
            Member::InputTokens => "input_tokens",
            Member::Anything => "results",
        }
    }
}

/// What a choice can be: which of them it is, is up to the API and to whether it is streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `message`, of a whole chat completion.
    Message = 1,
    /// `delta`, of a streamed one.
    Delta = 2,
    /// `text`, of completions.
    Text = 4,
}

/// A wanted value.
#[derive(Clone, Copy)]
pub enum Said {
    /// Known and of no interest.
    Nothing,
    /// At the top, and none of those below.
    Other,
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
    /// `detail`, as `FastAPI` words errors.
    Detail,
    /// `status`, of a response.
    Status,
    /// What a whole answer has to have.
    Due(Member),
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
    /// What it is.
    Form(Form),
    /// One item of `data`.
    Datum,
    /// `embedding` of an item.
    Embedding,
    /// `index` of a choice.
    Index,
    /// `finish_reason` of a choice.
    Finish,
    /// Something that is output where it is not empty.
    Output,
    /// `delta` at the top.
    Delta,
    /// `content_block.type`, `item.type`
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
static TABLE: [Node<Said>; 19] = [
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
    Node::key("detail", Said::Detail, LONGEST_MESSAGE, &[]),
    Node::key("status", Said::Status, LONGEST_CODE, &[]),
    Node::key("output", Said::Due(Member::Output), 0, &[]),
    Node::key("content", Said::Due(Member::Content), 0, &[]),
    Node::key("data", Said::Due(Member::Embedding), 0, &[Node::item(Said::Datum, &DATUM)]),
    Node::key("input_tokens", Said::Due(Member::InputTokens), 0, &[]),
    Node::key("text", Said::Due(Member::Text), 0, &[]),
    Node::key("item", Said::Nothing, 0, &[Node::key("type", Said::Block, LONGEST_CODE, &[])]),
    Node::any_key(Said::Other),
];

static DATUM: [Node<Said>; 1] = [Node::key("embedding", Said::Embedding, 0, &[])];

static CHOICE: [Node<Said>; 5] = [
    Node::key("index", Said::Index, LONGEST_COUNT, &[]),
    Node::key(
        "delta",
        Said::Form(Form::Delta),
        0,
        &[Node::key("role", Said::Nothing, 0, &[]), Node::any_key(Said::Output)],
    ),
    Node::key("text", Said::Form(Form::Text), 0, &[]),
    Node::key("message", Said::Form(Form::Message), 0, &[]),
    Node::key("finish_reason", Said::Finish, LONGEST_CODE, &[]),
];

/// `delta` of the messages API is an object; of the others, text.
static DELTA: [Node<Said>; 2] =
    [Node::key("type", Said::Nothing, 0, &[]), Node::any_key(Said::Output)];

static RESPONSE: [Node<Said>; 3] = [
    Node::key("status", Said::Status, LONGEST_CODE, &[]),
    Node::key("usage", Said::Usage(Where::Response), 0, usage!(Where::Response)),
    Node::key("error", Said::Error(Where::Response), LONGEST_MESSAGE, error!(Where::Response)),
];

static MESSAGE: [Node<Said>; 1] =
    [Node::key("usage", Said::Usage(Where::Message), 0, usage!(Where::Message))];

impl Default for Walker<Said> {
    fn default() -> Self {
        Walker::new(&TABLE)
    }
}
