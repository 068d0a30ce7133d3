// The official OpenAI SDK for JavaScript.
import assert from "node:assert/strict";
import OpenAI from "openai";

const router = process.env.ROUTER;
const client = new OpenAI({ baseURL: `${router}/v1`, apiKey: "none", maxRetries: 0, timeout: 120_000 });
const messages = [{ role: "user", content: "tell me about the fleet and its router" }];
const ask = (change = {}) => client.chat.completions.create({ model: "chat", messages, max_tokens: 8, ignore_eos: true, ...change });

const city = {
  type: "object",
  properties: { city: { enum: ["Oslo", "Rome"] } },
  required: ["city"],
  additionalProperties: false,
};

const cases = {
  async a_whole_answer_has_text_and_usage() {
    const answer = await ask();
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.usage.completion_tokens, 8);
  },
  async a_plain_loop_over_a_stream_sees_only_chunks_with_choices() {
    let text = "";
    for await (const chunk of await ask({ stream: true })) text += chunk.choices[0].delta.content ?? "";
    assert.ok(text);
  },
  async the_stream_helper_has_a_final_completion() {
    const stream = client.chat.completions.stream({ model: "chat", messages, max_tokens: 8, ignore_eos: true });
    assert.ok((await stream.finalChatCompletion()).choices[0].message.content);
  },
  async a_tool_is_called() {
    const tool = { type: "function", function: { name: "weather", strict: true, parameters: city } };
    const answer = await ask({ tools: [tool], tool_choice: { type: "function", function: { name: "weather" } }, max_tokens: 200 });
    const [call] = answer.choices[0].message.tool_calls;
    assert.match(call.function.arguments, /Oslo|Rome/);
  },
  async log_probabilities_are_told() {
    assert.equal((await ask({ logprobs: true, top_logprobs: 2 })).choices[0].logprobs.content.length, 8);
  },
  async several_choices_come() {
    assert.equal((await ask({ n: 2, temperature: 1 })).choices.length, 2);
  },
  async a_stream_may_be_given_up() {
    const stream = await ask({ stream: true, max_tokens: 1000 });
    for await (const _ of stream) break;
    assert.equal((await ask()).usage.completion_tokens, 8);
  },
  async models_are_listed() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes("chat") && names.includes("org/chat"));
    assert.equal((await client.models.retrieve("org/chat")).id, "org/chat");
  },
  async errors_have_their_types() {
    await assert.rejects(ask({ model: "missing" }), (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
    await assert.rejects(ask({ temperature: -1 }), OpenAI.BadRequestError);
    await assert.rejects(ask({ model: "throttled" }), OpenAI.RateLimitError);
    await assert.rejects(ask({ model: "broken" }), OpenAI.InternalServerError);
  },
  async a_cut_stream_raises() {
    await assert.rejects(async () => {
      for await (const _ of await ask({ model: "cut", stream: true }));
    });
  },
  async the_sdk_retries_by_itself() {
    const answer = await client.chat.completions.create({ model: "flaky", messages }, { maxRetries: 2 });
    assert.equal(answer.choices[0].message.content, "recovered");
  },
};

const found = {};
for (const [name, claim] of Object.entries(cases)) {
  try {
    await claim();
    found[name] = "";
  } catch (error) {
    found[name] = String(error.stack ?? error);
  }
  console.error(`${name}: ${found[name] ? "FAILED" : "ok"}`);
}
console.log(JSON.stringify(found));
