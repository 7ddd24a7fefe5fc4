"""An agent's conversation in which every reply calls a tool, over one connection that is kept.

Argument, JSON: api (anthropic, openai), turns, and dir. Every request has the whole history, and a tool's result with new values,
an earlier value and the first one. Leaves what was said in each turn in dir/said.json, and ends with an error where a reply
does not have the values. Prints JSON: the number of turns.
"""

import http.client
import json
import pathlib
import ssl
import sys

ask = json.loads(sys.argv[1])


def said(turn):
    def ip(of):
        return f"10.1.{of // 200}.{of % 200 + 1}"

    values = f"{ip(turn)} i-0c4a1a57e9b3{turn:05x} user{turn}@corp-mail.example {ip(turn // 2)} {ip(0)}"
    line = f"the other services of turn {turn} answer as they did before, and nothing was restarted"
    # As long as what agents' tools say, at least.
    return f"{values} are up; {'; '.join([line] * 6)}."


class Anthropic:
    host, path = "api.anthropic.com", "/v1/messages"
    system = "You are an agent on 10.0.0.2."
    tools = [{"name": "echo", "description": "Runs on 10.0.0.1", "input_schema": {"type": "object"}}]
    opening = {"model": "stub-tool", "max_tokens": 256, "system": system, "tools": tools}
    first = []

    def reply(answer):
        return {"role": "assistant", "content": answer["content"]}

    def input(reply):
        return reply["content"][0]["input"]

    def result(turn, text):
        block = {"type": "tool_result", "tool_use_id": f"toolu_{turn}", "content": [{"type": "text", "text": text}]}
        return {"role": "user", "content": [block]}


class OpenAi:
    host, path = "api.openai.com", "/v1/chat/completions"
    tools = [{"type": "function", "function": {"name": "echo", "description": "Runs on 10.0.0.1"}}]
    opening = {"model": "stub-tool", "tools": tools}
    first = [{"role": "system", "content": "You are an agent on 10.0.0.2."}]

    def reply(answer):
        return answer["choices"][0]["message"]

    def input(reply):
        return json.loads(reply["tool_calls"][0]["function"]["arguments"])

    def result(turn, text):
        return {"role": "tool", "tool_call_id": f"call_{turn}", "content": text}


api = {"anthropic": Anthropic, "openai": OpenAi}[ask["api"]]
connection = http.client.HTTPSConnection(api.host, timeout=20, context=ssl.create_default_context())
messages = [*api.first]
texts = []
for turn in range(ask["turns"]):
    texts.append(said(turn))
    first = {"role": "user", "content": texts[0]}
    messages.append(api.result(turn, texts[turn]) if turn else first)
    body = json.dumps(api.opening | {"messages": messages}, separators=(",", ":"))
    connection.request("POST", api.path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    assert response.status == 200, answer
    reply = api.reply(json.loads(answer))
    assert api.input(reply) == {"text": texts[turn]}, reply
    messages.append(reply)
(pathlib.Path(ask["dir"]) / "said.json").write_text(json.dumps(texts))
print(json.dumps(len(texts)))
