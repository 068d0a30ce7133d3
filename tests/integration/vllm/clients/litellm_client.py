"""LiteLLM as a client library."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from cases import QUESTION, ROUTER, case, raised, run


def ask(name: str = "chat", **change: object) -> object:
    options = {"max_tokens": 8, "num_retries": 0, "max_retries": 0, "timeout": 120} | change
    return litellm.completion(
        model=f"openai/{name}",
        api_base=f"{ROUTER}/v1",
        api_key="none",
        messages=QUESTION,
        **options,
    )


@case
def an_answer_has_text_and_usage() -> None:
    answer = ask()
    assert answer.choices[0].message.content
    assert 0 < answer.usage.completion_tokens <= 8


@case
def a_stream_has_text() -> None:
    assert "".join(chunk.choices[0].delta.content or "" for chunk in ask(stream=True))


@case
def a_stream_has_usage_where_it_was_asked_for() -> None:
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    (counted,) = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)]
    assert 0 < counted.completion_tokens <= 8


@case
def anthropic_messages_work() -> None:
    answer = litellm.completion(
        model="anthropic/chat", api_base=ROUTER, api_key="none", messages=QUESTION, max_tokens=8
    )
    assert 0 < answer.usage.completion_tokens <= 8


@case
def errors_are_its_own() -> None:
    for name, kind in (
        ("missing", litellm.NotFoundError),
        ("throttled", litellm.RateLimitError),
        ("broken", litellm.InternalServerError),
    ):
        raised(kind, ask, name=name)


run()
