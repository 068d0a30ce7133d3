"""The official SDKs of OpenAI and Anthropic: their own models behind the router, after one of ours.

The first pool of the route fails always; what answers is the provider.
"""

import anthropic
import openai
from cases import QUESTION, ROUTER, case, run

OURS = "of-the-client"
openai_client = openai.OpenAI(base_url=f"{ROUTER}/v1", api_key=OURS, max_retries=0, timeout=60)
anthropic_client = anthropic.Anthropic(base_url=ROUTER, api_key=OURS, max_retries=0, timeout=60)


@case
def a_chat_has_text_and_usage() -> None:
    answer = openai_client.chat.completions.create(model="chat", messages=QUESTION)
    assert answer.choices[0].message.content == "hello"
    assert answer.usage.total_tokens == 13


@case
def a_stream_of_a_chat_has_text_and_the_usage_that_was_asked_for() -> None:
    options = {"include_usage": True}
    stream = openai_client.chat.completions.create(
        model="chat", messages=QUESTION, stream=True, stream_options=options
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello"
    assert chunks[-1].usage.completion_tokens == 2


@case
def a_message_has_text_and_what_was_cached() -> None:
    answer = anthropic_client.messages.create(model="chat", messages=QUESTION, max_tokens=8)
    assert answer.content[0].text == "hello"
    assert answer.usage.cache_read_input_tokens == 20
    assert answer.usage.cache_creation_input_tokens == 8


@case
def a_stream_of_a_message_has_a_final_message() -> None:
    with anthropic_client.messages.stream(model="chat", messages=QUESTION, max_tokens=8) as stream:
        assert "".join(stream.text_stream) == "hello"
        assert stream.get_final_message().usage.output_tokens == 2


run()
