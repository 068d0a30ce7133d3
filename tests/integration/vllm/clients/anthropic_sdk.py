"""The official Anthropic SDK for Python."""

import asyncio

import anthropic
from cases import HUGE, QUESTION, ROUTER, case, raised, run

client = anthropic.Anthropic(base_url=ROUTER, api_key="none", max_retries=0, timeout=120)
TOOL = {
    "name": "weather",
    "strict": True,
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def message(**change: object) -> object:
    request = {"model": "chat", "messages": QUESTION, "max_tokens": 8} | change
    return client.messages.create(**request)


@case
def a_whole_answer_has_text_and_usage() -> None:
    answer = message()
    assert any(part.type == "text" for part in answer.content)
    assert 0 < answer.usage.output_tokens <= 8
    assert answer.usage.input_tokens > 0


@case
def a_stream_has_text_and_a_final_message() -> None:
    with client.messages.stream(model="chat", messages=QUESTION, max_tokens=8) as stream:
        assert "".join(stream.text_stream)
        assert stream.get_final_message().usage.output_tokens > 0


@case
def a_tool_is_called() -> None:
    answer = message(tools=[TOOL], tool_choice={"type": "tool", "name": "weather"}, max_tokens=200)
    (call,) = [part for part in answer.content if part.type == "tool_use"]
    assert call.input["city"] in ("Oslo", "Rome")


@case
def tokens_are_counted_beforehand() -> None:
    counted = client.messages.count_tokens(model="chat", messages=QUESTION)
    assert counted.input_tokens == message().usage.input_tokens


@case
def a_stream_may_be_given_up() -> None:
    with client.messages.stream(model="chat", messages=QUESTION, max_tokens=1000) as stream:
        next(iter(stream.text_stream))
    assert message().usage.output_tokens > 0


@case
def models_are_listed_in_its_own_shape() -> None:
    assert {"chat", "org/chat"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("org/chat").type == "model"


@case
def an_unknown_model_is_not_found() -> None:
    error = raised(anthropic.NotFoundError, message, model="missing")
    assert error.body["error"]["type"] == "not_found_error"


@case
def a_bad_parameter_is_a_bad_request() -> None:
    raised(anthropic.BadRequestError, message, max_tokens=-1)


@case
def a_body_that_is_too_large_is_refused_readably() -> None:
    huge = [{"role": "user", "content": HUGE}]
    error = raised(anthropic.APIStatusError, message, messages=huge)
    assert error.status_code == 413
    assert error.body["error"]["type"] == "request_too_large"


@case
async def a_body_that_is_too_large_is_refused_readably_to_async_clients() -> None:
    huge = [{"role": "user", "content": HUGE}]
    async with anthropic.AsyncAnthropic(base_url=ROUTER, api_key="none", max_retries=0) as other:
        found = await asyncio.gather(
            other.messages.create(model="chat", messages=huge, max_tokens=8), return_exceptions=True
        )
    assert [getattr(error, "status_code", None) for error in found] == [413]


@case
def the_sdk_retries_by_itself() -> None:
    patient = client.with_options(max_retries=2)
    answer = patient.messages.create(model="flaky", messages=QUESTION, max_tokens=8)
    assert answer.model == "flaky"


@case
def a_throttled_pool_is_a_rate_limit() -> None:
    raised(anthropic.RateLimitError, message, model="throttled")


@case
def a_broken_pool_is_an_internal_error() -> None:
    raised(anthropic.InternalServerError, message, model="broken")


@case
async def async_streams_work() -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=ROUTER, api_key="none") as other,
        other.messages.stream(model="chat", messages=QUESTION, max_tokens=8) as stream,
    ):
        assert [text async for text in stream.text_stream]


run()
