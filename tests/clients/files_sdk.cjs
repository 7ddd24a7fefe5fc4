"use strict";
// Sends files, and requests that stand in files, with the vendor's Node SDK. Argument and answer are those of files_sdk.py.

// Node 18 has it, but not as a global; the SDKs look for it there.
globalThis.File ??= require("node:buffer").File;

const fs = require("node:fs");
const path = require("node:path");
const { default: Anthropic } = require("@anthropic-ai/sdk");
const { default: OpenAI } = require("openai");

const ask = JSON.parse(process.argv[2]);
const report = path.join(ask.dir, "10.77.31.8.csv");
const lines = path.join(ask.dir, "batch.jsonl");
const options = { apiKey: "sk-test", maxRetries: 0, timeout: 10_000 };
const message = { role: "user", content: ask.text };

const told = (file) => ({ name: file.filename, content: file.content });

async function openai() {
  const client = new OpenAI(options);
  const assistant = await client.files.create({ file: fs.createReadStream(report), purpose: "assistants" });
  const batched = await client.files.create({ file: fs.createReadStream(lines), purpose: "batch" });
  const batch = await client.batches.create({
    input_file_id: batched.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { note: ask.text },
  });
  const content = [{ type: "input_file", file_id: assistant.id }, { type: "input_text", text: ask.text }];
  const answer = await client.responses.create({ model: "stub", input: [{ role: "user", content }] });
  return [told(assistant), told(batched), batch.metadata, answer.output_text];
}

async function uploads() {
  const client = new OpenAI(options);
  const bytes = fs.statSync(report).size;
  const filename = path.basename(report);
  const upload = await client.uploads.create({ filename, bytes, mime_type: "text/csv", purpose: "assistants" });
  const part = await client.uploads.parts.create(upload.id, { data: fs.createReadStream(report) });
  const done = await client.uploads.complete(upload.id, { part_ids: [part.id] });
  return [upload.filename, part.content, done.status];
}

async function anthropic() {
  const client = new Anthropic(options);
  const file = await client.beta.files.upload({ file: fs.createReadStream(report) });
  const document = { type: "document", title: ask.text, source: { type: "file", file_id: file.id } };
  const turn = { role: "user", content: [document, { type: "text", text: ask.text }] };
  const betas = ["files-api-2025-04-14"];
  const answer = await client.beta.messages.create({ model: "stub", max_tokens: 9, messages: [turn], betas });
  const params = { model: "stub", max_tokens: 9, messages: [message] };
  const batch = await client.messages.batches.create({ requests: [{ custom_id: "a-1", params }] });
  return [told(file), answer.content[0].text, batch.processing_status];
}

async function main() {
  let got;
  try {
    got = await { openai, uploads, anthropic }[ask.sdk]();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    got = { status: error.status, body: error.error };
  }
  console.log(JSON.stringify(got));
}

main();
