"""LiteLLM as a client library."""

import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from cases import QUESTION, ROUTER, case, raised, run

CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}


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
def a_tool_is_called() -> None:
    tool = {
        "type": "function",
        "function": {"name": "weather", "strict": True, "parameters": CITY},
    }
    choice = {"type": "function", "function": {"name": "weather"}}
    answer = ask(tools=[tool], tool_choice=choice, max_tokens=200)
    (call,) = answer.choices[0].message.tool_calls
    assert any(city in call.function.arguments for city in ("Oslo", "Rome"))


@case
def structured_output_fits_its_schema() -> None:
    schema = {"name": "city", "strict": True, "schema": CITY}
    answer = ask(response_format={"type": "json_schema", "json_schema": schema}, max_tokens=200)
    assert json.loads(answer.choices[0].message.content)["city"] in ("Oslo", "Rome")


@case
def several_choices_and_log_probabilities_come() -> None:
    answer = ask(n=2, temperature=1, logprobs=True, top_logprobs=2)
    assert len(answer.choices) == 2
    assert answer.choices[0].logprobs


@case
def errors_are_its_own() -> None:
    for name, kind in (
        ("missing", litellm.NotFoundError),
        ("throttled", litellm.RateLimitError),
        ("broken", litellm.InternalServerError),
    ):
        raised(kind, ask, name=name)


run()
