"""The official OpenAI SDK for Python, sync and async."""

import asyncio
from typing import Literal

import openai
from cases import HUGE, LONG, QUESTION, ROUTER, case, raised, run
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"{ROUTER}/v1", api_key="none", max_retries=0, timeout=120)
patient = client.with_options(max_retries=2)

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
CHOICE = {"type": "function", "function": {"name": "weather"}}


EIGHT = {"ignore_eos": True}
"""For vLLM: an answer of exactly `max_tokens` tokens."""


class City(BaseModel):
    name: Literal["Oslo", "Rome"]


def chat(**change: object) -> object:
    request = {"model": "chat", "messages": QUESTION, "max_tokens": 8} | change
    return client.chat.completions.create(**request, extra_body=EIGHT)


def calling(**change: object) -> object:
    return client.chat.completions.create(
        model="chat", messages=QUESTION, tools=[TOOL], tool_choice=CHOICE, max_tokens=200, **change
    )


@case
def a_whole_answer_has_text_and_usage() -> None:
    answer = chat()
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


@case
def a_plain_loop_over_a_stream_sees_only_chunks_with_choices() -> None:
    text, reason = "", None
    for chunk in chat(stream=True):
        text += chunk.choices[0].delta.content or ""
        reason = chunk.choices[0].finish_reason or reason
        assert chunk.usage is None
    assert text
    assert reason == "length"


@case
def usage_that_was_asked_for_comes_once_and_last() -> None:
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 8


@case
def a_tool_is_called() -> None:
    answer = calling()
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert any(city in call.function.arguments for city in ("Oslo", "Rome"))


@case
def a_tool_call_streams() -> None:
    arguments = ""
    for chunk in calling(stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            arguments += call.function.arguments or ""
    assert any(city in arguments for city in ("Oslo", "Rome"))


@case
def structured_output_is_parsed() -> None:
    answer = client.chat.completions.parse(
        model="chat", messages=QUESTION, response_format=City, max_tokens=200
    )
    assert answer.choices[0].message.parsed.name in ("Oslo", "Rome")


@case
def several_choices_come_whole_and_as_a_stream() -> None:
    assert len(chat(n=2, temperature=1).choices) == 2
    seen = {c.index for chunk in chat(n=2, temperature=1, stream=True) for c in chunk.choices}
    assert seen == {0, 1}


@case
def log_probabilities_are_told() -> None:
    answer = chat(logprobs=True, top_logprobs=2)
    assert len(answer.choices[0].logprobs.content) == 8


@case
def old_completions_work() -> None:
    whole = client.completions.create(
        model="chat", prompt="the fleet", max_tokens=4, extra_body=EIGHT
    )
    assert whole.usage.completion_tokens == 4
    parts = client.completions.create(
        model="chat", prompt="the fleet", max_tokens=4, stream=True, extra_body=EIGHT
    )
    assert "".join(chunk.choices[0].text for chunk in parts)


@case
def responses_work() -> None:
    answer = client.responses.create(model="chat", input="the fleet", max_output_tokens=8)
    assert 0 < answer.usage.output_tokens <= 8
    events = [
        event.type
        for event in client.responses.create(
            model="chat", input="the fleet", max_output_tokens=8, stream=True
        )
    ]
    assert events[0] == "response.created"
    assert "response.output_text.delta" in events
    assert events[-1] in ("response.completed", "response.incomplete")


@case
def models_are_listed_and_found_by_name() -> None:
    assert {"chat", "org/chat"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("org/chat").id == "org/chat"
    error = raised(openai.NotFoundError, client.models.retrieve, model="missing")
    assert error.code == "model_not_found"


@case
def a_name_with_a_slash_is_served() -> None:
    assert chat(model="org/chat").usage.completion_tokens == 8


@case
def a_stream_may_be_given_up() -> None:
    stream = chat(stream=True, max_tokens=1000)
    next(iter(stream))
    stream.close()
    assert chat().usage.completion_tokens == 8


@case
def an_unknown_model_is_not_found() -> None:
    error = raised(openai.NotFoundError, chat, model="missing")
    assert (error.code, error.param) == ("model_not_found", "model")


@case
def a_bad_parameter_is_a_bad_request() -> None:
    raised(openai.BadRequestError, chat, temperature=-1)
    raised(openai.BadRequestError, chat, temperature=-1, stream=True)


@case
def a_prompt_that_is_too_long_is_a_bad_request() -> None:
    raised(openai.BadRequestError, chat, messages=[{"role": "user", "content": LONG}])


@case
def a_body_that_is_too_large_is_refused_readably() -> None:
    huge = [{"role": "user", "content": HUGE}]
    error = raised(openai.APIStatusError, chat, messages=huge)
    assert error.status_code == 413
    assert "8388608" in error.message


@case
async def a_body_that_is_too_large_is_refused_readably_to_async_clients() -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{ROUTER}/v1", api_key="none", max_retries=0, timeout=120
    ) as other:
        huge = [{"role": "user", "content": HUGE}]
        found = await asyncio.gather(
            other.chat.completions.create(model="chat", messages=huge), return_exceptions=True
        )
        assert [getattr(error, "status_code", None) for error in found] == [413]


@case
def a_throttled_pool_is_a_rate_limit_with_its_wait() -> None:
    error = raised(openai.RateLimitError, chat, model="throttled")
    assert error.response.headers["retry-after"] == "7"


@case
def a_broken_pool_is_an_internal_error() -> None:
    raised(openai.InternalServerError, chat, model="broken")


@case
def the_sdk_retries_by_itself() -> None:
    answer = patient.chat.completions.create(model="flaky", messages=QUESTION)
    assert answer.choices[0].message.content == "recovered"


@case
def a_cut_stream_raises() -> None:
    error = raised(openai.APIError, lambda: list(chat(model="cut", stream=True)))
    assert "broken" in str(error).lower() or "cut" in str(error).lower()


@case
def a_silent_pool_is_a_timeout_of_the_client() -> None:
    hasty = client.with_options(timeout=1)
    raised(openai.APITimeoutError, hasty.chat.completions.create, model="silent", messages=QUESTION)


@case
async def async_streams_work() -> None:
    async with openai.AsyncOpenAI(base_url=f"{ROUTER}/v1", api_key="none", timeout=120) as other:
        text = ""
        stream = await other.chat.completions.create(
            model="chat", messages=QUESTION, max_tokens=8, stream=True, extra_body=EIGHT
        )
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
        assert text


run()
