"""Calls OpenAI Chat Completions with the vendor's SDK.

Argument, JSON: model, text, stream, n, repeat, http2, request_file (JSON: parameters beside or
instead of the script's own), and base_url if not the SDK's own. Prints JSON: what came back
(text and texts of all choices, tool), and the time of each call in milliseconds.
"""

import json
import sys
import time

import openai

ask = json.loads(sys.argv[1])
http = openai.DefaultHttpxClient(http2=bool(ask.get("http2")))
options = {"max_retries": 0, "timeout": 10, "http_client": http, "base_url": ask.get("base_url")}
client = openai.OpenAI(api_key="sk-test", **options)
request = {
    "model": ask["model"],
    "n": ask.get("n", 1),
    "messages": [{"role": "user", "content": ask["text"]}],
    "tools": [{"type": "function", "function": {"name": "echo", "parameters": {"type": "object"}}}],
}
if file := ask.get("request_file"):
    request |= json.load(open(file))


def call():
    texts, arguments = [""] * request["n"], ""
    if ask.get("stream"):
        for chunk in client.chat.completions.create(stream=True, **request):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                for part in choice.delta.tool_calls or []:
                    arguments += part.function.arguments or "" if choice.index == 0 else ""
    else:
        for choice in client.chat.completions.create(**request).choices:
            texts[choice.index] += choice.message.content or ""
            for part in choice.message.tool_calls or []:
                arguments += part.function.arguments if choice.index == 0 else ""
    return texts, arguments


got = {"text": "", "texts": [], "tool": None, "ms": [], "error": None}
try:
    for _ in range(ask.get("repeat", 1)):
        start = time.perf_counter()
        texts, arguments = call()
        got["ms"].append((time.perf_counter() - start) * 1000)
    got["text"], got["texts"] = texts[0], texts
    got["tool"] = json.loads(arguments) if arguments else None
except openai.APIError as error:
    got["error"] = {
        "type": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
        "cause": str(error.__cause__ or error),
    }
print(json.dumps(got))
