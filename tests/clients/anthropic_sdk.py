"""Calls Anthropic Messages with the vendor's SDK.

Argument, JSON: model, text, stream, repeat, http2, request_file (JSON: parameters beside or
instead of the script's own), and base_url if not the SDK's own. Prints JSON: what came back
(text, tool, thinking, signature, redacted), and the time of each call in milliseconds.
"""

import json
import sys
import time

import anthropic

ask = json.loads(sys.argv[1])
http = anthropic.DefaultHttpxClient(http2=bool(ask.get("http2")))
options = {"max_retries": 0, "timeout": 10, "http_client": http, "base_url": ask.get("base_url")}
client = anthropic.Anthropic(api_key="sk-test", **options)
request = {
    "model": ask["model"],
    "max_tokens": 256,
    "messages": [{"role": "user", "content": ask["text"]}],
    "tools": [{"name": "echo", "description": "Gives text back", "input_schema": {"type": "object"}}],
}
if file := ask.get("request_file"):
    request |= json.load(open(file))


def call():
    if ask.get("stream"):
        with client.messages.stream(**request) as stream:
            return stream.get_final_message()
    return client.messages.create(**request)


got = {"text": "", "tool": None, "thinking": None, "signature": None, "redacted": None, "ms": [], "error": None}
try:
    for _ in range(ask.get("repeat", 1)):
        start = time.perf_counter()
        message = call()
        got["ms"].append((time.perf_counter() - start) * 1000)
    for block in message.content:
        if block.type == "text":
            got["text"] += block.text
        elif block.type == "tool_use":
            got["tool"] = block.input
        elif block.type == "thinking":
            got["thinking"], got["signature"] = block.thinking, block.signature
        elif block.type == "redacted_thinking":
            got["redacted"] = block.data
except anthropic.APIError as error:
    got["error"] = {
        "type": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
        "cause": str(error.__cause__ or error),
    }
print(json.dumps(got))
