"use strict";
// Calls Anthropic Messages, OpenAI Chat Completions and Responses, or Gemini with the vendor's Node SDK, as more_sdks.py does
// with Python's.
//
// Argument, JSON: sdk (messages, chat, responses, gemini), text, and calls: a list of model and stream. Prints JSON, of each
// call: the text, or the arguments of the tool call, and of a stream the kinds of its events, those in a row once.

const assert = require("node:assert");

const ask = JSON.parse(process.argv[2]);
const options = { apiKey: "sk-test", maxRetries: 0, timeout: 10_000 };
const turn = { role: "user", content: ask.text };

async function messages(model, stream, seen) {
  const { default: Anthropic } = require("@anthropic-ai/sdk");
  const tools = [{ name: "echo", description: "Gives text back", input_schema: { type: "object" } }];
  const request = { model, max_tokens: 256, messages: [turn], tools };
  const client = new Anthropic(options);
  const said = ({ content: [block] }) => block.text ?? JSON.stringify(block.input);
  if (!stream) return said(await client.messages.create(request));
  let pieces = "";
  const events = client.messages.stream(request);
  for await (const event of events) {
    seen(event.type);
    pieces += event.delta?.text ?? event.delta?.partial_json ?? "";
  }
  const whole = said(await events.finalMessage());
  assert.equal(whole, pieces);
  return pieces;
}

async function chat(model, stream, seen) {
  const { default: OpenAI } = require("openai");
  const request = { model, messages: [turn], tools: [{ type: "function", function: { name: "echo" } }] };
  const { completions } = new OpenAI(options).chat;
  const said = ({ content, tool_calls }) => content || tool_calls[0].function.arguments;
  if (!stream) return said((await completions.create(request)).choices[0].message);
  let pieces = "";
  const events = completions.stream(request);
  for await (const { choices: [{ delta, finish_reason }] } of events) {
    seen(finish_reason ?? (delta.tool_calls ? "call" : "text"));
    pieces += delta.content ?? delta.tool_calls?.[0].function.arguments ?? "";
  }
  assert.equal(said((await events.finalChatCompletion()).choices[0].message), pieces);
  return pieces;
}

async function responses(model, stream, seen) {
  const { default: OpenAI } = require("openai");
  const client = new OpenAI(options);
  const said = (response) => response.output_text || response.output[0].arguments;
  if (!stream) return said(await client.responses.create({ model, input: [turn] }));
  let pieces = "";
  let whole;
  for await (const event of await client.responses.create({ model, input: [turn], stream })) {
    seen(event.type);
    if (event.type.endsWith(".delta")) pieces += event.delta;
    if (event.type.endsWith("_text.done")) assert.equal(event.text, pieces);
    if (event.type.endsWith("_arguments.done")) assert.equal(event.arguments, pieces);
    if (event.type === "response.completed") whole = event.response.output[0];
  }
  assert.equal(whole.arguments ?? whole.content[0].text, pieces);
  return pieces;
}

async function gemini(model, stream, seen) {
  const { GoogleGenAI } = require("@google/genai");
  const { models } = new GoogleGenAI({ apiKey: "test" });
  const request = { model, contents: ask.text };
  const chunks = stream ? await models.generateContentStream(request) : [await models.generateContent(request)];
  let said = "";
  for await (const chunk of chunks) {
    for (const part of chunk.candidates[0].content.parts ?? []) {
      seen(part.functionCall ? "call" : "text");
      said += part.functionCall ? JSON.stringify(part.functionCall.args) : part.text;
    }
  }
  return said;
}

async function main() {
  const sdk = { messages, chat, responses, gemini }[ask.sdk];
  const got = [];
  for (const { model, stream } of ask.calls) {
    const kinds = [];
    const seen = (kind) => kinds.at(-1) === kind || kinds.push(kind);
    const text = await sdk(model, stream, seen);
    got.push({ text, tool: model.includes("tool") ? JSON.parse(text) : null, kinds });
  }
  console.log(JSON.stringify(got));
}

main();
