"""LangChain over the OpenAI SDK."""

from typing import Literal

import openai
from cases import ROUTER, case, raised, run
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

WORDS = "tell me about the fleet and its router"


class City(BaseModel):
    """A city."""

    model_config = {"extra": "forbid"}

    name: Literal["Oslo", "Rome"]


def model(name: str = "chat", **change: object) -> ChatOpenAI:
    options = {"max_tokens": 8, "max_retries": 0, "timeout": 120, "temperature": 0} | change
    return ChatOpenAI(model=name, base_url=f"{ROUTER}/v1", api_key="none", **options)


@case
def an_answer_has_text_and_usage() -> None:
    answer = model().invoke(WORDS)
    assert answer.content
    assert 0 < answer.usage_metadata["output_tokens"] <= 8


@case
def tokens_of_a_stream_are_counted_once() -> None:
    whole = model().invoke(WORDS).usage_metadata
    total = None
    for chunk in model(stream_usage=True).stream(WORDS):
        total = chunk if total is None else total + chunk
    assert total.content
    assert total.usage_metadata["output_tokens"] == whole["output_tokens"]
    assert total.usage_metadata["input_tokens"] == whole["input_tokens"]


@case
def structured_output_is_parsed() -> None:
    chain = model(max_tokens=200).with_structured_output(City, method="json_schema")
    assert chain.invoke(WORDS).name in ("Oslo", "Rome")


@case
def a_tool_is_called() -> None:
    bound = model(max_tokens=200).bind_tools([City], tool_choice="City", strict=True)
    assert bound.invoke(WORDS).tool_calls[0]["args"]["name"] in ("Oslo", "Rome")


@case
def batches_work() -> None:
    assert len(model().batch([WORDS, WORDS, WORDS])) == 3


@case
async def async_streams_work() -> None:
    assert [chunk async for chunk in model().astream(WORDS)]


@case
def errors_are_those_of_the_sdk() -> None:
    for name, kind in (
        ("missing", openai.NotFoundError),
        ("throttled", openai.RateLimitError),
        ("broken", openai.InternalServerError),
    ):
        raised(kind, model(name).invoke, input=WORDS)


@case
def retries_work() -> None:
    assert model("flaky", max_retries=2).invoke(WORDS).content == "recovered"


run()
