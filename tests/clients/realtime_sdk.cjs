"use strict";
// A realtime session by OpenAI's Node SDK, which builds on `ws`. Argument and answer are those of realtime_sdk.py, but for `by`.

const { default: OpenAI } = require("openai");
const { OpenAIRealtimeWS } = require("openai/realtime/ws");

const { texts } = JSON.parse(process.argv[2]);

const events = [];
const connection = new OpenAIRealtimeWS({ model: "stub" }, new OpenAI({ apiKey: "sk-test" }));
connection.on("error", (error) => {
  throw error;
});

function say(text) {
  const content = [{ type: "input_text", text }];
  connection.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  connection.send({ type: "response.create" });
}

const left = [...texts];
connection.on("event", (event) => {
  events.push(event);
  if (event.type === "session.created") {
    connection.send({ type: "session.update", session: { type: "realtime", instructions: texts[0] } });
  }
  if (event.type !== "session.updated" && event.type !== "response.done") return;
  if (left.length > 0) return say(left.shift());
  connection.close();
  const kinds = events.map(({ type }) => type);
  const of = (type) => events.filter((event) => event.type === type);
  const got = {
    kinds: kinds.filter((kind, at) => kind !== kinds[at - 1]),
    deltas: events.map(({ delta }) => delta ?? "").join(""),
    whole: of("response.done").map(({ response }) => response.output),
    instructions: of("session.updated")[0].session.instructions,
  };
  console.log(JSON.stringify(got));
});
